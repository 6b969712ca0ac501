//! What can be wrong with an encoder's folder.

use super::Precision;
use std::path::PathBuf;

/// An encoder that could not be loaded, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the folder cannot be read.
    #[error("cannot read {}: {source}; an encoder folder holds config.json, model.safetensors and tokenizer.json", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `config.json` is not understood.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The tokenizer cannot be used.
    #[error("{}: {what}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The weights file is not safetensors.
    #[error("{}: not a safetensors file ({what}); download it again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Keys are missing, left over or of the wrong shape. Every one is named.
    #[error("{}: the weights are not those that config.json describes: {}", path.display(), problems.join("; "))]
    Keys {
        /// The file.
        path: PathBuf,
        /// One entry a key.
        problems: Vec<String>,
    },
    /// Products of a precision were asked for where there are none.
    #[error(
        "the device that computes has no products in {precision}: bf16 is for processors with \
         AVX-512 BF16 and for GPUs, tf32 for GPUs; use --precision f32, or auto for the fastest \
         that there is"
    )]
    NoProducts {
        /// The precision.
        precision: Precision,
    },
    /// A device or tensor operation failed.
    #[error("the encoder could not be set up: {0}")]
    Device(#[from] candle_core::Error),
}
