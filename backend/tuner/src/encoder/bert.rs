//! BERT and its kin on candle tensors, differentiable everywhere.
//!
//! Post-norm Transformer encoder (Devlin et al. 2019). The encoder is frozen; at
//! every linear map and LayerNorm of a layer and in every attention an
//! [`Adapter`] may step in. For full fine-tuning, [`Bert::learning`] gives a copy
//! whose own weights learn.

use super::layer::{LINEARS, LayOut, Layer, Layers};
use super::parts::{Linear, Norm};
use super::weights::Weights;
use super::{Config, Error, Family, Pooling, Precision, hex};
use crate::batch::Batch;
use crate::kernels::{self, Attention, Content, FrozenLayer};
use crate::peft::{Adapter, Site};
use candle_core::{Device, Result, Storage, Tensor, Var, bail};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// An encoder of the BERT, RoBERTa, DistilBERT or MPNet family.
pub struct Bert {
    config: Config,
    word: Tensor,
    position: Tensor,
    token_type: Option<Tensor>,
    /// MPNet's bias of attention scores by distance, `[buckets, N]`.
    relative: Option<Tensor>,
    norm: Norm,
    layers: Layers,
    pooler: Option<Linear>,
    precision: Precision,
    /// Every tensor by its canonical name, except for weights that were laid out.
    tensors: BTreeMap<String, Tensor>,
    /// Those of them that learn, in the order of their names.
    vars: Vec<(String, Var)>,
}

/// Where a tensor of the pooler begins its name.
const POOLER: &str = "pooler.";

impl Bert {
    pub(super) fn new(config: Config, weights: &Weights) -> Result<Self> {
        Self::assemble(config, weights.all().clone(), Vec::new())
    }

    /// A copy of the encoder in which every weight learns: full fine-tuning. The
    /// pooler learns only where `pooling` uses it.
    ///
    /// # Errors
    /// When weights were laid out for products, and those of the device.
    pub fn learning(&self, pooling: Option<Pooling>) -> Result<Self> {
        self.as_read()?;
        let mut tensors = BTreeMap::new();
        let mut vars = Vec::new();
        for (name, tensor) in &self.tensors {
            if name.starts_with(POOLER) && pooling != Some(Pooling::Pooler) {
                tensors.insert(name.clone(), tensor.clone());
                continue;
            }
            let var = Var::from_tensor(&tensor.copy()?)?;
            tensors.insert(name.clone(), var.as_tensor().clone());
            vars.push((name.clone(), var));
        }
        Self::assemble(self.config.clone(), tensors, vars)
    }

    /// The encoder as it is now, with nothing that learns.
    ///
    /// # Errors
    /// When weights were laid out for products, and those of the device.
    pub fn frozen(&self) -> Result<Self> {
        self.as_read()?;
        let copies = self.tensors.iter().map(|(name, t)| Ok((name.clone(), t.detach().copy()?)));
        Self::assemble(self.config.clone(), copies.collect::<Result<_>>()?, Vec::new())
    }

    /// Whether every tensor is there to be copied.
    fn as_read(&self) -> Result<()> {
        match self.layers {
            Layers::AsRead(_) => Ok(()),
            Layers::LaidOut(_) => bail!("the weights were laid out for products and are no more"),
        }
    }

