//! What each layer says of how alike tasks are. The tuned parameters of all layers are too
//! large for a repository; their products layer by layer are all that cosines, centred,
//! weighted or whitened, are made of.

use super::Experiment;
use super::report::ZOO_SEED;
use crate::bench::cosine;
use anyhow::{Context as _, Result, bail, ensure};
use half::f16;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// The file with the products.
pub const FILE: &str = "layers.json";

/// How far a layer-mean of a run may be from the embedding that is kept: a run that was
/// tuned again, on another machine, differs by what f32 rounds.
const SAME: f64 = 0.9999;

/// Products of all tasks' tuned parameters, layer by layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// `[n]`; rows and columns of the products, after which the one of the initial parameters
    /// follows.
    pub tasks: Vec<String>,
    /// One a method and checkpoint.
    pub sets: Vec<Set>,
}

/// The products of one method at one checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// The method with its checkpoint, such as `lora.late`.
    pub key: String,
    /// For each layer, lowest first, the lower triangle with its diagonal, row by row:
    /// `[L, (n + 1)(n + 2) / 2]`.
    pub products: Vec<Vec<f64>>,
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
    /// Takes the products of all layers from the runs of the zoo's seed; runs that lie on
    /// another machine are tuned once more.
    pub(super) fn layers(&self) -> Result<String> {
        let path = self.results.join(FILE);
        if path.is_file() {
            return Ok("done before".to_owned());
        }
        let table = self.tuned()?;
        let methods = &self.plan.tuning.method;
        let mut runs = Vec::new();
        let mut missing = Vec::new();
        for task in &self.plan.task {
            for method in methods {
                let run = self.run_of(task, method, ZOO_SEED);
                if !run.join("run.json").is_file() {
                    missing.push(self.tuning(&table, task, method, ZOO_SEED));
                }
                runs.push(run);
            }
        }
        let again = missing.len();
        self.finish("tuning again", missing, runs.len())?;
        let zoo = self.work.join("layers.safetensors");
        self.context
            .command(&self.program, ["zoo", "pack"])
            .args(&runs)
            .args(["--recipe", "aggregation=flatten", "--dtype", "f32", "--name", "layers"])
            .args(["--recipe", "checkpoint=early", "--recipe", "checkpoint=late", "--out"])
            .arg(&zoo)
            .quiet()
            .ignore_stdout()
            .run()?;
        let bytes = fs::read(&zoo).with_context(|| format!("{}", zoo.display()))?;
        let layers = self.products(&bytes)?;
        let part = path.with_extension("part");
        fs::write(&part, format!("{}\n", serde_json::to_string(&layers)?))
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        fs::remove_file(&zoo).with_context(|| format!("{}", zoo.display()))?;
        Ok(format!("{} sets, {again} runs of {} tuned again", layers.sets.len(), runs.len()))
    }

    /// The products of a zoo's sets with all layers one behind the other.
    fn products(&self, zoo: &[u8]) -> Result<Layers> {
        let mut tasks: Vec<String> = self.plan.task.iter().map(|task| task.id.clone()).collect();
        tasks.sort();
        let mut sets = Vec::new();
        for method in &self.plan.tuning.method {
            for checkpoint in ["early", "late"] {
                let key = format!("{}.{checkpoint}", method.name);
                let tuned = tensor(zoo, &format!("embeddings/{key}.flatten"))?;
                let initial = tensor(zoo, &format!("initial/{key}.flatten"))?;
                ensure!(tuned.len() == tasks.len() * initial.len(), "{key} has other tasks");
                let rows: Vec<&[f64]> =
                    tuned.chunks_exact(initial.len()).chain([&*initial]).collect();
                let mut width = 0;
                for (task, row) in tasks.iter().zip(&rows) {
                    let path = self.embeddings(ZOO_SEED).join(format!("{task}.safetensors"));
                    let file = fs::read(&path).with_context(|| format!("{}", path.display()))?;
                    let kept = tensor(&file, &format!("embeddings/{key}"))?;
                    width = kept.len();
                    let same = cosine(&layer_mean(row, width), &kept);
                    ensure!(
                        same > SAME,
                        "{key} of {task} is another one than the embedding that is kept: their \
                         cosine is {same}"
                    );
                }
                sets.push(Set { key, products: products(&rows, width) });
            }
        }
        Ok(Layers { tasks, sets })
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
fn products(rows: &[&[f64]], width: usize) -> Vec<Vec<f64>> {
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
        let rows: [&[f64]; 3] =
            [&[1.0, 2.0, 0.0, 1.0], &[3.0, 0.0, 5.0, 7.0], &[0.0, 1.0, 2.0, 0.0]];
        let found = products(&rows, 2);
        assert_eq!(found, [[5.0, 3.0, 9.0, 2.0, 0.0, 1.0], [1.0, 7.0, 74.0, 0.0, 10.0, 4.0]]);
        assert_eq!(layer_mean(rows[1], 2), [4.0, 3.5]);
        assert_eq!(short(1.0 / 3.0), 0.333_333_3);
    }
}
