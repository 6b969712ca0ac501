//! From predictions to the task's score.

use super::Prediction;
use crate::Error;
use crate::batch::Tokenised;
use crate::data::{Answer, Dataset, Example, Input, Label, Objective};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tupate_metrics as metrics;
use tupate_tasks::Metric;

/// A model's scores on one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The task's own metric.
    pub score: f64,
    /// Its parts, and what else is customary for the kind of task, by name.
    pub details: BTreeMap<String, f64>,
}

impl Scores {
    fn new(score: f64, details: &[(&str, f64)]) -> Self {
        let details = details.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Self { score, details }
    }
}

/// Scores the predictions of a split's sequences, in their order.
///
/// # Errors
/// When the metric does not fit what is predicted.
pub(crate) fn score(
    dataset: &Dataset,
    split: &Tokenised<'_>,
    predictions: &[Prediction],
) -> Result<Scores, Error> {
    let unfit = || {
        let (metric, task) = (dataset.metric.name(), &dataset.task);
        Error::Setting(format!("{metric} does not fit what is predicted for {task}"))
    };
    let examples = split.examples;
    match dataset.objective {
        Objective::Classification => {
            let gold: Vec<u32> = examples.iter().flat_map(|e| e.label.classes()).copied().collect();
            let class = |p: &Prediction| match p {
                Prediction::Class(class) => Ok(*class),
                _ => Err(unfit()),
            };
            let predicted = predictions.iter().map(class).collect::<Result<Vec<_>, _>>()?;
            classification(dataset.metric, &gold, &predicted).ok_or_else(unfit)
        }
        Objective::Regression => {
            let number = |p: &Prediction| match p {
                Prediction::Score(score) => Ok(f64::from(*score)),
                _ => Err(unfit()),
            };
            let predicted = predictions.iter().map(number).collect::<Result<Vec<_>, _>>()?;
            regression(dataset.metric, &golden_scores(examples), &predicted).ok_or_else(unfit)
        }
        Objective::SpanExtraction => {
            let may_be_none = may_be_none(dataset);
            let mut best: Vec<Best> = vec![Best::default(); examples.len()];
            for (sequence, prediction) in split.sequences.iter().zip(predictions) {
                let Prediction::Spans { spans, none } = prediction else { return Err(unfit()) };
                best[sequence.example].meet(spans.first(), *none);
            }
            let answers: Vec<&str> = examples
                .iter()
                .zip(&best)
                .map(|(example, best)| best.answer(example, may_be_none))
                .collect();
            spans(dataset.metric, examples, &answers).ok_or_else(unfit)
        }
        Objective::TokenClassification => {
            let mut tags: Vec<Vec<Option<u32>>> =
                examples.iter().map(|e| vec![None; e.label.classes().len()]).collect();
            for (sequence, prediction) in split.sequences.iter().zip(predictions) {
                let Prediction::Tags(predicted) = prediction else { return Err(unfit()) };
                for (word, class) in predicted {
                    tags[sequence.example][*word] = Some(*class);
                }
            }
            words(dataset, examples, &tags).ok_or_else(unfit)
        }
    }
}

/// The score of what needs no model: the most frequent class, the mean number, "no
/// answer", the most frequent label of words.
///
/// # Errors
/// When the metric does not fit what is predicted.
pub(crate) fn trivial(dataset: &Dataset) -> Result<f64, Error> {
    let (train, dev) = (&dataset.train, &dataset.dev);
    let classes = |examples: &[Example]| -> Vec<u32> {
        examples.iter().flat_map(|e| e.label.classes()).copied().collect()
    };
    let majority = metrics::majority_class(&classes(train)).unwrap_or(0);
    let scores = match dataset.objective {
        Objective::Classification => {
            let gold = classes(dev);
            classification(dataset.metric, &gold, &vec![majority; gold.len()])
        }
        Objective::Regression => {
            let known = golden_scores(train);
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            let gold = golden_scores(dev);
            regression(dataset.metric, &gold, &vec![mean; gold.len()])
        }
        Objective::SpanExtraction => spans(dataset.metric, dev, &vec![""; dev.len()]),
        Objective::TokenClassification => {
            let tags: Vec<_> =
                dev.iter().map(|e| vec![Some(majority); e.label.classes().len()]).collect();
            words(dataset, dev, &tags)
        }
    };
    scores.map(|s| s.score).ok_or_else(|| {
        Error::Setting(format!("{} does not fit {}", dataset.metric.name(), dataset.task))
    })
}

fn golden_scores(examples: &[Example]) -> Vec<f64> {
    let score = |example: &Example| match example.label {
        Label::Score(score) => Some(f64::from(score)),
        _ => None,
    };
    examples.iter().filter_map(score).collect()
}

