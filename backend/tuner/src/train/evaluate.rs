//! Scoring a model on the validation split.

use crate::Error;
use crate::batch::{self, Batch, Tokens};
use crate::encoder::Encoder;
use crate::head::{Head, predict};
use crate::peft::Adapter;
use tupate_metrics::{accuracy, binary_f1, majority_class, matthews};
use tupate_tasks::Metric;

/// A model's scores on one split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The task's own metric.
    pub score: f64,
    /// Share of correct predictions.
    pub accuracy: f64,
}

/// The task's metric over predicted classes; class 1 is the positive one.
///
/// # Errors
/// When the metric is not one of classification.
pub fn score(metric: Metric, gold: &[u32], predicted: &[u32]) -> Result<f64, Error> {
    match metric {
        Metric::Accuracy => Ok(accuracy(gold, predicted)),
        Metric::AccuracyF1 => Ok((accuracy(gold, predicted) + binary_f1(gold, predicted)) / 2.0),
        Metric::Mcc => Ok(matthews(gold, predicted)),
        Metric::PearsonSpearman | Metric::TokenF1 | Metric::SpanF1 | Metric::F05 => {
            Err(Error::Setting(format!("{} is no metric of a classification task", metric.name())))
        }
    }
}

/// The score of always predicting the most frequent class of `train`.
///
/// # Errors
/// When the metric is not one of classification.
pub fn majority_score(metric: Metric, train: &[Tokens], dev: &[Tokens]) -> Result<f64, Error> {
    let gold: Vec<u32> = dev.iter().map(|t| t.class).collect();
    let majority = majority_class(&train.iter().map(|t| t.class).collect::<Vec<_>>());
    score(metric, &gold, &vec![majority.unwrap_or(0); gold.len()])
}

pub(super) fn evaluate(
    encoder: &Encoder,
    adapter: &dyn Adapter,
    head: &Head,
    examples: &[Tokens],
    batch_size: usize,
    metric: Metric,
) -> Result<Scores, Error> {
    let mut gold = Vec::with_capacity(examples.len());
    let mut predicted = Vec::with_capacity(examples.len());
    for indices in batch::sorted(examples, batch_size) {
        let batch = Batch::new(examples, &indices, encoder.config().pad_token_id);
        let hidden = encoder.model.forward(&batch, adapter)?;
        let pooled = encoder.model.pool(&hidden, &batch, encoder.pooling)?;
        predicted.extend(predict(&head.forward(&pooled)?)?);
        gold.extend(batch.classes);
    }
    Ok(Scores { score: score(metric, &gold, &predicted)?, accuracy: accuracy(&gold, &predicted) })
}
