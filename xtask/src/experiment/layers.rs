//! What each layer says of how alike tasks are. The tuned parameters of all layers are too
//! large for a repository; their products layer by layer are all that cosines, centred,
//! weighted or whitened, are made of.

use super::Experiment;
use crate::bench::cosine;
use anyhow::{Context as _, Result, bail, ensure};
use half::f16;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fs, path::Path};

/// The file with the products.
pub const FILE: &str = "layers.json";

/// How far a layer-mean of a run may be from the embedding that is kept: a run that was
/// tuned again, on another machine, differs by what f32 rounds.
const SAME: f64 = 0.9999;

/// Products of all tasks' tuned parameters, layer by layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// `[n]`.
    pub tasks: Vec<String>,
    /// `[k]`. Rows and columns of the products are the tasks of the first seed, those of the
    /// second one and so on, and last the initial parameters.
    pub seeds: Vec<u64>,
    /// One a method and checkpoint.
    pub sets: Vec<Set>,
}

/// The products of one method at one checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// The method with its checkpoint, such as `lora.late`.
    pub key: String,
    /// For each layer, lowest first, the lower triangle with its diagonal, row by row:
    /// `[L, (k·n + 1)(k·n + 2) / 2]`.
    pub products: Vec<Vec<f64>>,
    /// Likewise of LoRA's weight updates `B·A`, those of a layer's maps together; of other
    /// methods there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<Vec<f64>>,
}

/// How LoRA's factors lie in a layer's values: for each of `targets` maps `A`, `[rank, H]`, and
/// then `B`, `[H, rank]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Factors {
    rank: usize,
    targets: usize,
}

impl Factors {
    /// Those of a set of a zoo, by its manifest; none by other methods.
    fn of(zoo: &[u8], key: &str) -> Result<Option<Self>> {
        let (_, header) = SafeTensors::read_metadata(zoo)?;
        let manifest = header.metadata().as_ref().and_then(|texts| texts.get("tupate_zoo"));
        let manifest: Value = serde_json::from_str(manifest.context("a zoo has a manifest")?)?;
        let sets = manifest["embeddings"].as_array().into_iter().flatten();
        let set = sets.into_iter().find(|set| set["key"] == key).with_context(|| key.to_owned())?;
        let method = &set["recipe"]["method"];
        if method["name"] != "lora" {
            return Ok(None);
        }
        let (rank, targets) = (method["rank"].as_u64(), method["targets"].as_array());
        let (rank, targets) = rank.zip(targets).context("LoRA has a rank and targets")?;
        Ok(Some(Self { rank: usize::try_from(rank)?, targets: targets.len() }))
    }

    /// The product of two layers' updates: `tr((B·A)ᵀ·B'·A')`, which is the sum of
    /// `(BᵀB') ∘ (AA'ᵀ)`.
    fn product(self, one: &[f64], other: &[f64]) -> f64 {
        let piece = one.len() / self.targets;
        let pieces = one.chunks_exact(piece).zip(other.chunks_exact(piece));
        let of = |(one, other): (&[f64], &[f64])| {
            let width = piece / 2 / self.rank;
            let ((a, b), (c, d)) = (one.split_at(piece / 2), other.split_at(piece / 2));
            let mut sum = 0.0;
            for p in 0..self.rank {
                for q in 0..self.rank {
                    let rows = product(&a[p * width..][..width], &c[q * width..][..width]);
                    let columns: f64 =
                        (0..width).map(|o| b[o * self.rank + p] * d[o * self.rank + q]).sum();
                    sum += rows * columns;
                }
            }
            sum
        };
        pieces.map(of).sum()
    }
}

impl Layers {
    /// What was found; `None` before.
    pub fn read(results: &Path) -> Result<Option<Self>> {
        let path = results.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Some(serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?))
    }
}

