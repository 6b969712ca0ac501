//! Several tasks by one `tupate tune`, beside one after the other.

use crate::{context::Context, files, program, samples, steps::Steps};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{path::Path, time::Instant};

/// What every one is tuned with.
const FLAGS: &[&str] =
    &["--encoder", "minilm", "--method", "lora", "--lr", "2e-3", "--epochs", "2", "--json"];

/// Rounds of both, one after the other; the faster counts of each.
const ROUNDS: usize = 2;

/// Tunes all tasks both ways; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    program::build(context, steps)?;
    let program = program::path(context);
    context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
    let folder = context.target.join("xtask/bench-several");
    let tasks = samples::names();
    let mut best = [None; 2];
    steps.take("tuning", || {
        for _ in 0..ROUNDS {
            for (at_once, best) in [false, true].into_iter().zip(&mut best) {
                files::remove_if_there(&folder)?;
                let took = tune(context, &program, &folder, &tasks, at_once)?;
                let faster = best.is_none_or(|(seconds, _)| took.0 < seconds);
                *best = Some(best.filter(|_| !faster).unwrap_or(took));
            }
        }
        Ok(format!("{} tasks", tasks.len()))
    })?;
    let [Some(each), Some(all)] = best else { anyhow::bail!("nothing was measured") };
    let count = tasks.len() as f64;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    Ok(format!(
        "| {} tasks, LoRA, all cores | seconds | tasks an hour | peak MiB |\n\
         |---|--:|--:|--:|\n\
         | one command after the other | {:.1} | {:.0} | {:.0} |\n\
         | one command | {:.1} | {:.0} | {:.0} |\n\
         | ratio | {:.2} | {:.2} | {:.2} |\n",
        tasks.len(),
        each.0,
        3600.0 * count / each.0,
        mib(each.1),
        all.0,
        3600.0 * count / all.0,
        mib(all.1),
        all.0 / each.0,
        each.0 / all.0,
        all.1 / each.1,
    ))
}

/// Seconds, and the most memory of a process.
fn tune(
    context: &Context,
    program: &Path,
    folder: &Path,
    tasks: &[&str],
    at_once: bool,
) -> Result<(f64, f64)> {
    let started = Instant::now();
    let mut peak = 0.0_f64;
    let each = || tasks.iter().map(|task| (*task).to_owned()).collect();
    let commands: Vec<String> = if at_once { vec![tasks.join(",")] } else { each() };
    for (i, tasks) in commands.iter().enumerate() {
        let out = if at_once { folder.to_owned() } else { folder.join(i.to_string()) };
        let said = context
            .command(program, ["tune", tasks])
            .args(FLAGS)
            .arg("--out")
            .arg(out)
            .quiet()
            .ignore_stderr()
            .read()?;
        for line in said.lines() {
            let run: Value = serde_json::from_str(line).context("a run's line is no JSON")?;
            peak = peak.max(run["peak_memory_bytes"].as_f64().context("a run has no peak")?);
        }
    }
    Ok((started.elapsed().as_secs_f64(), peak))
}