/// Class 1 is the positive one. `None` where the metric is not one of classes.
fn classification(metric: Metric, gold: &[u32], predicted: &[u32]) -> Option<Scores> {
    let accuracy = metrics::accuracy(gold, predicted);
    match metric {
        Metric::Accuracy => Some(Scores::new(accuracy, &[("accuracy", accuracy)])),
        Metric::AccuracyF1 => {
            let f1 = metrics::binary_f1(gold, predicted);
            Some(Scores::new((accuracy + f1) / 2.0, &[("accuracy", accuracy), ("f1", f1)]))
        }
        Metric::Mcc => {
            let mcc = metrics::matthews(gold, predicted);
            Some(Scores::new(mcc, &[("accuracy", accuracy), ("mcc", mcc)]))
        }
        _ => None,
    }
}

/// Predictions that are all equal have no correlation: 0.
fn regression(metric: Metric, gold: &[f64], predicted: &[f64]) -> Option<Scores> {
    let pearson = metrics::pearson(gold, predicted).unwrap_or(0.0);
    let spearman = metrics::spearman(gold, predicted).unwrap_or(0.0);
    (metric == Metric::PearsonSpearman).then(|| {
        let both = [("pearson", pearson), ("spearman", spearman)];
        Scores::new((pearson + spearman) / 2.0, &both)
    })
}

/// The best that a question's windows have to say.
#[derive(Clone, Debug, Default)]
struct Best {
    span: Option<super::Span>,
    none: Option<f32>,
}

impl Best {
    fn meet(&mut self, span: Option<&super::Span>, none: f32) {
        if let Some(span) = span
            && self.span.is_none_or(|best| span.score > best.score)
        {
            self.span = Some(*span);
        }
        // A question has an answer if any window has one.
        self.none = Some(self.none.map_or(none, |least| least.min(none)));
    }

    fn answer<'a>(&self, example: &'a Example, may_be_none: bool) -> &'a str {
        let Input::Question { context, .. } = &example.input else { return "" };
        match (self.span, self.none) {
            (Some(span), Some(none)) if may_be_none && none > span.score => "",
            (Some(span), _) => context.get(span.start..span.end).unwrap_or_default(),
            (None, _) => "",
        }
    }
}

/// Whether a task has questions without an answer: else one is always given.
fn may_be_none(dataset: &Dataset) -> bool {
    let none = |e: &Example| matches!(&e.label, Label::Answers(answers) if answers.is_empty());
    dataset.train.iter().any(none)
}

fn spans(metric: Metric, examples: &[Example], answers: &[&str]) -> Option<Scores> {
    let (mut exact, mut f1) = (0.0, 0.0);
    let (mut unanswerable, mut refused) = (0.0, 0.0);
    for (example, answer) in examples.iter().zip(answers) {
        let Label::Answers(golden) = &example.label else { return None };
        let texts: Vec<&str> = golden.iter().map(|Answer { text, .. }| text.as_str()).collect();
        exact += metrics::exact_match(&texts, answer);
        f1 += metrics::answer_f1(&texts, answer);
        if golden.is_empty() {
            unanswerable += 1.0;
            refused += f64::from(u8::from(answer.is_empty()));
        }
    }
    let n = examples.len().max(1) as f64;
    let mut details = vec![("exact_match", exact / n), ("f1", f1 / n)];
    if unanswerable > 0.0 {
        details.push(("no_answer_accuracy", refused / unanswerable));
    }
    (metric == Metric::TokenF1).then(|| Scores::new(f1 / n, &details))
}

/// A word that lost its tokens to the limit has no prediction, which is never the
/// gold one.
fn words(dataset: &Dataset, examples: &[Example], tags: &[Vec<Option<u32>>]) -> Option<Scores> {
    const NONE: u32 = u32::MAX;
    let gold: Vec<u32> = examples.iter().flat_map(|e| e.label.classes()).copied().collect();
    let predicted: Vec<u32> = tags.iter().flatten().map(|tag| tag.unwrap_or(NONE)).collect();
    let accuracy = metrics::accuracy(&gold, &predicted);
    match dataset.metric {
        Metric::Accuracy => Some(Scores::new(accuracy, &[("accuracy", accuracy)])),
        Metric::SpanF1 => {
            let name = |class: u32| dataset.label_names.get(class as usize).map_or("O", |n| n);
            let gold: Vec<Vec<&str>> = examples
                .iter()
                .map(|e| e.label.classes().iter().map(|&class| name(class)).collect())
                .collect();
            let predicted: Vec<Vec<&str>> = tags
                .iter()
                .map(|tags| tags.iter().map(|tag| name(tag.unwrap_or(NONE))).collect())
                .collect();
            let f1 = metrics::span_f1(&gold, &predicted);
            Some(Scores::new(f1, &[("accuracy", accuracy), ("f1", f1)]))
        }
        Metric::F05 => {
            let f05 = metrics::f_beta(&gold, &predicted, 0.5);
            Some(Scores::new(f05, &[("accuracy", accuracy), ("f05", f05)]))
        }
        _ => None,
    }
}
