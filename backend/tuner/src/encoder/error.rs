//! What can be wrong with an encoder's folder.

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
    /// Products in bf16 were asked for where there are none.
    #[error(
        "products in bf16 are for processors with AVX-512 BF16, which this one has not or is not \
         asked to compute; use --precision f32, or auto for the fastest that there is"
    )]
    NoBf16,
    /// A device or tensor operation failed.
    #[error("the encoder could not be set up: {0}")]
    Device(#[from] candle_core::Error),
}
