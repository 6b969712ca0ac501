//! The task head: one linear map from a vector to the task's outputs.

use crate::rng::Rng;
use candle_core::{DType, Device, Result, Tensor, Var};

/// Standard deviation of the head's initial weights, as in BERT.
const INITIAL_DEVIATION: f32 = 0.02;

/// Trainable `weight` `[C, H]` and `bias` `[C]`. Not part of any embedding.
pub struct Head {
    /// `[C, H]`.
    pub weight: Var,
    /// `[C]`.
    pub bias: Var,
}

impl Head {
    /// A fresh head with this many outputs.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn new(outputs: usize, hidden_size: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut rng = Rng::new(seed, "classification head");
        let weight: Vec<f32> =
            (0..outputs * hidden_size).map(|_| rng.normal(INITIAL_DEVIATION)).collect();
        Ok(Self {
            weight: Var::from_tensor(&Tensor::from_vec(weight, (outputs, hidden_size), device)?)?,
            bias: Var::zeros(outputs, DType::F32, device)?,
        })
    }

    /// `x` `[.., H]` → `[.., C]`.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, hidden_size) = self.weight.dims2()?;
        let mut dims = x.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = outputs;
        }
        let rows = x.reshape(((), hidden_size))?;
        rows.matmul(&self.weight.as_tensor().t()?)?
            .broadcast_add(self.bias.as_tensor())?
            .reshape(dims)
    }
}
