//! What a visitor meets first: a zoo of real tasks that knows what transfer did.

use crate::lab::judged;
use crate::looks::Look;
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
    let (method, similarity) = preferred(&zoo)?.context("the zoo advises no ranking")?;
    let ranking = rank(&zoo, TARGET, &method, &similarity)?;
    let journey = Journey::start("first", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            Look::each(page, async |look| {
                // Nothing but the target is asked for: it opens as its makers advise.
                page.load(&format!("target={TARGET}")).await?;
                page.until_ranked(&ranking).await?;
                let state = with_gains(page).await?;
                let chosen = (state.set.as_deref(), state.similarity.as_deref());
                ensure!(
                    chosen == (Some(&*method), Some(&*similarity)),
                    "{method} by {similarity} is advised, and chosen is {chosen:?}"
                );
                look.open_to_all("first-rank").await?;
                page.visit("map", &format!("target={TARGET}")).await?;
                drawn(page).await?;
                look.open_to_all("first-map").await?;
                page.visit("lab", "").await?;
                judged(page).await?;
                look.open_to_all("first-lab").await
            })
            .await
        })
        .await
}
