//! What a visitor meets first: a zoo of real tasks that knows what transfer did.

use crate::access::violations;
use crate::lab::judged;
use crate::looks::{SIZES, THEMES, overflow};
use crate::map::drawn;
use anyhow::{Context, Result, ensure};
use tupate_e2e::{Journey, Page, State, Tolerate, preferred, rank, settings, until};

/// Small and hard: a target for which a source can help.
const TARGET: &str = "rte";

/// Waits until the ranking says what its sources did.
async fn with_gains(page: &Page) -> Result<State> {
    until("the gains", async || {
        let state = page.state().await?;
        let script = "return document.querySelectorAll('[data-testid=gain]').length;";
        let gains: usize = page.read(script, Vec::new()).await?;
        let sources = state.sources.len();
        ensure!(sources > 0 && gains == sources, "{gains} gains of {sources} sources");
        Ok(state)
    })
    .await
}

#[tokio::test]
async fn the_zoo_of_real_tasks_at_every_size() -> Result<()> {
    let zoo = settings::real()?;
    let artifacts = settings::artifacts()?;
    let (method, similarity) = preferred(&zoo)?.context("the zoo advises no ranking")?;
    let ranking = rank(&zoo, TARGET, &method, &similarity)?;
    let journey = Journey::start("first", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let browser = page.browser();
            for theme in THEMES {
                browser.prefer_theme(theme).await?;
                for (width, height) in SIZES {
                    browser.resize(width, height).await?;
                    let look = async |name: &str| -> Result<()> {
                        browser.painted().await?;
                        let file = format!("first-{name}-{theme}-{width}x{height}.png");
                        browser.picture(&artifacts.join(file)).await?;
                        let wide = overflow(page).await?;
                        ensure!(wide.is_empty(), "{name} is too wide for {width}: {wide:?}");
                        let found = violations(page).await?;
                        ensure!(found.is_empty(), "{name}, {theme}, {width}: {found:#?}");
                        Ok(())
                    };
                    // Nothing but the target is asked for: it opens as its makers advise.
                    page.load(&format!("target={TARGET}")).await?;
                    page.until_ranked(&ranking).await?;
                    let state = with_gains(page).await?;
                    let chosen = (state.set.as_deref(), state.similarity.as_deref());
                    ensure!(
                        chosen == (Some(&*method), Some(&*similarity)),
                        "{method} by {similarity} is advised, and chosen is {chosen:?}"
                    );
                    look("rank").await?;
                    page.visit("map", &format!("target={TARGET}")).await?;
                    drawn(page).await?;
                    look("map").await?;
                    page.visit("lab", "").await?;
                    judged(page).await?;
                    look("lab").await?;
                }
            }
            Ok(())
        })
        .await
}
