//! Which layers foretell transfer, and whether weighting or whitening them does better than
//! the paper's mean over all.

use super::super::layers::{Layers, Set};
use super::super::table::Scores;
use super::{MEASURES, Report, chosen::judge, number};
use anyhow::Result;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// Similarities of tasks, `[n, n]`.
type Matrix = Vec<Vec<f64>>;

/// A task's parameters as a sum of rows of the products: which ones, and how much of each.
type Mixture = Vec<(usize, f64)>;

/// A way to make one similarity of all layers'.
struct Way {
    name: &'static str,
    /// From the products of each layer, of the tasks' parameters, `[L, n, n]`.
    of: fn(&[Matrix]) -> Matrix,
}

/// Ways that look at more than one layer.
const WAYS: [Way; 7] = [
    Way { name: "side by side", of: |layers| cosines(&sum(layers)) },
    Way { name: "side by side, centred", of: |layers| cosines(&centred(&sum(layers))) },
    Way { name: "mean of cosines", of: |layers| mean(layers.iter().map(cosines)) },
    Way {
        name: "mean of centred cosines",
        of: |layers| mean(layers.iter().map(|layer| cosines(&centred(layer)))),
    },
    Way {
        name: "lower half",
        of: |layers| mean(layers[..layers.len() / 2].iter().map(|layer| cosines(&centred(layer)))),
    },
    Way {
        name: "upper half",
        of: |layers| mean(layers[layers.len() / 2..].iter().map(|layer| cosines(&centred(layer)))),
    },
    Way { name: "whitened", of: |layers| cosines(&whitened(&centred(&sum(layers)))) },
];

/// What the names of [`ways`] to join layers have.
pub const MARK: &str = ", layers ";

/// The methods together, as an ensemble has them.
const TOGETHER: &str = "ensemble";

/// Tables of single layers and of ways to join them.
pub fn text(report: &Report<'_>, truth: &Path) -> Result<String> {
    let Some(layers) = Layers::read(&report.results)? else {
        return Ok("Not computed yet.\n".to_owned());
    };
    let depth = layers.sets.iter().map(|set| set.products.len()).max().unwrap_or(0);
    let titles: Vec<String> = (1..=depth).map(|layer| format!("layer {layer}")).collect();
    let head = |titles: &[String]| {
        format!("| | {} |\n|---|{}\n", titles.join(" | "), "--:|".repeat(titles.len()))
    };
    let cell = |similarities: &Matrix| -> Result<String> {
        let judged = judge(report, truth, &scores(&layers.tasks, similarities), None)?;
        let of = |at: usize| number(judged["mean"].pointer(MEASURES[at].1), MEASURES[at].2);
        Ok(format!("{} / {}", of(1), of(7)))
    };
    let mut text = String::from("One layer alone, centred; NDCG percent / Kendall τ:\n\n");
    text += &head(&titles);
    let means = means(&layers);
    for set in &layers.sets {
        let mut cells = Vec::new();
        for layer in squares(set, &means) {
            cells.push(cell(&cosines(&centred(&layer)))?);
        }
        writeln!(text, "| {} | {} |", set.key, cells.join(" | "))?;
    }
    text += "\nAll layers:\n\n";
    let names: Vec<String> = WAYS.iter().map(|way| way.name.to_owned()).collect();
    text += &head(&names);
    for (key, ways) in joined(&layers, &means) {
        let cells: Result<Vec<_>> = ways.iter().map(&cell).collect();
        writeln!(text, "| {key} | {} |", cells?.join(" | "))?;
    }
    Ok(text)
}

