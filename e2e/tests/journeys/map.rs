//! The map: what it shows is what the command line ranks, and it leads there.

use crate::looks::Look;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use thirtyfour::prelude::*;
use tupate_e2e::{Journey, Page, Source, Tolerate, import, rank, settings, until};

/// Waits until the map is drawn.
pub async fn drawn(page: &Page) -> Result<()> {
    until("the map to be drawn", async || {
        let script = "const map = document.querySelector('[data-testid=map]');
            return map?.getAttribute('aria-busy') === 'false'
                && !!document.querySelector('[data-testid=heatmap]');";
        ensure!(page.read::<bool>(script, Vec::new()).await?, "it is not");
        Ok(())
    })
    .await
}

async fn text(page: &Page, hook: &str) -> Result<String> {
    let script =
        "return document.querySelector(`[data-testid='${arguments[0]}']`)?.textContent ?? '';";
    page.read(script, vec![hook.into()]).await
}

async fn mark(page: &Page, hook: &str, name: &str) -> Result<Option<String>> {
    let script = "return document.querySelector(`[data-testid='${arguments[0]}']`)?.dataset[arguments[1]] ?? null;";
    page.read(script, vec![hook.into(), name.into()]).await
}

/// Waits until the list of neighbours is the beginning of a ranking.
async fn until_nearest(page: &Page, ranking: &[Source]) -> Result<()> {
    let script = "return [...document.querySelectorAll('[data-testid=neighbour]')]
        .map((e) => [e.dataset.task, e.innerText]);";
    until("the neighbours of the ranking", async || {
        let shown: Vec<(String, String)> = page.read(script, Vec::new()).await?;
        ensure!(shown.len() == ranking.len().min(8), "{} neighbours: {shown:?}", shown.len());
        for ((task, text), source) in shown.iter().zip(ranking) {
            ensure!(*task == source.task, "{task} where {} should be", source.task);
            let score = format!("{:.4}", source.score).replace('-', "−");
            ensure!(text.contains(&score), "{text:?} does not say {score}");
        }
        Ok(())
    })
    .await
}

fn ranking(zoo: &std::path::Path, fragment: &str) -> Result<Vec<Source>> {
    let view: std::collections::HashMap<String, String> =
        form_urlencoded::parse(fragment.trim_start_matches('#').as_bytes()).into_owned().collect();
    let of = |key: &str| view.get(key).with_context(|| format!("no {key} in {fragment}"));
    rank(zoo, of("target")?, of("method")?, of("similarity")?)
}

