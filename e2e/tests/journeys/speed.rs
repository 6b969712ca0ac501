//! How long a visitor waits, on a slow machine and a slow line: no test, but what
//! `cargo xtask bench page` runs.

use crate::keeping::{turn, until_installed, until_kept};
use crate::{sha256, shifts};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tupate_e2e::{Browser, Journey, Page, Program, Tolerate, settings, until};

/// Visits of each kind, each first one by a browser that has never been here.
const ROUNDS: usize = 9;

/// How much slower than this machine the visitor's is.
pub const SLOWDOWN: u32 = 4;

/// The visitor's line: bytes a second both ways, and milliseconds there and back.
const BYTES_A_SECOND: u32 = 10_000_000 / 8;
const ROUND_TRIP_MS: u32 = 40;

/// Notes when the first source is on the page, and every long task until then.
const WATCH: &str = "
    window.seen = { ranked: null, tasks: [] };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask', buffered: true });
    const look = () => {
        if (document.querySelector('[data-testid=\"source\"]')) {
            window.seen.ranked = performance.now();
        } else {
            requestAnimationFrame(look);
        }
    };
    requestAnimationFrame(look);";

const READ: &str = "
    const painted = performance.getEntriesByName('first-contentful-paint')[0];
    const asked = [performance.getEntriesByType('navigation')[0],
        ...performance.getEntriesByType('resource')];
    return {
        painted: painted?.startTime ?? null,
        ranked: window.seen.ranked,
        longest_task: Math.max(0, ...window.seen.tasks),
        bytes: asked.reduce((sum, entry) => sum + entry.transferSize, 0),
        requests: asked.length,
        hosts: [...new Set(asked.map((entry) => new URL(entry.name).host))],
    };";

/// One visit, in milliseconds and bytes.
#[derive(Debug, Deserialize, Serialize)]
struct Visit {
    painted: Option<f64>,
    ranked: Option<f64>,
    longest_task: f64,
    bytes: u64,
    requests: u64,
    hosts: Vec<String>,
    /// What moved by itself until the page was at rest.
    #[serde(default)]
    shift: f64,
}

/// Tells the browser something that no driver knows.
pub async fn send(browser: &Browser, method: &str, parameters: Value) -> Result<()> {
    browser.cdp().send_raw(method, parameters).await.with_context(|| method.to_owned())?;
    Ok(())
}

/// Makes the machine and the line slow, or takes the line away.
pub async fn slow(browser: &Browser, offline: bool) -> Result<()> {
    send(browser, "Network.enable", json!({})).await?;
    send(browser, "Emulation.setCPUThrottlingRate", json!({ "rate": SLOWDOWN })).await?;
    let line = json!({
        "offline": offline, "latency": ROUND_TRIP_MS,
        "downloadThroughput": BYTES_A_SECOND, "uploadThroughput": BYTES_A_SECOND,
    });
    send(browser, "Network.emulateNetworkConditions", line).await
}

async fn visit(page: &Page) -> Result<Visit> {
    page.load("").await?;
    let mut visit = until("the first source", async || {
        let visit: Visit = page.read(READ, Vec::new()).await?;
        ensure!(visit.painted.is_some() && visit.ranked.is_some(), "only {visit:?}");
        ensure!(visit.hosts.len() == 1, "others were asked: {:?}", visit.hosts);
        Ok(visit)
    })
    .await?;
    visit.shift = shifts::shifted(page).await?.0;
    Ok(visit)
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn first_and_second_visit() -> Result<()> {
    let zoo = settings::zoo()?;
    let digest = sha256(&std::fs::read(&zoo)?);
    let (mut first, mut second, mut offline) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let program = Program::serve(&[&zoo])?;
        let journey = Journey::at("speed", program.base()).await?;
        journey
            .travel(Tolerate::Host(program.base().into()), async |_, page| {
                let browser = page.browser();
                for script in [WATCH, shifts::WATCH] {
                    let script = json!({ "source": script });
                    send(browser, "Page.addScriptToEvaluateOnNewDocument", script).await?;
                }
                slow(browser, false).await?;
                first.push(visit(page).await?);
                until_installed(page).await?;
                // What was not needed first has come by then, too.
                turn(page, "Library").await?;
                until_kept(page, &digest).await?;
                second.push(visit(page).await?);
                slow(browser, true).await?;
                offline.push(visit(page).await?);
                Ok(())
            })
            .await?;
    }
    let found = json!({
        "first visit": first, "second visit": second, "without a network": offline,
        "zoo_bytes": std::fs::metadata(&zoo)?.len(),
        "slowdown": SLOWDOWN, "megabits": BYTES_A_SECOND / 125_000, "round_trip_ms": ROUND_TRIP_MS,
    });
    let file = settings::artifacts()?.join("speed.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&found)?)
        .with_context(|| format!("cannot write {}", file.display()))
}
