//! What was measured of transfer: the matrices of whole seeds, and what is still missing.

use super::super::plan::{Task, Truth};
use super::super::table::{Scores, Transferred};
use super::{Report, counted, resample::mean};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The measured transfer of a setting.
pub struct Measured<'a> {
    pub truth: &'a Truth,
    cells: Vec<Transferred>,
    /// As `tupate transfer` writes it.
    pub matrix: Value,
}

/// A target and its source, or none.
type Pair<'a> = (&'a str, Option<&'a str>);

/// The cells of a setting that are there, of tasks that are reported.
fn cells(report: &Report<'_>, truth: &Truth) -> Result<Vec<Transferred>> {
    let mut cells: Vec<Transferred> = report.rows(&format!("{}.jsonl", truth.setting))?;
    cells.retain(|cell| {
        report.has(&cell.target) && cell.source.as_ref().is_none_or(|source| report.has(source))
    });
    Ok(cells)
}

/// All cells of a seed.
fn wanted<'a>(truth: &Truth, seed: u64, tasks: &'a [Task]) -> Vec<Pair<'a>> {
    let of = |target: &'a str| {
        let sources = tasks.iter().map(|task| task.id.as_str()).filter(move |id| *id != target);
        sources.map(Some).chain([None]).map(move |source| (target, source))
    };
    truth.targets(seed, tasks).into_iter().flat_map(of).collect()
}

/// A matrix a setting, of those seeds that are whole: half of one would rank few sources for
/// some targets and more for others.
pub fn whole<'a>(report: &Report<'a>) -> Result<Vec<Measured<'a>>> {
    let tasks = &report.plan.task;
    let mut all = Vec::new();
    for truth in &report.plan.truth {
        let mut cells = cells(report, truth)?;
        let there: BTreeSet<(u64, Pair<'_>)> = cells.iter().map(pair).collect();
        let seeds: BTreeSet<u64> = cells.iter().map(|cell| cell.seed).collect();
        let is_whole = |seed: &u64| {
            wanted(truth, *seed, tasks).into_iter().all(|pair| there.contains(&(*seed, pair)))
        };
        let seeds: BTreeSet<u64> = seeds.into_iter().filter(is_whole).collect();
        cells.retain(|cell| seeds.contains(&cell.seed));
        if !cells.is_empty() {
            all.push(Measured { truth, matrix: matrix(&truth.setting, &cells), cells });
        }
    }
    Ok(all)
}

fn pair(cell: &Transferred) -> (u64, Pair<'_>) {
    (cell.seed, (cell.target.as_str(), cell.source.as_deref()))
}

/// How much is there of each seed that is not whole yet; nothing where all are.
pub fn pending(report: &Report<'_>) -> Result<String> {
    let mut text = String::new();
    for truth in &report.plan.truth {
        let cells = cells(report, truth)?;
        for seed in truth.part.iter().flat_map(|part| &part.seeds) {
            let wanted = wanted(truth, *seed, &report.plan.task).len();
            let there = cells.iter().filter(|cell| cell.seed == *seed).count();
            if there < wanted {
                writeln!(
                    text,
                    "- {}, seed {seed}: {there} of {wanted} cells were measured.",
                    truth.setting
                )?;
            }
        }
    }
    match text.is_empty() {
        true => Ok(text),
        false => Ok(format!("\n### Not reported yet\n\nA seed is, once it is whole.\n\n{text}")),
    }
}

impl Measured<'_> {
    /// How much was measured, and how much of it is noise.
    pub fn text(&self) -> String {
        let cells = &self.cells;
        let transfers = cells.iter().filter(|cell| cell.source.is_some());
        let alone: BTreeMap<(u64, &str), f64> = cells
            .iter()
            .filter(|cell| cell.source.is_none())
            .map(|cell| ((cell.seed, cell.target.as_str()), cell.score))
            .collect();
        let gains: Vec<f64> = transfers
            .filter_map(|cell| Some(cell.score - alone.get(&(cell.seed, cell.target.as_str()))?))
            .collect();
        let better = gains.iter().filter(|gain| **gain > 0.0).count();
        let seeds: BTreeSet<u64> = cells.iter().map(|cell| cell.seed).collect();
        let mut sorted = gains.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            sorted.get((share * (sorted.len().saturating_sub(1)) as f64) as usize).copied()
        };
        let quantile =
            |share: f64| at(share).map_or_else(String::new, |gain| format!("{gain:+.3}"));
        let hours = cells.iter().map(|cell| cell.seconds).sum::<f64>() / 3600.0;
        format!(
            "{} cells of {} ({hours:.1} hours of computing): {} transfers, {:.0} % of which gain \
             on the target alone; gains from {} over {} (median) to {}. `tupate transfer {}`.\n",
            cells.len(),
            counted(seeds.len(), "seed"),
            gains.len(),
            100.0 * better as f64 / gains.len().max(1) as f64,
            quantile(0.0),
            quantile(0.5),
            quantile(1.0),
            self.truth.options.join(" "),
        )
    }

    /// What was measured, as a ranking of the sources for another setting's targets: the means
    /// over seeds. Nothing if not all of them are targets here.
    pub fn foretells(&self, other: &Self) -> Option<Scores> {
        let mut scores: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(source) = &cell.source {
                let row = scores.entry(&cell.target).or_default();
                row.entry(source).or_default().push(cell.score);
            }
        }
        let targets: BTreeSet<&str> = other.cells.iter().map(|cell| &*cell.target).collect();
        let row = |target: &str| -> Option<(String, BTreeMap<String, f64>)> {
            let means = scores.get(target)?.iter();
            let means = means.map(|(source, seeds)| ((*source).to_owned(), mean(seeds)));
            Some((target.to_owned(), means.collect()))
        };
        targets.into_iter().map(row).collect()
    }

    /// The matrix without transfer between tasks of different classes.
    pub fn in_class(&self, classes: &BTreeMap<String, String>) -> Value {
        let matrix = &self.matrix;
        let mut kept = matrix.clone();
        let class = |name: &Value| name.as_str().and_then(|name| classes.get(name));
        let columns = matrix["sources"].as_array().cloned().unwrap_or_default();
        let rows = matrix["targets"].as_array().cloned().unwrap_or_default();
        for (t, target) in rows.iter().enumerate() {
            for (s, source) in columns.iter().enumerate() {
                if class(target) != class(source) {
                    let seeds = kept["scores"][t][s].as_array_mut();
                    seeds.into_iter().flatten().for_each(|score| *score = Value::Null);
                }
            }
        }
        kept
    }
}