/// Every way to join the layers as a way to rank: a name, and scores for each seed that the
/// targets are tuned with. Sources are the means of all seeds.
pub fn ways(report: &Report<'_>) -> Result<Vec<(String, Vec<Scores>)>> {
    let Some(layers) = Layers::read(&report.results)? else { return Ok(Vec::new()) };
    let n = layers.tasks.len();
    let mut all: Vec<(String, Vec<Scores>)> = Vec::new();
    for seed in 0..layers.seeds.len() {
        for (at, target) in layers.tasks.iter().enumerate() {
            let mut rows = means(&layers);
            rows[at] = vec![(seed * n + at, 1.0)];
            let joined = joined(&layers, &rows).into_iter().flat_map(|(key, ways)| {
                let name = move |way: &Way| format!("{key}{MARK}{}", way.name);
                WAYS.iter().zip(ways).map(move |(way, similarities)| (name(way), similarities))
            });
            let updates = layers.sets.iter().filter_map(|set| {
                Some((format!("{}, gauge", set.key), cosines(&updates(set, &rows)?)))
            });
            for (way, (name, mut similarities)) in joined.chain(updates).enumerate() {
                if all.len() == way {
                    all.push((name, vec![Scores::new(); layers.seeds.len()]));
                }
                let row = layers.tasks.iter().cloned().zip(similarities.swap_remove(at));
                all[way].1[seed].insert(target.clone(), row.collect());
            }
        }
    }
    Ok(all)
}

/// The zoo's embeddings, the means over seeds.
fn means(layers: &Layers) -> Vec<Mixture> {
    let (n, seeds) = (layers.tasks.len(), layers.seeds.len());
    let mean = |task| (0..seeds).map(|seed| (seed * n + task, 1.0 / seeds as f64)).collect();
    (0..n).map(mean).collect()
}

/// For each set, and for all methods together, the similarities by each of [`WAYS`].
fn joined(layers: &Layers, rows: &[Mixture]) -> Vec<(String, Vec<Matrix>)> {
    let mut all: Vec<(String, Vec<Matrix>)> = Vec::new();
    for set in &layers.sets {
        let own = squares(set, rows);
        all.push((set.key.clone(), WAYS.iter().map(|way| (way.of)(&own)).collect()));
    }
    for checkpoint in [".early", ".late"] {
        let members: Vec<&Vec<Matrix>> =
            all.iter().filter(|(key, _)| key.ends_with(checkpoint)).map(|(_, own)| own).collect();
        let way = |at: usize| mean(members.iter().map(|ways| ways[at].clone()));
        let together = (0..WAYS.len()).map(way).collect();
        all.push((format!("{TOGETHER}{checkpoint}"), together));
    }
    all
}

/// The figures of a set whose weight updates are compared, so that no change of basis moves
/// them; nothing where there are none.
pub fn gauge(report: &Report<'_>, truth: &Path, key: &str) -> Result<Option<Value>> {
    let Some(layers) = Layers::read(&report.results)? else { return Ok(None) };
    let set = layers.sets.iter().find(|set| set.key == key);
    let Some(products) = set.and_then(|set| updates(set, &means(&layers))) else {
        return Ok(None);
    };
    judge(report, truth, &scores(&layers.tasks, &cosines(&products)), None).map(Some)
}

/// The products of the tasks' weight updates over all layers, `[n, n]`.
fn updates(set: &Set, rows: &[Mixture]) -> Option<Matrix> {
    (!set.updates.is_empty()).then(|| sum(&mixed(&set.updates, rows)))
}

/// The products of the tasks' parameters, layer by layer, `[L, n, n]`.
fn squares(set: &Set, rows: &[Mixture]) -> Vec<Matrix> {
    mixed(&set.products, rows)
}

/// The products of mixtures of rows, by those of the rows.
fn mixed(products: &[Vec<f64>], rows: &[Mixture]) -> Vec<Matrix> {
    let square = |triangle: &Vec<f64>| {
        let at = |i: usize, j: usize| {
            let (high, low) = (i.max(j), i.min(j));
            triangle[high * (high + 1) / 2 + low]
        };
        let product = |one: &Mixture, other: &Mixture| -> f64 {
            let pairs = one.iter().flat_map(|(i, x)| other.iter().map(move |(j, y)| (i, j, x * y)));
            pairs.map(|(i, j, share)| share * at(*i, *j)).sum()
        };
        of(rows.len(), |i, j| product(&rows[i], &rows[j]))
    };
    products.iter().map(square).collect()
}

