//! Six small tasks that this project writes itself, so that everything can be
//! tried without fetching a data set.
//!
//! Each task mixes examples that the meaning of their words decides with
//! examples that only the way they are put together decides: negation,
//! contrast, roles, quantifiers, word order. A bag of words therefore fails
//! on a good half, and a tuned encoder has something to learn. Part of the
//! vocabulary is kept for the development split, and no text stands in both.
//!
//! The texts are drawn from a fixed seed and are the same on every machine;
//! `tests.rs` holds their digests.

mod acceptability;
mod entailment;
mod paraphrase;
mod sentiment;
mod similarity;
mod topic;

#[cfg(test)]
mod tests;

use super::draw::{Draw, Purpose};
use super::{Dataset, Example, Input, Label, Objective};
use std::collections::HashSet;
use tupate_tasks::{Metric, TaskClass, task};

/// Training examples of a task, about: a multiple of its classes.
const TRAIN: usize = 320;

/// Development examples of a task, about.
const DEV: usize = 160;

/// The seed of all samples: changing it changes every published sample score.
const SEED: u64 = 2022;

/// How often a text that was already used is drawn again before the split is
/// left shorter; far more than any grammar here needs.
const ATTEMPTS: usize = 10_000;

/// Every sample task.
pub(super) static SAMPLES: &[Sample] = &[
    sentiment::SAMPLE,
    topic::SAMPLE,
    entailment::SAMPLE,
    paraphrase::SAMPLE,
    acceptability::SAMPLE,
    similarity::SAMPLE,
];

/// The sample task of this id.
pub(super) fn find(id: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.id == id)
}

/// A task that is written by a small grammar.
pub(super) struct Sample {
    /// The id in `tupate_tasks::TASKS`.
    id: &'static str,
    /// What is asked, and what makes it hard.
    pub(super) about: &'static str,
    /// The classes' names by number.
    labels: &'static [&'static str],
    /// The kinds of examples; one that is meant to be frequent stands here
    /// more than once. Every class has every kind equally often, so that the
    /// kind says nothing about the class.
    kinds: &'static [Kind],
}

/// Writes one example of a class.
type Kind = fn(&mut Writer, usize) -> Input;

/// Which split is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Train,
    Dev,
}

/// Words of one kind, partly kept for one split.
struct Words<T: 'static> {
    both: &'static [T],
    train: &'static [T],
    dev: &'static [T],
}

/// Draws words and phrases for one split.
struct Writer {
    draw: Draw,
    split: Split,
}

impl Writer {
    /// One of the words that this split may use.
    fn word<T>(&mut self, words: &Words<T>) -> &'static T {
        let own = match self.split {
            Split::Train => words.train,
            Split::Dev => words.dev,
        };
        let i = self.draw.below(words.both.len() + own.len());
        words.both.get(i).unwrap_or_else(|| &own[i - words.both.len()])
    }

    /// Two different ones.
    fn two<T: PartialEq>(&mut self, words: &Words<T>) -> (&'static T, &'static T) {
        let first = self.word(words);
        loop {
            let second = self.word(words);
            if second != first {
                return (first, second);
            }
        }
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *self.draw.pick(items)
    }

    /// Two different ones of at least two.
    fn pick_two<T: Copy>(&mut self, items: &[T]) -> (T, T) {
        let first = self.draw.below(items.len());
        let step = 1 + self.draw.below(items.len() - 1);
        (items[first], items[(first + step) % items.len()])
    }

    fn coin(&mut self) -> bool {
        self.draw.coin()
    }

    /// One of the two, as likely as the other.
    fn either<T>(&mut self, first: T, second: T) -> T {
        if self.coin() { first } else { second }
    }
}

/// A capital at the start and a full stop at the end.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    first.chain(chars).chain(end.chars()).collect()
}

/// `a` or `an` before a word.
fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

fn single(text: &str) -> Input {
    Input::Single(sentence(text))
}

fn pair(first: &str, second: &str) -> Input {
    Input::Pair(sentence(first), sentence(second))
}

impl Sample {
    /// The task's data.
    pub(super) fn dataset(&self) -> Dataset {
        let mut used = HashSet::new();
        let train = self.split(Split::Train, TRAIN, &mut used);
        let dev = self.split(Split::Dev, DEV, &mut used);
        let info = task(self.id);
        Dataset {
            task: self.id.to_owned(),
            name: info.map_or(self.id, |info| info.name).to_owned(),
            class: info.map_or(TaskClass::ClassificationRegression, |info| info.class),
            family: info.map_or("sample", |info| info.family).to_owned(),
            objective: Objective::Classification,
            metric: info.map_or(Metric::Accuracy, |info| info.metric),
            label_names: self.labels.iter().map(|&name| name.to_owned()).collect(),
            train_available: train.len(),
            train,
            dev,
            licence: Some("MIT OR Apache-2.0".to_owned()),
            notes: vec![format!("generated by this program: {}", self.about)],
        }
    }

    /// About `size` examples, as many of each class. `used` are the texts of
    /// the splits before, which are not used again.
    fn split(&self, split: Split, size: usize, used: &mut HashSet<String>) -> Vec<Example> {
        // The id keeps the tasks' streams apart, the split the splits'.
        let name = self
            .id
            .bytes()
            .fold(SEED, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        let draw = Draw::new(name ^ split as u64, Purpose::Samples);
        let mut writer = Writer { draw, split };
        let classes = self.labels.len();
        let mut examples: Vec<Example> = Vec::with_capacity(size);
        let mut written = HashSet::new();
        for i in 0..size - size % classes {
            let (class, kind) = (i % classes, self.kinds[(i / classes) % self.kinds.len()]);
            for _ in 0..ATTEMPTS {
                let input = kind(&mut writer, class);
                let texts: Vec<_> = input.texts().into_iter().map(str::to_owned).collect();
                let old = texts.iter().any(|text| used.contains(text));
                if !old && written.insert(texts) {
                    examples.push(Example { input, label: Label::Class(class as u32) });
                    break;
                }
            }
        }
        used.extend(written.into_iter().flatten());
        writer.draw.shuffle(&mut examples);
        examples
    }
}