impl Experiment<'_> {
    /// Takes the products of all layers from the runs of the zoo's seeds; runs that lie on
    /// another machine are tuned once more.
    pub(super) fn layers(&self) -> Result<String> {
        let path = self.results.join(FILE);
        let seeds = self.plan.whole_seeds(&self.results);
        let mut tasks: Vec<String> = self.plan.reported().map(|task| task.id.clone()).collect();
        tasks.sort();
        let known = Layers::read(&self.results)?;
        if known.is_some_and(|known| known.seeds == seeds && known.tasks == tasks) {
            return Ok("done before".to_owned());
        }
        let table = self.tuned()?;
        let methods = &self.plan.tuning.method;
        let runs_of = |seed: u64| {
            self.plan
                .reported()
                .flat_map(move |task| methods.iter().map(move |method| (task, method, seed)))
        };
        let runs = seeds.iter().flat_map(|seed| runs_of(*seed));
        let there = |task, method, seed| self.run_of(task, method, seed).join("run.json").is_file();
        let missing: Vec<_> = runs
            .filter(|(task, method, seed)| !there(task, method, *seed))
            .map(|(task, method, seed)| self.tuning(&table, task, method, seed))
            .collect();
        let (again, all) = (missing.len(), seeds.len() * tasks.len() * methods.len());
        self.finish("tuning again", missing, all)?;
        let zoo = self.work.join("layers.safetensors");
        let mut zoos = Vec::new();
        for seed in &seeds {
            self.context
                .command(&self.program, ["zoo", "pack"])
                .args(runs_of(*seed).map(|(task, method, seed)| self.run_of(task, method, seed)))
                .args(["--recipe", "aggregation=flatten", "--dtype", "f32", "--name", "layers"])
                .args(["--recipe", "checkpoint=early", "--recipe", "checkpoint=late", "--out"])
                .arg(&zoo)
                .quiet()
                .ignore_stdout()
                .run()?;
            zoos.push(fs::read(&zoo).with_context(|| format!("{}", zoo.display()))?);
        }
        let layers = self.products(seeds, tasks, &zoos)?;
        let part = path.with_extension("part");
        fs::write(&part, format!("{}\n", serde_json::to_string(&layers)?))
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        fs::remove_file(&zoo).with_context(|| format!("{}", zoo.display()))?;
        Ok(format!("{} sets, {again} runs of {all} tuned again", layers.sets.len()))
    }

    /// The products of the sets of zoos, one a seed, with all layers one behind the other.
    fn products(&self, seeds: Vec<u64>, tasks: Vec<String>, zoos: &[Vec<u8>]) -> Result<Layers> {
        let mut sets = Vec::new();
        for method in &self.plan.tuning.method {
            for checkpoint in ["early", "late"] {
                let key = format!("{}.{checkpoint}", method.name);
                let mut rows = Vec::new();
                let mut width = 0;
                let mut start: Option<Vec<f64>> = None;
                for (seed, zoo) in seeds.iter().zip(zoos) {
                    let tuned = tensor(zoo, &format!("embeddings/{key}.flatten"))?;
                    let initial = tensor(zoo, &format!("initial/{key}.flatten"))?;
                    ensure!(tuned.len() == tasks.len() * initial.len(), "{key} has other tasks");
                    for (task, row) in tasks.iter().zip(tuned.chunks_exact(initial.len())) {
                        let path = self.embeddings(*seed).join(format!("{task}.safetensors"));
                        let file =
                            fs::read(&path).with_context(|| format!("{}", path.display()))?;
                        let kept = tensor(&file, &format!("embeddings/{key}"))?;
                        width = kept.len();
                        let same = cosine(&layer_mean(row, width), &kept);
                        ensure!(
                            same > SAME,
                            "{key} of {task}, seed {seed}, is another one than the embedding that \
                             is kept: their cosine is {same}"
                        );
                        rows.push(row.to_vec());
                    }
                    ensure!(
                        start.is_none_or(|s| s == initial),
                        "{key} began elsewhere, seed {seed}"
                    );
                    start = Some(initial);
                }
                rows.push(start.context("no seed has embeddings of all tasks yet")?);
                let factors = Factors::of(&zoos[0], &format!("{key}.flatten"))?;
                let updates = factors.map_or_else(Vec::new, |factors| {
                    products(&rows, width, |one, other| factors.product(one, other))
                });
                sets.push(Set { key, products: products(&rows, width, product), updates });
            }
        }
        Ok(Layers { tasks, seeds, sets })
    }
}

