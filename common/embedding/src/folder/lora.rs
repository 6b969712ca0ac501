//! PEFT's LoRA: `h = Wx + s·B·A·x`, with `s = α/r`, or `α/√r` when it is
//! rank-stabilised.

use super::layers::Layers;
use super::layout::{Layout, without_model};
use super::options::{self, positive, refused};
use super::tensors::{self, bad};
use super::{AdapterFolder, CONFIG_FILE, Format, PEFT_WEIGHTS_FILE};
use crate::{AdapterState, Error, NamedTensor};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tupate_tasks::{BIASES, LORA_TARGETS, MethodSpec};

const UNDERSTOOD: &[&str] = &[
    "alpha_pattern",
    "bias",
    "init_lora_weights",
    "lora_alpha",
    "modules_to_save",
    "r",
    "rank_pattern",
    "target_modules",
    "use_rslora",
];
/// Options that say where the adapter is from, how it was trained, or have a
/// meaning only beside another one.
const HARMLESS: &[&str] = &[
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];
/// Ways to begin that leave the encoder's own weights as they are.
const BEGINNINGS: &[&str] = &["gaussian", "eva", "orthogonal"];
/// What stands in front of every key.
const FRONT: &str = "base_model.model.";
/// Factors, as they end a key.
const KINDS: [(&str, &str); 2] = [("lora_A", ".lora_A.weight"), ("lora_B", ".lora_B.weight")];

/// Reads PEFT's LoRA of an encoder of any known family.
///
/// Within a layer the factors come in the order of [`LORA_TARGETS`], each target's
/// `lora_A` `[r, in]` before its `lora_B` `[out, r]`.
pub(super) fn read(config: &Value, weights: &[u8]) -> Result<AdapterFolder, Error> {
    check_options(config)?;
    let mut layers = Layers::new(PEFT_WEIGHTS_FILE);
    let mut left_out = Vec::new();
    let mut models = BTreeSet::new();
    for (key, tensor) in tensors::read(PEFT_WEIGHTS_FILE, weights)? {
        let unexpected = || {
            bad(
                PEFT_WEIGHTS_FILE,
                format!(
                    "unexpected key {key}; expected keys like \
                     {FRONT}encoder.layer.0.attention.self.query.lora_A.weight"
                ),
            )
        };
        let rest = key.strip_prefix(FRONT).ok_or_else(unexpected)?;
        let factor =
            KINDS.iter().find_map(|(kind, end)| rest.strip_suffix(end).map(|path| (path, *kind)));
        match factor.and_then(|(path, kind)| Some((without_model(path)?, kind))) {
            Some(((model, path), kind)) => {
                let place = layers.take(&key, path, kind, tensor)?;
                models.insert(model.to_owned());
                if !place.is_some_and(|p| LORA_TARGETS.contains(&BIASES[p.part])) {
                    return Err(unexpected());
                }
            }
            None if is_head(&key, config) || is_outside(rest) => left_out.push(key),
            None => return Err(unexpected()),
        }
    }
    if models.len() > 1 {
        return Err(bad(PEFT_WEIGHTS_FILE, "the keys are those of two models"));
    }
    let model = models.pop_first().unwrap_or_default();
    check_targets(&config["target_modules"], &layers, &model)?;
    let rank = rank(&layers)?;
    let scaled = alpha(config, &layers, &model)?;
    let mut notes = Vec::new();
    let alpha = if config["use_rslora"] == true {
        // α/√r is (α·√r)/r: the same map, in the recipe's terms.
        let plain = scaled * (rank as f64).sqrt();
        notes.push(format!(
            "rank-stabilised: α = {scaled} over √r is α = {plain} over r, as the recipe says"
        ));
        plain
    } else {
        scaled
    };
    if !left_out.is_empty() {
        notes.push(format!("not part of the embedding: {}", left_out.join(", ")));
    }
    let parts = layers.parts();
    let layout = layers.layout();
    let spec = MethodSpec::Lora {
        rank,
        alpha,
        targets: parts.iter().map(|part| (*part).to_owned()).collect(),
    };
    let state = AdapterState::new(spec, layers.into_states(&parts, &["lora_A", "lora_B"])?)?;
    Ok(AdapterFolder {
        format: Format::Peft,
        state,
        base_model: options::name(&config["base_model_name_or_path"]),
        layout,
        left_out,
        notes,
        origin: None,
    })
}

