//! How long the pages that compute keep their visitor from doing anything: no test, but
//! what `cargo xtask bench page` runs.

use crate::keeping::{turn, until_kept};
use crate::lab::judged;
use crate::map::drawn;
use crate::sha256;
use crate::speed::{SLOWDOWN, send};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tupate_e2e::{Journey, Page, Program, Tolerate, import, settings};

/// Notes long tasks from now on, and clicks what is given.
const WATCH: &str = "
    window.seen = { tasks: [], start: performance.now() };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask' });
    document.querySelector(arguments[0])?.click();
    return null;";

/// What follows when a picture is there belongs to it: its names, the table, keeping a file.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// What a visitor does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Opens a file, where another zoo is shown.
    Open,
    /// Asks for another similarity.
    Compare,
    /// Goes to the map from the ranking.
    Map,
    /// Asks for another similarity on the map.
    Redraw,
    /// Goes to the lab from the ranking.
    Lab,
}

/// Takes the step and waits until what it leads to is there: how long that took, and the
/// longest task, in milliseconds.
async fn work(page: &Page, step: Step, zoo: &Path) -> Result<(f64, f64)> {
    let watch = async |click: &str| page.read::<()>(WATCH, vec![click.into()]).await;
    match step {
        Step::Open => {
            page.read::<()>(WATCH, vec!["nothing".into()]).await?;
            page.open_file(zoo).await?;
            let name = zoo.file_name().and_then(|name| name.to_str()).context("no name")?;
            page.until("the file's ranking", |state| state.fragment.contains(name)).await?;
        }
        Step::Compare => {
            watch("[data-testid=similarity-centred]").await?;
            page.until("another ranking", |s| s.fragment.contains("similarity=centred")).await?;
        }
        Step::Map => {
            watch("nav a[href$='map']").await?;
            drawn(page).await?;
        }
        Step::Redraw => {
            page.read::<()>(WATCH, vec!["nav a[href$='map']".into()]).await?;
            drawn(page).await?;
            page.find("point").await?;
            watch("[data-testid=similarity-centred]").await?;
            drawn(page).await?;
        }
        Step::Lab => {
            watch("nav a[href$='lab']").await?;
            judged(page).await?;
        }
    }
    let ms = page.read("return performance.now() - window.seen.start;", Vec::new()).await?;
    tokio::time::sleep(AFTERWARDS).await;
    let longest = "return Math.max(0, ...window.seen.tasks);";
    Ok((ms, page.read(longest, Vec::new()).await?))
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn what_the_pages_compute() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let invented = |tasks: usize, dim: usize| -> Result<PathBuf> {
        let file = folder.path().join(format!("{tasks}-{dim}.safetensors"));
        std::fs::write(&file, import(tasks, dim, 3)?)?;
        Ok(file)
    };
    let (some, many, long) = (invented(200, 1024)?, invented(1000, 1024)?, invented(25, 400_000)?);
    let real = settings::zoo()?;
    let steps = [
        ("opening a file of 20 MB, 25 tasks", Step::Open, &long),
        ("another similarity, of that file", Step::Compare, &long),
        ("map of that file", Step::Map, &long),
        ("map of 200 tasks", Step::Map, &some),
        ("map of 1,000 tasks", Step::Map, &many),
        ("the same, another similarity", Step::Redraw, &many),
        ("map of 25 tasks, 6 methods", Step::Map, &real),
        ("lab of 25 tasks, 6 methods", Step::Lab, &real),
    ];
    let mut found = Vec::new();
    for (name, step, zoo) in steps {
        for slowdown in [1, SLOWDOWN] {
            let shown = if matches!(step, Step::Open) { &some } else { zoo };
            let program = Program::serve(&[shown])?;
            let journey = Journey::at("work", program.base()).await?;
            journey
                .travel(Tolerate::Nothing, async |_, page| {
                    page.load("").await?;
                    page.until("a ranking", |state| !state.sources.is_empty()).await?;
                    // Everything has arrived, and is kept.
                    turn(page, "Library").await?;
                    until_kept(page, &sha256(&std::fs::read(shown)?)).await?;
                    turn(page, "Rank sources").await?;
                    page.until("the ranking again", |state| !state.sources.is_empty()).await?;
                    let rate = json!({ "rate": slowdown });
                    send(page.browser(), "Emulation.setCPUThrottlingRate", rate).await?;
                    let (ms, longest_task) = work(page, step, zoo).await?;
                    ensure!(ms > 0.0, "{name}: {ms} ms");
                    found.push(json!({
                        "what": name, "slowdown": slowdown,
                        "longest_task": longest_task, "ms": ms,
                    }));
                    Ok(())
                })
                .await?;
        }
    }
    let file = settings::artifacts()?.join("work.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&found)?)
        .with_context(|| format!("cannot write {}", file.display()))
}
