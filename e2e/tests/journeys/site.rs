//! The page on plain file hosts: at a path of theirs, without a network after the first
//! visit, and where the host does not know what it sends.

use crate::keeping::{turn, until_installed, until_kept};
use crate::{sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use tupate_e2e::{FileHost, Journey, Tolerate, import, rank, settings, site};

#[tokio::test]
async fn at_a_path_of_a_file_host() -> Result<()> {
    let zoo = settings::zoo()?;
    let folder = tempfile::TempDir::new()?;
    let (out, other) = (folder.path().join("site"), folder.path().join("other.safetensors"));
    let second = import(5, 16, 4)?;
    let digest = sha256(&second);
    std::fs::write(&other, second)?;
    site(&[&zoo, &other], &out)?;
    let host = FileHost::start(&out, "/group/zoos/", true).await?;
    let journey = Journey::at("site", &host.base()).await?;
    // Once the host is gone, and at a host's root lies nobody's page.
    let tolerated = Tolerate::Host(host.host());
    journey
        .travel(tolerated, async |_, page| {
            let state = page.load("").await?;
            ensure!(state.error.is_none(), "the page says {:?}", state.error);
            ensure!(state.sha256 == Some(sha256(&zoo_bytes()?)), "another zoo: {state:#?}");
            let target = page.targets().await?.pop().context("no targets")?;
            page.choose_target(&target).await?;
            let mark = format!("target={target}");
            let state = page.until("the target", |s| s.fragment.contains(&mark)).await?;
            let set = state.set.context("no set is chosen")?;
            let similarity = state.similarity.context("no similarity is chosen")?;
            let ranking = rank(&zoo, &target, &set, &similarity)?;
            page.until_ranked(&ranking).await?;
            let link = state.fragment.trim_start_matches('#').to_owned();

            // The second zoo, and the link to it.
            page.find("server-zoo").await?;
            let script = "document.querySelectorAll('[data-testid=server-zoo]')[1].click();";
            page.browser().execute(script, Vec::new()).await?;
            let other = |s: &tupate_e2e::State| s.sha256.as_ref() == Some(&digest);
            let second = page.until("the second zoo", other).await?;
            let second = second.fragment.trim_start_matches('#').to_owned();
            let state = page.load(&second).await?;
            ensure!(other(&state), "the link shows {state:#?}");
            turn(page, "Library").await?;
            until_kept(page, &digest).await?;

            // Nobody there can tune, and the page says how somebody could.
            page.visit("tune", "").await?;
            page.find("no-server").await?;

            until_installed(page).await?;
            drop(host);
            let after = page.load(&link).await?;
            ensure!(after.error.is_none(), "without a network: {:?}", after.error);
            page.until_ranked(&ranking).await?;
            let state = page.load("").await?;
            ensure!(state.sha256 == Some(sha256(&zoo_bytes()?)), "no zoo: {state:#?}");
            page.visit("map", "").await?;
            page.find("map").await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_server_behind_a_prefix() -> Result<()> {
    let zoo = settings::zoo()?;
    let folder = tempfile::TempDir::new()?;
    let out = folder.path().join("site");
    site(&[&zoo], &out)?;
    // A server lists its paths from its own root, and does not know what lies before it.
    let list = out.join("api/v1/info");
    let listed = std::fs::read_to_string(&list)?;
    ensure!(listed.contains("\"zoos/"), "the list is {listed}");
    std::fs::write(&list, listed.replace("\"zoos/", "\"/zoos/"))?;
    let host = FileHost::start(&out, "/tupate/", true).await?;
    let journey = Journey::at("site-prefix", &host.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            ensure!(state.error.is_none(), "the page says {:?}", state.error);
            ensure!(state.sha256 == Some(sha256(&zoo_bytes()?)), "another zoo: {state:#?}");
            let href: String =
                page.read("return document.querySelector('[download]').href;", Vec::new()).await?;
            ensure!(href.contains("/tupate/zoos/"), "the file is said to be at {href}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_host_that_does_not_know_wasm() -> Result<()> {
    let zoo = settings::zoo()?;
    let folder = tempfile::TempDir::new()?;
    let out = folder.path().join("site");
    site(&[&zoo], &out)?;
    let host = FileHost::start(&out, "/", false).await?;
    let journey = Journey::at("site-types", &host.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            ensure!(!state.sources.is_empty(), "no ranking: {state:#?}");
            // What stands around it is a part, and so is every other page.
            ensure!(state.error.is_none() && state.zoo.is_some(), "no parts: {state:#?}");
            for (slug, hook) in [("map", "map"), ("lab", "lab"), ("library", "kept")] {
                let state = page.visit(slug, "").await?;
                ensure!(state.error.is_none(), "{slug} shows {state:#?}");
                page.find(hook).await?;
            }
            Ok(())
        })
        .await
}