/// The targets of a matrix that were measured with several seeds, where others were not: what
/// can be held against its ceiling.
pub fn repeated(matrix: &Value) -> Option<Value> {
    let of = |name: &str| matrix[name].as_array().cloned().unwrap_or_default();
    let several = |alone: &Value| {
        let seeds = alone.as_array().into_iter().flatten();
        seeds.filter(|score| !score.is_null()).count() > 1
    };
    let wanted: Vec<bool> = of("no_transfer").iter().map(several).collect();
    if wanted.iter().all(|one| *one) || !wanted.contains(&true) {
        return None;
    }
    let mut kept = matrix.clone();
    for name in ["targets", "scores", "no_transfer"] {
        let rows = of(name).into_iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        kept[name] = rows.map(|(row, _)| row).collect();
    }
    Some(kept)
}

/// All cells as the matrix that `tupate transfer` writes.
fn matrix(setting: &str, cells: &[Transferred]) -> Value {
    let seeds: BTreeSet<u64> = cells.iter().map(|cell| cell.seed).collect();
    let targets: BTreeSet<&str> = cells.iter().map(|cell| cell.target.as_str()).collect();
    let sources: BTreeSet<&str> = cells.iter().filter_map(|cell| cell.source.as_deref()).collect();
    let known: BTreeMap<(&str, Option<&str>, u64), f64> = cells
        .iter()
        .map(|cell| ((cell.target.as_str(), cell.source.as_deref(), cell.seed), cell.score))
        .collect();
    let of = |target: &str, source: Option<&str>| -> Vec<Option<f64>> {
        seeds.iter().map(|seed| known.get(&(target, source, *seed)).copied()).collect()
    };
    let scores: Vec<Vec<_>> = targets
        .iter()
        .map(|target| sources.iter().map(|source| of(target, Some(source))).collect())
        .collect();
    let alone: Vec<_> = targets.iter().map(|target| of(target, None)).collect();
    json!({
        "setting": setting, "metric": "each target's own", "seeds": seeds, "targets": targets,
        "sources": sources, "scores": scores, "no_transfer": alone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured<'a>(truth: &'a Truth, cells: &[(u64, &str, Option<&str>, f64)]) -> Measured<'a> {
        let cell = |(seed, target, source, score): &(u64, &str, Option<&str>, f64)| {
            serde_json::from_value(json!({
                "seed": seed, "target": target, "source": source, "metric": "accuracy",
                "score": score, "majority": 0.5, "curve": [], "train_examples": 1, "seconds": 1.0,
                "ledger": {
                    "ok": true, "tensors": 1, "least_moved": 0.5, "keys_loaded": 1,
                    "truncated_train": 0, "truncated_dev": 0, "beats_majority": true,
                },
                "version": "", "options": "",
                "encoder_sha256": "", "data_sha256": "", "source_sha256": null,
            }))
        };
        let cells: Vec<Transferred> = cells.iter().map(|one| cell(one).unwrap()).collect();
        Measured { truth, matrix: matrix(&truth.setting, &cells), cells }
    }

    #[test]
    fn one_setting_foretells_another_of_whose_targets_it_has_all() {
        let truth = Truth { setting: "full-limited".into(), part: vec![], options: vec![] };
        let many = measured(
            &truth,
            &[
                (0, "a", None, 0.9),
                (0, "a", Some("b"), 0.5),
                (1, "a", Some("b"), 0.75),
                (0, "a", Some("c"), 0.25),
                (0, "b", Some("a"), 0.5),
            ],
        );
        let few = measured(&truth, &[(0, "a", None, 0.5), (0, "a", Some("b"), 0.5)]);
        let of_b: BTreeMap<String, f64> = [("b".into(), 0.625), ("c".into(), 0.25)].into();
        assert_eq!(many.foretells(&few), Some([("a".to_owned(), of_b)].into()));
        assert_eq!(few.foretells(&many), None);
    }
}
