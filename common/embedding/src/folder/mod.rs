//! Adapter folders: those of Hugging Face PEFT, of AdapterHub's `adapters`, and
//! the one for BitFit, for which neither has a format.
//!
//! [`read`] takes files as names and bytes and says which kind of folder they
//! are. Only what changes no meaning is accepted. An option that would alter the
//! tuned numbers or their scale is refused by name, and so is every key that is
//! missing or left over: an adapter that loads without an error and without
//! effect is the commonest complaint of people who exchange adapters.
//!
//! `docs/ADAPTER_FOLDERS.md` says what is read and written, for people.

mod adapterhub;
mod bitfit;
mod layers;
mod layout;
mod lora;
mod options;
mod pickle;
mod prefix;
mod tensors;

pub use layout::Layout;

use crate::{AdapterState, Error, NamedTensor};
use serde::{Deserialize, Serialize};
use std::fmt;
use tensors::bad;
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec};

/// Configuration of PEFT's and of AdapterHub's folders.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// Weights of PEFT's folders.
pub const PEFT_WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// Weights of AdapterHub's folders.
pub const ADAPTERHUB_WEIGHTS_FILE: &str = "adapter.safetensors";
/// Configuration of a BitFit folder.
pub const BITFIT_CONFIG_FILE: &str = "bitfit_config.json";
/// Weights of a BitFit folder.
pub const BITFIT_WEIGHTS_FILE: &str = "bitfit.safetensors";
/// The task head, in folders written here; not part of the embedding.
pub const HEAD_FILE: &str = "head.safetensors";
/// What folders written here say of their origin.
pub const ORIGIN_FILE: &str = "tupate.json";

/// The kind of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Hugging Face PEFT.
    Peft,
    /// AdapterHub's `adapters` package.
    AdapterHub,
    /// Biases alone, as written here.
    BitFit,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peft => "PEFT",
            Self::AdapterHub => "AdapterHub",
            Self::BitFit => "BitFit",
        })
    }
}

/// Where an adapter comes from: what decides which others it can be compared
/// with, and no adapter format has a place for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The encoder it was tuned on, with the hash of its weights.
    pub encoder: EncoderRef,
    /// Seed of the method's initial parameters.
    pub init_seed: u64,
    /// When the parameters were taken; nothing for the initial ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// An adapter folder that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFolder {
    /// Which kind it is.
    pub format: Format,
    /// The tuned parameters, head excluded.
    pub state: AdapterState,
    /// The encoder as the folder names it.
    pub base_model: Option<String>,
    /// The family whose names the keys follow, where they tell.
    pub layout: Option<Layout>,
    /// Keys that are not part of the embedding: the task head, and what was
    /// tuned outside of the layers.
    pub left_out: Vec<String>,
    /// What a reader should know of how the numbers came about.
    pub notes: Vec<String>,
    /// Where it comes from, if it was written here.
    pub origin: Option<Origin>,
}

/// A file of a folder: its name and its bytes.
pub type File<'a> = (&'a str, &'a [u8]);

/// Whether [`read`] looks into files of this name. Of the pickle files that it
/// refuses, it needs the names alone.
pub fn is_read(name: &str) -> bool {
    [
        CONFIG_FILE,
        PEFT_WEIGHTS_FILE,
        ADAPTERHUB_WEIGHTS_FILE,
        BITFIT_CONFIG_FILE,
        BITFIT_WEIGHTS_FILE,
        ORIGIN_FILE,
    ]
    .contains(&name)
}

/// Whether a file of this name says that its folder may be an adapter's.
pub fn is_sign(name: &str) -> bool {
    is_read(name) && name != ORIGIN_FILE || pickle::is_adapter(name)
}

