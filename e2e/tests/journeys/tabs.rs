//! More than one tab, and a page that gets newer while one is open.

use crate::keeping::{kept, turn, until_installed, until_kept};
use crate::{sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use tupate_e2e::{Front, Journey, Origin, Program, Sharing, Tolerate, import, settings};

#[tokio::test]
async fn two_tabs_of_one_visitor() -> Result<()> {
    let zoo = settings::zoo()?;
    let (own, other) = (sha256(&zoo_bytes()?), import(5, 16, 4)?);
    let others = sha256(&other);
    let origin = Origin::start(Sharing::Everyone, [("z.safetensors", other)]).await?;
    let journey = Journey::start("tabs", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let browser = page.browser();
            page.load("").await?;
            let targets = page.targets().await?;
            let [first, second] = [0, 1].map(|i| format!("target={}", targets[i]));
            let shown = page.load(&first).await?;
            let one = browser.window().await?;
            let two = browser.new_tab().await?;

            browser.switch_to_window(two.clone()).await?;
            let beside = page.load(&second).await?;
            ensure!(beside.sources != shown.sources, "both targets have one ranking");
            page.open_url(&origin.url("z.safetensors")).await?;
            page.until("the other zoo", |state| state.sha256.as_ref() == Some(&others)).await?;
            turn(page, "Library").await?;
            until_kept(page, &others).await?;

            // What the second tab did has changed nothing in the first, apart from the
            // library, which they share.
            browser.switch_to_window(one.clone()).await?;
            let still = page.state().await?;
            ensure!(still.sources == shown.sources, "the first tab shows {still:#?}");
            turn(page, "Library").await?;
            until_kept(page, &own).await?;
            until_kept(page, &others).await?;
            // The one that was opened last stands first.
            page.click("kept-remove").await?;
            tupate_e2e::until("one to be removed", async || {
                let left = kept(page).await?;
                ensure!(left == [own.clone()], "left are {left:?}");
                Ok(())
            })
            .await?;

            browser.switch_to_window(two).await?;
            turn(page, "Rank sources").await?;
            let state = page
                .until("the zoo that it shows", |state| state.sha256.as_ref() == Some(&others))
                .await?;
            ensure!(!state.sources.is_empty(), "no ranking any more: {state:#?}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_page_that_gets_newer_while_a_tab_is_open() -> Result<()> {
    let zoo = settings::zoo()?;
    let program = Program::serve(&[&zoo])?;
    let front = Front::start(program.base()).await?;
    let journey = Journey::at("newer-page", &front.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let script = "return document.querySelector('link[rel=modulepreload]')
                .getAttribute('href');";
            page.load("").await?;
            let target = page.targets().await?.pop().context("no targets")?;
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let before = page.until("the target", |s| s.fragment.contains(&mark)).await?;
            until_installed(page).await?;
            let old: String = page.read(script, Vec::new()).await?;

            front.update();
            // As if the visitor came back an hour later.
            let later = "const now = Date.now;
                Date.now = () => now() + 3.6e6;
                window.dispatchEvent(new Event('focus'));";
            page.browser().execute(later, Vec::new()).await?;
            page.find("outdated").await?;
            // What is shown stays, and so do the pages that were not looked at yet.
            let during = page.state().await?;
            ensure!(during.sources == before.sources, "other sources: {during:#?}");
            for name in ["Map", "Lab", "Library", "Rank sources"] {
                turn(page, name).await?;
                page.until(name, |_| true).await?;
            }
            let now: String = page.read(script, Vec::new()).await?;
            ensure!(now == old, "the page was replaced unasked");

            let reload = "document.querySelector('[data-testid=outdated] button').click();";
            page.browser().execute(reload, Vec::new()).await?;
            tupate_e2e::until("the newer page", async || {
                let now: String = page.read(script, Vec::new()).await?;
                ensure!(now != old, "it is still {old}");
                Ok(())
            })
            .await?;
            let after = page.until("the same view", |s| s.sources == before.sources).await?;
            ensure!(after.fragment == before.fragment, "another view: {after:#?}");
            let outdated = "return document.querySelectorAll('[data-testid=outdated]').length;";
            let notices: usize = page.read(outdated, Vec::new()).await?;
            ensure!(notices == 0, "the newer page is called old");
            Ok(())
        })
        .await
}
