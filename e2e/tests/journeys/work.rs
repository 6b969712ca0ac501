//! How long the pages that compute keep their visitor from doing anything: no test, but
//! what `cargo xtask bench page` runs.

use crate::lab::judged;
use crate::map::drawn;
use crate::speed::{SLOWDOWN, send};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use tupate_e2e::{Journey, Page, Program, Tolerate, import, settings};

/// Notes long tasks from now on.
const WATCH: &str = "
    window.seen = { tasks: [], start: performance.now() };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask' });
    document.querySelector(`nav a[href$='${arguments[0]}']`).click();
    return null;";

const READ: &str = "return {
    longest_task: Math.max(0, ...window.seen.tasks),
    ms: performance.now() - window.seen.start,
};";

#[derive(Debug, Deserialize)]
struct Worked {
    longest_task: f64,
    ms: f64,
}

/// Goes to a page from the ranking and waits until it has computed.
async fn work(page: &Page, slug: &str) -> Result<Worked> {
    page.read::<()>(WATCH, vec![slug.into()]).await?;
    match slug {
        "map" => drawn(page).await?,
        _ => judged(page).await?,
    }
    page.read(READ, Vec::new()).await
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn what_the_pages_compute() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut all = Vec::new();
    for (tasks, name) in [(200, "map of 200 tasks"), (1000, "map of 1,000 tasks")] {
        let file = folder.path().join(format!("{tasks}.safetensors"));
        std::fs::write(&file, import(tasks, 1024, 3)?)?;
        all.push((name, "map", file));
    }
    let real = settings::zoo()?;
    all.push(("map of 25 tasks, 6 methods", "map", real.clone()));
    all.push(("lab of 25 tasks, 6 methods", "lab", real));
    let mut found = Vec::new();
    for (name, slug, zoo) in &all {
        for slowdown in [1, SLOWDOWN] {
            let program = Program::serve(&[zoo])?;
            let journey = Journey::at("work", program.base()).await?;
            journey
                .travel(Tolerate::Nothing, async |_, page| {
                    page.load("").await?;
                    page.until("a ranking", |state| !state.sources.is_empty()).await?;
                    let rate = json!({ "rate": slowdown });
                    send(page.browser(), "Emulation.setCPUThrottlingRate", rate).await?;
                    let worked = work(page, slug).await?;
                    ensure!(worked.ms > 0.0, "{name}: {worked:?}");
                    found.push(json!({
                        "what": name, "slowdown": slowdown,
                        "longest_task": worked.longest_task, "ms": worked.ms,
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
