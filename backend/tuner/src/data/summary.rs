//! What can be said of a task before training: where it comes from, and how
//! its examples are spread.

use super::known::{self, Known};
use super::{Dataset, Example, Input, Label, Objective, samples};
use serde::Serialize;
use tupate_tasks::InputShape;

/// Where a task's examples come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// This program writes them; no files are needed.
    Generated,
    /// The distributed files of a known data set.
    Files(&'static Known),
    /// No task of this id: a folder's name or a file.
    Own,
}

/// Where this task's examples come from.
pub fn source(id: &str) -> Source {
    match (samples::find(id), known::find(id)) {
        (Some(_), _) => Source::Generated,
        (None, Some(known)) => Source::Files(known),
        (None, None) => Source::Own,
    }
}

/// What a generated task asks, and what makes it hard, in one line.
pub fn about(id: &str) -> Option<&'static str> {
    samples::find(id).map(|sample| sample.about)
}

/// How many examples, or words, have one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The label.
    pub label: String,
    /// Training examples that have it.
    pub train: usize,
    /// Development examples that have it.
    pub dev: usize,
}

/// How the scores of one split are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoreRange {
    /// The least.
    pub min: f32,
    /// The greatest.
    pub max: f32,
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation over all of them.
    pub deviation: f64,
}

/// The questions and answers of one split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnswerCount {
    /// Questions.
    pub questions: usize,
    /// Questions whose text has no answer.
    pub unanswerable: usize,
    /// Accepted answers.
    pub answers: usize,
    /// Accepted answers whose place in the text is known.
    pub located: usize,
}

/// A data set in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The task's id.
    pub task: String,
    /// The name shown to people.
    pub name: String,
    /// What is asked.
    pub objective: Objective,
    /// The metric's name.
    pub metric: &'static str,
    /// What one example looks like.
    pub input: InputShape,
    /// Training examples.
    pub train: usize,
    /// Training examples there were before a subset was drawn.
    pub train_available: usize,
    /// Development examples.
    pub dev: usize,
    /// Examples (or words, where they have the labels) by label, in the order
    /// of the classes' numbers.
    pub classes: Vec<ClassCount>,
    /// Training and development scores, for regression.
    pub scores: Option<[ScoreRange; 2]>,
    /// Training and development answers, for span extraction.
    pub answers: Option<[AnswerCount; 2]>,
    /// Development accuracy of always guessing training's commonest class;
    /// for span extraction, of always saying that there is no answer; 0 for
    /// regression.
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
        let classes = |examples: &[Example]| -> Vec<u32> {
            examples.iter().flat_map(|example| example.label.classes()).copied().collect()
        };
        let (train, dev) = (classes(&self.train), classes(&self.dev));
        let count = |labels: &[u32], class| labels.iter().filter(|&&c| c as usize == class).count();
        let majority = tupate_metrics::majority_class(&train)
            .map_or(0.0, |class| tupate_metrics::accuracy(&dev, &vec![class; dev.len()]));
        let splits = [&self.train, &self.dev];
        let spans = self.objective == Objective::SpanExtraction;
        let answers = spans.then(|| splits.map(|split| answers(split)));
        let scores =
            (self.objective == Objective::Regression).then(|| splits.map(|split| scores(split)));
        let majority = answers
            .map_or(majority, |[_, dev]| dev.unanswerable as f64 / dev.questions.max(1) as f64);
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
            objective: self.objective,
            metric: self.metric.name(),
            input: match self.train.first().map(|example| &example.input) {
                Some(Input::Pair(..)) => InputShape::Pair,
                Some(Input::Question { .. }) => InputShape::Span,
                Some(Input::Words(_)) => InputShape::Words,
                Some(Input::Single(_)) | None => InputShape::Single,
            },
            train: self.train.len(),
            train_available: self.train_available,
            dev: self.dev.len(),
            classes: self.label_names.iter().enumerate().map(label).collect(),
            scores,
            answers,
            majority,
            mean_words: words.iter().sum::<usize>() as f64 / words.len().max(1) as f64,
            max_words: words.iter().copied().max().unwrap_or(0),
            licence: self.licence.clone(),
            notes: self.notes.clone(),
        }
    }
}

fn answers(examples: &[Example]) -> AnswerCount {
    let mut count = AnswerCount::default();
    for example in examples {
        if let Label::Answers(answers) = &example.label {
            count.questions += 1;
            count.unanswerable += usize::from(answers.is_empty());
            count.answers += answers.len();
            count.located += answers.iter().filter(|answer| answer.start.is_some()).count();
        }
    }
    count
}

fn scores(examples: &[Example]) -> ScoreRange {
    let scores = || {
        examples.iter().filter_map(|example| match example.label {
            Label::Score(score) => Some(score),
            _ => None,
        })
    };
    let n = scores().count().max(1) as f64;
    let mean = scores().map(f64::from).sum::<f64>() / n;
    let variance = scores().map(|score| (f64::from(score) - mean).powi(2)).sum::<f64>() / n;
    ScoreRange {
        min: scores().reduce(f32::min).unwrap_or(0.0),
        max: scores().reduce(f32::max).unwrap_or(0.0),
        mean,
        deviation: variance.sqrt(),
    }
}
