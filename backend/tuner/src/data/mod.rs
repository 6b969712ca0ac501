//! Tasks' data: read from distributed files, from a user's own, or generated.
//!
//! [`load`] is the one door. What it had to guess or choose is said in
//! [`Dataset::notes`]; what it cannot use is an [`Error`] that names the file,
//! the line and the remedy.
//!
//! | to add | write |
//! |---|---|
//! | a data set of a known shape | a row in [`DATASETS`] (and one in `tupate_tasks::TASKS`) |
//! | a generated task | a file in `samples/`, an entry in `samples::SAMPLES` |
//! | a form of questions | a variant of [`Form`], a reader in `questions/forms.rs` |
//! | a file format | a variant of `records::Format` |

mod assemble;
mod columns;
mod dataset;
mod draw;
mod error;
mod extract;
mod holdout;
mod json;
mod known;
mod labels;
mod locate;
mod parquet;
mod questions;
mod raw;
mod reading;
mod records;
mod samples;
mod summary;
mod table;
mod text;
mod trees;
mod words;

#[cfg(test)]
mod tests;

pub use error::{Error, Spot};
pub use known::{DATASETS, Hub, Known, Layout, Tree, find, known};
pub use locate::own_folders;
pub use questions::Form;
pub use summary::{AnswerCount, ClassCount, ScoreRange, Source, Summary, about, source};
pub use text::at_most;
pub use tupate_tasks::columns::{ChoiceError, ColumnChoice, Role};
pub use words::TagColumn;

use locate::Found;
use std::path::Path;
use tupate_tasks::{Metric, TaskClass};

/// What the encoder is given for one example.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// One text.
    Single(String),
    /// Two texts, in the task's order.
    Pair(String, String),
    /// A question, and a text in which its answer stands.
    Question {
        /// The question.
        question: String,
        /// The text; only this one is cut into windows where it is too long.
        context: String,
    },
    /// The words of a sentence, one label each.
    Words(Vec<String>),
}

impl Input {
    /// All texts, in order.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Single(text) => vec![text],
            Self::Pair(first, second) | Self::Question { question: first, context: second } => {
                vec![first, second]
            }
            Self::Words(words) => words.iter().map(String::as_str).collect(),
        }
    }
}

/// One accepted answer of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer as it stands in the context, or is accepted without standing
    /// there.
    pub text: String,
    /// Byte offset of `text` in the context; `None` for an accepted spelling
    /// that is not there.
    pub start: Option<usize>,
}

/// What is to be predicted for one example.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// A class: an index into [`Dataset::label_names`].
    Class(u32),
    /// A number, finite, on the data set's own scale.
    Score(f32),
    /// The accepted answers, the one to train on first; none where the context
    /// has no answer.
    Answers(Vec<Answer>),
    /// A class for each word: indices into [`Dataset::label_names`].
    Tags(Vec<u32>),
}

impl Label {
    /// The classes of this label: one, one a word, or none.
    pub fn classes(&self) -> &[u32] {
        match self {
            Self::Class(class) => std::slice::from_ref(class),
            Self::Tags(tags) => tags,
            Self::Score(_) | Self::Answers(_) => &[],
        }
    }
}

/// What a task asks of the encoder: it decides head, loss and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// One of several classes for a text or pair: [`Label::Class`].
    Classification,
    /// A number for a text or pair: [`Label::Score`].
    Regression,
    /// The span of a context that answers a question: [`Label::Answers`].
    SpanExtraction,
    /// One of several classes for each word: [`Label::Tags`].
    TokenClassification,
}

impl Objective {
    /// What a file of this kind holds, for people.
    pub fn holds(self) -> &'static str {
        match self {
            Self::Classification => "texts with classes",
            Self::Regression => "texts with scores",
            Self::SpanExtraction => "questions with answers",
            Self::TokenClassification => "labelled words",
        }
    }

    /// What is asked, for people.
    pub fn asks(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::SpanExtraction => "span extraction",
            Self::TokenClassification => "labelling of words",
        }
    }
}

/// One example of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What the encoder is given.
    pub input: Input,
    /// What is to be predicted.
    pub label: Label,
}

/// A task's data, ready to train on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The task's id: one in `tupate_tasks::TASKS`, a folder's name, or the
    /// stem of a file's name.
    pub task: String,
    /// The name shown to people.
    pub name: String,
    /// Classification/regression, question answering or sequence labelling.
    pub class: TaskClass,
    /// The kind of decision; `own` for a user's own task.
    pub family: String,
    /// What is asked; the labels of all examples are of its kind.
    pub objective: Objective,
    /// The score the task is judged by.
    pub metric: Metric,
    /// The classes' names by number. Known tasks have the order of their row
    /// in [`DATASETS`]; a user's own labels are sorted, as numbers if all of
    /// them are numbers. Empty for regression and span extraction.
    pub label_names: Vec<String>,
    /// Training examples.
    pub train: Vec<Example>,
    /// Development examples.
    pub dev: Vec<Example>,
    /// Training examples there were before `max_train` took its share.
    pub train_available: usize,
    /// What the distributors state about use, if it is known.
    pub licence: Option<String>,
    /// What was chosen or guessed on the way: files, columns, held-out split.
    pub notes: Vec<String>,
}

/// Which data is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A known task's id, the name of a folder in `data_dir`, or the path of
    /// a file of one's own.
    pub task: &'a str,
    /// The folder that holds one folder a task.
    pub data_dir: Option<&'a Path>,
    /// The training file, where it cannot be found by name.
    pub train_file: Option<&'a Path>,
    /// The development file, where it cannot be found by name.
    pub dev_file: Option<&'a Path>,
    /// Which columns hold what, where they cannot be told by their names.
    pub columns: Option<&'a ColumnChoice>,
    /// Keep this many training examples, drawn with `seed`.
    pub max_train: Option<usize>,
    /// Decides what `max_train` keeps and what a held-out split holds.
    pub seed: u64,
}

/// Loads a task's data.
pub fn load(request: &Request<'_>) -> Result<Dataset, Error> {
    if request.max_train == Some(0) {
        return Err(Error::NothingToTrainOn);
    }
    let dataset = match locate::locate(request)? {
        Found::Sample(sample) => sample.dataset(),
        Found::Files(files) => assemble::assemble(files, request.columns, request.seed)?,
    };
    Ok(match request.max_train {
        Some(max) => dataset.limited(max, request.seed),
        None => dataset,
    })
}

/// Which of `classes` classes occur in `examples`.
fn present(examples: &[Example], classes: usize) -> Vec<bool> {
    let mut there = vec![false; classes];
    for class in examples.iter().flat_map(|example| example.label.classes()) {
        if let Some(there) = there.get_mut(*class as usize) {
            *there = true;
        }
    }
    there
}

/// `1 line`, `2,000 lines`.
fn counted(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(n))
}

/// `67349` → `67,349`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
