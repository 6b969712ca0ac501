//! Losses over rows of outputs.

use candle_core::{D, Result, Tensor};

/// Mean negative log-likelihood of the gold classes, `[n, C]` → scalar.
///
/// # Errors
/// Only those of the device.
pub fn cross_entropy(outputs: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let gold = Tensor::from_slice(classes, (classes.len(), 1), outputs.device())?;
    // The maximum only guards against overflow and is a constant to the gradient.
    let shifted = outputs.broadcast_sub(&outputs.max_keepdim(D::Minus1)?.detach())?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    (normaliser - shifted.gather(&gold, D::Minus1)?)?.mean_all()
}

/// Mean squared error, `[n, 1]` → scalar.
///
/// # Errors
/// Only those of the device.
pub fn squared_error(outputs: &Tensor, scores: &[f32]) -> Result<Tensor> {
    let gold = Tensor::from_slice(scores, (scores.len(), 1), outputs.device())?;
    (outputs - gold)?.sqr()?.mean_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn cross_entropy_of_a_known_case() {
        let outputs = Tensor::new(&[[2.0_f32, 1.0, 0.1], [1.0, 3.0, 0.2]], &Device::Cpu).unwrap();
        let loss = cross_entropy(&outputs, &[0, 1]).unwrap().to_scalar::<f32>().unwrap();
        let row = |scores: [f64; 3], gold: usize| {
            scores.iter().map(|s| s.exp()).sum::<f64>().ln() - scores[gold]
        };
        let wanted = (row([2.0, 1.0, 0.1], 0) + row([1.0, 3.0, 0.2], 1)) / 2.0;
        assert!((f64::from(loss) - wanted).abs() < 1e-6, "{loss} against {wanted}");
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let outputs = Tensor::new(&[[1e4_f32, -1e4]], &Device::Cpu).unwrap();
        let loss = |class| cross_entropy(&outputs, &[class]).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(loss(0), 0.0);
        assert_eq!(loss(1), 2e4);
    }

    #[test]
    fn squared_error_of_a_known_case() {
        let outputs = Tensor::new(&[[1.0_f32], [4.0]], &Device::Cpu).unwrap();
        let loss = squared_error(&outputs, &[2.0, 1.0]).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(loss, 5.0);
    }
}
