//! What the visitor can choose beside target, similarity and embeddings: an adapter of
//! their own, filters, a second method, and files to take away.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::Path;
use thirtyfour::prelude::*;
use tupate_e2e::{Journey, Page, Source, Tolerate, pack, rank, settings, tune, until};

async fn texts(page: &Page, hook: &str) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll(`[data-testid='${arguments[0]}']`)]
        .map((e) => e.innerText);";
    Ok(page.browser().execute(script, vec![hook.into()]).await?.convert()?)
}

/// Chooses an entry of a list by its value, as a visitor's browser does.
async fn select(page: &Page, hook: &str, value: &str) -> Result<()> {
    let script = "const list = document.querySelector(`[data-testid='${arguments[0]}']`);
        list.value = arguments[1];
        list.dispatchEvent(new Event('change', { bubbles: true }));
        return list.value;";
    let arguments = vec![hook.into(), value.into()];
    let now: String = page.browser().execute(script, arguments).await?.convert()?;
    ensure!(now == value, "{hook} has no entry {value}");
    Ok(())
}

/// Waits until the element of this id has the focus.
pub async fn focus_is(page: &Page, id: &str) -> Result<()> {
    until(&format!("{id} to have the focus"), async || {
        let script = "return document.activeElement.id;";
        let found: String = page.browser().execute(script, Vec::new()).await?.convert()?;
        ensure!(found == id, "{found:?} has it");
        Ok(())
    })
    .await
}

/// Opens the files of an adapter's folder, as a visitor who marks them all.
async fn open_adapter(page: &Page, folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path().display().to_string());
    }
    Ok(page.find("adapter-files").await?.send_keys(files.join("\n")).await?)
}

