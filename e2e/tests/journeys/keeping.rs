//! What stays after a visit: zoos, the page itself, and whether they are still current.

use crate::speed::send;
use crate::{fragment, sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tupate_e2e::{
    FileHost, Front, Journey, Origin, Page, Program, Sharing, State, Tolerate, import, settings,
    site, until,
};

/// The sha256 of the zoos that the library lists.
pub async fn kept(page: &Page) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('[data-testid=\"kept\"]')]
        .map((e) => e.dataset.sha256);";
    Ok(page.browser().execute(script, Vec::new()).await?.convert()?)
}

/// Turns to a page by its link in the navigation.
pub async fn turn(page: &Page, name: &str) -> Result<()> {
    let script = "[...document.querySelectorAll('nav a')]
        .find((a) => a.textContent === arguments[0]).click();";
    page.browser().execute(script, vec![name.into()]).await?;
    Ok(())
}

pub async fn until_kept(page: &Page, digest: &str) -> Result<()> {
    until("the zoo to be kept", async || {
        let kept = kept(page).await?;
        ensure!(kept.iter().any(|one| one == digest), "kept are {kept:?}");
        Ok(())
    })
    .await
}

/// Waits until the page's own files are kept, and it is asked for through what keeps them.
pub async fn until_installed(page: &Page) -> Result<()> {
    let script = "const done = arguments[0];
        (async () => {
            if (!navigator.serviceWorker.controller) return false;
            // The page is kept last, when all that it names is.
            return (await caches.match('./')) !== undefined;
        })().then(done, () => done(false));";
    until("the page to be kept", async || {
        let there: Value = page.browser().execute_async(script, Vec::new()).await?.convert()?;
        ensure!(there == Value::Bool(true), "not yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_a_network_after_the_first_visit() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("offline", &[&zoo]).await?;
    let own = journey.host();
    journey
        .travel(Tolerate::Host(own), async |journey, page| {
            page.load("").await?;
            let target = page.targets().await?.pop().context("no targets")?;
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let before = page.until("the target", |s| s.fragment.contains(&mark)).await?;
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo_bytes()?)).await?;
            until_installed(page).await?;

            journey.stop_server();
            // The link that was looked at, and the page as somebody would type it.
            let link = before.fragment.trim_start_matches('#').to_owned();
            let after = page.load(&link).await?;
            ensure!(after.sources == before.sources, "other sources: {after:#?}");
            let bare = page.load("").await?;
            ensure!(bare.sha256 == before.sha256 && bare.error.is_none(), "no zoo: {bare:#?}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_later_visit_waits_for_nobody() -> Result<()> {
    let zoo = settings::zoo()?;
    let program = Program::serve(&[&zoo])?;
    let front = Front::start(program.base()).await?;
    let journey = Journey::at("at-once", &front.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let before = page.load("").await?;
            until_installed(page).await?;
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo_bytes()?)).await?;
            // Neither the page nor the list of zoos is answered any more.
            front.hold(Some("/"));
            page.browser().goto("about:blank").await?;
            page.browser().goto(front.base()).await?;
            until("the ranking", async || {
                let state = page.state().await?;
                ensure!(state.sources == before.sources, "the page shows {state:#?}");
                ensure!(!state.ready, "the server has answered: {state:#?}");
                Ok(())
            })
            .await?;
            // What stands around it is there, too.
            page.find("target-input").await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_browser_that_keeps_nothing() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("keeps-nothing", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            // It refuses, and it never answers.
            for open in ["throw new DOMException('no', 'SecurityError')", "return {}"] {
                let script = format!("IDBFactory.prototype.open = () => {{ {open}; }};");
                let script = json!({ "source": script });
                send(page.browser(), "Page.addScriptToEvaluateOnNewDocument", script).await?;
                let state = page.load("").await?;
                ensure!(!state.sources.is_empty() && state.error.is_none(), "{open}: {state:#?}");
                turn(page, "Library").await?;
                page.until("the library", |s| s.ready).await?;
                ensure!(kept(page).await?.is_empty(), "{open}: something is kept");
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_zoo_shown_first_gets_newer_or_is_another() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let out = folder.path().join("site");
    // Puts a site of one zoo in the place of what was there.
    let publish = |name: &str, seed: u64| -> Result<String> {
        let (file, zoo) = (folder.path().join(name), import(5, 16, seed)?);
        std::fs::write(&file, &zoo)?;
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        site(&[&file], &out)?;
        Ok(sha256(&zoo))
    };
    let first = publish("first.safetensors", 1)?;
    let host = FileHost::start(&out, "/", true).await?;
    let journey = Journey::at("first-zoo", &host.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let shows = |digest: &str| {
                let digest = digest.to_owned();
                move |state: &State| state.sha256.as_ref() == Some(&digest)
            };
            page.load("").await?;
            turn(page, "Library").await?;
            until_kept(page, &first).await?;
            let newer = publish("first.safetensors", 2)?;
            // The copy at once, and a word that it is an old one.
            let state = page.load("").await?;
            ensure!(shows(&first)(&state), "not the copy: {state:#?}");
            page.find("newer").await?;
            page.click("renew").await?;
            page.until("the new file", shows(&newer)).await?;
            turn(page, "Library").await?;
            until_kept(page, &newer).await?;
            // Another zoo is no newer file: it is shown unasked.
            let another = publish("another.safetensors", 3)?;
            page.load("").await?;
            page.until("the other zoo", shows(&another)).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_file_that_changes_behind_its_address() -> Result<()> {
    let (first, second) = (import(5, 16, 1)?, import(6, 16, 2)?);
    let (old, new) = (sha256(&first), sha256(&second));
    let origin = Origin::start(Sharing::Everyone, [("z.safetensors", first)]).await?;
    let url = origin.url("z.safetensors");
    let journey = Journey::start("changed", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            page.open_url(&url).await?;
            page.until("the zoo", |state| state.sha256.as_ref() == Some(&old)).await?;
            turn(page, "Library").await?;
            until_kept(page, &old).await?;

            origin.replace("z.safetensors", second);
            // What the link promised is shown, from this browser, and that there is
            // another file by now is said.
            let link = fragment(&[("zoo", &url), ("sha256", &old)]);
            let state = page.load(&link).await?;
            ensure!(state.sha256.as_ref() == Some(&old), "not the promised file: {state:#?}");
            page.find("newer").await?;
            page.click("renew").await?;
            page.until("the new file", |state| state.sha256.as_ref() == Some(&new)).await?;
            turn(page, "Library").await?;
            until_kept(page, &new).await?;
            until_kept(page, &old).await?;

            page.click("kept-remove").await?;
            until("one to be removed", async || {
                let left = kept(page).await?;
                ensure!(left.len() == 1, "left are {left:?}");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn a_large_file_in_parts() -> Result<()> {
    let file = import(160, 16_384, 3)?;
    let (digest, length) = (sha256(&file), file.len() as u64);
    ensure!(length > 4 << 20, "the file is too small for this test: {length} bytes");
    let origin = Origin::start(Sharing::Everyone, [("large.safetensors", file)]).await?;
    let url = origin.url("large.safetensors");
    let journey = Journey::start("in-parts", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            page.open_url(&url).await?;
            let state = page
                .until("the whole file", |state| state.sha256.as_ref() == Some(&digest))
                .await?;
            // As many as are drawn unasked.
            ensure!(state.sources.len() == 100, "{} sources", state.sources.len());
            let parts: Vec<_> = origin.asked().into_iter().filter_map(|a| a.part).collect();
            ensure!(parts.first().is_some_and(|first| first.start == 0), "asked for {parts:?}");
            let sum: u64 = parts.iter().map(|part| part.end.min(length) - part.start).sum();
            ensure!(sum < length + length / 4, "{sum} bytes were asked for of {length}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_zoo_of_the_server_opened_as_a_file_stays_the_servers() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("server-and-file", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            turn(page, "Library").await?;
            until_kept(page, &sha256(&zoo_bytes()?)).await?;
            page.open_file(&zoo).await?;
            page.until("the file", |state| state.fragment.contains("zoo=file")).await?;
            page.visit("library", "").await?;
            until("the library to name the server", async || {
                let kept = page.find("kept").await?.text().await?;
                ensure!(kept.contains("this server"), "the library says {kept}");
                Ok(())
            })
            .await?;
            for fragment in ["", &format!("sha256={}", sha256(&zoo_bytes()?))] {
                let state = page.load(fragment).await?;
                ensure!(state.zoo.is_some(), "no zoo: {state:#?}");
                ensure!(!state.fragment.contains("file"), "a link to nobody: {state:#?}");
            }
            Ok(())
        })
        .await
}