/// The mean over layers of `width` values each.
fn layer_mean(values: &[f64], width: usize) -> Vec<f64> {
    let layers = values.chunks_exact(width);
    let count = layers.len() as f64;
    let mut mean = vec![0.0; width];
    for layer in layers {
        mean.iter_mut().zip(layer).for_each(|(mean, value)| *mean += value / count);
    }
    mean
}

/// For each layer, of `width` values, the lower triangle of all rows' products.
fn products(
    rows: &[Vec<f64>],
    width: usize,
    product: impl Fn(&[f64], &[f64]) -> f64,
) -> Vec<Vec<f64>> {
    let layers = rows[0].len() / width;
    let layer = |at: usize| {
        let part = |row: usize| &rows[row][at * width..(at + 1) * width];
        let pairs = (0..rows.len()).flat_map(|i| (0..=i).map(move |j| (i, j)));
        pairs.map(|(i, j)| short(product(part(i), part(j)))).collect()
    };
    (0..layers).map(layer).collect()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Seven digits, which is what the parameters have.
fn short(value: f64) -> f64 {
    format!("{value:.6e}").parse().expect("a number as it was written")
}

/// The values of a tensor in f32 or f16.
pub fn tensor(bytes: &[u8], name: &str) -> Result<Vec<f64>> {
    let file = SafeTensors::deserialize(bytes)?;
    let tensor = file.tensor(name).with_context(|| name.to_owned())?;
    let (singles, halves) = (tensor.data().as_chunks::<4>().0, tensor.data().as_chunks::<2>().0);
    match tensor.dtype() {
        Dtype::F32 => Ok(singles.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()),
        Dtype::F16 => Ok(halves.iter().map(|b| f16::from_le_bytes(*b).to_f64()).collect()),
        other => bail!("{name}: {other:?} is not read here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_of_every_two_layer_by_layer() {
        let rows = [[1.0, 2.0, 0.0, 1.0], [3.0, 0.0, 5.0, 7.0], [0.0, 1.0, 2.0, 0.0]];
        let rows = rows.map(Vec::from);
        let found = products(&rows, 2, product);
        assert_eq!(found, [[5.0, 3.0, 9.0, 2.0, 0.0, 1.0], [1.0, 7.0, 74.0, 0.0, 10.0, 4.0]]);
        assert_eq!(layer_mean(&rows[1], 2), [4.0, 3.5]);
        assert_eq!(short(1.0 / 3.0), 0.333_333_3);
    }

    #[test]
    fn updates_are_compared_whatever_their_basis() {
        let factors = Factors { rank: 2, targets: 2 };
        // Of two maps each: A of rows (1, 2), (0, 1) with B of rows (1, 0), (3, 1), and A of
        // rows (1, 0), (1, 1) with B of rows (0, 1), (2, 0).
        let one = [1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 3.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0, 0.0];
        // numpy: B·A is (1, 2), (3, 7) and (1, 1), (2, 0).
        let update = [1.0, 2.0, 3.0, 7.0, 1.0, 1.0, 2.0, 0.0];
        assert_eq!(factors.product(&one, &one), product(&update, &update));
        // The first map's factors in another basis: A's rows and B's columns change places.
        let mut other = one;
        other[..8].copy_from_slice(&[0.0, 1.0, 1.0, 2.0, 0.0, 1.0, 1.0, 3.0]);
        assert_eq!(factors.product(&one, &other), product(&update, &update));
    }
}
