//! The frozen encoder with a linear head: what tuning has to beat.

use super::evaluate::score;
use super::optimizer::AdamW;
use crate::Error;
use crate::batch::{self, Batch, Tokens};
use crate::encoder::Encoder;
use crate::head::{Head, cross_entropy, predict};
use crate::peft::Frozen;
use candle_core::{Tensor, Var};
use tupate_metrics::accuracy;
use tupate_tasks::Metric;

const STEPS: usize = 500;
const LEARNING_RATE: f64 = 0.01;
const WEIGHT_DECAY: f64 = 0.01;

/// Trains a softmax regression on the frozen encoder's pooled vectors,
/// standardised by the training split, and scores it on the validation split.
///
/// # Errors
/// Only those of the device, or a metric that is not one of classification.
pub fn linear_probe(
    encoder: &Encoder,
    train: &[Tokens],
    dev: &[Tokens],
    classes: usize,
    batch_size: usize,
    metric: Metric,
    seed: u64,
) -> Result<super::Scores, Error> {
    let (x, y) = features(encoder, train, batch_size)?;
    let (x_dev, y_dev) = features(encoder, dev, batch_size)?;
    let mean = x.mean_keepdim(0)?;
    let deviation = (x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)? + 1e-8)?.sqrt()?;
    let standard = |x: &Tensor| x.broadcast_sub(&mean)?.broadcast_div(&deviation);
    let (x, x_dev) = (standard(&x)?, standard(&x_dev)?);
    let head = Head::new(classes, encoder.config().hidden_size, seed, encoder.model.device())?;
    let vars: Vec<Var> = vec![head.weight.clone(), head.bias.clone()];
    let mut optimizer = AdamW::new(&vars, WEIGHT_DECAY)?;
    for _ in 0..STEPS {
        let loss = cross_entropy(&head.forward(&x)?, &y)?;
        optimizer.step(&vars, &loss.backward()?, LEARNING_RATE, 1.0)?;
    }
    let predicted = predict(&head.forward(&x_dev)?)?;
    Ok(super::Scores {
        score: score(metric, &y_dev, &predicted)?,
        accuracy: accuracy(&y_dev, &predicted),
    })
}

/// The pooled vectors `[n, H]` and classes of all examples.
fn features(
    encoder: &Encoder,
    examples: &[Tokens],
    batch_size: usize,
) -> Result<(Tensor, Vec<u32>), Error> {
    let (mut rows, mut classes) = (Vec::new(), Vec::with_capacity(examples.len()));
    for indices in batch::sorted(examples, batch_size) {
        let batch = Batch::new(examples, &indices, encoder.config().pad_token_id);
        let hidden = encoder.model.forward(&batch, &Frozen)?;
        rows.push(encoder.model.pool(&hidden, &batch, encoder.pooling)?.detach());
        classes.extend(batch.classes);
    }
    Ok((Tensor::cat(&rows, 0)?, classes))
}