fn check_options(config: &Value) -> Result<(), Error> {
    options::check(config, UNDERSTOOD, HARMLESS)?;
    let bias = &config["bias"];
    if !bias.is_null() && bias != "none" {
        return Err(refused("bias", bias, "biases were tuned beside the factors"));
    }
    let begin = &config["init_lora_weights"];
    let known = begin.is_null()
        || begin.is_boolean()
        || begin.as_str().is_some_and(|name| BEGINNINGS.contains(&name));
    if !known {
        return Err(refused("init_lora_weights", begin, "it may change the encoder's own weights"));
    }
    Ok(())
}

/// The task head's parameters: the names that transformers gives heads, and what
/// the configuration says was saved beside the adapter.
pub(super) fn is_head(key: &str, config: &Value) -> bool {
    let saved = config["modules_to_save"].as_array();
    let saved: Vec<&str> = saved.into_iter().flatten().filter_map(Value::as_str).collect();
    ["classifier", "score", "qa_outputs", "pre_classifier"].iter().chain(&saved).any(|head| {
        // A head lies beside the encoder, not in its layers.
        without_model(key.strip_prefix(FRONT).unwrap_or(key)).is_none()
            && key.split('.').any(|word| word == *head)
    })
}

/// Factors of the pooler or the embeddings, which lie in no layer.
fn is_outside(path: &str) -> bool {
    let words: Vec<&str> = path.split('.').take(2).collect();
    ["pooler", "embeddings"].iter().any(|owner| words.contains(owner)) && path.contains(".lora_")
}

