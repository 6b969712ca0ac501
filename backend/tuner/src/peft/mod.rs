//! Parameter-efficient tuning methods.
//!
//! A method is one file here and one entry in [`METHODS`]. It makes an
//! [`Adapter`]: the part of the model that learns while the encoder stays as it
//! is. The tests at the end of this module walk [`METHODS`], so that a new
//! method is checked without being asked.

mod lora;

pub use lora::Lora;

use crate::encoder::{Config, FrozenLinear};
use candle_core::{Device, Result, Tensor, Var};
use tupate_tasks::MethodSpec;

/// A linear map within a Transformer layer.
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
    /// The first map of the feed-forward block.
    Intermediate,
    /// The second map of the feed-forward block.
    Output,
}

/// A place in the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Layer, counted from 0.
    pub layer: usize,
    /// Which of its linear maps.
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
    /// The linear map at `at`, `x` `[B, S, in]` → `[B, S, out]`.
    ///
    /// # Errors
    /// Only those of the device.
    fn linear(&self, at: Site, frozen: &FrozenLinear, x: &Tensor) -> Result<Tensor> {
        let _ = at;
        frozen.forward(x)
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
    /// A fresh adapter. The same spec, encoder shape and seed give the same
    /// initial values on every machine.
    ///
    /// # Errors
    /// When `spec` is another method's, or the device fails.
    fn build(
        &self,
        spec: &MethodSpec,
        config: &Config,
        seed: u64,
        device: &Device,
    ) -> Result<Box<dyn Adapter>>;
    /// `D` of the layer mean for this spec and encoder.
    fn embedding_width(&self, spec: &MethodSpec, config: &Config) -> usize;
}

/// Every method. The first is the command line's default.
pub const METHODS: &[&dyn PeftMethod] = &[&Lora];

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
