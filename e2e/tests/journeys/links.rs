//! Links: what they promise, and that they lead back.

use crate::{fragment, sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use tupate_e2e::{Journey, Origin, Sharing, State, Tolerate, rank, settings, until};

#[tokio::test]
async fn a_zoo_that_is_not_the_one_of_the_link() -> Result<()> {
    let zoo = settings::zoo()?;
    let bytes = zoo_bytes()?;
    let digest = sha256(&bytes);
    let origin = Origin::start(Sharing::Everyone, [("moved.safetensors", bytes)]).await?;
    let journey = Journey::start("wrong-hash", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let target = page.targets().await?.pop().context("no targets")?;
            let expected = "0".repeat(64);
            let url = origin.url("moved.safetensors");
            let link = fragment(&[("zoo", &url), ("sha256", &expected), ("target", &target)]);
            let state = page.load(&link).await?;
            let notice = state.notice.as_deref().context("no notice that the zoo is another")?;
            ensure!(notice.contains(&digest[..8]), "the notice does not say which: {notice}");
            ensure!(state.sources.is_empty(), "the other zoo is shown unasked: {state:#?}");

            page.click("use-anyway").await?;
            let taken =
                |state: &State| state.sha256.as_ref() == Some(&digest) && state.notice.is_none();
            let state = page.until("the zoo to be used", taken).await?;
            let set = state.set.context("no set is chosen")?;
            let similarity = state.similarity.context("no similarity is chosen")?;
            page.until_ranked(&rank(&zoo, &target, &set, &similarity)?).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_copied_link_leads_to_the_same_view() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("copied-link", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |journey, page| {
            page.browser().allow_clipboard().await?;
            page.load("").await?;
            let target = page.targets().await?.pop().context("no targets")?;
            let similarity = page.similarities().await?.pop().context("no similarities")?;
            let set = page.sets().await?.pop().context("no sets")?;
            page.choose_target(&target).await?;
            page.click(&format!("similarity-{similarity}")).await?;
            page.click(&format!("set-{set}")).await?;
            let expected = rank(&zoo, &target, &set, &similarity)?;
            let sent = page.until_ranked(&expected).await?;
            page.click("copy-link").await?;
            let link = until("the link to be on the clipboard", async || {
                let text = page.clipboard().await?;
                ensure!(text.starts_with("http://"), "the clipboard holds {text:?}");
                Ok(text)
            })
            .await?;
            let digest = sha256(&zoo_bytes()?);
            ensure!(link.contains(&digest), "the link does not pin the zoo: {link}");

            // Somebody else, who was never here.
            let friend = journey.another_browser().await?;
            let received = friend.open(&link).await?;
            friend.until_ranked(&expected).await?;
            ensure!(
                (&received.set, &received.similarity, &received.target, &received.sha256)
                    == (&sent.set, &sent.similarity, &sent.target, &sent.sha256),
                "the link shows {received:#?}, not {sent:#?}"
            );
            friend.into_browser().quit().await
        })
        .await
}

#[tokio::test]
async fn the_back_button_leads_back() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("back-button", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let start = page.load("").await?;
            let set = start.set.as_deref().context("no set is chosen")?;
            let similarity = start.similarity.as_deref().context("no similarity is chosen")?;
            let targets = page.targets().await?;
            let (first, second) = (&targets[1], &targets[2]);
            let first_ranking = rank(&zoo, first, set, similarity)?;
            let second_ranking = rank(&zoo, second, set, similarity)?;
            page.choose_target(first).await?;
            page.until_ranked(&first_ranking).await?;
            page.choose_target(second).await?;
            page.until_ranked(&second_ranking).await?;
            page.browser().back().await?;
            let state = page.until_ranked(&first_ranking).await?;
            let mark = format!("target={first}");
            ensure!(state.fragment.contains(&mark), "the address lags: {}", state.fragment);
            page.browser().forward().await?;
            page.until_ranked(&second_ranking).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_link_with_the_zoo_inside() -> Result<()> {
    let zoo = settings::zoo()?;
    let digest = sha256(&zoo_bytes()?);
    // The server has none: what the receiver sees can only come from the link.
    let journey = Journey::start("inline", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |journey, page| {
            page.browser().allow_clipboard().await?;
            page.load("").await?;
            page.open_file(&zoo).await?;
            let taken = |state: &State| state.sha256.as_ref() == Some(&digest);
            page.until("the zoo to be open", taken).await?;
            let target = page.targets().await?.pop().context("no targets")?;
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let sent = page.until("the target", |s| s.fragment.contains(&mark)).await?;
            page.click("copy-inline").await?;
            let link = until("the link to be copied", async || {
                let link = page.clipboard().await?;
                ensure!(link.contains("data="), "the clipboard has {link}");
                Ok(link)
            })
            .await?;

            let other = journey.another_browser().await?;
            let seen = other.open(&link).await?;
            ensure!(seen.sources == sent.sources, "another view: {seen:#?}");
            ensure!(seen.sha256 == sent.sha256, "another zoo: {seen:#?}");
            // A link that was cut on its way says so.
            let error = other.open(&link[..link.len() - 2000]).await?.error;
            let error = error.context("a cut link opens")?;
            ensure!(error.contains("cut"), "the reason is not named: {error}");
            other.into_browser().quit().await
        })
        .await
}
