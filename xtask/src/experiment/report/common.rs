//! How much of a similarity is one order of the sources for all targets: raw vectors share
//! most of their length, so that a source which was hardly moved is close to everybody.

use super::super::table::Scores;
use super::parts::{self, Embeddings, Set};
use super::{MEASURES, Report, chosen::judge, with_interval};
use anyhow::Result;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// What sources are ranked by: a title, and the scores.
type By = (&'static str, fn(&Set) -> Scores);

const BY: [By; 4] = [
    ("cosine", |set| parts::scores(&set.tuned, &set.tuned)),
    ("the source's mean alone", |set| {
        let cosines = parts::scores(&set.tuned, &set.tuned);
        let means = means(&cosines);
        with(&cosines, |source, _| means[source])
    }),
    ("cosine less that mean", |set| {
        let cosines = parts::scores(&set.tuned, &set.tuned);
        let means = means(&cosines);
        with(&cosines, |source, cosine| cosine - means[source])
    }),
    ("the least change alone", |set| {
        let change = |values: &Vec<f64>| {
            values.iter().zip(&set.initial).map(|(v, i)| (v - i) * (v - i)).sum::<f64>().sqrt()
        };
        let changes: Embeddings =
            set.tuned.iter().map(|(task, values)| (task.clone(), vec![change(values)])).collect();
        let cosines = parts::scores(&set.tuned, &set.tuned);
        with(&cosines, |source, _| -changes[source][0])
    }),
];

/// A table of the sets and of what their sources are ranked by.
pub fn text(report: &Report<'_>, truth: &Path, sets: &[String]) -> Result<String> {
    let titles = BY.map(|(title, _)| format!("{title}: NDCG percent | Kendall τ")).join(" | ");
    let mut text = format!("| | {titles} |\n|---|{}\n", "--:|--:|".repeat(BY.len()));
    for key in sets {
        let set = parts::of_zoo(report, key)?;
        let mut cells = Vec::new();
        for (_, by) in BY {
            let judged = judge(report, truth, &by(&set), None)?;
            cells.extend([1, 7].map(|at| with_interval(&judged, MEASURES[at])));
        }
        writeln!(text, "| {key} | {} |", cells.join(" | "))?;
    }
    Ok(text)
}

/// Each source's mean over the other tasks.
fn means(cosines: &Scores) -> BTreeMap<String, f64> {
    let mean = |source: &String| {
        let others = cosines.iter().filter(|(target, _)| *target != source);
        let values: Vec<f64> = others.map(|(_, row)| row[source]).collect();
        (source.clone(), super::resample::mean(&values))
    };
    cosines.keys().map(mean).collect()
}

/// Other scores in the place of these.
fn with(scores: &Scores, of: impl Fn(&String, f64) -> f64) -> Scores {
    let row = |row: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
        row.iter().map(|(source, score)| (source.clone(), of(source, *score))).collect()
    };
    scores.iter().map(|(target, own)| (target.clone(), row(own))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_targets_share_is_taken_away() {
        let tuned = [("a", [1.0, 0.0]), ("b", [0.0, 2.0]), ("c", [3.0, 3.0])];
        let tuned = tuned.map(|(task, values)| (task.to_owned(), values.to_vec())).into();
        let set = Set { tuned, initial: vec![0.0, 1.0] };
        let [cosine, mean, rest, least] = BY.map(|(_, by)| by(&set));
        let half = 0.5_f64.sqrt();
        let near = |one: f64, other: f64| assert!((one - other).abs() < 1e-12, "{one} {other}");
        near(cosine["a"]["c"], half);
        // Over a and b.
        near(mean["a"]["c"], half);
        // Over b and c.
        near(mean["c"]["a"], half / 2.0);
        near(mean["b"]["a"], half / 2.0);
        near(rest["c"]["a"], half / 2.0);
        near(rest["b"]["a"], -half / 2.0);
        near(least["c"]["a"], -2_f64.sqrt());
        near(least["a"]["b"], -1.0);
    }
}
