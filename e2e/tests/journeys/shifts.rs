//! Nothing moves by itself: on a slow machine and a slow line, where what comes later comes
//! late, no page shifts what the visitor already sees.

use crate::looks::SIZES;
use crate::speed::{send, slow};
use crate::truth::{measured, tasks};
use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::json;
use tupate_e2e::{Journey, Page, Program, Tolerate, until};

/// Collects what moved without the visitor's doing.
pub const WATCH: &str = "
    window.shifts = [];
    new PerformanceObserver((list) => {
        const said = (node) => node
            ? `${node.nodeName}.${node.className ?? ''} ${(node.textContent ?? '').trim().slice(0, 40)}`
            : 'gone';
        const place = (rect) => `${rect.x},${rect.y} ${rect.width}x${rect.height}`;
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            const moved = entry.sources.map((source) =>
                `${said(source.node)}: ${place(source.previousRect)} to ${place(source.currentRect)}`);
            window.shifts.push({ value: entry.value, moved });
        }
    }).observe({ type: 'layout-shift', buffered: true });";

/// One of them.
#[derive(Debug, Deserialize)]
pub struct Shift {
    value: f64,
    #[expect(dead_code, reason = "it is printed where a test fails")]
    moved: Vec<String>,
}

/// How much has moved since the page was loaded, and what.
pub async fn shifted(page: &Page) -> Result<(f64, Vec<Shift>)> {
    page.browser().painted().await?;
    let shifts: Vec<Shift> = page.read("return window.shifts;", Vec::new()).await?;
    // The sum of none would be a negative zero.
    Ok((shifts.iter().fold(0.0, |sum, shift| sum + shift.value), shifts))
}

/// Every page, and what is true of it when it has come to rest.
const PAGES: [(&str, &str); 5] = [
    ("", "document.querySelector('[data-testid=trust]')?.textContent.includes('interval')"),
    (
        "map",
        "document.querySelector('[data-testid=map]')?.ariaBusy === 'false'
            && document.querySelector('[data-testid=heatmap]')",
    ),
    (
        "lab",
        "document.querySelector('[data-testid=lab]')?.ariaBusy === 'false'
            && document.querySelector('[data-testid=dot]')",
    ),
    ("library", "document.querySelector('[data-testid=kept]')"),
    ("tune", "document.querySelector('.tune form')"),
];

async fn at_rest(page: &Page, sign: &str) -> Result<()> {
    until("the page to come to rest", async || {
        let script = format!("return !!({sign});");
        ensure!(page.read::<bool>(&script, Vec::new()).await?, "{sign} is not true");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn no_page_moves_by_itself_at_any_size() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let (zoo, _) = measured(folder.path(), &tasks()?)?;
    let program = Program::with_runs(&[&zoo], &folder.path().join("runs"))?;
    let journey = Journey::at("shifts", program.base()).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let browser = page.browser();
            let script = json!({ "source": WATCH });
            send(browser, "Page.addScriptToEvaluateOnNewDocument", script).await?;
            slow(browser, false).await?;
            let mut found = Vec::new();
            for (width, height) in SIZES {
                browser.resize(width, height).await?;
                for (slug, sign) in PAGES {
                    page.visit(slug, "").await?;
                    at_rest(page, sign).await?;
                    let (sum, shifts) = shifted(page).await?;
                    if !shifts.is_empty() {
                        found.push(format!("page {slug:?} at {width}: {sum}, {shifts:#?}"));
                    }
                }
            }
            ensure!(found.is_empty(), "{}", found.join("\n"));
            Ok(())
        })
        .await
}
