//! The lab: its figures are those of `tupate evaluate`.

use crate::looks::Look;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use tupate_e2e::{Journey, Page, Tolerate, evaluate, settings, until};

/// A truth for these tasks, made up: with a blank and without transfer.
pub fn truth(tasks: &[String]) -> String {
    let mut text = String::from("target,no-transfer");
    tasks.iter().for_each(|task| text.push_str(&format!(",{task}")));
    for (t, target) in tasks.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{target},{:.3}", 0.55 + 0.01 * (t % 3) as f64);
        for s in 0..tasks.len() {
            let score = 0.5 + ((7 * t + 5 * s + 3 * t * s) % 23) as f64 / 60.0;
            let blank = (t, s) == (0, 2);
            let _ = if blank { write!(text, ",") } else { write!(text, ",{score:.3}") };
        }
    }
    text + "\n"
}

/// The same as `tupate transfer` leaves it, with two seeds.
fn transfer_json(table: &str) -> Value {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    let seeds = |cell: &&str| -> Value {
        let score = cell.parse::<f64>().ok();
        [score, score.map(|score| score + 0.01)].as_slice().into()
    };
    let (mut targets, mut scores, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        targets.push(line[0]);
        alone.push(seeds(&line[1]));
        scores.push(line[2..].iter().map(seeds).collect::<Vec<_>>());
    }
    serde_json::json!({
        "setting": "limited-limited", "metric": "each target's own", "encoder": "minilm",
        "seeds": [0, 1], "targets": targets, "sources": head[2..], "scores": scores,
        "no_transfer": alone,
    })
}

pub async fn judged(page: &Page) -> Result<()> {
    until("the rankings to be judged", async || {
        let script = "return document.querySelector('[data-testid=lab]')?.ariaBusy === 'false'
            && document.querySelectorAll('[data-testid=dot]').length > 0;";
        ensure!(page.read::<bool>(script, Vec::new()).await?, "they are not");
        Ok(())
    })
    .await
}

/// Value, low and high end by method and measure, as the table has them.
async fn figures(page: &Page) -> Result<Value> {
    let script = "const all = {};
        for (const row of document.querySelectorAll('[data-testid=figures-row]')) {
            const cells = all[row.dataset.method] = {};
            for (const cell of row.querySelectorAll('[data-measure]')) {
                const number = (text) => text === undefined ? null : Number(text);
                const { value, low, high } = cell.dataset;
                cells[cell.dataset.measure] = [number(value), number(low), number(high), cell.innerText];
            }
        }
        return all;";
    page.read(script, Vec::new()).await
}

/// A measure's place in the JSON of `tupate evaluate`.
fn at<'a>(part: &'a Value, measure: &str) -> &'a Value {
    match measure.split_once('.') {
        Some((family, member)) => &part[family][member],
        None if measure == "rank_of_best" => &part["rho"],
        None => &part[measure],
    }
}

fn close(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-9,
        (found, wanted) => found.is_none() && wanted.is_none(),
    }
}

