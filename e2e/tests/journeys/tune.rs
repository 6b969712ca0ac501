//! Runs, from a file to a zoo: a real server that tunes the real encoder.

use crate::choices::focus_is;
use crate::keeping::turn;
use crate::looks::Look;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::path::Path;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tupate_e2e::{Journey, Page, Program, Tolerate, preferred, rank, settings, token, until};

/// Tickets in two queues, in columns whose names say nothing.
fn tickets(rows: usize) -> String {
    let mut text = "id,body,queue\n".to_owned();
    for i in 0..rows {
        let (what, queue) = [
            ("The battery died after a week, again", "complaint"),
            ("Could you send me the invoice for order", "request"),
            ("Nobody answers, and I am waiting since day", "complaint"),
            ("Please change the address of parcel", "request"),
        ][i % 4];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{i},\"{what}, {i}\",{queue}");
    }
    text
}

/// What the browser says of the page.
async fn ask<T: serde::de::DeserializeOwned>(page: &Page, script: &str) -> Result<T> {
    Ok(page.browser().execute(script, Vec::new()).await?.convert()?)
}

/// The text of the element of this hook; empty where there is none.
async fn text(page: &Page, hook: &str) -> Result<String> {
    let script = format!("return document.querySelector('[data-testid={hook}]')?.innerText ?? ''");
    ask(page, &script).await
}

async fn state(page: &Page) -> Result<String> {
    ask(page, "return document.querySelector('[data-testid=run-view]')?.dataset.state ?? ''").await
}

async fn until_state(page: &Page, wanted: &[&str]) -> Result<String> {
    until("the run to get there", async || {
        let state = state(page).await?;
        ensure!(wanted.contains(&state.as_str()), "it is {state}, not one of {wanted:?}");
        Ok(state)
    })
    .await
}

async fn fill(page: &Page, hook: &str, value: &str) -> Result<()> {
    let field = page.find(hook).await?;
    field.clear().await?;
    Ok(field.send_keys(value).await?)
}

async fn choose(page: &Page, hook: &str, value: &str) -> Result<()> {
    let option = format!("[data-testid='{hook}'] option[value='{value}']");
    until(&format!("{value} of {hook}"), async || {
        Ok(page.browser().find(By::Css(option.clone())).await?.click().await?)
    })
    .await
}

async fn give(page: &Page, secret: &str) -> Result<()> {
    fill(page, "token", secret).await?;
    page.click("token-use").await
}

/// Pictures at every size in both themes, none of them wider than the window, and nothing
/// in them that shuts somebody out.
async fn pictures(page: &Page, name: &str) -> Result<()> {
    Look::each(page, async |look| {
        ask::<Option<bool>>(page, "scrollTo(0, 0); return null").await?;
        look.open_to_all(&format!("tune-{name}")).await
    })
    .await
}

/// Types what makes a run of the tickets, and starts it.
async fn start(page: &Page, file: &Path, epochs: &str) -> Result<()> {
    page.click("data-own").await?;
    page.find("file").await?.send_keys(file.to_string_lossy()).await?;
    page.find("role-2").await?;
    page.click("start").await?;
    let wrong = until("what is missing to be named", async || {
        let wrong = text(page, "wrong").await?;
        ensure!(!wrong.is_empty(), "nothing is said");
        Ok(wrong)
    })
    .await?;
    ensure!(wrong.contains("say what the columns are for"), "{wrong}");
    choose(page, "role-1", "text").await?;
    choose(page, "role-2", "label").await?;
    let labels = text(page, "labels").await?;
    ensure!(labels.contains("complaint 24") && labels.contains("request 24"), "{labels}");
    fill(page, "epochs", epochs).await?;
    fill(page, "rates", "2e-3").await?;
    Ok(())
}

