//! BitFit's folder: every bias of the layers, under the encoder's own names.
//!
//! PEFT and AdapterHub have no format for it. The weights file is the part of the
//! model's state dict that was tuned, so that in Python
//! `model.load_state_dict(load_file("bitfit.safetensors"), strict=False)` puts it
//! into transformers' base model.

use super::layers::Layers;
use super::layout::{Layout, without_model};
use super::tensors::{self, bad};
use super::{AdapterFolder, BITFIT_CONFIG_FILE, BITFIT_WEIGHTS_FILE, Format, options};
use crate::{AdapterState, Error};
use serde_json::json;
use tupate_tasks::{BIASES, MethodSpec};

/// Version of the format.
const VERSION: u64 = 1;

pub(super) fn read(config: &[u8], weights: &[u8]) -> Result<AdapterFolder, Error> {
    let config = tensors::json(BITFIT_CONFIG_FILE, config)?;
    if config["method"] != "bitfit" || config["version"] != VERSION {
        return Err(bad(
            BITFIT_CONFIG_FILE,
            format!(
                "method is {} and version {}; \"bitfit\" and {VERSION} are read",
                config["method"], config["version"]
            ),
        ));
    }
    let mut layers = Layers::new(BITFIT_WEIGHTS_FILE);
    for (key, tensor) in tensors::read(BITFIT_WEIGHTS_FILE, weights)? {
        let path = without_model(&key).and_then(|(_, rest)| rest.strip_suffix(".bias"));
        let taken = match path {
            Some(path) => layers.take(&key, path, "bias", tensor)?,
            None => None,
        };
        if taken.is_none() {
            return Err(bad(
                BITFIT_WEIGHTS_FILE,
                format!(
                    "unexpected key {key}; expected keys like \
                     encoder.layer.0.attention.self.query.bias"
                ),
            ));
        }
    }
    let layout = layers.layout();
    Ok(AdapterFolder {
        format: Format::BitFit,
        state: AdapterState::new(MethodSpec::BitFit, layers.into_states(&BIASES, &["bias"])?)?,
        base_model: options::name(&config["base_model_name_or_path"]),
        layout,
        left_out: Vec::new(),
        notes: Vec::new(),
        origin: None,
    })
}

pub(super) fn write(
    state: &AdapterState,
    layout: Layout,
    base_model: &str,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut named = Vec::new();
    for (i, layer) in state.layers().iter().enumerate() {
        for (part, tensor) in BIASES.iter().zip(&layer.tensors) {
            named.extend(layout.path(i, part).map(|path| (format!("{path}.bias"), tensor)));
        }
    }
    let config = json!({
        "base_model_name_or_path": base_model,
        "method": "bitfit",
        "version": VERSION,
    });
    Ok(vec![
        (BITFIT_WEIGHTS_FILE, tensors::write(BITFIT_WEIGHTS_FILE, &named)?),
        (BITFIT_CONFIG_FILE, tensors::write_json(BITFIT_CONFIG_FILE, &config)?),
    ])
}