/// `target_modules` must name exactly the maps that hold factors: PEFT would put
/// fresh ones in those without, and pass over those that it does not name.
fn check_targets(targets: &Value, layers: &Layers, model: &str) -> Result<(), Error> {
    let found: BTreeSet<(usize, &str)> =
        layers.tensors().map(|(place, ..)| (place.layer, BIASES[place.part])).collect();
    if found.is_empty() {
        return Err(bad(PEFT_WEIGHTS_FILE, "no LoRA factors of a layer in it"));
    }
    let list = match targets {
        // An expression: the keys alone say what it matched.
        Value::String(_) => return Ok(()),
        Value::Array(list) => {
            list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().filter(|l| !l.is_empty())
        }
        _ => None,
    };
    let list = list.ok_or_else(|| {
        bad(CONFIG_FILE, "target_modules must be a list of names, or an expression")
    })?;
    let numbers: BTreeSet<usize> = found.iter().map(|(layer, _)| *layer).collect();
    let problem = |layout: Layout| {
        let mut used = vec![false; list.len()];
        for &layer in &numbers {
            for (part, _) in layout.linear_maps() {
                let path = format!("{model}{}", layout.path(layer, part).unwrap_or_default());
                let mut named = false;
                for (target, used) in list.iter().zip(&mut used) {
                    if ends_with_name(&path, target) {
                        (named, *used) = (true, true);
                    }
                }
                match (named, found.contains(&(layer, part))) {
                    (true, false) => {
                        return Some(bad(
                            PEFT_WEIGHTS_FILE,
                            format!("no factors for {path}, which target_modules lists"),
                        ));
                    }
                    (false, true) => {
                        return Some(bad(
                            PEFT_WEIGHTS_FILE,
                            format!("factors for {path}, which target_modules does not list"),
                        ));
                    }
                    _ => {}
                }
            }
        }
        let unused = list.iter().zip(used).find(|(_, used)| !used);
        unused.map(|(target, _)| {
            bad(
                CONFIG_FILE,
                format!("target_modules lists {target}, for which there are no factors"),
            )
        })
    };
    // Keys that two families share fit if either does.
    let layouts = match layers.layout() {
        Some(layout) => vec![layout],
        None => vec![Layout::Bert, Layout::MpNet],
    };
    let mut first = None;
    for layout in layouts {
        match problem(layout) {
            None => return Ok(()),
            Some(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Whether `path` is `name`, or ends with it as a whole.
fn ends_with_name(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// The one rank of all factors. `rank_pattern` may say so in its own way: the
/// factors themselves decide.
fn rank(layers: &Layers) -> Result<usize, Error> {
    let mut first: Option<(usize, String)> = None;
    for (place, kind, tensor) in layers.tensors() {
        let at = format!("{} of layer {}", tensor.name, place.layer);
        let own = match (tensor.shape.as_slice(), kind) {
            (&[r, _], "lora_A") | (&[_, r], "lora_B") => r,
            (shape, _) => {
                return Err(bad(
                    PEFT_WEIGHTS_FILE,
                    format!("{at} has shape {shape:?}; a factor has two dimensions"),
                ));
            }
        };
        match &first {
            None => first = Some((own, at)),
            Some((rank, _)) if *rank == own => {}
            Some((rank, other)) => {
                return Err(bad(
                    PEFT_WEIGHTS_FILE,
                    format!(
                        "{other} has rank {rank} and {at} rank {own} (r, rank_pattern); layers of \
                         unequal ranks have no mean, and a recipe states one rank"
                    ),
                ));
            }
        }
    }
    first.map(|(rank, _)| rank).ok_or(Error::Empty)
}

/// The one α of all maps, by `lora_alpha` and `alpha_pattern`.
fn alpha(config: &Value, layers: &Layers, model: &str) -> Result<f64, Error> {
    let base = positive("lora_alpha", &config["lora_alpha"])?;
    let no_patterns = serde_json::Map::new();
    let patterns = config["alpha_pattern"].as_object().unwrap_or(&no_patterns);
    for name in patterns.keys() {
        let plain = |c: char| c.is_alphanumeric() || "._".contains(c);
        if !name.chars().all(plain) {
            return Err(refused(
                "alpha_pattern",
                &config["alpha_pattern"],
                "names of modules are read, expressions are not",
            ));
        }
    }
    let layout = layers.layout().unwrap_or(Layout::Bert);
    let mut first: Option<(f64, String)> = None;
    for (place, ..) in layers.tensors() {
        let part = BIASES[place.part];
        let path = format!("{model}{}", layout.path(place.layer, part).unwrap_or_default());
        let mut own = None;
        for (name, value) in patterns.iter().filter(|(name, _)| ends_with_name(&path, name)) {
            let value = positive("alpha_pattern", value)?;
            if own.is_some_and(|own| own != value) {
                return Err(bad(
                    CONFIG_FILE,
                    format!("alpha_pattern has two values for {path}, one of them under {name}"),
                ));
            }
            own = Some(value);
        }
        let own = own.unwrap_or(base);
        match &first {
            None => first = Some((own, path)),
            Some((alpha, _)) if *alpha == own => {}
            Some((alpha, other)) => {
                return Err(bad(
                    CONFIG_FILE,
                    format!(
                        "alpha_pattern gives {other} α = {alpha} and {path} α = {own}; a recipe \
                         states one α"
                    ),
                ));
            }
        }
    }
    Ok(first.map_or(base, |(alpha, _)| alpha))
}

pub(super) fn write(
    state: &AdapterState,
    layout: Layout,
    base_model: &str,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let MethodSpec::Lora { rank, alpha, targets } = state.method() else {
        return Err(Error::Recipe(format!("{} is not LoRA", state.method())));
    };
    // What is written is read back in this order, and a recipe has its own.
    let ordered = LORA_TARGETS.iter().filter(|target| targets.iter().any(|t| t == *target));
    if !ordered.clone().eq(targets) {
        return Err(Error::Recipe(format!(
            "LoRA's targets are {}; they must be among {}, in this order",
            targets.join(", "),
            LORA_TARGETS.join(", ")
        )));
    }
    let mut named: Vec<(String, &NamedTensor)> = Vec::new();
    for (i, layer) in state.layers().iter().enumerate() {
        for (target, factors) in targets.iter().zip(layer.tensors.chunks_exact(2)) {
            let path = layout.path(i, target).unwrap_or_default();
            for ((_, end), factor) in KINDS.iter().zip(factors) {
                named.push((format!("{FRONT}{path}{end}"), factor));
            }
        }
    }
    let config = json!({
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": target_modules(targets, layout, state.layers().len()),
        "task_type": "FEATURE_EXTRACTION",
        "use_dora": false,
        "use_rslora": false,
    });
    Ok(vec![
        (PEFT_WEIGHTS_FILE, tensors::write(PEFT_WEIGHTS_FILE, &named)?),
        (CONFIG_FILE, tensors::write_json(CONFIG_FILE, &config)?),
    ])
}

/// The targets as PEFT looks for them: by the end of a module's name. Where no end
/// sets a target apart, as `output.dense` does not from `attention.output.dense`,
/// by its whole name in every layer.
fn target_modules(targets: &[String], layout: Layout, layers: usize) -> Vec<String> {
    let mut modules = Vec::new();
    for (target, path) in layout.linear_maps() {
        if !targets.iter().any(|t| t == target) {
            continue;
        }
        let others = || layout.linear_maps().filter(|(other, _)| *other != target);
        // From the shortest end to the longest.
        let dots = path.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
        let alone = dots
            .map(|at| &path[at..])
            .find(|end| others().all(|(_, other)| !ends_with_name(other, end)));
        match alone {
            Some(end) => modules.push(end.to_owned()),
            None => modules.extend((0..layers).filter_map(|layer| layout.path(layer, target))),
        }
    }
    modules
}