#[tokio::test]
async fn by_keyboard_and_mouse() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("map", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let start = page.visit("map", "similarity=centred").await?;
            drawn(page).await?;
            until_nearest(page, &ranking(&zoo, &start.fragment)?).await?;

            // The heatmap, from cell to cell.
            page.tab_to("heatmap").await?;
            while page.focused("testid").await?.as_deref() != Some("heatmap") {
                page.press(Key::Tab).await?;
            }
            page.press(Key::Home).await?;
            page.press(Key::Right).await?;
            let said = until("a cell to be read", async || {
                let said = text(page, "readout").await?;
                ensure!(said.contains(" and ") && said.contains(':'), "{said}");
                Ok(said)
            })
            .await?;
            page.press(Key::Enter).await?;
            let state = page.until("another view", |s| s.fragment.contains("target=")).await?;
            drawn(page).await?;
            page.press(Key::Escape).await?;
            let sources = ranking(&zoo, &state.fragment)?;
            until_nearest(page, &sources).await?;
            let figure = said.rsplit(' ').next().context("an empty readout")?.replace('−', "-");
            let figure: f64 = figure.parse().with_context(|| said.clone())?;
            ensure!(
                sources.iter().any(|source| (source.score - figure).abs() < 1e-4),
                "{said} is not in the ranking {sources:?}"
            );

            // The plane: another kind of it is in the link, and a point is a target.
            page.click("plane-components").await?;
            let mark_of = "plane=components";
            page.until("the plane in the link", |s| s.fragment.contains(mark_of)).await?;
            let task = mark(page, "point", "task").await?.context("no points")?;
            let point = page.find("point").await?;
            page.browser().action_chain().move_to_element_center(&point).click().perform().await?;
            let wanted = format!("target={task}");
            let state =
                page.until("the point to be the target", |s| s.fragment.contains(&wanted)).await?;
            until_nearest(page, &ranking(&zoo, &state.fragment)?).await?;
            until("the plane to be read out", async || {
                let said = text(page, "plane-readout").await?;
                ensure!(said.contains("nearest:"), "{said}");
                Ok(())
            })
            .await?;

            // From here to the ranking, and back by the browser's button.
            page.browser().find(By::Css("[data-testid=nearest] a")).await?.click().await?;
            page.until_ranked(&ranking(&zoo, &state.fragment)?).await?;
            page.browser().back().await?;
            drawn(page).await?;
            let state = page.state().await?;
            ensure!(state.fragment.contains(mark_of), "the view is lost: {}", state.fragment);

            page.click("as-table").await?;
            // It is made when the browser says that it was opened, which is a moment later.
            until("the table", async || {
                let script = "return document.querySelectorAll('.as-table tbody tr').length;";
                let rows: usize = page.read(script, Vec::new()).await?;
                ensure!(rows == sources.len() + 1, "{rows} rows in the table");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn pictures_to_take_away() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("map-pictures", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.visit("map", "").await?;
            drawn(page).await?;
            let catch = "window.caught = [];
                const real = URL.createObjectURL;
                URL.createObjectURL = (blob) => { window.caught.push(blob); return real(blob); };";
            page.browser().execute(catch, Vec::new()).await?;
            let read = "const [at, done] = arguments;
                const blob = window.caught[at];
                if (!blob) return done(null);
                blob.arrayBuffer().then((b) => done([blob.type, new TextDecoder('latin1').decode(b.slice(0, 1 << 19))]));";
            let saved = [("heatmap", "<image"), ("plane", "<path")];
            for (at, (id, part)) in saved.into_iter().enumerate() {
                for (kind, wanted) in [("svg", "image/svg+xml"), ("png", "image/png")] {
                    page.click(&format!("{id}-{kind}")).await?;
                    let place = 2 * at + usize::from(kind == "png");
                    let (found, start) = until("the picture to be saved", async || {
                        let caught: Value =
                            page.browser().execute_async(read, vec![place.into()]).await?.convert()?;
                        let (kind, start) = (caught[0].as_str(), caught[1].as_str());
                        let both = kind.zip(start).context("nothing yet")?;
                        Ok((both.0.to_owned(), both.1.to_owned()))
                    })
                    .await?;
                    ensure!(found == wanted, "{found} instead of {wanted}");
                    if kind == "svg" {
                        ensure!(start.starts_with("<svg") && start.contains(part), "no {part} in {start:.300}");
                        ensure!(start.contains("http://www.w3.org/2000/svg"), "{start:.300}");
                    } else {
                        // What browsers call latin1 is windows-1252.
                        ensure!(start.starts_with("‰PNG\r\n\u{1a}\n"), "no PNG");
                    }
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn at_every_size_in_both_themes() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let zoo = folder.path().join("many.safetensors");
    std::fs::write(&zoo, import(200, 64, 3)?)?;
    let journey = Journey::start("map-looks", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            Look::each(page, async |look| {
                page.visit("map", "similarity=centred").await?;
                drawn(page).await?;
                look.picture("map").await
            })
            .await?;
            // Nearer, and back.
            let zoom = async || -> Result<f64> {
                let zoom = mark(page, "heatmap", "zoom").await?.context("no zoom")?;
                Ok(zoom.parse()?)
            };
            page.click("heatmap-in").await?;
            until("the heatmap to be nearer", async || {
                ensure!(zoom().await? > 1.0, "it is not");
                Ok(())
            })
            .await?;
            page.click("heatmap-whole").await?;
            until("all of the heatmap", async || {
                ensure!(zoom().await? == 1.0, "a part of it");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn of_few_and_of_many_tasks() -> Result<()> {
    let artifacts = settings::artifacts()?;
    let folder = tempfile::TempDir::new()?;
    let counts = [20, 50, 500, 2000];
    let mut zoos = Vec::new();
    for tasks in counts {
        let zoo = folder.path().join(format!("of{tasks}.safetensors"));
        std::fs::write(&zoo, import(tasks, 32, 7)?)?;
        zoos.push(zoo);
    }
    let paths: Vec<&std::path::Path> = zoos.iter().map(|zoo| &**zoo).collect();
    let journey = Journey::start("map-many", &paths).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let rows =
                "return document.querySelectorAll('.heatmap .names:not(.single) text').length;";
            for tasks in counts {
                page.visit("map", &format!("zoo=/zoos/of{tasks}.safetensors&similarity=centred"))
                    .await?;
                drawn(page).await?;
                page.browser().painted().await?;
                page.browser().picture(&artifacts.join(format!("map-of-{tasks}.png"))).await?;
                let said = text(page, "left-out").await?;
                let wanted: &[&str] = match tasks {
                    500 => &["up to 400 tasks"],
                    2000 => &["1,000 tasks more", "999 closest", "up to 400 tasks"],
                    _ => &[],
                };
                ensure!(said.is_empty() == wanted.is_empty(), "of {tasks} it says {said:?}");
                for part in wanted {
                    ensure!(said.contains(part), "of {tasks} it says {said:?}");
                }
                // Names are there at once where they have room, and from near of any number.
                let names: usize = page.read(rows, Vec::new()).await?;
                ensure!(names == if tasks == 20 { 20 } else { 0 }, "{names} names of {tasks}");
                until("names of rows", async || {
                    let names: usize = page.read(rows, Vec::new()).await?;
                    if names == 0 {
                        page.click("heatmap-in").await?;
                    }
                    ensure!(names > 0, "none yet");
                    Ok(())
                })
                .await?;
            }
            Ok(())
        })
        .await
}
