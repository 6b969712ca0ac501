//! TaskEmb: tasks that need the same parts of the fine-tuned encoder (Task2Vec,
//! Achille et al. 2019, on text by Vu et al. 2020, section 4.2).
//!
//! The diagonal of the empirical Fisher information of the encoder after full
//! fine-tuning: squared gradients of the training batches' losses, summed, over the
//! number of sequences. Task2Vec averages it over each filter, whose weights serve
//! one output together; here over each output unit: a linear map's row and its bias,
//! a LayerNorm's scale and shift of one place, an embedding table's column. BERT-base
//! has 105 thousand such units and 110 million parameters; the latter's Fisher
//! information would be another encoder's worth of disk a task.
//!
//! Parts of a kind, over all layers, are a component. Sources are ranked by cosine
//! in each component, and these rankings are fused.

use super::kept::Kept;
use super::matrix::{cosine, fuse};
use super::work::{Made, Task, Work, union};
use super::{Baseline, Matrix, npy, tuned};
use crate::Error;
use crate::batch::{Batch, shuffled, tokenise};
use crate::rng::Rng;
use crate::train::{Event, TaskModel};
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of parts, and what marks the name of a tensor that belongs to it. The
/// first that fits is meant.
const COMPONENTS: [(&str, &str); 7] = [
    ("layer norms", "LayerNorm"),
    ("attention query, key, value", ".attention.self."),
    ("attention output", ".attention.output."),
    ("intermediate", ".intermediate."),
    ("output", ".output."),
    ("pooler", "pooler."),
    ("embeddings", ""),
];

/// Where one component stands in a task's vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Component {
    name: String,
    units: usize,
}

/// What is kept beside a task's vector.
#[derive(Serialize, Deserialize)]
struct Record {
    components: Vec<Component>,
    /// Sequences that the sum is divided by.
    sequences: usize,
}

/// A task's Fisher information by component.
type Parts = BTreeMap<String, Vec<f64>>;

pub fn matrix(
    work: &mut Work<'_, '_>,
    sources: &[String],
    targets: &[String],
) -> Result<Matrix, Error> {
    let settings = work.settings(work.options);
    let kept = Kept::open(work.folder, Baseline::TaskEmb.name(), "npy", settings)?;
    let encoders = tuned::open(work, work.options)?;
    let max_train = work.options.max_train;
    let made = work.each(&union(sources, targets), max_train, |work, _, task| {
        parts(work, task, &kept, &encoders)
    })?;
    Matrix::new(made.ids(targets), made.ids(sources), |t, others| {
        let others: Vec<&str> = others.iter().map(|&s| sources[s].as_str()).collect();
        let (lists, left_out) = similarities(&made, &targets[t], &others);
        if !left_out.is_empty() {
            work.observer.event(Event::Note(&format!(
                "for {}, not compared because not every task tunes it: {}",
                targets[t],
                left_out.join(", ")
            )));
        }
        if lists.is_empty() {
            let what = "its Fisher information is zero in every component".to_owned();
            return Err(Error::Baseline { task: targets[t].clone(), what });
        }
        Ok(fuse(&lists))
    })
}

/// The sources' cosines in every component that target and sources all have, and
/// the names of the components that they do not: a pooler is tuned only where the
/// head sees pooled vectors.
fn similarities<'m>(
    made: &'m Made<Parts>,
    target: &str,
    others: &[&str],
) -> (Vec<Vec<f64>>, Vec<&'m str>) {
    let (mut lists, mut left_out) = (Vec::new(), Vec::new());
    for (component, of_target) in made.of(target) {
        let of_source = |other: &&str| cosine(of_target, made.of(other).get(component)?);
        match others.iter().map(of_source).collect() {
            Some(list) => lists.push(list),
            None => left_out.push(component.as_str()),
        }
    }
    (lists, left_out)
}

