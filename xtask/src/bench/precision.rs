//! What bf16 changes, beside what another seed changes: scores and embeddings.

use crate::{context::Context, files, program, samples, steps::Steps};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The methods, each with a learning rate at which the samples are learnt.
const METHODS: &[(&str, &str)] = &[("lora", "2e-3"), ("bitfit", "4e-3"), ("ptuning-v2", "1e-2")];

/// What a task is tuned with: a precision, and the seed of head and order.
const RUNS: [(&str, &str); 3] = [("f32", "0"), ("f32", "1"), ("bf16", "0")];

/// One tuned task.
struct Tuned {
    score: f64,
    seconds: f64,
    /// The embedding, and its difference from the untuned one.
    values: [Vec<f64>; 2],
}

/// Tunes every sample three times with each method; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    program::build(context, steps)?;
    let program = program::path(context);
    context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
    let folder = context.target.join("xtask/bench-precision");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut text = String::from(
        "| method | score, another seed | score, bf16 | embedding, another seed | embedding, bf16 | \
         its change by tuning, another seed | its change, bf16 | time of bf16 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (method, rate) in METHODS {
        // Of each task the difference of scores and two cosines, with another seed and
        // with bf16, and how long bf16 took of f32.
        let mut sums = [[0.0; 3]; 2];
        let mut times = [0.0; 2];
        steps.take(method, || {
            for task in samples::names() {
                let mut tuned = Vec::new();
                for (precision, seed) in RUNS {
                    let flags = ["--method", method, "--lr", rate, "--seed", seed];
                    tuned.push(tune(context, &program, &folder, task, precision, &flags)?);
                }
                let [plain, others @ ..] = &tuned[..] else { unreachable!("there are three") };
                for (other, sums) in others.iter().zip(&mut sums) {
                    sums[0] += (other.score - plain.score).abs();
                    for i in 0..2 {
                        sums[1 + i] += cosine(&plain.values[i], &other.values[i]);
                    }
                }
                times[0] += plain.seconds;
                times[1] += others[1].seconds;
            }
            Ok(format!("{} tasks", samples::names().len()))
        })?;
        let [seed, half] = sums.map(|sums| sums.map(|sum| sum / samples::names().len() as f64));
        writeln!(
            text,
            "| {method} | {:.3} | {:.3} | {:.6} | {:.6} | {:.4} | {:.4} | {:.2} |",
            seed[0],
            half[0],
            seed[1],
            half[1],
            seed[2],
            half[2],
            times[1] / times[0]
        )?;
    }
    Ok(text)
}

fn tune(
    context: &Context,
    program: &Path,
    folder: &Path,
    task: &str,
    precision: &str,
    flags: &[&str],
) -> Result<Tuned> {
    let out = folder.join("run");
    files::remove_if_there(&out)?;
    context
        .command(program, ["tune", task, "--encoder", "minilm", "--epochs", "3"])
        .args(["--threads", "1", "--precision", precision])
        .args(flags)
        .arg("--out")
        .arg(&out)
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()?;
    let run = files::json(&out.join("run.json"))?;
    ensure!(run["precision"] == precision, "{task} was not tuned in {precision}");
    let number = |name: &str| run[name].as_f64().with_context(|| format!("{task} has no {name}"));
    let embedding = |kind: &str| -> Result<Vec<f64>> {
        let file: PathBuf = folder.join("embedding.json");
        context
            .command(program, ["embed", "--recipe", &format!("values={kind}"), "--out"])
            .arg(&file)
            .arg(&out)
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()?;
        let values = files::json(&file)?["values"].as_array().cloned();
        let values = values.with_context(|| format!("{task} has no embedding"))?;
        Ok(values.iter().filter_map(Value::as_f64).collect())
    };
    Ok(Tuned {
        score: number("score")?,
        seconds: number("seconds")?,
        values: [embedding("absolute")?, embedding("delta")?],
    })
}

/// The cosine of two vectors: 1 where the directions are the same.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_of_directions() {
        assert!((cosine(&[1.0, 2.0], &[3.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 5.0]).abs() < 1e-12);
        assert!((cosine(&[1.0, 1.0], &[-1.0, -1.0]) + 1.0).abs() < 1e-12);
    }
}
