//! The weights file, with every key accounted for.

use super::{Config, Error, Family};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What became of each key of the weights file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Keys that were loaded.
    pub loaded: usize,
    /// Keys that belong to a pretraining head or buffer and are not used.
    pub unused: Vec<String>,
}

/// The values of a tensor and whether all are finite, or a type that is not known.
type Decoded = Result<(Vec<f32>, bool), Dtype>;

/// The tensors of an encoder by canonical name: no `bert.` in front, `weight`
/// and `bias` for what old files call `gamma` and `beta`.
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    /// The accounting.
    pub report: KeyReport,
}

impl Weights {
    /// Reads all tensors that `config` asks for, as `f32`.
    ///
    /// # Errors
    /// One error that names every key that is missing, unexpected or of the
    /// wrong shape or type.
    pub fn read(
        bytes: &[u8],
        config: &Config,
        device: &Device,
        path: &Path,
    ) -> Result<Self, Error> {
        Self::read_spelled(bytes, config, config.family, device, path)
    }

    fn read_spelled(
        bytes: &[u8],
        config: &Config,
        family: Family,
        device: &Device,
        path: &Path,
    ) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|e| Error::Weights { path: path.to_owned(), what: e.to_string() })?;
        let expected = expected(config);
        let has_pooler = file.names().iter().any(|k| canonical(k, family).starts_with("pooler."));
        let mut problems = Vec::new();
        let mut tensors = BTreeMap::new();
        let mut report = KeyReport::default();
        let mut keys: Vec<&str> = file.names();
        keys.sort_unstable();
        // Most of the time goes here, and every tensor is for itself.
        let decoded: Vec<Option<Decoded>> = keys
            .par_iter()
            .map(|key| {
                let wanted = expected.get(&canonical(key, family))?;
                let view = file.tensor(key).ok().filter(|view| view.shape() == wanted)?;
                Some(floats(&view).map(|values| {
                    let finite = values.iter().all(|v| v.is_finite());
                    (values, finite)
                }))
            })
            .collect();
        for (key, decoded) in keys.into_iter().zip(decoded) {
            let name = canonical(key, family);
            let Some(shape) = expected.get(&name) else {
                if is_unused(&name) {
                    report.unused.push(key.to_owned());
                } else {
                    problems.push(format!("unexpected key {key}"));
                }
                continue;
            };
            let view = file
                .tensor(key)
                .map_err(|e| Error::Weights { path: path.to_owned(), what: e.to_string() })?;
            if view.shape() != shape {
                problems.push(format!("{key} is {:?} and should be {shape:?}", view.shape()));
                continue;
            }
            match decoded.unwrap_or(Err(view.dtype())) {
                Ok((_, false)) => {
                    problems.push(format!("{key} holds a value that is not finite"));
                }
                Ok((values, true)) => {
                    let tensor = Tensor::from_vec(values, shape.as_slice(), device)?;
                    if tensors.insert(name, tensor).is_some() {
                        problems.push(format!("{key} is there under two names"));
                    }
                }
                Err(dtype) => {
                    problems.push(format!("{key} is {dtype:?}; F32, F16 and BF16 are supported"));
                }
            }
        }
        let seen: BTreeSet<&String> = tensors.keys().collect();
        let mentioned = |key: &str| problems.iter().any(|p| p.contains(key));
        let missing: Vec<String> = expected
            .keys()
            .filter(|name| !seen.contains(name))
            .filter(|name| has_pooler || !name.starts_with("pooler."))
            .map(|name| spelled(name, family))
            .filter(|key| !mentioned(key))
            .map(|key| format!("missing key {key}"))
            .collect();
        problems.extend(missing);
        if !problems.is_empty() {
            return Err(Error::Keys { path: path.to_owned(), problems });
        }
        report.loaded = tensors.len();
        Ok(Self { tensors, report })
    }

    /// Reads a file that this program wrote: keys are canonical whatever the
    /// family.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn read_canonical(
        bytes: &[u8],
        config: &Config,
        device: &Device,
        path: &Path,
    ) -> Result<Self, Error> {
        Self::read_spelled(bytes, config, Family::Bert, device, path)
    }

    /// Whether the file has a pooler.
    pub fn has_pooler(&self) -> bool {
        self.tensors.contains_key("pooler.dense.weight")
    }

    /// All tensors by name, in a fixed order.
    pub fn all(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }
}

/// What stands in front of every key where an encoder was saved with a head.
const PREFIXES: [&str; 4] = ["bert.", "roberta.", "distilbert.", "mpnet."];

/// Where the layers are, and for each part of a layer BERT's name, which is the
/// canonical one, and the family's.
type Spelling = (&'static str, &'static [(&'static str, &'static str)]);

