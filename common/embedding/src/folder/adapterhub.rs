//! Folders of AdapterHub's `adapters`: LoRA and prefix tuning.

use super::layers::Layers;
use super::layout::{Layout, without_model};
use super::options::{self, positive, refused};
use super::tensors::{self, bad};
use super::{ADAPTERHUB_WEIGHTS_FILE, AdapterFolder, CONFIG_FILE, Format, prefix};
use crate::{AdapterState, Error, NamedTensor};
use serde_json::Value;
use std::collections::BTreeSet;
use tupate_tasks::{BIASES, LORA_TARGETS, MethodSpec};

const LORA_UNDERSTOOD: &[&str] = &[
    "alpha",
    "architecture",
    "attn_matrices",
    "composition_mode",
    "init_weights",
    "intermediate_lora",
    "output_lora",
    "r",
    "selfattn_lora",
];
const LORA_HARMLESS: &[&str] = &["dropout", "dtype", "init_weights_seed"];
const PREFIX_UNDERSTOOD: &[&str] = &["architecture", "prefix_length"];
/// `flat`, `bottleneck_size` and `non_linearity` say how the prefix was made: the
/// keys say whether it still is.
const PREFIX_HARMLESS: &[&str] = &[
    "bottleneck_size",
    "cross_prefix",
    "dropout",
    "encoder_prefix",
    "flat",
    "init_weights_seed",
    "non_linearity",
    "shared_gating",
];

/// Whether a configuration is one that `adapters` writes.
pub(super) fn is_config(config: &Value) -> bool {
    !config["config"].is_null()
        && ["model_class", "model_type", "hidden_size"].iter().any(|key| !config[key].is_null())
}

/// Refuses what cannot be read, by its name, before any weights are asked for.
pub(super) fn check(config: &Value) -> Result<(), Error> {
    let own = &config["config"];
    match own["architecture"].as_str() {
        Some("lora" | "prefix_tuning") => Ok(()),
        Some(other) => Err(bad(
            CONFIG_FILE,
            format!("architecture is {other}; lora and prefix_tuning are supported"),
        )),
        // Without an architecture it is a bottleneck; old folders give its name alone.
        None => Err(bad(
            CONFIG_FILE,
            format!(
                "this is a bottleneck adapter{}; LoRA and prefix tuning are supported",
                own.as_str().map(|name| format!(" ({name})")).unwrap_or_default()
            ),
        )),
    }
}

pub(super) fn read(config: &Value, weights: &[u8]) -> Result<AdapterFolder, Error> {
    let tensors = tensors::read(ADAPTERHUB_WEIGHTS_FILE, weights)?;
    if config["config"]["architecture"] == "lora" {
        lora(config, tensors)
    } else {
        prefix_tuning(config, tensors)
    }
}

fn folder(config: &Value, state: AdapterState, layout: Option<Layout>) -> AdapterFolder {
    let named = config["model_type"].as_str().and_then(Layout::of_model_type);
    AdapterFolder {
        format: Format::AdapterHub,
        state,
        base_model: options::name(&config["model_name"]),
        layout: layout.or(named),
        left_out: Vec::new(),
        notes: Vec::new(),
        origin: None,
    }
}

/// `PATH.loras.NAME.lora_A` `[r, in]` and `lora_B` `[out, r]`, scaled by α/r.
fn lora(config: &Value, tensors: Vec<(String, NamedTensor)>) -> Result<AdapterFolder, Error> {
    let own = &config["config"];
    options::check(own, LORA_UNDERSTOOD, LORA_HARMLESS)?;
    let mode = &own["composition_mode"];
    if !mode.is_null() && mode != "add" {
        return Err(refused("composition_mode", mode, "LoRA adds its update"));
    }
    let begin = &own["init_weights"];
    if !begin.is_null() && begin != "lora" && begin != "bert" {
        return Err(refused("init_weights", begin, "it is another method than LoRA"));
    }
    let mut layers = Layers::new(ADAPTERHUB_WEIGHTS_FILE);
    let mut names = BTreeSet::new();
    for (key, tensor) in tensors {
        let parsed = key.split_once(".loras.").and_then(|(path, rest)| {
            let (name, kind) = rest.split_once('.')?;
            let kind = ["lora_A", "lora_B"].into_iter().find(|k| *k == kind)?;
            Some((without_model(path)?.1, name.to_owned(), kind))
        });
        let place = match parsed {
            Some((path, name, kind)) => {
                names.insert(name);
                layers.take(&key, path, kind, tensor)?
            }
            None => None,
        };
        if !place.is_some_and(|p| LORA_TARGETS.contains(&BIASES[p.part])) {
            return Err(bad(
                ADAPTERHUB_WEIGHTS_FILE,
                format!(
                    "unexpected key {key}; expected keys like \
                     encoder.layer.0.attention.self.query.loras.NAME.lora_A"
                ),
            ));
        }
    }
    if names.len() > 1 {
        let names: Vec<_> = names.into_iter().collect();
        return Err(bad(
            ADAPTERHUB_WEIGHTS_FILE,
            format!("holds {} adapters: {}", names.len(), names.join(", ")),
        ));
    }
    let (parts, wanted) = (layers.parts(), lora_targets(own)?);
    if parts != wanted {
        return Err(bad(
            ADAPTERHUB_WEIGHTS_FILE,
            format!(
                "holds factors for {}, but {CONFIG_FILE} names {}",
                if parts.is_empty() { "nothing".into() } else { parts.join(", ") },
                wanted.join(", ")
            ),
        ));
    }
    let spec = MethodSpec::Lora {
        rank: options::whole(own, "r")?,
        alpha: positive("alpha", &own["alpha"])?,
        targets: parts.iter().map(|part| (*part).to_owned()).collect(),
    };
    let layout = layers.layout();
    let state = AdapterState::new(spec, layers.into_states(&parts, &["lora_A", "lora_B"])?)?;
    Ok(folder(config, state, layout))
}

