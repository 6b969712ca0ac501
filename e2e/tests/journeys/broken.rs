//! Zoo files that are not what they were.

use crate::{fragment, zoo_bytes};
use anyhow::{Context, Result, ensure};
use tupate_e2e::{Journey, Origin, Sharing, State, Tolerate, rank, settings};

/// Opens a damaged file beside the served zoo, and then by a link: the page
/// says so each time, and goes on working.
async fn damaged(name: &'static str, bytes: Vec<u8>) -> Result<()> {
    let zoo = settings::zoo()?;
    let origin = Origin::start(Sharing::Everyone, [("damaged.safetensors", bytes)]).await?;
    let journey = Journey::start(name, &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let before = page.load("").await?;
            let url = origin.url("damaged.safetensors");
            page.open_url(&url).await?;
            let says = |state: &State| state.error.as_ref().is_some_and(|e| e.contains("damaged"));
            let state = page.until("the damage to be named", says).await?;
            ensure!(state.zoo == before.zoo, "the zoo that was open is gone: {state:#?}");

            // The zoo that is open still answers.
            let target = page.targets().await?.remove(0);
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let state =
                page.until("the target to be taken", |s| s.fragment.contains(&mark)).await?;
            let set = state.set.context("no set is chosen")?;
            let similarity = state.similarity.context("no similarity is chosen")?;
            page.until_ranked(&rank(&zoo, &target, &set, &similarity)?).await?;

            // A link to it has nothing to show, and says why.
            let state = page.load(&fragment(&[("zoo", &url), ("target", &target)])).await?;
            ensure!(says(&state), "the damage is not named: {state:#?}");
            ensure!(state.sources.is_empty(), "a ranking of a damaged zoo: {state:#?}");
            // From there a sound file can be opened.
            page.open_file(&zoo).await?;
            let sound = |state: &State| state.zoo == before.zoo && state.error.is_none();
            page.until("the sound file to be open", sound).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn one_bit_is_wrong() -> Result<()> {
    let mut bytes = zoo_bytes()?;
    // The last byte is a number of the last embedding: only a checksum knows.
    *bytes.last_mut().context("the zoo under test is empty")? ^= 1;
    damaged("one-bit", bytes).await
}

#[tokio::test]
async fn the_end_is_missing() -> Result<()> {
    let mut bytes = zoo_bytes()?;
    bytes.truncate(bytes.len() / 2);
    damaged("truncated", bytes).await
}
