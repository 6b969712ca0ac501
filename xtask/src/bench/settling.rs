//! What ending early costs: rules of `tupate tune --stop-settled`, replayed on runs that
//! were recorded to their end.

use crate::{context::Context, files, program, samples, steps::Steps};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::Path};

/// The zoo that is ranked against: 25 tasks of an experiment.
const EMBEDDINGS: &str = "experiments/minilm/results/embeddings/0";

/// The methods, each with a learning rate at which the samples are learnt.
const METHODS: &[(&str, &str)] = &[("lora", "2e-3"), ("bitfit", "4e-3"), ("ptuning-v2", "1e-2")];

/// As many as the paper's (section 4.3).
const EPOCHS: &str = "20";

/// How many of the closest must settle, and for how many epochs.
const RULES: &[(usize, usize)] =
    &[(1, 2), (1, 3), (1, 4), (3, 2), (3, 3), (3, 4), (5, 2), (5, 3), (5, 4)];

/// The sources of every epoch, the closest first.
type Recorded = Vec<Vec<String>>;

/// Tunes the samples to their end and replays the rules; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    program::build(context, steps)?;
    let program = program::path(context);
    context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
    let folder = context.target.join("xtask/bench-settling");
    files::remove_if_there(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let zoo = folder.join("zoo.safetensors");
    let mut files: Vec<_> = fs::read_dir(context.root.join(EMBEDDINGS))
        .with_context(|| format!("cannot read {EMBEDDINGS}"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    context
        .command(&program, ["zoo", "merge"])
        .args(&files)
        .arg("--out")
        .arg(&zoo)
        .quiet()
        .ignore_stdout()
        .run()?;
    let mut recorded = Vec::new();
    for (method, rate) in METHODS {
        steps.take(method, || {
            let out = folder.join(method);
            context
                .command(&program, ["tune", &samples::names().join(","), "--method", method])
                .args(["--encoder", "minilm", "--lr", rate, "--epochs", EPOCHS, "--top", "100"])
                .arg("--rank-against")
                .arg(&zoo)
                .arg("--out")
                .arg(&out)
                .quiet()
                .ignore_stdout()
                .ignore_stderr()
                .run()?;
            for task in samples::names() {
                recorded.push(read(&out.join(task).join("rankings.jsonl"))?);
            }
            Ok(format!("{} tasks", samples::names().len()))
        })?;
    }
    let runs = recorded.len() as f64;
    let mut text = format!(
        "| the closest | stay for | epochs of {EPOCHS} | saved | of the closest at the end | NDCG \
         of the whole ranking |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for &(top, patience) in RULES {
        let (mut epochs, mut kept, mut gain) = (0.0, 0.0, 0.0);
        for run in &recorded {
            let end = stops(run, top, patience);
            let (then, last) = (&run[end - 1], run.last().context("a run has no epoch")?);
            epochs += end as f64 / runs;
            let still = then[..top].iter().filter(|task| last[..top].contains(task)).count();
            kept += still as f64 / top as f64 / runs;
            gain += ndcg(then, last) / runs;
        }
        let all = recorded.iter().map(|run| run.len() as f64).sum::<f64>() / runs;
        writeln!(
            text,
            "| {top} | {patience} epochs | {epochs:.1} | {:.0} % | {:.0} % | {gain:.4} |",
            100.0 * (1.0 - epochs / all),
            100.0 * kept
        )?;
    }
    Ok(text)
}

fn read(file: &Path) -> Result<Recorded> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let mut recorded = Vec::new();
    for line in text.lines() {
        let ranking: Value = serde_json::from_str(line).with_context(|| format!("in {shown}"))?;
        let sources = ranking["sources"].as_array().with_context(|| format!("in {shown}"))?;
        let names = sources.iter().filter_map(|source| source["task"].as_str());
        recorded.push(names.map(str::to_owned).collect::<Vec<_>>());
    }
    ensure!(
        recorded.iter().all(|sources| sources.len() == recorded[0].len() && sources.len() > 5),
        "{shown} does not rank the same sources after every epoch"
    );
    Ok(recorded)
}

/// The epoch, from 1, after which a run ends when its `top` closest sources have been the
/// same for `patience` epochs; its last one where they never are.
fn stops(run: &[Vec<String>], top: usize, patience: usize) -> usize {
    let same = |epochs: &&[Vec<String>]| epochs.iter().all(|e| e[..top] == epochs[0][..top]);
    run.windows(patience).position(|epochs| same(&epochs)).map_or(run.len(), |i| i + patience)
}

/// Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) of an order, where
/// a source is worth how far from the end it stands in `ideal`.
fn ndcg(order: &[String], ideal: &[String]) -> f64 {
    let worth = |task: &String| {
        let place = ideal.iter().position(|other| other == task).unwrap_or(ideal.len());
        (ideal.len() - place) as f64
    };
    let sum = |order: &[String]| {
        order.iter().zip(2..).map(|(task, i)| worth(task) / f64::from(i).log2()).sum::<f64>()
    };
    sum(order) / sum(ideal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(orders: &[&str]) -> Recorded {
        orders.iter().map(|order| order.chars().map(String::from).collect()).collect()
    }

    #[test]
    fn a_run_ends_when_its_closest_have_stayed() {
        let run = run(&["abc", "acb", "bac", "bac", "bca", "bca"]);
        assert_eq!(stops(&run, 1, 2), 2);
        assert_eq!(stops(&run, 1, 3), 5);
        assert_eq!(stops(&run, 2, 2), 4);
        assert_eq!(stops(&run, 3, 3), 6, "never");
    }

    #[test]
    fn gains_are_of_the_last_order() {
        let orders = run(&["abc", "cba"]);
        assert!((ndcg(&orders[0], &orders[0]) - 1.0).abs() < 1e-12);
        // (1 + 2/log2(3) + 3/2)/(3 + 2/log2(3) + 1/2)
        let middle = 2.0 / 3.0_f64.log2();
        assert!((ndcg(&orders[1], &orders[0]) - (2.5 + middle) / (3.5 + middle)).abs() < 1e-12);
    }
}