#[tokio::test]
async fn adapters_by_every_method_are_ranked_together() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let runs = folder.path().join("runs");
    let tasks = ["sample_topic", "sample_sentiment", "sample_entailment"];
    tune(&tasks, "lora,bitfit", &runs)?;
    let zoo = folder.path().join("methods.safetensors");
    let advice = ["--prefer", "ensemble.early,cosine"].map(OsStr::new);
    let packed: Vec<_> = tasks[1..].iter().map(|task| runs.join(task)).collect();
    pack(&packed, "Two methods", &advice, &zoo)?;
    let journey = Journey::start("adapters", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let own = runs.join("sample_topic");
            let by = |folder: &Path, method: &str| {
                rank(&zoo, &folder.display().to_string(), method, "cosine")
            };
            // One has its own method, and it is said what all would take.
            open_adapter(page, &own.join("lora/early")).await?;
            let card = page.find("guest").await?.text().await?;
            ensure!(card.contains("For Ensemble, early, open its adapters by"), "{card}");
            page.until_ranked(&by(&own, "lora.early")?).await?;
            ensure!(card.contains("Ranked for sample_topic"), "{card}");
            open_adapter(page, &own.join("bitfit/early")).await?;
            page.until_ranked(&by(&own, "ensemble.early")?).await?;
            let card = page.find("guest").await?.text().await?;
            ensure!(card.contains("compared together: Ensemble, early."), "{card}");
            let state = page.state().await?;
            ensure!(state.set.as_deref() == Some("ensemble.early"), "{:?} is pressed", state.set);
            page.browser().picture(&settings::artifacts()?.join("adapters.png")).await?;
            // Each is still there alone, and those who are not there are not waited for.
            page.click("set-lora.early").await?;
            page.until_ranked(&by(&own, "lora.early")?).await?;
            let card = page.find("guest").await?.text().await?;
            ensure!(card.contains("compared with the zoo's LoRA, early"), "{card}");
            page.click("set-bitfit.early").await?;
            page.until_ranked(&by(&own, "bitfit.early")?).await?;
            // Another task's begins anew.
            let other = runs.join("sample_sentiment");
            open_adapter(page, &other.join("lora/late")).await?;
            page.until_ranked(&by(&other, "lora.late")?).await?;
            // Of a folder, what lies in folders within it is not taken for it.
            let folder = page.find("adapter-folder").await?;
            folder.send_keys(other.join("lora").display().to_string()).await?;
            let state = page.until("the refusal", |state| state.error.is_some()).await?;
            let error = state.error.unwrap_or_default();
            ensure!(error.contains("folders early and late"), "{error}");
            folder.send_keys(other.join("bitfit/late").display().to_string()).await?;
            page.until_ranked(&by(&other, "bitfit.late")?).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn an_adapter_of_this_device() -> Result<()> {
    let zoo = settings::zoo()?;
    let run = settings::run("sample_topic")?;
    let journey = Journey::start("adapter", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let folder = run.join("late");
            open_adapter(page, &folder).await?;
            let card = page.find("guest").await?.text().await?;
            ensure!(card.contains("nothing was uploaded"), "it does not say so: {card}");
            let state = page.state().await?;
            let similarity = state.similarity.context("no similarity is chosen")?;
            let expected = rank(&zoo, &folder.display().to_string(), "lora", &similarity)?;
            page.until_ranked(&expected).await?;
            let title = page.browser().title().await?;
            // Folders of before do not name their task.
            let named = title.contains("sample_topic") || title.contains("your adapter");
            ensure!(named, "the tab is called {title}");
            page.click("guest-close").await?;
            focus_is(page, "answer-head").await?;
            page.until("the zoo's own target", |state| state.sources != expected).await?;

            // A pickle is refused with what to do.
            let wrong = tempfile::TempDir::new()?;
            let (config, pickle) =
                (wrong.path().join("adapter_config.json"), wrong.path().join("adapter_model.bin"));
            std::fs::copy(run.join("late/adapter_config.json"), &config)?;
            std::fs::write(&pickle, b"\x80\x02}q\x00.")?;
            let both = format!("{}\n{}", config.display(), pickle.display());
            page.find("adapter-files").await?.send_keys(both).await?;
            let state = page.until("the refusal", |state| state.error.is_some()).await?;
            let error = state.error.unwrap_or_default();
            ensure!(error.contains("safetensors"), "what to do is not said: {error}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn filters_are_part_of_the_link() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("filters", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |journey, page| {
            let all = page.load("").await?;
            let sizes: Vec<u64> = texts(page, "source")
                .await?
                .iter()
                .filter_map(|row| {
                    let before = row.split(" example").next()?;
                    before.rsplit([' ', '\n']).next()?.replace(',', "").parse().ok()
                })
                .collect();
            ensure!(sizes.len() == all.sources.len(), "no sizes in the rows: {sizes:?}");
            let most = *sizes.iter().min().context("no sources")?;
            page.click("filters").await?;
            let field = page.find("filter-max").await?;
            field.send_keys(most.to_string()).await?;
            page.press(Key::Tab).await?;
            let left = sizes.iter().filter(|size| **size <= most).count();
            let state =
                page.until("the sources to be fewer", |state| state.sources.len() == left).await?;
            ensure!(state.sources[0].rank == 1, "ranks do not count anew: {state:#?}");
            ensure!(state.fragment.contains(&format!("filter.max={most}")), "not in the link");

            let other = journey.another_browser().await?;
            let seen = other.load(state.fragment.trim_start_matches('#')).await?;
            ensure!(seen.sources == state.sources, "the link shows something else: {seen:#?}");
            other.into_browser().quit().await?;

            page.click("filter-none").await?;
            page.until("all sources", |state| state.sources.len() == all.sources.len()).await?;
            // There is nothing more to show, and the keyboard goes on from where it was.
            let focused = page.focused("testid").await?;
            ensure!(focused.as_deref() == Some("filter-none"), "{focused:?} has the focus");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_second_method_beside_the_first() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("beside", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            let own = state.set.context("no set is chosen")?;
            let other = page.sets().await?.into_iter().find(|set| *set != own);
            let other = other.context("the zoo under test has one set only")?;
            select(page, "beside", &other).await?;
            let target = page.targets().await?.remove(0);
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let state = page.until("the target", |s| s.fragment.contains(&mark)).await?;
            let similarity = state.similarity.context("no similarity is chosen")?;
            let expected = rank(&zoo, &target, &other, &similarity)?;
            until("the ranks of the other method", async || {
                let script = "return [...document.querySelectorAll('[data-testid=\"source\"]')]
                    .map((e) => [e.dataset.task,
                        Number(e.querySelector('[data-testid=\"other\"]')?.dataset.rank)]);";
                let shown = page.browser().execute(script, Vec::new()).await?;
                let mut shown: Vec<(String, usize)> = shown.convert()?;
                shown.sort_by_key(|(_, rank)| *rank);
                let right: Vec<_> = expected.iter().map(|s| (s.task.clone(), s.rank)).collect();
                ensure!(shown == right, "shown {shown:?}, should be {right:?}");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn files_to_take_away() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("files", &[&zoo]).await?;
    let folder = tempfile::TempDir::new()?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.browser().save_to(folder.path()).await?;
            let state = page.load("").await?;
            let sources: Vec<Source> = state.sources;
            let names = [
                ("csv", "csv"),
                ("json", "json"),
                ("table", "tex"),
                ("svg", "svg"),
                ("png", "png"),
            ];
            for (hook, ending) in names {
                page.click(&format!("save-{hook}")).await?;
                let saved = until(&format!("the {ending} file"), async || {
                    let mut files = std::fs::read_dir(folder.path())?.flatten();
                    let found = files.find(|f| f.path().extension().is_some_and(|e| e == ending));
                    let bytes = std::fs::read(found.context("not there yet")?.path())?;
                    ensure!(!bytes.is_empty(), "empty so far");
                    Ok(bytes)
                })
                .await?;
                match ending {
                    "csv" => {
                        let text = String::from_utf8(saved)?;
                        ensure!(text.lines().count() == sources.len() + 1, "rows: {text}");
                        let first = text.lines().nth(1).unwrap_or_default();
                        ensure!(
                            first.starts_with(&format!("1,{},", sources[0].task)),
                            "not the first source: {first}"
                        );
                    }
                    "json" => {
                        let value: serde_json::Value = serde_json::from_slice(&saved)?;
                        ensure!(value["sources"][0]["task"] == sources[0].task, "{value}");
                    }
                    "png" => ensure!(saved.starts_with(b"\x89PNG\r\n"), "not a PNG"),
                    "svg" => ensure!(saved.starts_with(b"<svg"), "not an SVG"),
                    _ => ensure!(saved.windows(8).any(|w| w == b"\\caption"), "no caption"),
                }
            }
            Ok(())
        })
        .await
}
