//! How baselines are computed. Everything here changes the result.

use crate::Error;
use crate::data::Objective;
use crate::train::{self, Training};
use serde::Serialize;

/// The settings of a baseline. What is not given is that of baseline fine-tuning
/// for the task's objective ([`train::baseline`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Options {
    /// Most training examples of a task, drawn with `seed`.
    pub max_train: Option<usize>,
    /// Seed of subsets, the order of examples and the heads.
    pub seed: u64,
    /// Passes over the training examples.
    pub epochs: Option<usize>,
    /// Learning rate at the start.
    #[serde(rename = "lr")]
    pub learning_rate: Option<f64>,
    /// Sequences a step.
    pub batch_size: Option<usize>,
    /// Most tokens of a sequence.
    pub max_length: Option<usize>,
    /// Tokens that two neighbouring windows of a question's context share.
    pub doc_stride: Option<usize>,
}

impl Options {
    /// How a task is fine-tuned, and the learning rate at the start.
    ///
    /// # Errors
    /// One that names the flag; `longest` is the most tokens that the encoder
    /// takes.
    pub(super) fn training(
        &self,
        objective: Objective,
        longest: usize,
    ) -> Result<(Training, f64), Error> {
        let (mut training, learning_rate) = train::baseline(objective);
        training.seed = self.seed;
        training.epochs = self.epochs.unwrap_or(training.epochs);
        training.batch_size = self.batch_size.unwrap_or(training.batch_size);
        training.set_lengths(objective, self.max_length, self.doc_stride);
        training.check(longest, objective)?;
        let learning_rate = self.learning_rate.unwrap_or(learning_rate);
        if !(learning_rate.is_finite() && learning_rate > 0.0) {
            return Err(Error::Setting("--lr must be a positive number".into()));
        }
        Ok((training, learning_rate))
    }

    /// The same without what only training needs.
    pub(super) fn without_training(&self) -> Self {
        Self { epochs: None, learning_rate: None, ..self.clone() }
    }
}
