//! A zoo that knows what transfer did: true gains beside the scores, and a sentence that
//! says how far such rankings can be trusted.

use crate::lab::truth;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tupate_e2e::{Journey, Page, Tolerate, evaluate, pack, settings, until};

/// The samples with a made-up truth, in a folder: the zoo, and the truth as a table.
pub fn measured(folder: &Path, tasks: &[String]) -> Result<(PathBuf, PathBuf)> {
    let (zoo, table) = (folder.join("measured.safetensors"), folder.join("truth.csv"));
    std::fs::write(&table, truth(tasks))?;
    let runs: Result<Vec<_>> = tasks.iter().map(|task| settings::run(task)).collect();
    let options = ["--setting", "invented", "--truth"].map(OsStr::new);
    pack(&runs?, "Measured samples", &[&options, &[table.as_os_str()][..]].concat(), &zoo)?;
    Ok((zoo, table))
}

/// The tasks of the zoo under test, from its runs.
pub fn tasks() -> Result<Vec<String>> {
    let mut tasks = Vec::new();
    for run in std::fs::read_dir(settings::zoo()?.with_file_name("runs"))? {
        let run = run?;
        if run.path().is_dir() {
            tasks.push(run.file_name().into_string().ok().context("the name of a run")?);
        }
    }
    tasks.sort();
    Ok(tasks)
}

/// The gains that the rows say, by task.
async fn gains(page: &Page) -> Result<Vec<(String, String)>> {
    let script = "return [...document.querySelectorAll('[data-testid=source]')].map((e) =>
        [e.dataset.task, e.querySelector('[data-testid=gain]')?.innerText ?? '']);";
    page.read(script, Vec::new()).await
}

/// What a source did for a target by the table: the gain over no transfer, if it was run.
fn gain(table: &str, target: &str, source: &str) -> Result<Option<f64>> {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().context("an empty table")?;
    let row = lines.find(|line| line[0] == target).context("no such target")?;
    let at = head.iter().position(|name| *name == source).context("no such source")?;
    let without: f64 = row[1].parse()?;
    Ok(row[at].parse().ok().map(|score: f64| score - without))
}

#[tokio::test]
async fn gains_and_how_sure_a_ranking_is() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let tasks = tasks()?;
    let (zoo, table) = measured(folder.path(), &tasks)?;
    let journey = Journey::start("truth", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let text = std::fs::read_to_string(&table)?;
            // The first target's row has a blank.
            for target in [&tasks[0], &tasks[3]] {
                page.choose_target(target).await?;
                let mark = format!("target={target}");
                page.until("the target", |state| state.fragment.contains(&mark)).await?;
                let shown = gains(page).await?;
                ensure!(shown.len() == tasks.len() - 1, "{shown:?}");
                for (task, said) in shown {
                    let wanted = match gain(&text, target, &task)? {
                        None => "not measured".to_owned(),
                        Some(gain) if gain.abs() < 5e-4 => "0.000".to_owned(),
                        Some(gain) if gain < 0.0 => format!("−{:.3}", -gain),
                        Some(gain) => format!("+{gain:.3}"),
                    };
                    ensure!(said.ends_with(&wanted), "{task} says {said:?}, not {wanted}");
                }
            }
            for similarity in ["cosine", "centred"] {
                page.click(&format!("similarity-{similarity}")).await?;
                let state = page
                    .until("the similarity", |s| s.similarity.as_deref() == Some(similarity))
                    .await?;
                let set = state.set.context("no set is chosen")?;
                let report = evaluate(&zoo, &table, &set, similarity)?;
                let percent = |part: &Value| {
                    let share = part.as_f64().context("no regret")?;
                    anyhow::Ok(format!("{:.1}", 100.0 * share))
                };
                let of = |part: &str| report[part]["regret"]["3"].clone();
                let (mean, random, ends) = (of("mean"), of("random"), of("interval95"));
                let wanted = [
                    format!("Over {} targets", tasks.len()),
                    format!("fell {} % short", percent(&mean)?),
                    format!("95 % interval {} to {}", percent(&ends[0])?, percent(&ends[1])?),
                    format!("at random fall {} % short", percent(&random)?),
                ];
                until("how sure that is", async || {
                    let said = page.find("trust").await?.text().await?;
                    for part in &wanted {
                        ensure!(said.contains(part), "{part:?} is not in {said:?}");
                    }
                    Ok(())
                })
                .await?;
            }
            Ok(())
        })
        .await
}
