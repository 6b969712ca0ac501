//! The program comes in parts: each is there without a network after the first visit, and
//! one that cannot be fetched is said and asked for again.

use crate::keeping::until_installed;
use anyhow::{Result, ensure};
use tupate_e2e::{Front, Journey, Page, Program, Tolerate, settings};

/// Every page whose program is a part, with a hook of what it shows of the sample zoo
/// where no server answers.
const PAGES: [(&str, &str); 4] =
    [("map", "map"), ("lab", "lab"), ("library", "kept"), ("tune", "look-again")];

/// What the page has fetched over the line whose names begin so.
async fn fetched(page: &Page, part: &str) -> Result<usize> {
    let script = "return performance.getEntriesByType('resource')
        .filter((entry) => entry.name.includes(`/${arguments[0]}-`)).length;";
    page.read(script, vec![part.into()]).await
}

#[tokio::test]
async fn every_page_without_a_network_after_the_first_visit() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("parts-offline", &[&zoo]).await?;
    let own = journey.host();
    journey
        .travel(Tolerate::Host(own), async |journey, page| {
            page.load("").await?;
            ensure!(fetched(page, "studies").await? == 0, "the map's part came unasked");
            until_installed(page).await?;
            journey.stop_server();
            for (slug, hook) in PAGES {
                let state = page.visit(slug, "").await?;
                page.find(hook).await?;
                if slug == "tune" {
                    // There was a server, and nobody says that there never was one.
                    let error = page.state().await?.error.unwrap_or_default();
                    ensure!(error.contains("server does not answer"), "it says {error:?}");
                    continue;
                }
                ensure!(state.error.is_none(), "{slug} shows {state:#?}");
            }
            // What belongs to the first page and is a part nevertheless.
            let state = page.load("").await?;
            ensure!(!state.sources.is_empty() && state.zoo.is_some(), "the page shows {state:#?}");
            page.click("save-csv").await?;
            let state = page.state().await?;
            ensure!(state.error.is_none(), "saving shows {state:#?}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_part_that_cannot_be_fetched() -> Result<()> {
    let zoo = settings::zoo()?;
    let program = Program::serve(&[&zoo])?;
    let front = Front::start(program.base()).await?;
    let journey = Journey::at("parts-missing", &front.base()).await?;
    journey
        .travel(Tolerate::Host(front.host()), async |_, page| {
            front.lose(Some("/studies-"));
            let state = page.visit("map", "").await?;
            let error = state.error.unwrap_or_default();
            ensure!(error.contains("could not be loaded"), "the page says {error:?}");
            // Still not there.
            page.click("fetch-again").await?;
            page.until("the error again", |state| state.error.is_some()).await?;
            front.lose(None);
            page.click("fetch-again").await?;
            page.find("map").await?;
            let state = page.until("the map", |state| state.error.is_none()).await?;
            ensure!(state.fragment.contains("target="), "no zoo: {state:#?}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_ranking_without_what_stands_around_it() -> Result<()> {
    let zoo = settings::zoo()?;
    let program = Program::serve(&[&zoo])?;
    let front = Front::start(program.base()).await?;
    front.lose(Some("/around-"));
    let journey = Journey::at("parts-around", &front.base()).await?;
    journey
        .travel(Tolerate::Host(front.host()), async |_, page| {
            let state = page.load("").await?;
            ensure!(!state.sources.is_empty(), "no ranking: {state:#?}");
            let error = state.error.unwrap_or_default();
            ensure!(error.contains("could not be loaded"), "the page says {error:?}");
            front.lose(None);
            page.click("fetch-again").await?;
            page.until("the zoo's facts", |s| s.error.is_none() && s.zoo.is_some()).await?;
            page.find("target-input").await?;
            Ok(())
        })
        .await
}
