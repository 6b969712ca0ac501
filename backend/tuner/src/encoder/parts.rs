//! The two parts of a layer that hold weights: linear maps and LayerNorms.

use crate::kernels;
use candle_core::{DType, Result, Tensor};

/// A linear map. Its weight and bias never change, unless the encoder itself
/// learns.
#[derive(Clone)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
    pub(super) learns: bool,
}

impl Linear {
    /// `x` `[.., in]` → `[.., out]`, with `bias` in place of its own if there is one.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn forward(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let bias = bias.unwrap_or(&self.bias);
        if !self.learns {
            return kernels::linear(x, &self.weight, Some(bias));
        }
        let mut dims = x.dims().to_vec();
        let (out, inner) = self.weight.dims2()?;
        // One product over all rows, whose backward gives the weight's gradient.
        let y = x.reshape(((), inner))?.matmul(&self.weight.t()?)?;
        if let Some(last) = dims.last_mut() {
            *last = out;
        }
        kernels::add_bias(&y.reshape(dims)?, bias)
    }
}

/// A LayerNorm. Its scale and shift never change, unless the encoder itself
/// learns.
#[derive(Clone, Debug)]
pub struct Norm {
    /// `[H]`.
    pub gamma: Tensor,
    /// `[H]`.
    pub beta: Tensor,
    pub(super) eps: f32,
    /// `[H]`, one and zero: normalising without scale or shift.
    one: Tensor,
    zero: Tensor,
    learns: bool,
}

impl Norm {
    pub(super) fn new(gamma: Tensor, beta: Tensor, eps: f32, learns: bool) -> Result<Self> {
        let one = Tensor::ones(gamma.dims(), DType::F32, gamma.device())?;
        let zero = one.zeros_like()?;
        Ok(Self { gamma, beta, eps, one, zero, learns })
    }

    /// `x` `[.., H]` → `[.., H]`, with the shift `beta` in place of its own if there is one.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn forward(&self, x: &Tensor, beta: Option<&Tensor>) -> Result<Tensor> {
        if !self.learns && beta.is_none_or(|beta| !beta.track_op()) {
            let beta = beta.unwrap_or(&self.beta);
            return kernels::layer_norm(x, &self.gamma, beta, self.eps);
        }
        let beta = beta.unwrap_or(&self.beta);
        if !self.learns {
            let scaled = kernels::layer_norm(x, &self.gamma, &self.zero, self.eps)?;
            return kernels::add_bias(&scaled, beta);
        }
        let normed = kernels::layer_norm(x, &self.one, &self.zero, self.eps)?;
        kernels::add_bias(&normed.broadcast_mul(&self.gamma)?, beta)
    }
}
