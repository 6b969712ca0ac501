//! Very many tasks in the browser, in shards and in one file: no test, but what `cargo
//! xtask bench shards` runs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs};
use thirtyfour::{By, Key};
use tupate_e2e::{Journey, Origin, Page, Sharing, Source, State, Tolerate, rank, settings, until};

/// How long opening may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits longer than a journey does.
async fn patiently(page: &Page, right: impl Fn(&State) -> bool) -> Result<State> {
    let start = Instant::now();
    loop {
        let state = page.state().await?;
        if state.ready && right(&state) {
            return Ok(state);
        }
        ensure!(start.elapsed() < PATIENCE, "the page shows {state:#?}");
        ensure!(state.error.is_none(), "the page says {:?}", state.error);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn a_million_tasks() -> Result<()> {
    let folder = PathBuf::from(env::var("TUPATE_SHARDS").context("TUPATE_SHARDS is not set")?);
    let index = fs::read(folder.join("index.json"))?;
    let facts: Value = serde_json::from_slice(&index)?;
    let host = Origin::start(Sharing::Everyone, [("index.json", index)]).await?;
    let shards = facts["shards"].as_array().context("no shards")?;
    for shard in shards {
        let name = shard["file"].as_str().context("a shard without a file")?;
        host.replace(name, fs::read(folder.join(name))?);
    }
    let first = shards.first().and_then(|shard| shard["file"].as_str()).context("no shard")?;
    let journey = Journey::start("million", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            page.read::<Value>(WATCH, Vec::new()).await?;
            // One of the shards is the zoo that a file of that size is.
            let file = ask(page, &host, &folder, first).await?;
            let all = ask(page, &host, &folder, "index.json").await?;
            let workers: u64 = page.read("return navigator.hardwareConcurrency", vec![]).await?;
            let of = |mut asked: Value, shards: &[Value], workers: u64| -> Value {
                let sum = |name: &str| shards.iter().filter_map(|s| s[name].as_u64()).sum::<u64>();
                asked["tasks"] = json!(sum("tasks"));
                asked["bytes"] = json!(sum("bytes"));
                asked["files"] = json!(shards.len());
                asked["workers"] = json!(workers);
                asked
            };
            let found = json!({
                "file": of(file, &shards[..1], 1),
                "all": of(all, shards, workers.min(shards.len() as u64)),
            });
            let file = settings::artifacts()?.join("million.json");
            fs::write(&file, serde_json::to_vec_pretty(&found)?)?;
            Ok(())
        })
        .await
}

/// Opens a zoo of the host's and asks for targets.
async fn ask(page: &Page, host: &Origin, folder: &std::path::Path, name: &str) -> Result<Value> {
    page.read::<Value>("window.seen.tasks = []; return null", vec![]).await?;
    let start = Instant::now();
    page.open_url(&host.url(name)).await?;
    patiently(page, |state| !state.sources.is_empty() && state.fragment.contains(name)).await?;
    let opened = start.elapsed().as_millis();
    let opening: f64 = page.read("return Math.max(0, ...window.seen.tasks)", vec![]).await?;
    page.read::<Value>("window.seen.tasks = []; return null", vec![]).await?;
    let mut asked = Vec::new();
    for (at, similarity) in ["cosine", "centred"].into_iter().cycle().take(6).enumerate() {
        let target = format!("task-{:07}", 12_345 + 7 * at);
        page.click(&format!("similarity-{similarity}")).await?;
        let taken = |state: &State| state.similarity.as_deref() == Some(similarity);
        patiently(page, taken).await?;
        let field = page.find("target-input").await?;
        field.click().await?;
        field.send_keys(&target).await?;
        let option = format!("[data-testid='target-option'][data-task='{target}']");
        until("the task to be found", async || Ok(page.browser().find(By::Css(&*option)).await?))
            .await?;
        page.read::<Value>("window.seen.start = performance.now(); return null", vec![]).await?;
        page.press(Key::Enter).await?;
        let mark = format!("target={target}");
        let state = patiently(page, |s| s.fragment.contains(&mark)).await?;
        let shown: f64 = page.read("return window.seen.shown - window.seen.start", vec![]).await?;
        if at < 2 {
            let mut right = rank(&folder.join(name), &target, "bitfit.late", similarity)?;
            right.truncate(state.sources.len());
            let same = |(a, b): (&Source, &Source)| a.task == b.task;
            ensure!(
                state.sources.iter().zip(&right).all(same),
                "the page and the command line do not agree on {target}"
            );
        }
        asked.push(json!({ "similarity": similarity, "ms": shown }));
    }
    let longest: f64 = page.read("return Math.max(0, ...window.seen.tasks)", vec![]).await?;
    Ok(json!({
        "opened_ms": opened as u64, "opening_longest_task": opening,
        "asked": asked, "longest_task": longest,
    }))
}

/// Notes long tasks, and when another ranking was on the page.
const WATCH: &str = "
    window.seen = { tasks: [], start: 0, shown: 0 };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask' });
    let address = location.hash;
    const look = () => {
        if (location.hash !== address) {
            address = location.hash;
            window.seen.shown = performance.now();
        }
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    return null;";