/// The maps that a configuration says are adapted.
fn lora_targets(own: &Value) -> Result<Vec<&'static str>, Error> {
    let matrices: Vec<&str> = match &own["attn_matrices"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => return Err(bad(CONFIG_FILE, "attn_matrices must be a list such as [\"q\", \"v\"]")),
    };
    let attention = own["selfattn_lora"] != false;
    Ok(LORA_TARGETS
        .into_iter()
        .filter(|target| match *target {
            "query" => attention && matrices.contains(&"q"),
            "key" => attention && matrices.contains(&"k"),
            "value" => attention && matrices.contains(&"v"),
            "intermediate" => own["intermediate_lora"] == true,
            "output" => own["output_lora"] == true,
            _ => false,
        })
        .collect())
}

/// One vector of `P·L·2·H` values, in the order of PEFT's. Every layer's module
/// refers to the same pool, so that the file may hold it once or many times over.
fn prefix_tuning(
    config: &Value,
    tensors: Vec<(String, NamedTensor)>,
) -> Result<AdapterFolder, Error> {
    let own = &config["config"];
    options::check(own, PREFIX_UNDERSTOOD, PREFIX_HARMLESS)?;
    let length = options::whole(own, "prefix_length")?;
    let hidden = options::whole(config, "hidden_size")?;
    let mut prefix: Option<(String, NamedTensor)> = None;
    for (key, tensor) in tensors {
        let flat = key.split_once("prefix_tunings.").and_then(|(_, rest)| {
            let mut words = rest.split('.').skip(1);
            let at = (words.next()?, words.next()?, words.next());
            matches!(at, ("self" | "self_prefix", "control_trans", None)).then_some(())
        });
        if flat.is_none() {
            let generated = key.contains(".control_trans.") || key.ends_with(".wte.weight");
            return Err(bad(
                ADAPTERHUB_WEIGHTS_FILE,
                if generated {
                    format!(
                        "{key} belongs to an MLP that makes the prefix; in Python, turn it into the \
                     prefix with model.eject_prefix_tuning(NAME), and save the adapter again"
                    )
                } else {
                    format!("unexpected key {key}; expected prefix_tunings.NAME.self.control_trans")
                },
            ));
        }
        match &prefix {
            None => prefix = Some((key, tensor)),
            Some((first, other)) => {
                let same = |a: &NamedTensor, b: &NamedTensor| {
                    a.shape == b.shape
                        && a.values.iter().zip(&b.values).all(|(x, y)| x.to_bits() == y.to_bits())
                };
                if !same(other, &tensor) {
                    return Err(bad(
                        ADAPTERHUB_WEIGHTS_FILE,
                        format!("{first} and {key} are one prefix and differ"),
                    ));
                }
            }
        }
    }
    let (key, prefix) = prefix.ok_or_else(|| bad(ADAPTERHUB_WEIGHTS_FILE, "no prefix in it"))?;
    let values = prefix.values.len();
    let block = length.checked_mul(hidden).and_then(|n| n.checked_mul(2));
    let whole = block.is_some_and(|block| values > 0 && values.is_multiple_of(block));
    if prefix.shape != [values] || !whole {
        return Err(bad(
            ADAPTERHUB_WEIGHTS_FILE,
            format!(
                "{key} has shape {:?}, which is no multiple of 2·P·H with prefix_length {length} \
                 and hidden_size {hidden}",
                prefix.shape
            ),
        ));
    }
    Ok(folder(config, prefix::state(length, hidden, &prefix.values)?, None))
}
