//! The way most visitors go: open the page, choose a target, read the answer.

use crate::truth::tasks;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use tempfile::TempDir;
use thirtyfour::Key;
use tupate_e2e::{Journey, Page, State, Tolerate, pack, rank, settings};

/// Checks what is shown against the command line, for the set and similarity
/// that are chosen.
async fn check(page: &Page, target: &str, state: &State) -> Result<()> {
    let set = state.set.as_deref().context("no embedding set is chosen")?;
    let similarity = state.similarity.as_deref().context("no similarity is chosen")?;
    let expected = rank(&settings::zoo()?, target, set, similarity)?;
    let state = page.until_ranked(&expected).await?;
    let sentence = state.sentence.context("no sentence says what this means")?;
    ensure!(!sentence.trim().is_empty(), "the sentence is empty");
    ensure!(state.error.is_none(), "an error is shown: {:?}", state.error);
    Ok(())
}

#[tokio::test]
async fn by_mouse() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("by-mouse", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            ensure!(state.zoo.is_some(), "the served zoo is not open: {state:#?}");
            ensure!(state.error.is_none(), "an error is shown: {:?}", state.error);
            let targets = page.targets().await?;
            ensure!(targets.len() >= 4, "the zoo under test has only {targets:?}");
            // The first and the last of the list: one of them is not what the
            // page began with.
            for target in [&targets[0], &targets[targets.len() - 1]] {
                page.choose_target(target).await?;
                let mark = format!("target={target}");
                for similarity in page.similarities().await? {
                    page.click(&format!("similarity-{similarity}")).await?;
                    let state = page
                        .until("the choice to be taken", |state| {
                            state.similarity.as_ref() == Some(&similarity)
                                && state.fragment.contains(&mark)
                        })
                        .await?;
                    check(page, target, &state).await?;
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn by_embedding_set() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("by-embedding-set", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let target = page.targets().await?.remove(1);
            page.choose_target(&target).await?;
            for set in page.sets().await? {
                page.click(&format!("set-{set}")).await?;
                let state = page
                    .until("the set to be taken", |state| state.set.as_ref() == Some(&set))
                    .await?;
                check(page, &target, &state).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn as_the_zoos_makers_advise() -> Result<()> {
    let folder = TempDir::new()?;
    let zoo = folder.path().join("advised.safetensors");
    let runs: Result<Vec<_>> = tasks()?.iter().map(|task| settings::run(task)).collect();
    let advice = ["--prefer", "lora.early,centred"].map(OsStr::new);
    pack(&runs?, "Advised samples", &advice, &zoo)?;
    let journey = Journey::start("advised", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            let chosen = (state.set.as_deref(), state.similarity.as_deref());
            ensure!(chosen == (Some("lora.early"), Some("centred")), "{chosen:?} are chosen");
            let target = page.targets().await?.swap_remove(0);
            page.until_ranked(&rank(&zoo, &target, "lora.early", "centred")?).await?;
            // What a link names goes before.
            let state = page.load("similarity=cosine").await?;
            let chosen = (state.set.as_deref(), state.similarity.as_deref());
            ensure!(chosen == (Some("lora.late"), Some("cosine")), "{chosen:?} are chosen");
            page.until_ranked(&rank(&zoo, &target, "lora.late", "cosine")?).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn by_keyboard_alone() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("by-keyboard", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            page.tab_to("target-input").await?;
            // Twice: whatever was chosen before, this is another one.
            page.press(Key::Down).await?;
            page.press(Key::Down).await?;
            let target = tupate_e2e::until("an option to be reached", async || {
                page.focused("task").await?.context("the arrow key reaches no option")
            })
            .await?;
            page.press(Key::Enter).await?;
            let mark = format!("target={target}");
            let state = page
                .until("the target to be taken", |state| state.fragment.contains(&mark))
                .await?;
            check(page, &target, &state).await?;

            page.tab_to("ways").await?;
            page.press(Key::Enter).await?;
            page.tab_to("similarity-").await?;
            page.press(Key::Right).await?;
            let before = state.similarity;
            let state = page
                .until("another similarity", |state| {
                    state.similarity.is_some() && state.similarity != before
                })
                .await?;
            check(page, &target, &state).await
        })
        .await
}
