//! How a task is tuned. Everything here changes the result.

use crate::Error;
use crate::batch::Limits;
use crate::data::Objective;
use crate::peft::PeftMethod;
use serde::{Deserialize, Serialize};
use tupate_tasks::MethodSpec;

/// How the learning rate goes over the steps of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays as it is.
    Constant,
    /// It falls linearly, to zero behind the last step.
    Linear,
}

/// How parameters are moved, whichever they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Passes over the training examples.
    pub epochs: usize,
    /// Sequences a step, `B`.
    pub batch_size: usize,
    /// Most tokens of a sequence.
    pub max_length: usize,
    /// Tokens that two neighbouring windows of a question's context share.
    pub doc_stride: usize,
    /// Seed of the head, the order of examples and the choice of a subset.
    pub seed: u64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this Euclidean norm when they exceed it.
    pub max_gradient_norm: f64,
    /// How the learning rate goes.
    pub schedule: Schedule,
}

/// How a task is tuned by a parameter-efficient method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The method and its hyperparameters.
    pub method: MethodSpec,
    /// Learning rates to try; the best on the validation split is kept.
    pub learning_rates: Vec<f64>,
    /// Seed of the method's initial parameters; one for all tasks of a zoo.
    pub init_seed: u64,
    /// How the parameters are moved.
    #[serde(flatten)]
    pub training: Training,
}

/// Most tokens of a sequence, where nothing else is asked for: 384 for questions
/// with a context, else 128.
pub fn default_max_length(objective: Objective) -> usize {
    match objective {
        Objective::SpanExtraction => 384,
        _ => 128,
    }
}

/// Tokens that two neighbouring windows of a question's context share, where nothing
/// else is asked for: 128, or half of what the longest question leaves of a window
/// where that is less.
pub fn default_doc_stride(max_length: usize) -> usize {
    128.min(max_length.saturating_sub(BESIDE_CONTEXT) / 2)
}

/// What a window holds beside its context: the question and four special tokens.
const BESIDE_CONTEXT: usize = crate::batch::MAX_QUESTION + 4;

impl Training {
    /// What the paper's tuning and the baselines share: batches of 32, texts up to
    /// 128 tokens, questions with their context up to 384 in windows that share
    /// 128.
    pub fn new(objective: Objective, epochs: usize, schedule: Schedule) -> Self {
        Self {
            epochs,
            batch_size: 32,
            max_length: default_max_length(objective),
            doc_stride: default_doc_stride(default_max_length(Objective::SpanExtraction)),
            seed: 0,
            weight_decay: 0.01,
            max_gradient_norm: 1.0,
            schedule,
        }
    }

    /// Takes the lengths that are asked for; what windows share goes by their length
    /// where nothing else is asked for.
    pub fn set_lengths(
        &mut self,
        objective: Objective,
        max_length: Option<usize>,
        doc_stride: Option<usize>,
    ) {
        self.max_length = max_length.unwrap_or(self.max_length);
        self.doc_stride = match (doc_stride, objective) {
            (Some(tokens), _) => tokens,
            (None, Objective::SpanExtraction) => default_doc_stride(self.max_length),
            // No windows are made, and runs of before say so.
            (None, _) => self.doc_stride,
        };
    }

    /// The limits of a sequence.
    pub fn limits(&self) -> Limits {
        Limits { max_length: self.max_length, doc_stride: self.doc_stride }
    }

    /// Optimiser steps of one epoch over so many sequences.
    pub(crate) fn steps_an_epoch(&self, sequences: usize) -> usize {
        sequences.div_ceil(self.batch_size)
    }

    /// The learning rate of a step, counted from 0, of `steps`.
    pub(super) fn rate(&self, base: f64, step: usize, steps: usize) -> f64 {
        match self.schedule {
            Schedule::Constant => base,
            Schedule::Linear => base * (1.0 - step as f64 / steps.max(1) as f64).max(0.0),
        }
    }