    /// The same frozen encoder, the weights of its layers laid out for products of this
    /// precision, in place of the weights themselves. Where there are no products of f32,
    /// candle's serve.
    ///
    /// # Errors
    /// When weights learn or were laid out before, or there are no products of another
    /// precision than f32 on this device.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        self.laid_out(precision, |weights| FrozenLayer::new(weights, precision))
    }

    /// The same as a GPU has it, which this processor stands in for.
    #[cfg(test)]
    pub fn emulated(self, precision: Precision) -> Result<Self> {
        self.laid_out(precision, |weights| FrozenLayer::emulated(weights, precision))
    }

    fn laid_out(mut self, precision: Precision, lay_out: impl LayOut) -> Result<Self> {
        self.as_read()?;
        if !self.vars.is_empty() {
            bail!("weights that learn are not laid out for products");
        }
        self.precision = precision;
        if precision == Precision::F32 && !precision.available(self.device()) {
            return Ok(self);
        }
        let Layers::AsRead(layers) = std::mem::replace(&mut self.layers, Layers::LaidOut(vec![]))
        else {
            unreachable!("they are as they were read");
        };
        let mut laid_out = Vec::with_capacity(layers.len());
        for (i, layer) in layers.into_iter().enumerate() {
            laid_out.push(layer.laid_out(&lay_out)?);
            for name in LINEARS {
                self.tensors.remove(&format!("encoder.layer.{i}.{name}.weight"));
            }
        }
        self.layers = Layers::LaidOut(laid_out);
        Ok(self)
    }

    /// The precision of the products with the weights of the layers.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same encoder with other weights: a safetensors file that holds every
    /// tensor under its canonical name, nothing else, all finite.
    ///
    /// # Errors
    /// One that names what is missing, left over or of the wrong shape.
    pub fn with_weights(&self, bytes: &[u8]) -> std::result::Result<Self, Error> {
        let path = Path::new("weights");
        let weights = Weights::read_canonical(bytes, &self.config, self.device(), path)?;
        if weights.has_pooler() != self.pooler.is_some() {
            return Err(Error::Weights {
                path: path.to_owned(),
                what: "the pooler is missing, or there is one too many".into(),
            });
        }
        Ok(Self::assemble(self.config.clone(), weights.all().clone(), Vec::new())?)
    }

    fn assemble(
        config: Config,
        tensors: BTreeMap<String, Tensor>,
        vars: Vec<(String, Var)>,
    ) -> Result<Self> {
        let get = |name: &str| tensors[name].clone();
        let learns = |name: &str| vars.binary_search_by(|(own, _)| own.as_str().cmp(name)).is_ok();
        let linear = |name: &str| {
            let weight = format!("{name}.weight");
            Linear {
                learns: learns(&weight),
                weight: get(&weight),
                bias: get(&format!("{name}.bias")),
            }
        };
        let norm = |name: &str| {
            let gamma = format!("{name}.weight");
            let beta = get(&format!("{name}.bias"));
            Norm::new(get(&gamma), beta, config.layer_norm_eps, learns(&gamma))
        };
        let layers = (0..config.layers)
            .map(|i| {
                let at = |part: &str| format!("encoder.layer.{i}.{part}");
                let [query, key, value, attention_output, intermediate, output] =
                    LINEARS.map(|name| linear(&at(name)));
                Ok(Layer {
                    query,
                    key,
                    value,
                    attention_output,
                    attention_norm: norm(&at("attention.output.LayerNorm"))?,
                    intermediate,
                    output,
                    output_norm: norm(&at("output.LayerNorm"))?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            word: get("embeddings.word_embeddings.weight"),
            position: get("embeddings.position_embeddings.weight"),
            token_type: tensors.get("embeddings.token_type_embeddings.weight").cloned(),
            relative: tensors.get("encoder.relative_attention_bias.weight").cloned(),
            norm: norm("embeddings.LayerNorm")?,
            layers: Layers::AsRead(layers),
            pooler: tensors.contains_key("pooler.dense.weight").then(|| linear("pooler.dense")),
            precision: Precision::F32,
            config,
            tensors,
            vars,
        })
    }

    /// The encoder's dimensions.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.word.device()
    }

    /// The weights that learn, by canonical name; none in a frozen encoder.
    pub fn vars(&self) -> &[(String, Var)] {
        &self.vars
    }

    /// Every tensor by canonical name, as it is now, except for weights that were laid out.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The bias of a linear map or the shift of a LayerNorm.
    pub fn bias(&self, at: Site) -> &Tensor {
        match &self.layers {
            Layers::AsRead(layers) => layers[at.layer].biases()[at.module.place()],
            Layers::LaidOut(layers) => &layers[at.layer].biases[at.module.place()],
        }
    }

    /// Hidden states `[B, S, H]` of a batch, with `adapter` in place.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn forward(&self, batch: &Batch, adapter: &dyn Adapter) -> Result<Tensor> {
        let prefix = adapter.prefix_length();
        let mut hidden = self.embed(batch, prefix)?; // [B, S, H]
        let attention = Attention {
            heads: self.config.heads,
            mask: self.mask(batch, prefix)?,
            bias: self.relative_bias(batch.length, prefix)?,
        };
        match &self.layers {
            Layers::AsRead(layers) => {
                for (i, layer) in layers.iter().enumerate() {
                    hidden = layer.forward(i, &hidden, &attention, adapter)?;
                }
            }
            Layers::LaidOut(layers) => {
                let standing = layers.iter().enumerate().map(|(i, l)| l.standing(i, adapter));
                let weights = layers.iter().map(|layer| &layer.weights);
                let layers: Vec<_> = weights.zip(standing).collect();
                hidden = kernels::layers(&hidden, &layers, &attention)?;
            }
        }
        Ok(hidden)
    }

    /// One vector a sequence, `[B, S, H]` → `[B, H]`.
    ///
    /// # Errors
    /// Only those of the device.
    ///
    /// # Panics
    /// When asked for a pooler that the encoder does not have.
    pub fn pool(&self, hidden: &Tensor, batch: &Batch, pooling: Pooling) -> Result<Tensor> {
        match pooling {
            Pooling::First => hidden.narrow(1, 0, 1)?.squeeze(1),
            Pooling::Pooler => {
                let first = hidden.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
                self.pooler
                    .as_ref()
                    .expect("the encoder has a pooler")
                    .forward(&first, None)?
                    .tanh()
            }
            Pooling::Mean => {
                let weights = Tensor::from_vec(
                    batch.token_weights(),
                    (batch.size, 1, batch.length),
                    hidden.device(),
                )?;
                weights.matmul(hidden)?.squeeze(1) // [B,1,S]·[B,S,H]
            }
        }
    }

    /// sha256 over every tensor that does not learn, as it is in memory now:
    /// equal before and after tuning, or something moved that must not.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn frozen_sha256(&self) -> Result<String> {
        let learns = |name: &str| self.vars.iter().any(|(own, _)| own == name);
        self.digest(|name| !learns(name))
    }

    /// sha256 over every tensor as it is in memory now.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn sha256(&self) -> Result<String> {
        self.digest(|_| true)
    }

    /// sha256 over tensors of these names, and over what was laid out.
    fn digest(&self, counts: impl Fn(&str) -> bool) -> Result<String> {
        /// Values that are turned into bytes at a time: they stay in the cache.
        const PIECE: usize = 1 << 13;
        let mut hasher = Sha256::new();
        let mut bytes = Vec::with_capacity(4 * PIECE);
        for (name, tensor) in self.tensors.iter().filter(|(name, _)| counts(name)) {
            hasher.update(name.as_bytes());
            let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
            let (storage, layout) = tensor.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { bail!("{name} is not on the CPU") };
            let start = layout.start_offset();
            let values = &storage.as_slice::<f32>()?[start..start + tensor.elem_count()];
            for piece in values.chunks(PIECE) {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|v| v.to_le_bytes()));
                hasher.update(&bytes);
            }
        }
        if let Layers::LaidOut(layers) = &self.layers {
            let contents: Vec<_> =
                layers.iter().map(|layer| layer.weights.contents()).collect::<Result<_>>()?;
            let weights: Vec<_> = contents.into_iter().flatten().collect();
            let digest = |weight: &Content<'_>| {
                let mut hasher = Sha256::new();
                weight.each_piece(|bytes| hasher.update(bytes));
                hasher.finalize()
            };
            let digests: Vec<_> = weights.par_iter().map(digest).collect();
            digests.iter().for_each(|digest| hasher.update(digest));
        }
        Ok(hex(&hasher.finalize()))
    }

    fn embed(&self, batch: &Batch, prefix: usize) -> Result<Tensor> {
        let (b, s, h) = (batch.size, batch.length, self.config.hidden_size);
        let pick = |table: &Tensor, ids: Vec<u32>| -> Result<Tensor> {
            let ids = Tensor::from_vec(ids, b * s, self.device())?;
            table.index_select(&ids, 0)?.reshape((b, s, h))
        };
        let mut sum = (pick(&self.word, batch.input_ids.clone())?
            + pick(&self.position, self.positions(batch, prefix))?)?;
        if let Some(table) = &self.token_type {
            let types = match self.config.family {
                Family::Bert => batch.token_type_ids.clone(),
                _ => vec![0; b * s],
            };
            sum = (sum + pick(table, types)?)?;
        }
        self.norm.forward(&sum, None)
    }

    /// Position ids `[B·S]`, counted on from a prefix as from past tokens, which
    /// is what the reference implementations of prefix tuning do. Families that
    /// count from behind the padding id give padding that id's position.
    fn positions(&self, batch: &Batch, prefix: usize) -> Vec<u32> {
        let first = (self.config.first_position() + prefix) as u32;
        let padding = self.config.padding_position();
        let rows = batch.attention_mask.chunks_exact(batch.length);
        rows.flat_map(|row| {
            row.iter().enumerate().map(move |(i, &real)| match padding {
                Some(padding) if !real => padding,
                _ => first + i as u32,
            })
        })
        .collect()
    }

    /// `[B, P+S]`: 0 for what may be attended, the prefix always.
    fn mask(&self, batch: &Batch, prefix: usize) -> Result<Tensor> {
        let mut mask = Vec::with_capacity(batch.size * (prefix + batch.length));
        for row in batch.attention_mask.chunks_exact(batch.length) {
            mask.resize(mask.len() + prefix, 0.0);
            mask.extend(row.iter().map(|&real| if real { 0.0 } else { kernels::MASKED }));
        }
        Tensor::from_vec(mask, (batch.size, prefix + batch.length), self.device())
    }

    /// MPNet's bias of attention scores, `[1, N, S, P+S]`; a prefix has no
    /// distance, hence no bias.
    fn relative_bias(&self, length: usize, prefix: usize) -> Result<Option<Tensor>> {
        let Some(table) = &self.relative else { return Ok(None) };
        let (buckets, heads) = table.dims2()?;
        let ids: Vec<u32> = (0..length)
            .flat_map(|from| (0..length).map(move |to| bucket(from, to, buckets)))
            .collect();
        let ids = Tensor::from_vec(ids, length * length, self.device())?;
        let bias = table.index_select(&ids, 0)?.reshape((1, length, length, heads))?;
        let bias = bias.permute((0, 3, 1, 2))?.contiguous()?;
        if prefix == 0 {
            return Ok(Some(bias));
        }
        let none = Tensor::zeros((1, heads, length, prefix), bias.dtype(), bias.device())?;
        Tensor::cat(&[&none, &bias], 3).map(Some)
    }
}

/// The bucket of a distance (Raffel et al. 2020, section 2.1): half of them for
/// each direction; of these, half for exact distances, the rest logarithmic up to
/// 128.
fn bucket(from: usize, to: usize, buckets: usize) -> u32 {
    const FARTHEST: f32 = 128.0;
    let half = buckets / 2;
    let exact = half / 2;
    let distance = from.abs_diff(to);
    let within = if distance < exact {
        distance
    } else {
        // In f32 as the reference implementation has it: a bucket must not
        // depend on the precision of a logarithm.
        let steps = (distance as f32 / exact as f32).ln() / (FARTHEST / exact as f32).ln();
        (exact + (steps * (half - exact) as f32) as usize).min(half - 1)
    };
    (within + if to > from { half } else { 0 }) as u32
}
