//! PEFT's prefix tuning: one embedding `[P, L·2·H]`, row-major
//! `layer 0 K | layer 0 V | layer 1 K | …`.

use super::options::{self, refused};
use super::tensors::{self, bad};
use super::{AdapterFolder, CONFIG_FILE, Format, PEFT_WEIGHTS_FILE, lora};
use crate::{AdapterState, Error, LayerState, NamedTensor};
use serde_json::{Value, json};
use tupate_tasks::MethodSpec;

/// The tensor's key.
const KEY: &str = "prompt_embeddings";
const UNDERSTOOD: &[&str] = &[
    "num_layers",
    "num_transformer_submodules",
    "num_virtual_tokens",
    "prefix_projection",
    "token_dim",
];
const HARMLESS: &[&str] = &[
    "auto_mapping",
    "base_model_name_or_path",
    "encoder_hidden_size",
    "inference_mode",
    "modules_to_save",
    "num_attention_heads",
    "peft_type",
    "peft_version",
    "revision",
    "task_type",
];

pub(super) fn read(config: &Value, weights: &[u8]) -> Result<AdapterFolder, Error> {
    options::check(config, UNDERSTOOD, HARMLESS)?;
    let submodules = &config["num_transformer_submodules"];
    if !submodules.is_null() && *submodules != 1 {
        return Err(refused(
            "num_transformer_submodules",
            submodules,
            "an encoder has one stack of layers",
        ));
    }
    let length = options::whole(config, "num_virtual_tokens")?;
    let mut prefix = None;
    let mut left_out = Vec::new();
    for (key, tensor) in tensors::read(PEFT_WEIGHTS_FILE, weights)? {
        if key == KEY {
            prefix = Some(tensor);
        } else if lora::is_head(&key, config) {
            left_out.push(key);
        } else {
            return Err(bad(PEFT_WEIGHTS_FILE, format!("unexpected key {key}; expected {KEY}")));
        }
    }
    let prefix = prefix.ok_or_else(|| bad(PEFT_WEIGHTS_FILE, format!("no tensor {KEY}")))?;
    let width = match prefix.shape.as_slice() {
        &[rows, width] if rows == length => width,
        shape => {
            return Err(bad(
                PEFT_WEIGHTS_FILE,
                format!("{KEY} has shape {shape:?}, but num_virtual_tokens is {length}"),
            ));
        }
    };
    // PEFT fills in either from the model when it saves.
    let given = |option: &str| match &config[option] {
        Value::Null => Ok(None),
        _ => options::whole(config, option).map(Some),
    };
    let hidden = match (given("token_dim")?, given("num_layers")?) {
        (Some(hidden), _) => hidden,
        (None, Some(layers)) => width / (2 * layers),
        (None, None) => {
            return Err(bad(
                CONFIG_FILE,
                "token_dim and num_layers are null, so that nobody knows where a layer begins; \
                 set either to the encoder's",
            ));
        }
    };
    let layers = width.checked_div(2 * hidden).unwrap_or(0);
    if layers * 2 * hidden != width || given("num_layers")?.is_some_and(|given| given != layers) {
        return Err(bad(
            PEFT_WEIGHTS_FILE,
            format!(
                "{KEY} has {width} columns, but token_dim {} and num_layers {} need 2·L·H",
                config["token_dim"], config["num_layers"]
            ),
        ));
    }
    let mut notes = Vec::new();
    if config["prefix_projection"] == true {
        notes.push(
            "the prefix is the output of an MLP (prefix_projection); P-Tuning v2 as the paper \
             used it has none"
                .to_owned(),
        );
    }
    Ok(AdapterFolder {
        format: Format::Peft,
        state: state(length, hidden, &prefix.values)?,
        base_model: options::name(&config["base_model_name_or_path"]),
        layout: None,
        left_out,
        notes,
        origin: None,
    })
}

/// Cuts `[P, L·2·H]` into layers.
pub(super) fn state(length: usize, hidden: usize, values: &[f32]) -> Result<AdapterState, Error> {
    let width = values.len() / length;
    let block = |index: usize, name: &str| NamedTensor {
        name: name.to_owned(),
        shape: vec![length, hidden],
        values: values
            .chunks_exact(width)
            .flat_map(|row| row[index * hidden..(index + 1) * hidden].iter().copied())
            .collect(),
    };
    let layers = (0..width / (2 * hidden)).map(|layer| LayerState {
        tensors: vec![block(2 * layer, "prefix.key"), block(2 * layer + 1, "prefix.value")],
    });
    AdapterState::new(MethodSpec::PTuningV2 { prefix_length: length }, layers.collect())
}

pub(super) fn write(
    state: &AdapterState,
    base_model: &str,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let hidden = state.hidden_size();
    let length = state.layers()[0].tensors[0].shape[0];
    let blocks: Vec<&NamedTensor> = state.layers().iter().flat_map(|l| &l.tensors).collect();
    let row = |p: usize| blocks.iter().flat_map(move |t| &t.values[p * hidden..(p + 1) * hidden]);
    let prefix = NamedTensor {
        name: KEY.into(),
        shape: vec![length, blocks.len() * hidden],
        values: (0..length).flat_map(row).copied().collect(),
    };
    // PEFT takes the number of heads from the model it is loaded into.
    let config = json!({
        "base_model_name_or_path": base_model,
        "encoder_hidden_size": hidden,
        "inference_mode": true,
        "num_attention_heads": null,
        "num_layers": state.layers().len(),
        "num_transformer_submodules": 1,
        "num_virtual_tokens": length,
        "peft_type": "PREFIX_TUNING",
        "prefix_projection": false,
        "task_type": "FEATURE_EXTRACTION",
        "token_dim": hidden,
    });
    Ok(vec![
        (PEFT_WEIGHTS_FILE, tensors::write(PEFT_WEIGHTS_FILE, &[(KEY.into(), &prefix)])?),
        (CONFIG_FILE, tensors::write_json(CONFIG_FILE, &config)?),
    ])
}