fn of(n: usize, value: impl Fn(usize, usize) -> f64) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| value(i, j)).collect()).collect()
}

fn cosines(products: &Matrix) -> Matrix {
    let length = |i: usize| products[i][i].sqrt();
    of(products.len(), |i, j| products[i][j] / (length(i) * length(j)))
}

/// Products about the mean of all tasks.
fn centred(products: &Matrix) -> Matrix {
    let n = products.len() as f64;
    let means: Vec<f64> = products.iter().map(|row| row.iter().sum::<f64>() / n).collect();
    let all = means.iter().sum::<f64>() / n;
    of(products.len(), |i, j| products[i][j] - means[i] - means[j] + all)
}

fn sum(all: &[Matrix]) -> Matrix {
    of(all[0].len(), |i, j| all.iter().map(|one| one[i][j]).sum())
}

fn mean(all: impl Iterator<Item = Matrix>) -> Matrix {
    let all: Vec<Matrix> = all.collect();
    let total = sum(&all);
    of(total.len(), |i, j| total[i][j] / all.len() as f64)
}

/// Products `G` of centred vectors after whitening them: `n·G·(G + n·λ·I)⁻¹`, which is
/// `X·(C + λ·I)⁻¹·Xᵀ` for their covariance `C`. `λ` is the mean of the covariance's n − 1
/// eigenvalues: with fewer tasks than values, less would make all tasks equally unlike.
fn whitened(products: &Matrix) -> Matrix {
    let n = products.len();
    let trace: f64 = (0..n).map(|i| products[i][i]).sum();
    let ridge = trace / (n as f64 - 1.0);
    let shifted = of(n, |i, j| products[i][j] + if i == j { ridge } else { 0.0 });
    let inverse = inverse(shifted);
    let product =
        |i: usize, j: usize| n as f64 * (0..n).map(|k| products[i][k] * inverse[k][j]).sum::<f64>();
    // Equal but for rounding.
    of(n, |i, j| (product(i, j) + product(j, i)) / 2.0)
}

/// The inverse of a positive definite matrix, by Gauss and Jordan.
fn inverse(mut matrix: Matrix) -> Matrix {
    let n = matrix.len();
    let mut inverse = of(n, |i, j| f64::from(u8::from(i == j)));
    for pivot in 0..n {
        let scale = matrix[pivot][pivot];
        for rows in [&mut matrix, &mut inverse] {
            rows[pivot].iter_mut().for_each(|value| *value /= scale);
        }
        for row in (0..n).filter(|row| *row != pivot) {
            let factor = matrix[row][pivot];
            for rows in [&mut matrix, &mut inverse] {
                let from = rows[pivot].clone();
                rows[row].iter_mut().zip(from).for_each(|(value, own)| *value -= factor * own);
            }
        }
    }
    inverse
}

