//! `run.json`: everything about a finished run but the numbers it tuned.

use crate::data::{Dataset, Objective};
use crate::encoder::{Pooling, Precision};
use crate::train::{EpochRecord, Ledger, SecondsOf, Settings};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use tupate_tasks::{Metric, Recipe, TaskClass};

/// Version of the record. A run of another one is not read.
pub const SCHEMA: u32 = 2;

/// What a zoo says of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// The name shown to people.
    pub name: String,
    /// CR, QA or SL.
    pub class: TaskClass,
    /// The kind of decision.
    pub family: String,
    /// What is asked.
    pub objective: Objective,
    /// Licence of the data, if known.
    pub licence: Option<String>,
    /// The labels, by class.
    pub label_names: Vec<String>,
    /// Training examples in the files, before `--max-train`.
    pub train_available: usize,
    /// Validation examples.
    pub dev_examples: usize,
}

impl TaskFacts {
    pub(super) fn of(dataset: &Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            class: dataset.class,
            family: dataset.family.clone(),
            objective: dataset.objective,
            licence: dataset.licence.clone(),
            label_names: dataset.label_names.clone(),
            train_available: dataset.train_available,
            dev_examples: dataset.dev.len(),
        }
    }
}

/// One learning rate of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// The learning rate.
    pub learning_rate: f64,
    /// The epoch with the best validation score, from 1.
    pub best_epoch: usize,
    /// That score; `None` where training diverged before there was one.
    #[serde(deserialize_with = "score")]
    pub best_score: Option<f64>,
    /// Time spent training and evaluating.
    pub seconds: f64,
    /// The part of it that training took.
    #[serde(default)]
    pub seconds_of: SecondsOf,
    /// Every epoch.
    pub curve: Vec<EpochRecord>,
    /// Why training stopped before its last epoch, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

/// Runs of before say the least number that there is for no score.
fn score<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::deserialize(from)?.filter(|score| *score > f64::MIN / 2.0))
}

/// A finished run. `tupate tune --json` prints it, with `out` added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this record's form.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// The task's id.
    pub task: String,
    /// The method's name.
    pub method: String,
    /// The encoder's name.
    pub encoder: String,
    /// The recipe of the late parameters.
    pub recipe: Recipe,
    /// What `score` and `majority` are.
    pub metric: Metric,
    /// Best validation score.
    pub score: f64,
    /// The score's parts and customary companions at the same epoch, by name.
    pub details: BTreeMap<String, f64>,
    /// Score of what needs no model: the majority class of the training split, its
    /// mean number, "no answer".
    pub majority: f64,
    /// Score of a linear head on the frozen encoder, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<f64>,
    /// Training examples used.
    pub train_examples: u64,
    /// Epochs trained with the learning rate that was chosen; fewer than the settings'
    /// where somebody said that it was enough.
    pub epochs: usize,
    /// Optimiser steps of the learning rate that was chosen.
    pub steps: usize,
    /// Time spent training and evaluating, all learning rates together.
    pub seconds: f64,
    /// Peak memory of the process, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The learning rate that was chosen on the validation split.
    pub learning_rate: f64,
    /// The ledger.
    pub ledger: Ledger,
    /// What a zoo says of the task.
    pub facts: TaskFacts,
    /// Whether the run was long enough for early parameters.
    pub has_early: bool,
    /// Every learning rate that was tried.
    pub candidates: Vec<CandidateRecord>,
    /// How the task was tuned.
    pub settings: Settings,
    /// How sequences became vectors for the head.
    pub pooling: Pooling,
    /// Precision of the products with the encoder's weights.
    #[serde(default)]
    pub precision: Precision,
    /// sha256 over the examples.
    pub data_sha256: String,
    /// sha256 over everything that decides the result.
    pub fingerprint: String,
}
