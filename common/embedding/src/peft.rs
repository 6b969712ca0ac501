//! Adapter folders of Hugging Face PEFT: `adapter_config.json` beside
//! `adapter_model.safetensors`.
//!
//! Only what changes no meaning is accepted. An option that would alter the
//! tuned numbers or their scale is refused by name: an adapter that loads
//! without an error and without effect is the commonest complaint of people
//! who exchange adapters.

use crate::{AdapterState, Error, LayerState, NamedTensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tupate_tasks::MethodSpec;

/// Name of the configuration file in an adapter folder.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// Name of the weights file in an adapter folder.
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// An adapter folder that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PeftAdapter {
    /// The tuned parameters, head excluded.
    pub state: AdapterState,
    /// The encoder as the folder names it (`base_model_name_or_path`).
    pub base_model: Option<String>,
    /// Keys that hold the task head; not part of the embedding.
    pub head_keys: Vec<String>,
}

/// The two files of an adapter folder.
#[derive(Clone, Debug, PartialEq)]
pub struct PeftFiles {
    /// Contents of [`CONFIG_FILE`].
    pub config: Vec<u8>,
    /// Contents of [`WEIGHTS_FILE`].
    pub weights: Vec<u8>,
}

fn config_error(what: impl Into<String>) -> Error {
    Error::Adapter { file: CONFIG_FILE, what: what.into() }
}

fn weights_error(what: impl Into<String>) -> Error {
    Error::Adapter { file: WEIGHTS_FILE, what: what.into() }
}

/// Reads a LoRA adapter of a BERT-like encoder.
///
/// Within a layer the factors come in the order of `target_modules` sorted by
/// name (PEFT stores a set), each as `lora_A` `[r, in]`, then `lora_B`
/// `[out, r]`.
///
/// # Errors
/// When a file is not what its name says, an option is not supported, or a key
/// is missing, left over or of the wrong type.
pub fn read(config: &[u8], weights: &[u8]) -> Result<PeftAdapter, Error> {
    let config: Value = serde_json::from_slice(config)
        .map_err(|e| config_error(format!("not JSON ({e}); copy the folder again")))?;
    let spec = lora_spec(&config)?;
    let MethodSpec::Lora { ref targets, rank, .. } = spec else {
        unreachable!("lora_spec gives LoRA")
    };
    let file = SafeTensors::deserialize(weights).map_err(|e| {
        weights_error(format!("not a safetensors file ({e}); copy the folder again"))
    })?;

    let mut factors: BTreeMap<(usize, String, char), NamedTensor> = BTreeMap::new();
    let mut head_keys = Vec::new();
    for (key, view) in file.tensors() {
        match factor_key(&key) {
            Some((layer, target, factor)) => {
                let tensor = NamedTensor {
                    name: format!("{target}.lora_{factor}"),
                    shape: view.shape().to_vec(),
                    values: floats(&key, &view)?,
                };
                check_rank(&key, &tensor.shape, factor, rank)?;
                if factors.insert((layer, target, factor), tensor).is_some() {
                    return Err(weights_error(format!("two tensors for the same place as {key}")));
                }
            }
            None if is_head(&key) => head_keys.push(key),
            None => {
                return Err(weights_error(format!(
                    "unexpected key {key}; expected keys like \
                     base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"
                )));
            }
        }
    }
    head_keys.sort();

    // A key may claim any layer number: count the layers, never loop to a claim.
    let found: BTreeSet<usize> = factors.keys().map(|(layer, ..)| *layer).collect();
    let depth = found.len();
    if let Some(&highest) = found.last().filter(|&&highest| highest >= depth) {
        return Err(weights_error(format!(
            "{depth} layers hold LoRA factors but the highest is number {highest}; layers in between are missing"
        )));
    }
    let mut layers = Vec::with_capacity(depth);
    for layer in 0..depth {
        let mut tensors = Vec::with_capacity(2 * targets.len());
        for target in targets {
            for factor in ['A', 'B'] {
                tensors.push(factors.remove(&(layer, target.clone(), factor)).ok_or_else(
                    || weights_error(format!("no lora_{factor} for {target} in layer {layer}")),
                )?);
            }
        }
        layers.push(LayerState { tensors });
    }
    if let Some((layer, target, _)) = factors.into_keys().next() {
        return Err(weights_error(format!(
            "layer {layer} holds factors for {target}, which target_modules does not list"
        )));
    }
    Ok(PeftAdapter {
        state: AdapterState::new(spec, layers)?,
        base_model: config["base_model_name_or_path"].as_str().map(str::to_owned),
        head_keys,
    })
}

