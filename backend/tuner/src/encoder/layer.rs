//! A layer of the encoder: put together from its parts, or laid out for products and then
//! one operation.

use super::parts::{Linear, Norm};
use crate::kernels::{self, Attention, FrozenLayer, LayerWeights, Standing};
use crate::peft::{Adapter, Module, Site};
use candle_core::{Result, Tensor};

/// The linear maps of a layer, as their names go on.
pub(super) const LINEARS: [&str; 6] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
];

/// A layer as it was read: on any device, and its weights may learn.
pub(super) struct Layer {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub attention_output: Linear,
    pub attention_norm: Norm,
    pub intermediate: Linear,
    pub output: Linear,
    pub output_norm: Norm,
}

/// Lays out the weights of a layer for products.
pub(super) trait LayOut: Fn(&LayerWeights<'_>) -> Result<FrozenLayer> {}

impl<F: Fn(&LayerWeights<'_>) -> Result<FrozenLayer>> LayOut for F {}

/// A layer whose weights were laid out for products, and are nowhere else any more.
pub(super) struct LaidOut {
    pub weights: FrozenLayer,
    /// In the order of [`Module::ALL`].
    pub biases: [Tensor; 8],
}

/// All layers of an encoder.
pub(super) enum Layers {
    AsRead(Vec<Layer>),
    LaidOut(Vec<LaidOut>),
}

impl Layer {
    /// In the order of [`Module::ALL`].
    pub fn biases(&self) -> [&Tensor; 8] {
        [
            &self.query.bias,
            &self.key.bias,
            &self.value.bias,
            &self.attention_output.bias,
            &self.attention_norm.beta,
            &self.intermediate.bias,
            &self.output.bias,
            &self.output_norm.beta,
        ]
    }

    /// The same, its weights laid out by `lay_out`.
    ///
    /// # Errors
    /// Those of `lay_out`.
    pub fn laid_out(&self, lay_out: impl LayOut) -> Result<LaidOut> {
        let weights = LayerWeights {
            projections: [&self.query.weight, &self.key.weight, &self.value.weight],
            attention_output: &self.attention_output.weight,
            intermediate: &self.intermediate.weight,
            output: &self.output.weight,
            gammas: [&self.attention_norm.gamma, &self.output_norm.gamma],
            eps: self.output_norm.eps,
            biases: self.biases(),
        };
        Ok(LaidOut { weights: lay_out(&weights)?, biases: self.biases().map(Tensor::clone) })
    }

    /// From hidden states to hidden states, `[B, S, H]`.
    pub fn forward(
        &self,
        index: usize,
        hidden: &Tensor,
        attention: &Attention,
        adapter: &dyn Adapter,
    ) -> Result<Tensor> {
        let at = |module| Site { layer: index, module };
        let projected = |module, map: &Linear| {
            let y = map.forward(hidden, adapter.bias(at(module)))?;
            match adapter.low_rank(at(module)) {
                Some(update) => y + update.of(hidden)?,
                None => Ok(y),
            }
        };
        let query = projected(Module::Query, &self.query)?; // [B, S, H]
        let mut key = projected(Module::Key, &self.key)?;
        let mut value = projected(Module::Value, &self.value)?;
        if let Some((prefix_key, prefix_value)) = adapter.prefix(index) {
            let in_front = |prefix: &Tensor, own: &Tensor| {
                let (p, h) = prefix.dims2()?;
                let batch = own.dim(0)?;
                Tensor::cat(&[&prefix.unsqueeze(0)?.broadcast_as((batch, p, h))?, own], 1)
            };
            key = in_front(prefix_key, &key)?; // [B, P+S, H]
            value = in_front(prefix_value, &value)?;
        }
        let context = kernels::attention(&query, &key, &value, attention)?; // [B, S, H]
        let linear = |module, map: &Linear, x: &Tensor| map.forward(x, adapter.bias(at(module)));
        let attended = linear(Module::AttentionOutput, &self.attention_output, &context)?;
        let beta = adapter.bias(at(Module::AttentionNorm));
        let hidden = self.attention_norm.forward(&(attended + hidden)?, beta)?;
        let inner = linear(Module::Intermediate, &self.intermediate, &hidden)?;
        let output = linear(Module::Output, &self.output, &kernels::gelu(&inner)?)?;
        let beta = adapter.bias(at(Module::OutputNorm));
        self.output_norm.forward(&(output + hidden)?, beta)
    }
}

impl LaidOut {
    /// What stands in the layer, with `adapter` in place.
    pub fn standing<'a>(&'a self, index: usize, adapter: &'a dyn Adapter) -> Standing<'a> {
        let at = |module| Site { layer: index, module };
        let given = Module::ALL.map(|module| adapter.bias(at(module)));
        let biases = given.iter().any(Option::is_some).then(|| {
            let mut biases = self.biases.each_ref();
            for (own, given) in biases.iter_mut().zip(given) {
                *own = given.unwrap_or(*own);
            }
            biases
        });
        let low_rank = [Module::Query, Module::Key, Module::Value].map(|m| adapter.low_rank(at(m)));
        Standing { biases, low_rank, prefix: adapter.prefix(index) }
    }
}