    /// Refuses what makes no sense; `longest` is the most that the encoder takes.
    ///
    /// # Errors
    /// One that names the flag.
    pub fn check(&self, longest: usize, objective: Objective) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Setting(what));
        if self.epochs == 0 {
            return wrong("--epochs must be at least 1".into());
        }
        if self.batch_size == 0 {
            return wrong("--batch-size must be at least 1".into());
        }
        if self.max_length < 8 || self.max_length > longest {
            return wrong(format!(
                "--max-length is {} and must be from 8 to {longest}, the most that this encoder takes",
                self.max_length
            ));
        }
        // Beside the question, a window must hold more than it shares.
        let least = self.doc_stride + BESIDE_CONTEXT + 1;
        if objective == Objective::SpanExtraction && self.max_length < least {
            return wrong(format!(
                "--max-length is {} and must be at least {least} for questions with a context: \
                 a question takes up to {} tokens, and windows share {}{}",
                self.max_length,
                crate::batch::MAX_QUESTION,
                self.doc_stride,
                // Only where it was asked for: not every command has the flag.
                match self.doc_stride > default_doc_stride(self.max_length) {
                    true => " (--doc-stride)",
                    false => "",
                }
            ));
        }
        Ok(())
    }
}

impl Settings {
    /// The paper's settings for a method (section 4.3): 20 epochs, its learning
    /// rates, the best on validation kept.
    pub fn paper(method: &dyn PeftMethod, objective: Objective) -> Self {
        Self {
            method: method.paper_spec(),
            learning_rates: method.learning_rates().to_vec(),
            init_seed: 0,
            training: Training::new(objective, 20, Schedule::Constant),
        }
    }

    /// The positions that the method takes away from the tokens.
    pub fn prefix_length(&self) -> usize {
        match self.method {
            MethodSpec::PTuningV2 { prefix_length } => prefix_length,
            _ => 0,
        }
    }

    /// Steps after which all that the method tunes has moved. LoRA's A has no gradient
    /// while B is zero.
    pub(crate) fn least_steps(&self) -> usize {
        match self.method {
            MethodSpec::Lora { .. } => 2,
            _ => 1,
        }
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// One that names the flag.
    pub fn check(&self, longest: usize, objective: Objective) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Setting(what.into()));
        if self.learning_rates.is_empty()
            || self.learning_rates.iter().any(|lr| !(lr.is_finite() && *lr > 0.0))
        {
            return wrong("--lr must be one or more positive numbers");
        }
        match &self.method {
            MethodSpec::Lora { rank, alpha, .. } => {
                if !(1..=1024).contains(rank) {
                    return wrong("--rank must be from 1 to 1024");
                }
                if !(alpha.is_finite() && *alpha > 0.0) {
                    return wrong("--alpha must be a positive number");
                }
            }
            MethodSpec::PTuningV2 { prefix_length } if !(1..=1024).contains(prefix_length) => {
                return wrong("--prefix-length must be from 1 to 1024");
            }
            _ => {}
        }
        self.training.check(longest, objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(objective: Objective, given: (usize, Option<usize>)) -> Training {
        let mut training = Training::new(objective, 1, Schedule::Constant);
        training.set_lengths(objective, Some(given.0), given.1);
        training
    }

    #[test]
    fn short_windows_share_less() {
        let shared = [(384, 128), (324, 128), (323, 127), (96, 14), (70, 1), (69, 0), (8, 0)];
        for (length, stride) in shared {
            assert_eq!(default_doc_stride(length), stride, "{length}");
        }
        let of = |objective, given| lengths(objective, given).doc_stride;
        assert_eq!(of(Objective::SpanExtraction, (96, None)), 14);
        assert_eq!(of(Objective::SpanExtraction, (96, Some(20))), 20);
        assert_eq!(of(Objective::Classification, (96, None)), 128, "as runs of before have it");
        for length in 69..=512 {
            lengths(Objective::SpanExtraction, (length, None))
                .check(512, Objective::SpanExtraction)
                .unwrap();
        }
    }

    #[test]
    fn windows_that_hold_no_context_are_refused() {
        let message = |given| {
            let check =
                lengths(Objective::SpanExtraction, given).check(512, Objective::SpanExtraction);
            check.unwrap_err().to_string()
        };
        let error = message((68, None));
        assert!(error.contains("is 68 and must be at least 69"), "{error}");
        assert!(error.ends_with("windows share 0"), "{error}");
        let error = message((96, Some(128)));
        assert!(error.contains("is 96 and must be at least 197"), "{error}");
        assert!(error.ends_with("windows share 128 (--doc-stride)"), "{error}");
    }
}
