//! Frozen encoders: from a Hugging Face folder to hidden states.

mod bert;
mod config;
mod error;
mod layer;
mod parts;
mod weights;

pub use crate::kernels::Precision;
pub use bert::Bert;
pub use config::{Config, Family};
pub use error::Error;
pub use parts::{Linear, Norm};
pub use weights::KeyReport;

use candle_core::Device;
use memmap2::Mmap;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use tokenizers::Tokenizer;
use tupate_tasks::EncoderRef;
use weights::Weights;

/// How the hidden states of a sequence become one vector for the task head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Mean over the real tokens: what sentence-transformers encoders were
    /// trained with.
    Mean,
    /// The encoder's own pooler: tanh of a linear map of the first token.
    Pooler,
    /// The first token's hidden state, where an encoder has no pooler.
    First,
}

/// An encoder that was loaded: weights, tokenizer, and what identifies them.
pub struct Encoder {
    /// Name, hash and size, as recipes state them.
    pub reference: EncoderRef,
    /// The forward pass.
    pub model: Bert,
    /// The tokenizer, without padding or truncation.
    pub tokenizer: Tokenizer,
    /// How sequences become vectors.
    pub pooling: Pooling,
    /// What became of each key of the weights file.
    pub keys: KeyReport,
}

/// Name of the configuration file.
pub const CONFIG_FILE: &str = "config.json";
/// Name of the weights file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Name of the tokenizer file.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Where sentence-transformers encoders say how they pool.
pub const POOLING_FILE: &str = "1_Pooling/config.json";

impl Encoder {
    /// Loads the encoder in `folder` onto `device`.
    ///
    /// # Errors
    /// When a file is missing or not understood, or a key of the weights is
    /// missing, unexpected or mis-shaped.
    pub fn load(name: &str, folder: &Path, device: &Device) -> Result<Self, Error> {
        let config_path = folder.join(CONFIG_FILE);
        let config = Config::parse(&read(&config_path)?, &config_path)?;
        let weights_path = folder.join(WEIGHTS_FILE);
        let bytes = map(&weights_path)?;
        let read = || Weights::read(&bytes, &config, device, &weights_path);
        let (weights, weights_sha256) = rayon::join(read, || sha256_hex(&bytes));
        let weights = weights?;
        drop(bytes);
        let tokenizer = load_tokenizer(&folder.join(TOKENIZER_FILE), &config)?;
        let pooling = pooling(folder, weights.has_pooler())?;
        Ok(Self {
            reference: EncoderRef {
                name: name.to_owned(),
                weights_sha256,
                layers: config.layers,
                hidden_size: config.hidden_size,
            },
            keys: weights.report.clone(),
            model: Bert::new(config, &weights)?,
            tokenizer,
            pooling,
        })
    }

    /// The same encoder, its weights laid out for products of this precision.
    ///
    /// # Errors
    /// When another precision than f32 is asked for and the device has no such products.
    pub fn with_precision(mut self, precision: Precision) -> Result<Self, Error> {
        if precision != Precision::F32 && !precision.available(self.model.device()) {
            return Err(Error::NoProducts { precision });
        }
        self.model = self.model.with_precision(precision)?;
        Ok(self)
    }

    /// The encoder's dimensions.
    pub fn config(&self) -> &Config {
        self.model.config()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The bytes of a file, as the system keeps them: those of an encoder are read once to be
/// hashed and once to be decoded, at the same time.
#[expect(unsafe_code, reason = "a file may change while it is in memory")]
fn map(path: &Path) -> Result<Mmap, Error> {
    let bad = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(bad)?;
    // SAFETY: weights are replaced as whole files, which leaves what is mapped as it was;
    // one that is cut short in the middle of the read ends the program.
    unsafe { Mmap::map(&file) }.map_err(bad)
}

fn load_tokenizer(path: &Path, config: &Config) -> Result<Tokenizer, Error> {
    let bad = |what: String| Error::Tokenizer { path: path.to_owned(), what };
    let bytes = read(path)?;
    let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|e| bad(e.to_string()))?;
    let size = tokenizer.get_vocab_size(true);
    if size > config.vocab_size {
        return Err(bad(format!(
            "the tokenizer has {size} tokens, the encoder embeds {}; these files do not belong together",
            config.vocab_size
        )));
    }
    // A file may ask for padding to a fixed length; batching decides here.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| bad(e.to_string()))?;
    Ok(tokenizer)
}

/// sentence-transformers folders say how they pool; others use their pooler.
fn pooling(folder: &Path, has_pooler: bool) -> Result<Pooling, Error> {
    let path = folder.join(POOLING_FILE);
    if !path.exists() {
        return Ok(if has_pooler { Pooling::Pooler } else { Pooling::First });
    }
    let bad = |what: String| Error::Config { path: path.clone(), what };
    let config: serde_json::Value =
        serde_json::from_slice(&read(&path)?).map_err(|e| bad(e.to_string()))?;
    let fields = config.as_object().into_iter().flatten();
    let on = fields.filter(|(key, on)| key.starts_with("pooling_mode_") && **on == true);
    let mut on: Vec<&str> = on.map(|(key, _)| key.as_str()).collect();
    on.sort_unstable();
    // Of several, their results side by side would be meant.
    match &on[..] {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        [] => Err(bad("no pooling is on; mean and first-token pooling are supported".into())),
        on => Err(bad(format!(
            "{} on; mean or first-token pooling alone is supported",
            on.join(" and ") + if on.len() == 1 { " is" } else { " are" }
        ))),
    }
}

/// sha256 as lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

#[cfg(test)]
mod tests;