/// Writes a LoRA adapter and its head as PEFT would, for a model whose task is
/// sequence classification. `head` tensors keep their names behind
/// `base_model.model.`.
///
/// # Errors
/// When the state is not LoRA.
pub fn write(
    state: &AdapterState,
    head: &[NamedTensor],
    base_model: &str,
    key_prefix: &str,
) -> Result<PeftFiles, Error> {
    let MethodSpec::Lora { rank, alpha, targets } = state.method() else {
        return Err(Error::Recipe(format!("{} is not written as a PEFT folder", state.method())));
    };
    let config = json!({
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": head_modules(head),
        "peft_type": "LORA",
        "r": rank,
        "target_modules": targets,
        "task_type": "SEQ_CLS",
        "use_dora": false,
        "use_rslora": false,
    });
    let mut named: Vec<(String, &NamedTensor)> = Vec::new();
    for (i, layer) in state.layers().iter().enumerate() {
        for tensor in &layer.tensors {
            let key = format!(
                "base_model.model.{key_prefix}encoder.layer.{i}.attention.self.{}.weight",
                tensor.name
            );
            named.push((key, tensor));
        }
    }
    named.extend(head.iter().map(|t| (format!("base_model.model.{}", t.name), t)));
    let bytes: Vec<Vec<u8>> = named
        .iter()
        .map(|(_, t)| t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = named
        .iter()
        .zip(&bytes)
        .map(|((key, t), bytes)| {
            TensorView::new(Dtype::F32, t.shape.clone(), bytes)
                .map(|view| (key.as_str(), view))
                .map_err(|e| weights_error(format!("{key}: {e}")))
        })
        .collect::<Result<_, _>>()?;
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let weights = safetensors::serialize(views, Some(metadata))
        .map_err(|e| weights_error(format!("cannot be written: {e}")))?;
    let mut config = serde_json::to_vec_pretty(&config).map_err(|e| config_error(e.to_string()))?;
    config.push(b'\n');
    Ok(PeftFiles { config, weights })
}

fn head_modules(head: &[NamedTensor]) -> Vec<String> {
    let modules: BTreeSet<String> =
        head.iter().filter_map(|t| t.name.split('.').next().map(str::to_owned)).collect();
    modules.into_iter().collect()
}

/// The LoRA spec of a configuration, or a refusal that names the option.
fn lora_spec(config: &Value) -> Result<MethodSpec, Error> {
    let kind = config["peft_type"].as_str().ok_or_else(|| {
        config_error("no peft_type; is this the adapter_config.json of a PEFT adapter?")
    })?;
    if kind != "LORA" {
        return Err(config_error(format!("peft_type is {kind}; this version reads LORA")));
    }
    for option in ["use_rslora", "use_dora", "use_qalora", "lora_bias", "fan_in_fan_out"] {
        if config[option].as_bool() == Some(true) {
            return Err(config_error(format!(
                "{option} is on, which changes what the factors mean; it is not supported"
            )));
        }
    }
    for option in [
        "rank_pattern",
        "alpha_pattern",
        "layers_to_transform",
        "layer_replication",
        "exclude_modules",
    ] {
        let value = &config[option];
        let empty = value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            return Err(config_error(format!(
                "{option} is set, which makes layers unequal; it is not supported"
            )));
        }
    }
    match config["bias"].as_str() {
        None | Some("none") => {}
        Some(other) => {
            return Err(config_error(format!("bias is {other:?}; only \"none\" is supported")));
        }
    }
    let rank = config["r"]
        .as_u64()
        .filter(|&r| r > 0 && r <= 4096)
        .ok_or_else(|| config_error("r must be a whole number from 1 to 4096"))?;
    let alpha = config["lora_alpha"]
        .as_f64()
        .filter(|a| a.is_finite() && *a > 0.0)
        .ok_or_else(|| config_error("lora_alpha must be a positive number"))?;
    let mut targets = config["target_modules"]
        .as_array()
        .and_then(|list| {
            list.iter().map(|t| t.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        })
        .filter(|list| !list.is_empty())
        .ok_or_else(|| {
            config_error("target_modules must be a list of names; a pattern is not supported")
        })?;
    targets.sort();
    targets.dedup();
    for target in &targets {
        if !ATTENTION_TARGETS.contains(&target.as_str()) {
            return Err(config_error(format!(
                "target module {target} is not supported; supported: {}",
                ATTENTION_TARGETS.join(", ")
            )));
        }
    }
    Ok(MethodSpec::Lora { rank: rank as usize, alpha, targets })
}

const ATTENTION_TARGETS: &[&str] = &["key", "query", "value"];

/// `…encoder.layer.3.attention.self.query.lora_A.weight` → `(3, "query", 'A')`.
fn factor_key(key: &str) -> Option<(usize, String, char)> {
    let rest = key.strip_prefix("base_model.model.")?;
    let at = rest.find("encoder.layer.")?;
    let model = &rest[..at];
    if !(model.is_empty() || model.ends_with('.') && model.matches('.').count() == 1) {
        return None;
    }
    let mut parts = rest[at + "encoder.layer.".len()..].split('.');
    let layer: usize = parts.next()?.parse().ok()?;
    let place = (parts.next()?, parts.next()?);
    if place != ("attention", "self") {
        return None;
    }
    let target = parts.next()?;
    let factor = match parts.next()? {
        "lora_A" => 'A',
        "lora_B" => 'B',
        _ => return None,
    };
    (parts.next() == Some("weight") && parts.next().is_none())
        .then(|| (layer, target.to_owned(), factor))
}

fn is_head(key: &str) -> bool {
    ["classifier", "score", "qa_outputs", "pooler", "pre_classifier"].iter().any(|head| {
        key.strip_prefix("base_model.model.")
            .is_some_and(|rest| rest.split('.').any(|p| p == *head))
    })
}

fn check_rank(key: &str, shape: &[usize], factor: char, rank: usize) -> Result<(), Error> {
    let found = match (shape, factor) {
        ([r, _], 'A') | ([_, r], 'B') => *r,
        _ => {
            return Err(weights_error(format!(
                "{key} has shape {shape:?}; a factor has two dimensions"
            )));
        }
    };
    if found == rank {
        Ok(())
    } else {
        Err(weights_error(format!(
            "{key} has shape {shape:?}, rank {found}, but adapter_config.json says r={rank}"
        )))
    }
}

fn floats(key: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Error> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::BF16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16))
            .collect()),
        Dtype::F16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect()),
        other => Err(weights_error(format!("{key} is {other:?}; F32, F16 and BF16 are supported"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::tensor;

    fn adapter() -> AdapterState {
        let layer = |x: f32| LayerState {
            tensors: vec![
                tensor("query.lora_A", &[1, 2], &[x, 2.0]),
                tensor("query.lora_B", &[2, 1], &[3.0, x]),
                tensor("value.lora_A", &[1, 2], &[-x, 0.5]),
                tensor("value.lora_B", &[2, 1], &[0.0, 0.25]),
            ],
        };
        let spec =
            MethodSpec::Lora { rank: 1, alpha: 8.0, targets: vec!["query".into(), "value".into()] };
        AdapterState::new(spec, vec![layer(1.0), layer(-2.0)]).unwrap()
    }

    fn files() -> PeftFiles {
        let head = [
            tensor("classifier.weight", &[2, 2], &[0.0; 4]),
            tensor("classifier.bias", &[2], &[0.0; 2]),
        ];
        write(&adapter(), &head, "encoder-name", "bert.").unwrap()
    }

    fn with_config(change: impl Fn(&mut Value)) -> Result<PeftAdapter, Error> {
        let mut config: Value = serde_json::from_slice(&files().config).unwrap();
        change(&mut config);
        read(config.to_string().as_bytes(), &files().weights)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let read = read(&files().config, &files().weights).unwrap();
        assert_eq!(read.state, adapter());
        assert_eq!(read.base_model.as_deref(), Some("encoder-name"));
        assert_eq!(
            read.head_keys,
            ["base_model.model.classifier.bias", "base_model.model.classifier.weight"]
        );
    }

    #[test]
    fn options_that_change_the_meaning_are_refused_by_name() {
        for (option, value) in [
            ("use_rslora", json!(true)),
            ("use_dora", json!(true)),
            ("rank_pattern", json!({ "layer.0": 4 })),
            ("layers_to_transform", json!([0])),
            ("bias", json!("all")),
            ("target_modules", json!(["dense"])),
            ("target_modules", json!(".*query")),
            ("peft_type", json!("IA3")),
            ("r", json!(2)),
            ("lora_alpha", json!(0)),
        ] {
            let error = with_config(|c| c[option] = value.clone()).unwrap_err().to_string();
            let named = error.contains(option) || error.contains("r=2") || error.contains("dense");
            assert!(named, "{option}: {error}");
        }
    }

    #[test]
    fn a_missing_target_is_missed_and_a_left_over_one_is_named() {
        let error =
            with_config(|c| c["target_modules"] = json!(["key", "query", "value"])).unwrap_err();
        assert_eq!(error.to_string(), "adapter_model.safetensors: no lora_A for key in layer 0");
        let error = with_config(|c| c["target_modules"] = json!(["query"])).unwrap_err();
        assert!(error.to_string().contains("factors for value"), "{error}");
    }

    #[test]
    fn foreign_keys_are_unexpected() {
        assert_eq!(
            factor_key("base_model.model.bert.encoder.layer.11.attention.self.value.lora_B.weight"),
            Some((11, "value".into(), 'B'))
        );
        assert_eq!(
            factor_key("base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"),
            Some((0, "query".into(), 'A'))
        );
        for key in [
            "base_model.model.encoder.layer.x.attention.self.query.lora_A.weight",
            "base_model.model.encoder.layer.0.attention.self.query.lora_C.weight",
            "base_model.model.a.b.encoder.layer.0.attention.self.query.lora_A.weight",
            "encoder.layer.0.attention.self.query.lora_A.weight",
            "base_model.model.encoder.layer.0.attention.output.dense.lora_A.weight",
        ] {
            assert_eq!(factor_key(key), None, "{key}");
        }
    }

    #[test]
    fn cut_or_foreign_bytes_are_an_error() {
        let files = files();
        for cut in [0, 7, 9, files.weights.len() / 2, files.weights.len() - 1] {
            assert!(read(&files.config, &files.weights[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(b"", &files.weights).is_err());
        assert!(read(b"[]", &files.weights).is_err());
    }
}
