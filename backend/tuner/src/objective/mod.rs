//! What a task asks of the encoder: outputs, loss, predictions and score.
//!
//! | objective | head sees | outputs | loss | prediction |
//! |---|---|---|---|---|
//! | classification | pooled `[B, H]` | a score a class | cross-entropy | the highest |
//! | regression | pooled `[B, H]` | one | mean squared error | the output |
//! | span extraction | every token `[B, S, H]` | start and end | mean of both cross-entropies | the best spans |
//! | token classification | every token `[B, S, H]` | a score a class | cross-entropy over labelled tokens | the highest of each word |

mod head;
mod loss;
mod score;
mod span;

pub(crate) use head::Head;
pub use score::Scores;
pub(crate) use score::{score, trivial};
pub(crate) use span::Span;

use crate::batch::{Batch, Tag, Target};
use crate::data::Objective;
use candle_core::{D, Result, Tensor, bail};

/// What a model says of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Prediction {
    Class(u32),
    Score(f32),
    /// The best spans of a window, and how well "no answer" does.
    Spans {
        spans: Vec<Span>,
        none: f32,
    },
    /// A class for each labelled token: the word, its class.
    Tags(Vec<(usize, u32)>),
}

impl Objective {
    /// How many numbers the head gives a sequence or token, `C`.
    pub(crate) fn outputs(self, labels: usize) -> usize {
        match self {
            Self::Classification | Self::TokenClassification => labels,
            Self::Regression => 1,
            Self::SpanExtraction => 2,
        }
    }

    /// Whether the head sees one vector a sequence rather than one a token.
    pub(crate) fn is_pooled(self) -> bool {
        matches!(self, Self::Classification | Self::Regression)
    }

    /// The mean loss of a batch; `outputs` are `[B, C]` or `[B, S, C]`.
    pub(crate) fn loss(self, outputs: &Tensor, batch: &Batch) -> Result<Tensor> {
        match self {
            Self::Classification => loss::cross_entropy(outputs, &classes(batch)?),
            Self::Regression => loss::squared_error(outputs, &scores(batch)?),
            Self::SpanExtraction => span::loss(outputs, batch),
            Self::TokenClassification => {
                let (rows, classes) = labelled(batch)?;
                if rows.is_empty() {
                    // No word of the batch has a token: nothing to learn from.
                    return (outputs.sum_all()? * 0.0)?.to_dtype(outputs.dtype());
                }
                loss::cross_entropy(&select(outputs, &rows)?, &classes)
            }
        }
    }

    /// What the model says of each sequence of a batch.
    pub(crate) fn predict(self, outputs: &Tensor, batch: &Batch) -> Result<Vec<Prediction>> {
        match self {
            Self::Classification => {
                let best: Vec<u32> = outputs.argmax(D::Minus1)?.to_vec1()?;
                Ok(best.into_iter().map(Prediction::Class).collect())
            }
            Self::Regression => {
                let scores: Vec<f32> = outputs.flatten_all()?.to_vec1()?;
                Ok(scores.into_iter().map(Prediction::Score).collect())
            }
            Self::SpanExtraction => span::predict(outputs, batch),
            Self::TokenClassification => {
                let (rows, _) = labelled(batch)?;
                if rows.is_empty() {
                    return Ok(vec![Prediction::Tags(vec![]); batch.size]);
                }
                let best: Vec<u32> = select(outputs, &rows)?.argmax(D::Minus1)?.to_vec1()?;
                let mut best = best.into_iter();
                let of = |target: &Target| {
                    let tags = tags(target)?.iter();
                    Ok(Prediction::Tags(tags.map(|tag| tag.word).zip(&mut best).collect()))
                };
                batch.targets.iter().map(of).collect()
            }
        }
    }
}

/// The gold classes `[B]`.
fn classes(batch: &Batch) -> Result<Vec<u32>> {
    let class = |target: &Target| match target {
        Target::Class(class) => Ok(*class),
        other => bail!("a class was expected and not {other:?}"),
    };
    batch.targets.iter().map(class).collect()
}

/// The gold numbers `[B]`.
fn scores(batch: &Batch) -> Result<Vec<f32>> {
    let score = |target: &Target| match target {
        Target::Score(score) => Ok(*score),
        other => bail!("a score was expected and not {other:?}"),
    };
    batch.targets.iter().map(score).collect()
}

fn tags(target: &Target) -> Result<&[Tag]> {
    match target {
        Target::Tags(tags) => Ok(tags),
        other => bail!("labels of words were expected and not {other:?}"),
    }
}

/// The labelled tokens of a batch as rows of `[B·S]`, and their classes.
fn labelled(batch: &Batch) -> Result<(Vec<u32>, Vec<u32>)> {
    let (mut rows, mut classes) = (Vec::new(), Vec::new());
    for (i, target) in batch.targets.iter().enumerate() {
        for tag in tags(target)? {
            rows.push((i * batch.length + tag.token) as u32);
            classes.push(tag.class);
        }
    }
    Ok((rows, classes))
}

/// `outputs` `[B, S, C]` → the rows' `[n, C]`.
fn select(outputs: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let ids = Tensor::from_slice(rows, rows.len(), outputs.device())?;
    outputs.flatten(0, 1)?.index_select(&ids, 0)
}

#[cfg(test)]
mod tests;
