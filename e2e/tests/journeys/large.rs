//! Large zoos in one file: ranked in a worker, kept and shared as any zoo.

use crate::keeping::{turn, until_kept};
use crate::{fragment, sha256};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tupate_e2e::{Journey, Origin, Sharing, Source, State, Tolerate, import, rank, until};

/// Tasks whose facts fill a header that counts as large.
const TASKS: usize = 20_000;
/// What a header may be, in bytes, before the page has a worker open the file.
const HEADER: u64 = 2 << 20;
/// Sources that a page draws at first.
const DRAWN: usize = 100;
/// The file's name on its host.
const NAME: &str = "large.safetensors";

fn large() -> Result<(TempDir, PathBuf, Vec<u8>)> {
    let zoo = import(TASKS, 8, 11)?;
    let header = zoo.first_chunk().map(|length| u64::from_le_bytes(*length));
    ensure!(header.is_some_and(|length| length > HEADER), "a header of {header:?} bytes");
    let folder = TempDir::new()?;
    let path = folder.path().join(NAME);
    std::fs::write(&path, &zoo)?;
    Ok((folder, path, zoo))
}

/// What the command line says, as far as the page draws it at first.
fn expected(zoo: &Path, target: &str, similarity: &str) -> Result<Vec<Source>> {
    let mut sources = rank(zoo, target, "imported", similarity)?;
    sources.truncate(DRAWN);
    Ok(sources)
}

#[tokio::test]
async fn a_large_file_is_ranked_kept_and_shared() -> Result<()> {
    let (_folder, path, zoo) = large()?;
    let origin = Origin::start(Sharing::Everyone, [(NAME, zoo.clone())]).await?;
    let journey = Journey::start("large", &[]).await?;
    let host = origin.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    journey
        .travel(Tolerate::Host(host), async |journey, page| {
            page.load(&fragment(&[("zoo", &origin.url(NAME)), ("target", "topic-033")])).await?;
            let state = page.until_ranked(&expected(&path, "topic-033", "cosine")?).await?;
            ensure!(state.sha256.as_deref() == Some(&*sha256(&zoo)), "{:?}", state.sha256);
            until("the number of sources", async || {
                let text = page.find("beyond").await?.text().await?;
                ensure!(text == "The 200 closest of 19,999 sources.", "it says {text}");
                Ok(())
            })
            .await?;
            let said = state.sentence.context("no sentence")?;
            ensure!(said.contains("the closest of 19,999 ("), "the page says {said}");
            page.click("similarity-centred").await?;
            let centred = expected(&path, "topic-033", "centred")?;
            let state = page.until_ranked(&centred).await?;
            let link = state.fragment.trim_start_matches('#').to_owned();
            ensure!(link.contains(&sha256(&zoo)), "the link does not say which file: {link}");

            // From a file of the device.
            let other = journey.another_browser().await?;
            other.load("").await?;
            other.open_file(&path).await?;
            let opened = |state: &State| state.sha256.as_deref() == Some(&*sha256(&zoo));
            let own = other.until("the file to be open", opened).await;
            let target = own.as_ref().ok().and_then(|own| own.target.clone());
            other.into_browser().quit().await?;
            ensure!(own?.sources.len() == DRAWN && target.is_some(), "no ranking of the file");

            // Kept, with all its tasks, for when its host is gone.
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo)).await?;
            let listed = page.find("kept").await?.text().await?;
            ensure!(listed.contains("20,000"), "the library says {listed}");
            origin.remove(NAME);
            page.load(&link).await?;
            page.until_ranked(&centred).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn a_copy_stands_in_where_the_host_breaks_off() -> Result<()> {
    let (_folder, path, zoo) = large()?;
    let origin = Origin::start(Sharing::Everyone, [(NAME, zoo.clone())]).await?;
    let journey = Journey::start("large-broken", &[]).await?;
    let host = origin.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let link = fragment(&[("zoo", &origin.url(NAME)), ("target", "topic-033")]);
    let right = expected(&path, "topic-033", "cosine")?;
    journey
        .travel(Tolerate::Host(host), async |_, page| {
            page.load(&link).await?;
            page.until_ranked(&right).await?;
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo)).await?;
            origin.break_off();
            // The same address, and no word of which file: it is asked for anew.
            page.load("").await?;
            page.load(&link).await?;
            page.until_ranked(&right).await?;
            let said = page.find("newer").await?.text().await?;
            ensure!(said.contains("copy"), "the page says {said}");
            // Of a file that was never here there is no copy.
            origin.replace("other.safetensors", zoo.clone());
            page.load(&fragment(&[("zoo", &origin.url("other.safetensors"))])).await?;
            page.until("the trouble to be told", |state| state.error.is_some()).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn a_large_file_that_is_damaged_is_refused() -> Result<()> {
    let (_folder, _, mut zoo) = large()?;
    *zoo.last_mut().context("an empty file")? ^= 1;
    let origin = Origin::start(Sharing::Everyone, [(NAME, zoo)]).await?;
    let journey = Journey::start("large-damaged", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load(&fragment(&[("zoo", &origin.url(NAME))])).await?;
            let told =
                |state: &State| state.error.as_ref().is_some_and(|error| error.contains("damaged"));
            page.until("the damage to be told", told).await.map(drop)
        })
        .await
}

/// Values of an embedding of which a few are more than a page ranks at once, and more bytes
/// than a browser is handed as they are.
const LONG: usize = 400_000;

#[tokio::test]
async fn long_embeddings_are_ranked_in_pieces_and_kept() -> Result<()> {
    let zoo = import(8, LONG, 5)?;
    let folder = TempDir::new()?;
    let path = folder.path().join(NAME);
    std::fs::write(&path, &zoo)?;
    let origin = Origin::start(Sharing::Everyone, [(NAME, zoo.clone())]).await?;
    let journey = Journey::start("long", &[]).await?;
    let host = origin.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ranked = |target: &str, similarity: &str| rank(&path, target, "imported", similarity);
    journey
        .travel(Tolerate::Host(host), async |_, page| {
            page.load(&fragment(&[("zoo", &origin.url(NAME))])).await?;
            let first = page.until("a ranking", |state| !state.sources.is_empty()).await?;
            let target = first.target.context("no target")?;
            page.until_ranked(&ranked(&target, "cosine")?).await?;
            // Two choices, the second before the first is answered.
            let script = "document.querySelector('[data-testid=similarity-centred]').click();
                document.querySelector('[data-testid=similarity-cosine]').click();
                document.querySelector('[data-testid=similarity-centred]').click();
                return null;";
            page.read::<()>(script, Vec::new()).await?;
            page.until_ranked(&ranked(&target, "centred")?).await?;
            let tasks = page.targets().await?;
            let other = tasks.iter().find(|task| **task != target).context("one target")?;
            page.choose_target(other).await?;
            let centred = ranked(other, "centred")?;
            let state = page.until_ranked(&centred).await?;
            page.browser().back().await?;
            page.until_ranked(&ranked(&target, "centred")?).await?;
            page.browser().forward().await?;
            page.until_ranked(&centred).await?;

            // The copy, in the browser's hands.
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo)).await?;
            origin.remove(NAME);
            page.load("").await?;
            page.load(state.fragment.trim_start_matches('#')).await?;
            let again = page.until_ranked(&centred).await?;
            ensure!(again.sha256.as_deref() == Some(&*sha256(&zoo)), "{:?}", again.sha256);
            Ok(())
        })
        .await
}
