//! What can go wrong while tuning.

use std::path::PathBuf;

/// Why a task could not be tuned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data is not usable.
    #[error(transparent)]
    Data(Box<crate::data::Error>),
    /// The encoder is not usable.
    #[error(transparent)]
    Encoder(#[from] crate::encoder::Error),
    /// The tuned parameters cannot become an embedding.
    #[error(transparent)]
    Embedding(#[from] tupate_embedding::Error),
    /// A setting that makes no sense.
    #[error("{0}")]
    Setting(String),
    /// A text could not be tokenised.
    #[error("example {example} could not be tokenised: {why}")]
    Tokenise {
        /// The example, counted from 1.
        example: usize,
        /// What the tokenizer said.
        why: String,
    },
    /// The loss, a gradient or an output is not a number any more.
    #[error(
        "training diverged at step {step} with learning rate {learning_rate}: {what}; try a smaller --lr"
    )]
    Diverged {
        /// The optimiser step, counted from 1.
        step: usize,
        /// The learning rate.
        learning_rate: f64,
        /// What is not a number.
        what: &'static str,
    },
    /// One of several fine-tunings failed.
    #[error("{what}: {source}")]
    While {
        /// Which one.
        what: String,
        /// Why.
        source: Box<Error>,
    },
    /// The linear head on the frozen encoder could not be fitted.
    #[error("the linear probe could not be fitted: {0}")]
    Probe(String),
    /// The run did not do what it seemed to do.
    #[error("the run is not valid: {}", .0.join("; "))]
    Ledger(Vec<String>),
    /// A baseline has no result for a task.
    #[error("{task}: {what}")]
    Baseline {
        /// The task's id.
        task: String,
        /// Why not, and what mends it.
        what: String,
    },
    /// A file of the run cannot be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The folder for the run cannot be used as asked.
    #[error("{0}")]
    Out(String),
    /// A finished run or adapter folder cannot be used.
    #[error("{}: {what}", path.display())]
    Record {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An interrupted run cannot be continued.
    #[error("{0}")]
    Resume(String),
    /// The user asked to stop; what was done so far is kept.
    #[error("stopped; continue with --resume")]
    Cancelled,
    /// There is no such device.
    #[error("device {device}: {why}")]
    Device {
        /// The device asked for.
        device: String,
        /// Why it cannot be used.
        why: String,
    },
    /// A tensor operation failed.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<crate::data::Error> for Error {
    fn from(error: crate::data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

impl Error {
    /// Whether something was asked for that cannot be, whatever the input holds.
    pub fn is_wrong_usage(&self) -> bool {
        use crate::data::Error as Data;
        match self {
            Self::Setting(_) | Self::Out(_) | Self::Resume(_) | Self::Device { .. } => true,
            Self::Encoder(error) => matches!(error, crate::encoder::Error::NoProducts { .. }),
            Self::Embedding(error) => matches!(error, tupate_embedding::Error::Recipe(_)),
            Self::Data(error) => matches!(
                **error,
                Data::NoData { .. }
                    | Data::SampleTakesNoFiles { .. }
                    | Data::TwoTrainingFiles { .. }
                    | Data::NothingToTrainOn
            ),
            _ => false,
        }
    }

    /// Whether the input is to blame, rather than the machine or the program.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::While { source, .. } => source.is_bad_input(),
            Self::Data(_)
            | Self::Encoder(_)
            | Self::Embedding(_)
            | Self::Record { .. }
            | Self::Tokenise { .. } => true,
            Self::Setting(_)
            | Self::Diverged { .. }
            | Self::Probe(_)
            | Self::Baseline { .. }
            | Self::Ledger(_)
            | Self::Io { .. }
            | Self::Out(_)
            | Self::Resume(_)
            | Self::Cancelled
            | Self::Device { .. }
            | Self::Tensor(_) => false,
        }
    }
}
