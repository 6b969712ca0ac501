//! Zoos that the server does not have: by address, and from this device.

use crate::choices::focus_is;
use crate::{sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use tupate_e2e::{Journey, Origin, Page, Sharing, State, Tolerate, closed_port, rank, settings};

/// Chooses a target of the zoo that is open and checks the answer: proof that
/// the page still works.
async fn works(page: &Page) -> Result<()> {
    let target = page.targets().await?.pop().context("no targets")?;
    page.choose_target(&target).await?;
    let mark = format!("target={target}");
    let state = page.until("the target to be taken", |s| s.fragment.contains(&mark)).await?;
    let set = state.set.context("no set is chosen")?;
    let similarity = state.similarity.context("no similarity is chosen")?;
    page.until_ranked(&rank(&settings::zoo()?, &target, &set, &similarity)?).await?;
    Ok(())
}

/// Opens an address that must fail beside a zoo that is open, and returns what
/// the page says about it.
async fn refused(page: &Page, url: &str) -> Result<String> {
    page.open_url(url).await?;
    // What it says names the address, so that it is about this attempt.
    let about = |state: &State| state.error.as_ref().is_some_and(|error| error.contains(url));
    let state = page.until("the error to be shown", about).await?;
    ensure!(state.zoo.is_some(), "the zoo that was open is gone");
    // The field is far below the message, which is brought into view.
    focus_is(page, "refusal").await?;
    works(page).await?;
    state.error.context("no error")
}

/// `http://127.0.0.1:1234/zoo` → `127.0.0.1:1234`.
fn host(origin: &Origin) -> String {
    origin.url("").trim_start_matches("http://").trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn a_zoo_of_another_origin_by_its_address() -> Result<()> {
    let bytes = zoo_bytes()?;
    let digest = sha256(&bytes);
    let origin = Origin::start(Sharing::Everyone, [("other.safetensors", bytes)]).await?;
    // The server has none: what is shown can only come from elsewhere.
    let journey = Journey::start("other-origin", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let state = page.load("").await?;
            ensure!(state.zoo.is_none() && state.error.is_none(), "not empty: {state:#?}");
            page.open_url(&origin.url("other.safetensors")).await?;
            let digest = Some(&digest);
            page.until("the zoo to be open", |state| state.sha256.as_ref() == digest).await?;
            focus_is(page, "main").await?;
            ensure!(page.read::<f64>("return scrollY;", Vec::new()).await? == 0.0, "not the top");
            works(page).await
        })
        .await
}

#[tokio::test]
async fn a_host_that_does_not_share() -> Result<()> {
    let zoo = settings::zoo()?;
    let origin = Origin::start(Sharing::Nobody, [("z.safetensors", zoo_bytes()?)]).await?;
    let journey = Journey::start("no-cors", &[&zoo]).await?;
    journey
        .travel(Tolerate::Host(host(&origin)), async |_, page| {
            page.load("").await?;
            let error = refused(page, &origin.url("z.safetensors")).await?;
            ensure!(error.contains("CORS"), "the reason is not named: {error}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_file_that_is_not_there() -> Result<()> {
    let zoo = settings::zoo()?;
    let origin = Origin::start(Sharing::Everyone, []).await?;
    let journey = Journey::start("not-there", &[&zoo]).await?;
    journey
        .travel(Tolerate::Host(host(&origin)), async |_, page| {
            page.load("").await?;
            let error = refused(page, &origin.url("gone.safetensors")).await?;
            ensure!(error.contains("404"), "the status is not named: {error}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_host_that_is_not_there() -> Result<()> {
    let zoo = settings::zoo()?;
    let (address, _held) = closed_port()?;
    let journey = Journey::start("unreachable", &[&zoo]).await?;
    journey
        .travel(Tolerate::Host(address.to_string()), async |_, page| {
            page.load("").await?;
            let error = refused(page, &format!("http://{address}/z.safetensors")).await?;
            ensure!(error.contains("no answer"), "the reason is not named: {error}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_file_of_this_device() -> Result<()> {
    let zoo = settings::zoo()?;
    let digest = sha256(&zoo_bytes()?);
    let journey = Journey::start("local-file", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            page.open_file(&zoo).await?;
            let digest = Some(&digest);
            page.until("the zoo to be open", |state| state.sha256.as_ref() == digest).await?;
            works(page).await
        })
        .await
}
