//! Baselines on invented tasks whose answer is known, with a tiny encoder.

mod answers;
mod golden;
mod resume;

use super::*;
use crate::data::{Answer, Dataset, Example, Input, Label, Objective};
use crate::train::{Event, golden::encoder};
use tupate_tasks::Metric;

/// A task of single texts in two classes.
fn task(id: &str, texts: &[(String, u32)]) -> Dataset {
    let example = |(text, class): &(String, u32)| Example {
        input: Input::Single(text.clone()),
        label: Label::Class(*class),
    };
    let examples: Vec<Example> = texts.iter().map(example).collect();
    Dataset {
        task: id.into(),
        train_available: examples.len(),
        dev: examples[..4].to_vec(),
        train: examples,
        ..crate::train::tests::dataset(0, 0)
    }
}

/// Texts of these letters; in every second one the first of them comes thrice.
fn letters(letters: &str, n: usize, shift: usize) -> Vec<(String, u32)> {
    let letters: Vec<char> = letters.chars().collect();
    let letter = |i: usize| letters[(i + shift) % letters.len()];
    let text = |i: usize| -> String {
        let body: String = (0..4 + i % 3).map(|k| letter(i + k)).collect();
        if i.is_multiple_of(2) {
            body
        } else {
            format!("{body}{}", String::from(letters[0]).repeat(3))
        }
    };
    (0..n).map(|i| (text(i), (i % 2) as u32)).collect()
}

/// The same texts with labels that have nothing to do with them.
fn scrambled(texts: &[(String, u32)]) -> Vec<(String, u32)> {
    texts.iter().enumerate().map(|(i, (text, _))| (text.clone(), (i * i / 3 % 2) as u32)).collect()
}

/// A task of each other objective.
fn others() -> [Dataset; 3] {
    let base = |id: &str, objective, metric, train: Vec<Example>| Dataset {
        task: id.into(),
        objective,
        metric,
        train_available: train.len(),
        dev: train[..4].to_vec(),
        train,
        ..crate::train::tests::dataset(0, 0)
    };
    let number = |i: usize| Example {
        input: Input::Pair("a".repeat(1 + i % 5), "b".into()),
        label: Label::Score((i % 5) as f32),
    };
    let question = |i: usize| {
        let context = format!("{} {} x{}", "ab".repeat(i % 3), "cd ".repeat(40), i % 7);
        let answer = format!("x{}", i % 7);
        let start = context.find(&answer);
        Example {
            input: Input::Question { question: "which?".into(), context },
            label: Label::Answers(vec![Answer { text: answer, start }]),
        }
    };
    let words = |i: usize| Example {
        input: Input::Words(vec!["the".into(), format!("n{i}"), "is".into()]),
        label: Label::Tags(vec![0, 1, 0]),
    };
    let of = |example: &dyn Fn(usize) -> Example| (0..20).map(example).collect::<Vec<_>>();
    [
        base("numbers", Objective::Regression, Metric::PearsonSpearman, of(&number)),
        base("questions", Objective::SpanExtraction, Metric::TokenF1, of(&question)),
        base("words", Objective::TokenClassification, Metric::Accuracy, of(&words)),
    ]
}

fn options() -> Options {
    Options {
        epochs: Some(6),
        learning_rate: Some(3e-3),
        batch_size: Some(4),
        max_length: Some(128),
        doc_stride: Some(16),
        ..Options::default()
    }
}

fn ids(tasks: &[Dataset]) -> Vec<String> {
    tasks.iter().map(|task| task.task.clone()).collect()
}

/// Stops after so many steps and passes; `usize::MAX` for never. Counts what it saw.
#[derive(Default)]
struct Watch {
    left: usize,
    steps: usize,
    passes: usize,
    notes: Vec<String>,
}

impl Watch {
    fn stopping_after(left: usize) -> Self {
        Self { left, ..Self::default() }
    }
}

impl Observer for Watch {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Step { .. } => self.steps += 1,
            Event::Pass { .. } => self.passes += 1,
            Event::Note(note) => return self.notes.push(note.to_owned()),
            Event::Task { .. } | Event::Resumed { .. } | Event::Epoch { .. } => return,
        }
        self.left = self.left.saturating_sub(1);
    }
    fn cancelled(&self) -> bool {
        self.left == 0
    }
}

fn watched(
    baseline: Baseline,
    tasks: &[Dataset],
    (sources, targets): (&[String], &[String]),
    options: &Options,
    work: &Path,
    watch: &mut Watch,
) -> Result<Matrix, Error> {
    let encoder = encoder();
    let request = Request { baseline, encoder: &encoder, sources, targets, options, work };
    let mut load = |name: &str, max_train: Option<usize>| {
        let mut found = tasks.iter().find(|task| task.task == name).unwrap().clone();
        found.train.truncate(max_train.unwrap_or(usize::MAX));
        Ok(found)
    };
    run(&request, &mut load, watch)
}

fn all(baseline: Baseline, tasks: &[Dataset], options: &Options, work: &Path) -> Matrix {
    let ids = ids(tasks);
    let mut watch = Watch::stopping_after(usize::MAX);
    watched(baseline, tasks, (&ids, &ids), options, work, &mut watch).unwrap()
}

/// The closest source of each target.
fn first(matrix: &Matrix) -> Vec<(String, String)> {
    let rankings = matrix.rankings();
    rankings.iter().map(|r| (r.target.clone(), r.sources[0].task.clone())).collect()
}
