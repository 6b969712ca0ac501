//! Parameter-efficient tuning methods.
//!
//! A method is one file here and one entry in [`METHODS`]. It makes an
//! [`Adapter`]: the part of the model that learns while the encoder stays as it
//! is. The tests at the end of this module walk [`METHODS`], so that a new
//! method is checked without being asked.

mod bitfit;
mod lora;
mod ptuning_v2;

pub use bitfit::BitFit;
pub use lora::Lora;
pub use ptuning_v2::PTuningV2;

pub use crate::kernels::LowRank;

use crate::encoder::{Bert, Config};
use candle_core::{Result, Tensor, Var};
use tupate_tasks::MethodSpec;

/// A linear map or a LayerNorm of a Transformer layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Attention queries.
    Query,
    /// Attention keys.
    Key,
    /// Attention values.
    Value,
    /// The projection after attention.
    AttentionOutput,
    /// The LayerNorm after attention.
    AttentionNorm,
    /// The first map of the feed-forward block.
    Intermediate,
    /// The second map of the feed-forward block.
    Output,
    /// The LayerNorm after the feed-forward block.
    OutputNorm,
}

impl Module {
    /// All of them in the order in which a forward pass meets them, which is that of
    /// [`tupate_tasks::BIASES`].
    pub const ALL: [Self; 8] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::AttentionNorm,
        Self::Intermediate,
        Self::Output,
        Self::OutputNorm,
    ];

    /// Where it is in [`ALL`](Self::ALL).
    pub fn place(self) -> usize {
        self as usize
    }

    /// Its name in the names of tuned tensors, such as `query.lora_A`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Key => "key",
            Self::Value => "value",
            Self::AttentionOutput => "attention_output",
            Self::AttentionNorm => "attention_norm",
            Self::Intermediate => "intermediate",
            Self::Output => "output",
            Self::OutputNorm => "output_norm",
        }
    }
}

/// A place in the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Layer, counted from 0.
    pub layer: usize,
    /// Which part of the layer.
    pub module: Module,
}

/// A trainable tensor with its place in the exported state.
#[derive(Clone, Debug)]
pub struct NamedVar {
    /// The layer it belongs to.
    pub layer: usize,
    /// Its name within the layer.
    pub name: String,
    /// The tensor.
    pub var: Var,
}

/// What a frozen encoder lets a method change; the default leaves it frozen.
pub trait Adapter {
    /// What stands in place of the bias of a linear map or the shift of a LayerNorm.
    fn bias(&self, at: Site) -> Option<&Tensor> {
        let _ = at;
        None
    }

    /// What is added to queries, keys or values; elsewhere nobody asks.
    fn low_rank(&self, at: Site) -> Option<LowRank<'_>> {
        let _ = at;
        None
    }

    /// How many keys and values stand in front of every layer's own, `P`.
    fn prefix_length(&self) -> usize {
        0
    }

    /// Those keys and values of a layer, `[P, H]` each; `None` where `P` is 0.
    fn prefix(&self, layer: usize) -> Option<(&Tensor, &Tensor)> {
        let _ = layer;
        None
    }

    /// Everything that learns, by layer and then in the method's fixed order.
    fn vars(&self) -> &[NamedVar];
}

/// A method: how to make its adapter, and its defaults from the paper.
pub trait PeftMethod: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;
    /// The method with the paper's hyperparameters (section 4.3).
    fn paper_spec(&self) -> MethodSpec;
    /// The learning rates that the paper chooses from on the validation split.
    fn learning_rates(&self) -> &'static [f64];
    /// Whether a fresh adapter leaves the encoder's output as it is.
    fn starts_at_the_encoder(&self) -> bool;
    /// A fresh adapter on the encoder's device. The same spec, encoder and seed
    /// give the same initial values on every machine.
    ///
    /// # Errors
    /// When `spec` is another method's, or the device fails.
    fn build(&self, spec: &MethodSpec, encoder: &Bert, seed: u64) -> Result<Box<dyn Adapter>>;
    /// `D` of the layer mean for this spec and encoder.
    fn embedding_width(&self, spec: &MethodSpec, config: &Config) -> usize;
}

/// Every method. The first is the command line's default.
pub const METHODS: &[&dyn PeftMethod] = &[&Lora, &BitFit, &PTuningV2];

/// The method of this name.
pub fn method(name: &str) -> Option<&'static dyn PeftMethod> {
    METHODS.iter().copied().find(|m| m.name() == name)
}

/// The encoder as it is.
pub struct Frozen;

impl Adapter for Frozen {
    fn vars(&self) -> &[NamedVar] {
        &[]
    }
}

#[cfg(test)]
mod tests;
