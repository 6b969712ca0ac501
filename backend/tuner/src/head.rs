//! The task head: one linear map from a sequence's vector to class scores.

use crate::rng::Rng;
use candle_core::{D, DType, Device, Result, Tensor, Var};

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
    /// A fresh head for `classes` classes.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn new(classes: usize, hidden_size: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut rng = Rng::new(seed, "classification head");
        let weight: Vec<f32> =
            (0..classes * hidden_size).map(|_| rng.normal(INITIAL_DEVIATION)).collect();
        Ok(Self {
            weight: Var::from_tensor(&Tensor::from_vec(weight, (classes, hidden_size), device)?)?,
            bias: Var::zeros(classes, DType::F32, device)?,
        })
    }

    /// Class scores: `[B, H]` → `[B, C]`.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn forward(&self, pooled: &Tensor) -> Result<Tensor> {
        pooled.matmul(&self.weight.as_tensor().t()?)?.broadcast_add(self.bias.as_tensor())
    }
}

/// Mean negative log-likelihood of the gold classes, `[B, C]` → scalar.
///
/// # Errors
/// Only those of the device.
pub fn cross_entropy(logits: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let gold = Tensor::from_slice(classes, (classes.len(), 1), logits.device())?;
    // The maximum only guards against overflow and is a constant to the gradient.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    (normaliser - shifted.gather(&gold, D::Minus1)?)?.mean_all()
}

/// The class with the highest score in each row, the first on a tie.
///
/// # Errors
/// Only those of the device.
pub fn predict(logits: &Tensor) -> Result<Vec<u32>> {
    logits.argmax(D::Minus1)?.to_vec1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_a_known_case() {
        let logits = Tensor::new(&[[2.0_f32, 1.0, 0.1], [1.0, 3.0, 0.2]], &Device::Cpu).unwrap();
        let loss = cross_entropy(&logits, &[0, 1]).unwrap().to_scalar::<f32>().unwrap();
        let row = |scores: [f64; 3], gold: usize| {
            scores.iter().map(|s| s.exp()).sum::<f64>().ln() - scores[gold]
        };
        let wanted = (row([2.0, 1.0, 0.1], 0) + row([1.0, 3.0, 0.2], 1)) / 2.0;
        assert!((f64::from(loss) - wanted).abs() < 1e-6, "{loss} against {wanted}");
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let logits = Tensor::new(&[[1e4_f32, -1e4]], &Device::Cpu).unwrap();
        let loss = |class| cross_entropy(&logits, &[class]).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(loss(0), 0.0);
        assert_eq!(loss(1), 2e4);
    }
}