/// Checks all that the table shows against the command line.
async fn check(page: &Page, zoo: &Path, truth: &Path, relevance: &str) -> Result<()> {
    let state = page.state().await?;
    let similarity = state.similarity.context("no similarity is chosen")?;
    let shown = figures(page).await?;
    for method in ["lora.early", "lora.late"] {
        let wanted = evaluate(zoo, truth, method, &similarity)?;
        let row = shown[method].as_object().with_context(|| format!("no {method}: {shown}"))?;
        ensure!(row.len() == 8, "{} measures", row.len());
        ensure!(row.contains_key(&format!("ndcg.{relevance}")), "not by {relevance}: {row:?}");
        for (measure, cell) in row {
            let (mean, ends) = (at(&wanted["mean"], measure), at(&wanted["interval95"], measure));
            ensure!(close(&cell[0], mean), "{method} {measure}: {} instead of {mean}", cell[0]);
            for (place, end) in [(1, &ends[0]), (2, &ends[1])] {
                ensure!(close(&cell[place], end), "{method} {measure}: {cell} instead of {ends}");
            }
            let (text, floor) =
                (cell[3].as_str().context("no text")?, at(&wanted["random"], measure));
            if let Some(mean) = mean.as_f64() {
                let digits = if measure == "rank_of_best" { 2 } else { 3 };
                let figure = format!("{mean:.digits$}").replace('-', "−");
                // Nothing has no sign.
                let figure = match figure.trim_matches(['−', '0', '.']) {
                    "" => figure.replace('−', ""),
                    _ => figure,
                };
                ensure!(text.contains(&figure), "{text:?} does not say {figure}");
            }
            let random = &shown["random"][measure][0];
            ensure!(close(random, floor), "random {measure}: {random} instead of {floor}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_truth_of_ones_own() -> Result<()> {
    let zoo = settings::zoo()?;
    let folder = tempfile::TempDir::new()?;
    let journey = Journey::start("lab", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let tasks = page.targets().await?;
            let table = folder.path().join("mine.csv");
            std::fs::write(&table, truth(&tasks))?;

            page.visit("lab", "similarity=centred").await?;
            page.find("no-truth").await?;
            // What is wrong is named with its place.
            let field = page.find("own-table").await?;
            field.send_keys("target,a,b\nx,0.5,high").await?;
            page.click("own-read").await?;
            until("the mistake to be named", async || {
                let said = page.find("own-failure").await?.text().await?;
                ensure!(said.contains("line 2, column 3 (b)") && said.contains("high"), "{said}");
                Ok(())
            })
            .await?;
            ensure!(
                field.prop("value").await?.is_some_and(|v| v.contains("high")),
                "the text is gone"
            );

            page.find("own-file").await?.send_keys(table.to_string_lossy()).await?;
            judged(page).await?;
            check(page, &zoo, &table, "percent").await?;
            for relevance in ["fraction", "rank", "gain"] {
                page.click(&format!("relevance-{relevance}")).await?;
                let mark = format!("measure=ndcg.{relevance}");
                page.until("the relevance in the link", |s| s.fragment.contains(&mark)).await?;
                judged(page).await?;
                check(page, &zoo, &table, relevance).await?;
            }
            for measure in ["rank_of_best", "regret.1", "regret_of_means.5"] {
                page.click(&format!("measure-{measure}")).await?;
                let mark = format!("measure={measure}");
                page.until("the measure in the link", |s| s.fragment.contains(&mark)).await?;
                judged(page).await?;
                // Every dot is where its figure is.
                let script = "return [...document.querySelectorAll('[data-testid=dot]')]
                    .map((e) => [e.dataset.method, Number(e.dataset.value)]);";
                let dots: Vec<(String, f64)> = page.read(script, Vec::new()).await?;
                let shown = figures(page).await?;
                ensure!(dots.len() == 2, "{dots:?}");
                ensure!(dots[0].1 <= dots[1].1, "less is better, and is not first: {dots:?}");
                for (method, value) in dots {
                    ensure!(close(&shown[&method][measure][0], &value.into()), "{method} {value}");
                }
            }
            // Two methods in a sentence, the other way round.
            let compared = page.find("compared").await?;
            let before = compared.text().await?;
            ensure!(before.contains("Mean regret@5") && before.contains("p "), "{before}");
            let holds = page.find("holds").await?.text().await?;
            ensure!(holds.contains("relevance"), "{holds}");
            let early = page.find("early-and-late").await?.text().await?;
            ensure!(early.contains("LoRA: "), "{early}");

            // A table of scores is one more method: with the truth, a perfect one.
            page.click("own-scores").await?;
            page.find("own-file").await?.send_keys(table.to_string_lossy()).await?;
            page.click("measure-ndcg").await?;
            page.click("relevance-rank").await?;
            until("the scores to be judged", async || {
                let shown = figures(page).await?;
                let ndcg = shown["mine"]["ndcg.rank"][0].as_f64().context("no such method")?;
                ensure!((ndcg - 1.0).abs() < 1e-9, "{ndcg}");
                Ok(())
            })
            .await?;
            // A mean over other targets is no better one, however great it is.
            let two = folder.path().join("two.csv");
            let lines: Vec<_> = truth(&tasks).lines().take(3).map(str::to_owned).collect();
            std::fs::write(&two, lines.join("\n"))?;
            page.find("own-file").await?.send_keys(two.to_string_lossy()).await?;
            until("the two targets to be judged", async || {
                let script = "return [...document.querySelectorAll('[data-testid=dot]')]
                    .map((e) => e.querySelector('text').textContent);";
                let names: Vec<String> = page.read(script, Vec::new()).await?;
                let last = names.last().context("no methods")?;
                ensure!(last.starts_with("2 targets: "), "{names:?}");
                Ok(())
            })
            .await?;
            let best = page.find("lab-sentence").await?.text().await?;
            ensure!(best.contains(&format!("over {} targets", tasks.len())), "{best}");

            // The file of a sweep is measured transfer, and holds its seeds itself.
            let json = folder.path().join("transfer.json");
            std::fs::write(&json, transfer_json(&truth(&tasks)).to_string())?;
            page.find("own-file").await?.send_keys(json.to_string_lossy()).await?;
            until("it not to be a seed among others", async || {
                let said = page.find("own-failure").await?.text().await?;
                ensure!(said.contains("holds all its seeds"), "{said}");
                Ok(())
            })
            .await?;
            page.load("").await?;
            page.visit("lab", "similarity=centred").await?;
            page.find("own-scores").await?;
            page.click("own-scores").await?;
            page.find("own-file").await?.send_keys(json.to_string_lossy()).await?;
            judged(page).await?;
            let script = "return document.getElementById('truth-describe').innerText;";
            let said: String = page.read(script, Vec::new()).await?;
            ensure!(said.contains("2 seeds"), "{said}");
            ensure!(figures(page).await?["ceiling"]["regret.1"][0].is_number(), "no ceiling");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_truth_of_a_zoo_at_every_size() -> Result<()> {
    let zoo = settings::zoo()?;
    let folder = tempfile::TempDir::new()?;
    let journey = Journey::start("lab-looks", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let table = folder.path().join("mine.csv");
            std::fs::write(&table, truth(&page.targets().await?))?;
            Look::each(page, async |look| {
                page.visit("lab", "similarity=centred").await?;
                page.find("no-truth").await?;
                look.picture("lab-empty").await?;
                page.find("own-file").await?.send_keys(table.to_string_lossy()).await?;
                judged(page).await?;
                page.browser().execute("window.scrollTo(0, 0);", Vec::new()).await?;
                look.picture("lab").await
            })
            .await
        })
        .await
}
