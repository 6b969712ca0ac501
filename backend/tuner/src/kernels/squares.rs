//! The sum of squares, which the norm of a gradient is made of.

use super::rows;
use candle_core::{Result, Storage, Tensor, bail};

/// `Σ x²` over all values.
///
/// # Errors
/// Only those of the device.
pub fn sum_of_squares(x: &Tensor) -> Result<f64> {
    if !rows::fused(x) {
        return Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("a tensor is not where it says") };
    Ok(rows::squares(rows::slice(storage, layout)?))
}
