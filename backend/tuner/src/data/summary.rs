//! What can be said of a task before training: where it comes from, and how
//! its examples are spread.

use super::known::{self, Known};
use super::{Dataset, Input, samples};
use serde::Serialize;
use tupate_tasks::task;

/// Where a task's examples come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// This program writes them; no files are needed.
    Generated,
    /// The distributed files of a known data set.
    Files(&'static Known),
    /// The task is known, but its kind of label is not supported yet.
    Unsupported,
    /// No task of this id: a folder's name or a file.
    Own,
}

/// Where this task's examples come from.
pub fn source(id: &str) -> Source {
    match (samples::find(id), known::find(id), task(id)) {
        (Some(_), ..) => Source::Generated,
        (None, Some(known), _) => Source::Files(known),
        (None, None, Some(_)) => Source::Unsupported,
        (None, None, None) => Source::Own,
    }
}

/// What a generated task asks, and what makes it hard, in one line.
pub fn about(id: &str) -> Option<&'static str> {
    samples::find(id).map(|sample| sample.about)
}

/// How many examples have one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The label.
    pub label: String,
    /// Training examples that have it.
    pub train: usize,
    /// Development examples that have it.
    pub dev: usize,
}

/// A data set in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The task's id.
    pub task: String,
    /// The name shown to people.
    pub name: String,
    /// The metric's name.
    pub metric: &'static str,
    /// Whether an example is a pair of texts.
    pub pair: bool,
    /// Training examples.
    pub train: usize,
    /// Training examples there were before a subset was drawn.
    pub train_available: usize,
    /// Development examples.
    pub dev: usize,
    /// Examples by label, in the order of the classes' numbers.
    pub classes: Vec<ClassCount>,
    /// Development accuracy of always guessing training's commonest class.
    pub majority: f64,
    /// Words an example, both texts counted, on average.
    pub mean_words: f64,
    /// Words of the longest example.
    pub max_words: usize,
    /// What the distributors state about use, if it is known.
    pub licence: Option<String>,
    /// What was chosen or guessed while loading.
    pub notes: Vec<String>,
}

impl Dataset {
    /// The data set in numbers.
    pub fn summary(&self) -> Summary {
        let classes = |examples: &[super::Example]| -> Vec<u32> {
            examples.iter().flat_map(|example| example.label.classes()).copied().collect()
        };
        let (train, dev) = (classes(&self.train), classes(&self.dev));
        let count = |labels: &[u32], class| labels.iter().filter(|&&c| c as usize == class).count();
        let majority = tupate_metrics::majority_class(&train)
            .map_or(0.0, |class| tupate_metrics::accuracy(&dev, &vec![class; dev.len()]));
        let words: Vec<usize> = self
            .train
            .iter()
            .chain(&self.dev)
            .map(|example| {
                example.input.texts().into_iter().flat_map(str::split_whitespace).count()
            })
            .collect();
        let label = |(class, name): (usize, &String)| ClassCount {
            label: name.clone(),
            train: count(&train, class),
            dev: count(&dev, class),
        };
        Summary {
            task: self.task.clone(),
            name: self.name.clone(),
            metric: self.metric.name(),
            pair: self
                .train
                .first()
                .is_some_and(|example| matches!(example.input, Input::Pair(..))),
            train: train.len(),
            train_available: self.train_available,
            dev: dev.len(),
            classes: self.label_names.iter().enumerate().map(label).collect(),
            majority,
            mean_words: words.iter().sum::<usize>() as f64 / words.len().max(1) as f64,
            max_words: words.iter().copied().max().unwrap_or(0),
            licence: self.licence.clone(),
            notes: self.notes.clone(),
        }
    }
}