fn scores(tasks: &[String], similarities: &Matrix) -> Scores {
    let row = |values: &Vec<f64>| -> BTreeMap<String, f64> {
        tasks.iter().cloned().zip(values.iter().copied()).collect()
    };
    tasks.iter().cloned().zip(similarities.iter().map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of rows.
    fn gram(rows: &[&[f64]]) -> Matrix {
        of(rows.len(), |i, j| rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum())
    }

    fn close(a: &Matrix, b: &Matrix) -> bool {
        a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn an_inverse_undoes() {
        let matrix = gram(&[&[2.0, 0.5, 1.0], &[0.0, 3.0, 1.0], &[1.0, 1.0, 4.0]]);
        let inverse = inverse(matrix.clone());
        let product = of(3, |i, j| (0..3).map(|k| matrix[i][k] * inverse[k][j]).sum());
        assert!(close(&product, &of(3, |i, j| f64::from(u8::from(i == j)))), "{product:?}");
    }

    #[test]
    fn products_are_centred_as_vectors_are() {
        let rows: [&[f64]; 3] = [&[1.0, 2.0], &[3.0, -1.0], &[2.0, 5.0]];
        let about: [&[f64]; 3] = [&[-1.0, 0.0], &[1.0, -3.0], &[0.0, 3.0]];
        assert!(close(&centred(&gram(&rows)), &gram(&about)));
    }

    #[test]
    fn whitening_is_that_of_the_covariance() {
        // Four centred tasks of two values, whose covariance is diagonal: 2 and 0.5.
        let rows: [&[f64]; 4] = [&[2.0, 0.0], &[-2.0, 0.0], &[0.0, 1.0], &[0.0, -1.0]];
        // The ridge is (2 + 0.5)·4 / 3 / 4.
        let ridge = 2.5_f64 / 3.0;
        let scaled =
            |row: &[f64]| vec![row[0] / (2.0 + ridge).sqrt(), row[1] / (0.5 + ridge).sqrt()];
        let wanted: Vec<Vec<f64>> = rows.iter().map(|row| scaled(row)).collect();
        let wanted: Vec<&[f64]> = wanted.iter().map(Vec::as_slice).collect();
        let found = whitened(&gram(&rows));
        assert!(close(&found, &gram(&wanted)), "{found:?}");
    }

    #[test]
    fn targets_are_of_a_seed_and_sources_of_all() {
        // Two tasks with two seeds, and the initial parameters behind them.
        let rows: [&[f64]; 5] = [&[1.0, 0.0], &[0.0, 2.0], &[3.0, 2.0], &[2.0, 4.0], &[9.0, 9.0]];
        let products = gram(&rows);
        let triangle = (0..5).flat_map(|i| products[i][..=i].to_vec()).collect();
        let set = Set { key: "lora.late".into(), products: vec![triangle], updates: Vec::new() };
        let tasks = vec!["a".into(), "b".into()];
        let layers = Layers { tasks, seeds: vec![4, 7], sets: vec![set.clone()] };
        let mut mixtures = means(&layers);
        assert!(close(&squares(&set, &mixtures)[0], &gram(&[&[2.0, 1.0], &[1.0, 3.0]])));
        mixtures[1] = vec![(3, 1.0)];
        assert!(close(&squares(&set, &mixtures)[0], &gram(&[&[2.0, 1.0], &[2.0, 4.0]])));
    }

    #[test]
    fn sets_are_read_and_joined() {
        // Two tasks, and the initial parameters behind them.
        let set = |key: &str, other: f64| Set {
            key: key.to_owned(),
            products: vec![
                vec![1.0, other, 1.0, 9.0, 9.0, 9.0],
                vec![4.0, 2.0, 1.0, 9.0, 9.0, 9.0],
            ],
            updates: Vec::new(),
        };
        let layers = Layers {
            tasks: vec!["a".into(), "b".into()],
            seeds: vec![0],
            sets: vec![set("lora.late", 0.5), set("bitfit.late", 0.0), set("lora.early", 0.5)],
        };
        let means = means(&layers);
        let squares = squares(&layers.sets[0], &means);
        assert_eq!(squares[1], [[4.0, 2.0], [2.0, 1.0]]);
        let joined = joined(&layers, &means);
        let keys: Vec<&str> = joined.iter().map(|(key, _)| key.as_str()).collect();
        let wanted = ["lora.late", "bitfit.late", "lora.early", "ensemble.early", "ensemble.late"];
        assert_eq!(keys, wanted);
        // The third way is the mean of the layers' cosines: of 0.5 and 1, and of 0 and 1.
        assert!((joined[0].1[2][0][1] - 0.75).abs() < 1e-12);
        assert!((joined[4].1[2][0][1] - 0.625).abs() < 1e-12);
        let scores = scores(&layers.tasks, &joined[4].1[2]);
        assert!((scores["a"]["b"] - 0.625).abs() < 1e-12);
    }
}