fn parts(
    work: &mut Work<'_, '_>,
    task: &Task,
    kept: &Kept,
    encoders: &Kept,
) -> Result<Parts, Error> {
    let id = &task.dataset.task;
    if let Some(record) = kept.result::<Record>(id, &task.identity)? {
        let values = npy::from_bytes(&kept.file(id), &kept.bytes(id)?)?;
        let mut values = values.into_iter();
        let part = |c: Component| (c.name, values.by_ref().take(c.units).collect());
        return Ok(record.components.into_iter().map(part).collect());
    }
    let model = tuned::tuned(work, task, encoders)?;
    let (training, _) = work.training(task.dataset.objective)?;
    let sequences = tokenise(work.encoder, &task.dataset.train, training.limits())?.sequences;
    let mut rng = Rng::new(training.seed, "batches of the Fisher information");
    let order = shuffled(&sequences, training.batch_size, &mut rng);
    let mut fisher = Fisher::new(&model);
    work.batches("Fisher information", &sequences, &order, |batch| fisher.add(&model, batch))?;
    let parts = fisher.parts(sequences.len());
    if parts.values().flatten().any(|value| !value.is_finite()) {
        let what = "its Fisher information is not a number; try a smaller --lr".to_owned();
        return Err(Error::Baseline { task: id.clone(), what });
    }
    let component = |(name, values): (&String, &Vec<f64>)| Component {
        name: name.clone(),
        units: values.len(),
    };
    let record =
        Record { components: parts.iter().map(component).collect(), sequences: sequences.len() };
    let values: Vec<f64> = parts.values().flatten().copied().collect();
    kept.keep(id, &task.identity, &record, Some(&npy::to_bytes(&values)))?;
    Ok(parts)
}

/// The parameters that serve the same output units.
struct Units {
    component: &'static str,
    vars: Vec<Var>,
    /// Whether it is a table that is looked up, whose columns are its outputs.
    table: bool,
    /// Squared gradients, summed over each unit's parameters and all batches.
    sums: Vec<f64>,
}

/// The diagonal of the empirical Fisher information, averaged over units.
pub(super) struct Fisher {
    units: Vec<Units>,
}

impl Fisher {
    pub fn new(model: &TaskModel<'_>) -> Self {
        let mut of_stem: BTreeMap<&str, Vec<Var>> = BTreeMap::new();
        for (name, var) in model.bert().vars() {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            of_stem.entry(stem).or_default().push(var.clone());
        }
        let units = of_stem.into_iter().map(|(stem, vars)| {
            let fits = |(_, mark): &&(&str, &str)| stem.contains(mark);
            let component = COMPONENTS.iter().find(fits).map_or("", |(name, _)| name);
            Units {
                component,
                table: vars.len() == 1 && vars[0].rank() == 2,
                vars,
                sums: Vec::new(),
            }
        });
        Self { units: units.collect() }
    }

    /// Adds the squared gradient of a batch's mean loss.
    pub fn add(&mut self, model: &TaskModel<'_>, batch: &Batch) -> Result<(), Error> {
        let gradients = model.loss(batch)?.backward()?;
        for units in &mut self.units {
            for var in &units.vars {
                let Some(gradient) = gradients.get(var) else { continue };
                let squares = per_unit(&gradient.sqr()?, units.table)?;
                units.sums.resize(squares.len(), 0.0);
                let sums = units.sums.iter_mut().zip(squares);
                sums.for_each(|(sum, square)| *sum += f64::from(square));
            }
        }
        Ok(())
    }

    /// By component, each unit's mean over its parameters, over `sequences`.
    pub fn parts(&self, sequences: usize) -> Parts {
        let mut parts = Parts::new();
        for units in self.units.iter().filter(|units| !units.sums.is_empty()) {
            let parameters: usize = units.vars.iter().map(|var| var.elem_count()).sum();
            let each = parameters as f64 / units.sums.len() as f64 * sequences as f64;
            let means = units.sums.iter().map(|sum| sum / each);
            parts.entry(units.component.to_owned()).or_default().extend(means);
        }
        parts
    }
}

/// Sums over each output unit: `[out, in]` and `[out]` → `[out]`, a table `[n, H]` →
/// `[H]`.
fn per_unit(squares: &Tensor, table: bool) -> Result<Vec<f32>, Error> {
    let sums = match (squares.rank(), table) {
        (2, true) => squares.sum(0)?,
        (2, false) => squares.sum(1)?,
        _ => squares.clone(),
    };
    Ok(sums.to_vec1()?)
}
