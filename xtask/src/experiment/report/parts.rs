//! Which part of what was tuned foretells transfer: keys of a prefix without values, one
//! factor of LoRA without the other, the biases of one kind of map.

use super::super::layers::tensor;
use super::super::table::Scores;
use super::{MEASURES, Report, chosen::judge, with_interval};
use crate::bench::cosine;
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

/// A part of an embedding: its name, and which of the pieces make it.
type Part = (&'static str, &'static [usize]);

/// A method, of how many equal pieces its embedding is, and parts of it; the first is the
/// whole.
struct Method {
    name: &'static str,
    pieces: usize,
    parts: &'static [Part],
}

/// Pieces follow the method's order: `A` and `B` of queries, then of values; biases of query,
/// key, value, attention output, attention norm, intermediate (four times as wide), output
/// and output norm; keys, then values.
const METHODS: [Method; 3] = [
    Method {
        name: "lora",
        pieces: 4,
        parts: &[
            ("all", &[0, 1, 2, 3]),
            ("A", &[0, 2]),
            ("B", &[1, 3]),
            ("queries", &[0, 1]),
            ("values", &[2, 3]),
        ],
    },
    Method {
        name: "bitfit",
        pieces: 11,
        parts: &[
            ("all", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            ("attention", &[0, 1, 2, 3]),
            ("feed-forward", &[5, 6, 7, 8, 9]),
            ("LayerNorms", &[4, 10]),
        ],
    },
    Method {
        name: "ptuning-v2",
        pieces: 2,
        parts: &[("all", &[0, 1]), ("keys", &[0]), ("values", &[1])],
    },
];

/// What was tuned, or how it differs from where tuning began.
const VALUES: [(&str, bool); 2] = [("as tuned", false), ("its change", true)];

/// Embeddings by task.
pub(super) type Embeddings = BTreeMap<String, Vec<f64>>;

/// The tasks' embeddings of one set, and where tuning began.
pub(super) struct Set {
    pub tuned: Embeddings,
    pub initial: Vec<f64>,
}

/// A table of all parts of those methods that are among `sets`.
pub fn text(report: &Report<'_>, truth: &Path, sets: &[String]) -> Result<String> {
    let titles = VALUES.map(|(title, _)| format!("{title}: NDCG percent | Kendall τ")).join(" | ");
    let mut text = format!("| | part | values | {titles} |\n|---|---|--:|--:|--:|--:|--:|\n");
    for Method { name: method, pieces, parts } in METHODS {
        for checkpoint in ["early", "late"] {
            let key = format!("{method}.{checkpoint}");
            if !sets.contains(&key) {
                continue;
            }
            let set = of_zoo(report, &key)?;
            for (name, own) in parts {
                let part = |values: &[f64]| part(values, pieces, own);
                let mut cells = Vec::new();
                for (_, change) in VALUES {
                    let from = change.then(|| part(&set.initial));
                    let of = |values: &Vec<f64>| match &from {
                        Some(from) => part(values).iter().zip(from).map(|(v, i)| v - i).collect(),
                        None => part(values),
                    };
                    let parts = set.tuned.iter().map(|(task, v)| (task.clone(), of(v))).collect();
                    let judged = judge(report, truth, &scores(&parts, &parts), None)?;
                    cells.extend([1, 7].map(|at| with_interval(&judged, MEASURES[at])));
                }
                let values = part(&set.initial).len();
                writeln!(text, "| {key} | {name} | {values} | {} |", cells.join(" | "))?;
            }
        }
    }
    Ok(text)
}

/// The pieces of an embedding that make a part.
fn part(values: &[f64], pieces: usize, own: &[usize]) -> Vec<f64> {
    let each = values.len() / pieces;
    own.iter().flat_map(|piece| &values[piece * each..][..each]).copied().collect()
}

/// The cosine of every target with every source.
pub(super) fn scores(targets: &Embeddings, sources: &Embeddings) -> Scores {
    let row = |target: &Vec<f64>| {
        sources.iter().map(|(source, values)| (source.clone(), cosine(target, values))).collect()
    };
    targets.iter().map(|(target, values)| (target.clone(), row(values))).collect()
}

/// The embeddings of a seed.
pub(super) fn read(report: &Report<'_>, seed: u64, key: &str) -> Result<Set> {
    let mut set = Set { tuned: BTreeMap::new(), initial: Vec::new() };
    for task in &report.plan.task {
        let path = report.embeddings(seed).join(format!("{}.safetensors", task.id));
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let of = |name: &str| {
            tensor(&bytes, &format!("{name}/{key}")).with_context(|| format!("{}", path.display()))
        };
        let (tuned, initial) = (of("embeddings")?, of("initial")?);
        ensure!(
            set.initial.is_empty() || set.initial == initial,
            "{} began elsewhere than the others",
            path.display()
        );
        set.initial = initial;
        set.tuned.insert(task.id.clone(), tuned);
    }
    Ok(set)
}

/// Those of the zoo, the means of its seeds.
pub(super) fn of_zoo(report: &Report<'_>, key: &str) -> Result<Set> {
    let sets: Result<Vec<Set>> =
        report.seeds().into_iter().map(|seed| read(report, seed, key)).collect();
    let sets = sets?;
    let initial = sets.first().context("no seed is whole")?.initial.clone();
    ensure!(sets.iter().all(|set| set.initial == initial), "seeds of {key} began elsewhere");
    Ok(Set { tuned: mean(&sets.iter().map(|set| &set.tuned).collect::<Vec<_>>()), initial })
}

/// Each task's mean embedding over sets that began at the same parameters.
fn mean(sets: &[&Embeddings]) -> Embeddings {
    let mut tuned = Embeddings::new();
    for (task, values) in sets.iter().copied().flatten() {
        let sum = tuned.entry(task.clone()).or_insert_with(|| vec![0.0; values.len()]);
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / sets.len() as f64);
    }
    tuned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        for Method { name, pieces, parts } in METHODS {
            let values: Vec<f64> = (0..3 * pieces).map(|i| i as f64).collect();
            assert_eq!(part(&values, pieces, parts[0].1), values, "{name}");
            // Every piece is in two parts of LoRA beside the whole, and in one of others'.
            let times = if name == "lora" { 2 } else { 1 };
            let mut rest: Vec<f64> =
                parts[1..].iter().flat_map(|(_, own)| part(&values, pieces, own)).collect();
            rest.sort_by(f64::total_cmp);
            let wanted: Vec<f64> =
                values.iter().flat_map(|v| std::iter::repeat_n(*v, times)).collect();
            assert_eq!(rest, wanted, "{name}");
        }
    }

    #[test]
    fn targets_are_compared_with_sources() {
        let embeddings = |values: [[f64; 2]; 2]| {
            ["a", "b"].map(str::to_owned).into_iter().zip(values.map(Vec::from)).collect()
        };
        let targets = embeddings([[1.0, 0.0], [0.0, 1.0]]);
        let scores = scores(&targets, &embeddings([[0.0, 2.0], [1.0, 1.0]]));
        assert_eq!((scores["a"]["a"], scores["b"]["a"]), (0.0, 1.0));
        assert!((scores["a"]["b"] - 0.5_f64.sqrt()).abs() < 1e-12);
    }

    fn set(rows: &[(&str, [f64; 2])]) -> Embeddings {
        rows.iter().map(|(task, v)| ((*task).to_owned(), v.to_vec())).collect()
    }

    #[test]
    fn a_mean_is_over_seeds_task_by_task() {
        let one = set(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0])]);
        let other = set(&[("a", [3.0, 1.0]), ("b", [0.0, -1.0])]);
        let mean = mean(&[&one, &other]);
        let found: Vec<_> =
            mean.iter().map(|(task, values)| (task.as_str(), &values[..])).collect();
        assert_eq!(found, [("a", &[2.0, 0.5][..]), ("b", &[0.0, 0.0][..])]);
    }
}