/// Reads an adapter folder. Names are those within the folder; files that
/// [`is_read`] does not name are passed over.
///
/// # Errors
/// When the files are no adapter's, one is missing, a pickle, or not what its
/// name says, an option is not supported, or a key is missing, left over or of
/// the wrong type.
pub fn read(files: &[File<'_>]) -> Result<AdapterFolder, Error> {
    let find = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let weights = |name: &str| match find(name) {
        Some(bytes) => Ok(bytes),
        None => Err(pickle::refusal(&names, name)
            .unwrap_or_else(|| bad(name, "is missing; copy the whole folder"))),
    };
    let mut folder = if let Some(config) = find(BITFIT_CONFIG_FILE) {
        if find(CONFIG_FILE).is_some() {
            return Err(bad(
                CONFIG_FILE,
                format!("lies beside {BITFIT_CONFIG_FILE}; keep one adapter in a folder"),
            ));
        }
        bitfit::read(config, weights(BITFIT_WEIGHTS_FILE)?)?
    } else if let Some(bytes) = find(CONFIG_FILE) {
        let config = tensors::json(CONFIG_FILE, bytes)?;
        match config["peft_type"].as_str() {
            Some("LORA") => lora::read(&config, weights(PEFT_WEIGHTS_FILE)?)?,
            Some("PREFIX_TUNING") => prefix::read(&config, weights(PEFT_WEIGHTS_FILE)?)?,
            Some(other) => {
                return Err(bad(
                    CONFIG_FILE,
                    format!("peft_type is {other}; LORA and PREFIX_TUNING are supported"),
                ));
            }
            None if adapterhub::is_config(&config) => {
                adapterhub::check(&config)?;
                adapterhub::read(&config, weights(ADAPTERHUB_WEIGHTS_FILE)?)?
            }
            None => {
                return Err(bad(
                    CONFIG_FILE,
                    "has neither peft_type, as PEFT writes, nor config and model_class, as \
                     AdapterHub's adapters writes",
                ));
            }
        }
    } else {
        return Err(pickle::refusal(&names, PEFT_WEIGHTS_FILE).unwrap_or_else(|| {
            bad(CONFIG_FILE, "is missing; without it nobody knows what the tensors are")
        }));
    };
    folder.origin = find(ORIGIN_FILE).map(|bytes| origin(bytes, &folder.state)).transpose()?;
    Ok(folder)
}

/// Reads what a folder says of its origin.
fn origin(bytes: &[u8], state: &AdapterState) -> Result<Origin, Error> {
    let origin: Origin = serde_json::from_slice(bytes).map_err(|e| {
        bad(ORIGIN_FILE, format!("cannot be read ({e}); copy the folder again, or remove the file"))
    })?;
    state.check_encoder(&origin.encoder).map_err(|e| bad(ORIGIN_FILE, e.to_string()))?;
    Ok(origin)
}

/// Writes an adapter in the folder format of its method: LoRA and P-Tuning v2 as
/// PEFT names them for `task_type` FEATURE_EXTRACTION over transformers' base
/// models, BitFit in the format of its own. The head, under its tensors' names,
/// has a file of its own. Returns names and bytes, the configuration last.
///
/// # Errors
/// When the method names a target that `layout` does not have, or numbers cannot
/// be written.
pub fn write(
    state: &AdapterState,
    head: &[NamedTensor],
    layout: Layout,
    base_model: &str,
    origin: Option<&Origin>,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    if !head.is_empty() {
        let named: Vec<_> = head.iter().map(|t| (t.name.clone(), t)).collect();
        files.push((HEAD_FILE, tensors::write(HEAD_FILE, &named)?));
    }
    if let Some(origin) = origin {
        let value = serde_json::to_value(origin).map_err(|e| bad(ORIGIN_FILE, e.to_string()))?;
        files.push((ORIGIN_FILE, tensors::write_json(ORIGIN_FILE, &value)?));
    }
    files.extend(match state.method() {
        MethodSpec::Lora { .. } => lora::write(state, layout, base_model)?,
        MethodSpec::PTuningV2 { .. } => prefix::write(state, base_model)?,
        MethodSpec::BitFit => bitfit::write(state, layout, base_model)?,
        MethodSpec::Imported { .. } => {
            return Err(Error::Recipe(format!("{} have no adapter folder", state.method())));
        }
    });
    Ok(files)
}