const LAYERS: &str = "encoder.layer.";

fn spelling(family: Family) -> Spelling {
    match family {
        Family::Bert | Family::Roberta => (LAYERS, &[]),
        Family::DistilBert => (
            "transformer.layer.",
            &[
                ("attention.self.query", "attention.q_lin"),
                ("attention.self.key", "attention.k_lin"),
                ("attention.self.value", "attention.v_lin"),
                ("attention.output.dense", "attention.out_lin"),
                ("attention.output.LayerNorm", "sa_layer_norm"),
                ("intermediate.dense", "ffn.lin1"),
                ("output.dense", "ffn.lin2"),
                ("output.LayerNorm", "output_layer_norm"),
            ],
        ),
        Family::MpNet => (
            LAYERS,
            &[
                ("attention.self.query", "attention.attn.q"),
                ("attention.self.key", "attention.attn.k"),
                ("attention.self.value", "attention.attn.v"),
                ("attention.output.dense", "attention.attn.o"),
                ("attention.output.LayerNorm", "attention.LayerNorm"),
            ],
        ),
    }
}

/// A key of the file as BERT would call it.
fn canonical(key: &str, family: Family) -> String {
    let name = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    let (stem, kind) = match name.rsplit_once('.') {
        Some((stem, "gamma" | "weight")) => (stem, ".weight"),
        Some((stem, "beta" | "bias")) => (stem, ".bias"),
        _ => (name, ""),
    };
    let (layers, parts) = spelling(family);
    let layer = stem.strip_prefix(layers).and_then(|rest| rest.split_once('.'));
    let Some((layer, part)) = layer else { return format!("{stem}{kind}") };
    let part = parts.iter().find(|(_, own)| *own == part).map_or(part, |(bert, _)| bert);
    format!("{LAYERS}{layer}.{part}{kind}")
}

/// A canonical name as the family's files have it.
fn spelled(name: &str, family: Family) -> String {
    let (layers, parts) = spelling(family);
    let Some((layer, part)) = name.strip_prefix(LAYERS).and_then(|rest| rest.split_once('.'))
    else {
        return name.to_owned();
    };
    let (part, kind) = part.rsplit_once('.').unwrap_or((part, ""));
    let part = parts.iter().find(|(bert, _)| *bert == part).map_or(part, |(_, own)| own);
    format!("{layers}{layer}.{part}.{kind}")
}

/// Pretraining heads and index buffers: known, and not part of the encoder.
fn is_unused(name: &str) -> bool {
    const HEADS: [&str; 8] = [
        "cls.",
        "lm_head.",
        "pre_classifier.",
        "classifier.",
        "qa_outputs.",
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
    ];
    HEADS.iter().any(|head| name.starts_with(head))
        || matches!(name, "embeddings.position_ids" | "embeddings.token_type_ids")
}

/// Name and shape of every tensor of the encoder, the pooler included.
fn expected(config: &Config) -> BTreeMap<String, Vec<usize>> {
    let (h, inner) = (config.hidden_size, config.intermediate_size);
    let mut all = BTreeMap::new();
    let mut put = |name: String, shape: &[usize]| {
        all.insert(name, shape.to_vec());
    };
    put("embeddings.word_embeddings.weight".into(), &[config.vocab_size, h]);
    put("embeddings.position_embeddings.weight".into(), &[config.positions, h]);
    if config.token_types > 0 {
        put("embeddings.token_type_embeddings.weight".into(), &[config.token_types, h]);
    }
    if config.relative_buckets > 0 {
        let shape = [config.relative_buckets, config.heads];
        put("encoder.relative_attention_bias.weight".into(), &shape);
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    let mut linears = vec![("pooler.dense".to_owned(), h, h)];
    for layer in 0..config.layers {
        let at = format!("encoder.layer.{layer}");
        for (part, out, inp) in [
            ("attention.self.query", h, h),
            ("attention.self.key", h, h),
            ("attention.self.value", h, h),
            ("attention.output.dense", h, h),
            ("intermediate.dense", inner, h),
            ("output.dense", h, inner),
        ] {
            linears.push((format!("{at}.{part}"), out, inp));
        }
        norms.push(format!("{at}.attention.output.LayerNorm"));
        norms.push(format!("{at}.output.LayerNorm"));
    }
    for (name, out, inp) in linears {
        put(format!("{name}.weight"), &[out, inp]);
        put(format!("{name}.bias"), &[out]);
    }
    for name in norms {
        put(format!("{name}.weight"), &[h]);
        put(format!("{name}.bias"), &[h]);
    }
    all
}

fn floats(view: &TensorView<'_>) -> Result<Vec<f32>, Dtype> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect()),
        Dtype::BF16 => Ok(data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect()),
        other => Err(other),
    }
}