#[tokio::test]
async fn from_a_file_to_a_zoo() -> Result<()> {
    let (zoo, folder) = (settings::zoo()?, TempDir::new()?);
    let secret = token(folder.path())?;
    let file = folder.path().join("tickets.csv");
    std::fs::write(&file, tickets(48))?;
    let server = Program::with_runs(&[&zoo], folder.path())?;
    let journey = Journey::at("tune", server.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.open(&format!("{}?page=tune", server.base())).await?;
            page.find("new-run").await?;
            pictures(page, "fresh").await?;
            // Nothing goes to the server before there is a token.
            page.click("start").await?;
            ensure!(ask::<String>(page, "return document.activeElement.id").await? == "token");
            give(page, &secret).await?;
            until("the token to be known", async || {
                let card = text(page, "token-card").await?;
                ensure!(card.contains("“me”") && !card.contains(&secret), "{card}");
                Ok(())
            })
            .await?;
            start(page, &file, "300").await?;
            pictures(page, "rows").await?;
            // What was typed is still there after a look at another page.
            turn(page, "Lab").await?;
            page.find("lab").await?;
            turn(page, "Tune").await?;
            page.find("role-2").await?;
            let typed = page.find("epochs").await?.value().await?;
            ensure!(typed.as_deref() == Some("300"), "{typed:?} stands in the field");
            ensure!(page.browser().title().await? == "Tune · Tupate");
            page.click("start").await?;
            page.find("run-view").await?;
            focus_is(page, "run-head").await?;
            until("the ranking to come", async || {
                let landed = "return document.querySelectorAll('[data-testid=landed]').length";
                ensure!(ask::<usize>(page, landed).await? >= 4, "none is shown");
                let path = "return document.querySelector('path.now')?.getAttribute('d') ?? ''";
                let path: String = ask(page, path).await?;
                ensure!(path.matches('L').count() >= 2, "no curve yet: {path}");
                Ok(())
            })
            .await?;
            pictures(page, "running").await?;
            page.click("finish").await?;
            until_state(page, &["done"]).await?;
            let sentence = until("what came out", async || {
                let sentence = text(page, "run-sentence").await?;
                ensure!(sentence.starts_with("Accuracy "), "{sentence}");
                Ok(sentence)
            })
            .await?;
            ensure!(sentence.contains(" epochs, "), "{sentence}");
            ensure!(!sentence.contains(" 300 epochs"), "it was not finished early: {sentence}");
            let saved = TempDir::new()?;
            page.browser().save_to(saved.path()).await?;
            for (hook, begins) in [("curves-svg", &b"<svg"[..]), ("curves-png", b"\x89PNG\r\n")] {
                page.click(hook).await?;
                until(hook, async || {
                    let ending = hook.trim_start_matches("curves-");
                    let file = saved.path().join(format!("tupate-tickets-curves.{ending}"));
                    let bytes = std::fs::read(&file).context("not there yet")?;
                    ensure!(bytes.starts_with(begins), "another beginning");
                    Ok(())
                })
                .await?;
            }
            page.click("publish").await?;
            let link = page.find("open-zoo").await?;
            pictures(page, "done").await?;
            // The run's address shows the run again, from its stored events.
            let address = page.browser().current_url().await?;
            page.open(address.as_str()).await?;
            until_state(page, &["done"]).await?;
            ensure!(text(page, "run-sentence").await? == sentence);
            drop(link);
            page.open(&format!("{}#zoo=/zoos/tickets.safetensors", server.base())).await?;
            let state = page.until("the zoo to be open", |state| state.zoo.is_some()).await?;
            ensure!(state.zoo.as_deref() == Some("tickets"), "{state:?}");
            Ok(())
        })
        .await
}

