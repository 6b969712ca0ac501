//! BERT on candle tensors, differentiable everywhere.
//!
//! Post-norm Transformer encoder (Devlin et al. 2019). The encoder itself is
//! frozen; at every linear map, every LayerNorm and in every attention an
//! [`Adapter`] may step in.

use super::weights::Weights;
use super::{Config, Family, Pooling, hex};
use crate::batch::Batch;
use crate::kernels;
use crate::peft::{Adapter, Module, Site};
use candle_core::{Device, Result, Tensor};
use sha2::{Digest, Sha256};

/// A linear map whose weight `[out, in]` and bias `[out]` never change.
#[derive(Clone, Debug)]
pub struct FrozenLinear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

impl FrozenLinear {
    /// `x` `[.., in]` → `[.., out]`.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::linear(x, &self.weight, Some(&self.bias))
    }
}

struct FrozenNorm {
    gamma: Tensor,
    beta: Tensor,
}

struct Layer {
    query: FrozenLinear,
    key: FrozenLinear,
    value: FrozenLinear,
    attention_output: FrozenLinear,
    attention_norm: FrozenNorm,
    intermediate: FrozenLinear,
    output: FrozenLinear,
    output_norm: FrozenNorm,
}

/// A frozen encoder of the BERT or RoBERTa family.
pub struct Bert {
    config: Config,
    word: Tensor,
    position: Tensor,
    token_type: Tensor,
    norm: FrozenNorm,
    layers: Vec<Layer>,
    pooler: Option<FrozenLinear>,
    frozen: Vec<(String, Tensor)>,
}

/// Added to the score of a padding key: large enough that its probability is
/// exactly zero, small enough that no sum overflows.
const MASKED: f32 = -1e9;

impl Bert {
    pub(super) fn new(config: Config, weights: &Weights) -> Self {
        let linear = |name: &str| FrozenLinear {
            weight: weights.get(&format!("{name}.weight")),
            bias: weights.get(&format!("{name}.bias")),
        };
        let norm = |name: &str| FrozenNorm {
            gamma: weights.get(&format!("{name}.weight")),
            beta: weights.get(&format!("{name}.bias")),
        };
        let layers = (0..config.layers)
            .map(|i| {
                let at = |part: &str| format!("encoder.layer.{i}.{part}");
                Layer {
                    query: linear(&at("attention.self.query")),
                    key: linear(&at("attention.self.key")),
                    value: linear(&at("attention.self.value")),
                    attention_output: linear(&at("attention.output.dense")),
                    attention_norm: norm(&at("attention.output.LayerNorm")),
                    intermediate: linear(&at("intermediate.dense")),
                    output: linear(&at("output.dense")),
                    output_norm: norm(&at("output.LayerNorm")),
                }
            })
            .collect();
        Self {
            word: weights.get("embeddings.word_embeddings.weight"),
            position: weights.get("embeddings.position_embeddings.weight"),
            token_type: weights.get("embeddings.token_type_embeddings.weight"),
            norm: norm("embeddings.LayerNorm"),
            layers,
            pooler: weights.has_pooler().then(|| linear("pooler.dense")),
            frozen: weights.all().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            config,
        }
    }

    /// The encoder's dimensions.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.word.device()
    }

    /// Hidden states `[B, S, H]` of a batch, with `adapter` in place.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn forward(&self, batch: &Batch, adapter: &dyn Adapter) -> Result<Tensor> {
        let mut hidden = self.embed(batch)?; // [B, S, H]
        let mask = self.mask(batch)?; // [B, S]
        for (i, layer) in self.layers.iter().enumerate() {
            hidden = self.layer(i, layer, &hidden, &mask, adapter)?;
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
                self.pooler.as_ref().expect("the encoder has a pooler").forward(&first)?.tanh()
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

    /// sha256 over every frozen tensor as it is in memory now: equal before and
    /// after tuning, or something moved that must not.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn frozen_sha256(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        for (name, tensor) in &self.frozen {
            hasher.update(name.as_bytes());
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let mut bytes = Vec::with_capacity(4 * values.len());
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            hasher.update(&bytes);
        }
        Ok(hex(&hasher.finalize()))
    }

    fn embed(&self, batch: &Batch) -> Result<Tensor> {
        let (b, s, h) = (batch.size, batch.length, self.config.hidden_size);
        let pick = |table: &Tensor, ids: Vec<u32>| -> Result<Tensor> {
            let ids = Tensor::from_vec(ids, b * s, self.device())?;
            table.index_select(&ids, 0)?.reshape((b, s, h))
        };
        let types = match self.config.family {
            Family::Bert => batch.token_type_ids.clone(),
            Family::Roberta => vec![0; b * s],
        };
        let sum = (pick(&self.word, batch.input_ids.clone())?
            + pick(&self.position, self.positions(batch))?)?;
        let sum = (sum + pick(&self.token_type, types)?)?;
        self.norm(&sum, &self.norm)
    }

    /// Position ids `[B·S]`. RoBERTa gives padding the padding id's position.
    fn positions(&self, batch: &Batch) -> Vec<u32> {
        let first = self.config.first_position() as u32;
        let rows = batch.attention_mask.chunks_exact(batch.length);
        rows.flat_map(|row| {
            row.iter().enumerate().map(move |(i, &real)| match self.config.family {
                Family::Roberta if !real => self.config.pad_token_id,
                _ => first + i as u32,
            })
        })
        .collect()
    }

    fn mask(&self, batch: &Batch) -> Result<Tensor> {
        let mask = batch.attention_mask.iter().map(|&real| if real { 0.0 } else { MASKED });
        Tensor::from_vec(mask.collect::<Vec<f32>>(), (batch.size, batch.length), self.device())
    }

    fn norm(&self, x: &Tensor, norm: &FrozenNorm) -> Result<Tensor> {
        kernels::layer_norm(x, &norm.gamma, &norm.beta, self.config.layer_norm_eps)
    }

    fn layer(
        &self,
        index: usize,
        layer: &Layer,
        hidden: &Tensor,
        mask: &Tensor,
        adapter: &dyn Adapter,
    ) -> Result<Tensor> {
        let site = |module| Site { layer: index, module };
        let (b, s, h) = hidden.dims3()?;
        let (n, d) = (self.config.heads, h / self.config.heads);
        let heads = |x: Tensor| x.reshape((b, s, n, d))?.transpose(1, 2)?.contiguous();

        let query = heads(adapter.linear(site(Module::Query), &layer.query, hidden)?)?; // [B, N, S, d]
        let key = heads(adapter.linear(site(Module::Key), &layer.key, hidden)?)?;
        let value = heads(adapter.linear(site(Module::Value), &layer.value, hidden)?)?;

        let scores = query.matmul(&key.transpose(2, 3)?)?; // [B, N, S, S]
        let scale = 1.0 / (d as f32).sqrt();
        let probabilities = kernels::masked_softmax(&scores, mask, scale)?;
        let context = probabilities.matmul(&value)?; // [B, N, S, d]
        let context = context.transpose(1, 2)?.contiguous()?.reshape((b, s, h))?;

        let attended =
            adapter.linear(site(Module::AttentionOutput), &layer.attention_output, &context)?;
        let hidden = self.norm(&(attended + hidden)?, &layer.attention_norm)?;
        let inner = adapter.linear(site(Module::Intermediate), &layer.intermediate, &hidden)?;
        let output =
            adapter.linear(site(Module::Output), &layer.output, &kernels::gelu(&inner)?)?;
        self.norm(&(output + hidden)?, &layer.output_norm)
    }
}