/// Whether the runs that are listed are as many as this, and done.
async fn until_done(page: &Page, runs: usize) -> Result<()> {
    until("every run to be done", async || {
        let done = "return document.querySelectorAll('[data-testid=run][data-state=done]').length";
        let done: usize = ask(page, done).await?;
        ensure!(done == runs, "{done} of {runs} are done");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn one_task_by_every_method_is_ranked_by_all_together() -> Result<()> {
    let (zoo, folder) = (settings::real()?, TempDir::new()?);
    let secret = token(folder.path())?;
    let file = folder.path().join("tickets.csv");
    std::fs::write(&file, tickets(48))?;
    let server = Program::with_runs(&[&zoo], folder.path())?;
    let journey = Journey::at("tune-every", server.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.open(&format!("{}?page=tune", server.base())).await?;
            page.find("new-run").await?;
            give(page, &secret).await?;
            until("the token to be known", async || {
                ensure!(text(page, "token-card").await?.contains("“me”"));
                Ok(())
            })
            .await?;
            start(page, &file, "3").await?;
            page.click("method-every").await?;
            pictures(page, "every").await?;
            page.click("start").await?;
            page.find("run-view").await?;
            until_done(page, 3).await?;
            let by = until("what it is ranked by", async || {
                let by = text(page, "ranked-by").await?;
                ensure!(by.contains("LoRA") && by.ends_with('.') && by.contains(" and "), "{by}");
                Ok(by)
            })
            .await?;
            ensure!(!by.contains("Not done yet"), "{by}");
            Look::each(page, async |look| {
                let show = "document.querySelector('[data-testid=rank-run]').scrollIntoView(
                    { block: 'center' }); return null";
                ask::<Option<bool>>(page, show).await?;
                look.open_to_all("tune-done-by-every").await
            })
            .await?;
            page.click("rank-run").await?;
            // What the command line says of the same runs.
            let own = folder.path().join("tickets");
            std::fs::create_dir(&own)?;
            for run in std::fs::read_dir(folder.path().join("runs"))? {
                let run = run?;
                std::os::unix::fs::symlink(run.path().join("out"), own.join(run.file_name()))?;
            }
            let (method, similarity) = preferred(&zoo)?.context("the zoo advises nothing")?;
            ensure!(method.starts_with("ensemble"), "the zoo advises {method}");
            let expected = rank(&zoo, &own.display().to_string(), &method, &similarity)?;
            page.until_ranked(&expected).await?;
            let card = page.find("guest").await?.text().await?;
            ensure!(card.contains("Ranked for tickets, tuned on this server"), "{card}");
            ensure!(card.contains("Its runs by every method"), "{card}");
            let focused = "return document.activeElement.id";
            ensure!(ask::<String>(page, focused).await? == "answer-head");
            Look::each(page, async |look| look.open_to_all("tune-ranking").await).await?;
            // The way back leads to the run, and from there all of them go into a zoo.
            page.browser().back().await?;
            until_state(page, &["done"]).await?;
            page.click("publish").await?;
            page.find("open-zoo").await?;
            page.open(&format!("{}#zoo=/zoos/tickets.safetensors", server.base())).await?;
            let state = page.until("the zoo to be open", |state| state.zoo.is_some()).await?;
            ensure!(state.zoo.as_deref() == Some("tickets"), "{state:?}");
            page.find("set-ensemble.early").await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn over_a_killed_server_and_a_change_of_mind() -> Result<()> {
    let (zoo, folder) = (settings::zoo()?, TempDir::new()?);
    let secret = token(folder.path())?;
    let file = folder.path().join("tickets.csv");
    std::fs::write(&file, tickets(48))?;
    let mut server = Program::with_runs(&[&zoo], folder.path())?;
    let base = server.base().to_owned();
    let journey = Journey::at("tune-killed", &base).await?;
    let host = base.trim_start_matches("http://").trim_end_matches('/').to_owned();
    journey
        .travel(Tolerate::Host(host), async |_, page| {
            page.open(&format!("{base}?page=tune")).await?;
            // One that is none is refused in words, and forgotten.
            page.find("new-run").await?;
            give(page, "tupate_none").await?;
            until("the token to be refused", async || {
                let error = text(page, "error").await?;
                ensure!(error.contains("token is not accepted"), "{error}");
                Ok(())
            })
            .await?;
            give(page, &secret).await?;
            until("the token to be known", async || {
                ensure!(text(page, "token-card").await?.contains("“me”"));
                Ok(())
            })
            .await?;
            start(page, &file, "300").await?;
            page.click("start").await?;
            let epochs = "return document.querySelector('path.now')?.getAttribute('d') ?? ''";
            let count = async || -> Result<usize> {
                Ok(ask::<String>(page, epochs).await?.matches(['M', 'L']).count())
            };
            until("an epoch", async || {
                ensure!(count().await? >= 2);
                Ok(())
            })
            .await?;
            server.again(&[&zoo], folder.path())?;
            let before = count().await?;
            until("further epochs, without a reload", async || {
                let now = count().await?;
                ensure!(now >= before + 3, "{now} epochs after {before}");
                Ok(())
            })
            .await?;
            page.click("cancel").await?;
            until_state(page, &["cancelled"]).await?;
            page.click("resume").await?;
            until_state(page, &["queued", "running"]).await?;
            page.click("cancel").await?;
            until_state(page, &["cancelled"]).await?;
            // Asked twice, since nothing brings it back.
            page.click("delete").await?;
            page.click("delete").await?;
            page.find("new-run").await?;
            until("the list to be empty", async || {
                let runs: usize =
                    ask(page, "return document.querySelectorAll('[data-testid=run]').length")
                        .await?;
                ensure!(runs == 0, "{runs} are listed");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn without_a_server_that_tunes() -> Result<()> {
    let zoo = settings::zoo()?;
    let server = Program::serve(&[&zoo])?;
    let journey = Journey::at("tune-nobody", server.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.browser().allow_clipboard().await?;
            page.open(&format!("{}?page=tune", server.base())).await?;
            let told = page.find("no-server").await?.text().await?;
            ensure!(told.contains("tupate serve --data state"), "{told}");
            pictures(page, "nobody").await?;
            let copy = page.browser().find(By::Css(".command button")).await?;
            copy.click().await?;
            let copied = page.clipboard().await.context("nothing was copied")?;
            ensure!(copied == "tupate token create --data state --name me", "{copied}");
            Ok(())
        })
        .await
}
