//! Attention probabilities: scaled, masked softmax.

use super::{math, rows};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Storage, Tensor, bail,
};

/// `softmax(scale·scores + mask)` over the last dimension.
///
/// `scores` is `[B, N, S, K]`, `mask` `[B, K]` with 0 for a key that may be
/// attended and a large negative number for padding. Only `scores` has a
/// gradient.
///
/// # Errors
/// When the shapes do not fit.
pub fn masked_softmax(scores: &Tensor, mask: &Tensor, scale: f32) -> Result<Tensor> {
    let (b, _, _, keys) = scores.dims4()?;
    if mask.dims() != [b, keys] {
        bail!("an attention mask {:?} for scores {:?}", mask.dims(), scores.dims());
    }
    if rows::fused(scores) {
        return scores.contiguous()?.apply_op1(MaskedSoftmax { mask: mask.contiguous()?, scale });
    }
    let shifted = (scores * f64::from(scale))?.broadcast_add(&mask.reshape((b, 1, 1, keys))?)?;
    // The maximum only guards against overflow: the result does not depend on
    // it, so it may be a constant to the gradient.
    let exp = shifted.broadcast_sub(&shifted.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

struct MaskedSoftmax {
    mask: Tensor,
    scale: f32,
}

impl CustomOp1 for MaskedSoftmax {
    fn name(&self) -> &'static str {
        "masked-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = rows::slice(storage, layout)?;
        let (_, heads, queries, keys) = layout.shape().dims4()?;
        let (mask, mask_layout) = self.mask.storage_and_layout();
        let Storage::Cpu(mask) = &*mask else { bail!("the attention mask is not on the CPU") };
        let mask = rows::slice(mask, mask_layout)?;
        let mut out = vec![0.0_f32; scores.len()];
        rows::for_each(&mut out, keys, |r, row| {
            let scores = &scores[r * keys..][..keys];
            let mask = &mask[r / (heads * queries) * keys..][..keys];
            for i in 0..keys {
                row[i] = scores[i] * self.scale + mask[i];
            }
            let highest = math::max(row);
            for value in row.iter_mut() {
                *value = math::exp(*value - highest);
            }
            let scale = 1.0 / math::sum(row, |_, v| v);
            for value in row.iter_mut() {
                *value *= scale;
            }
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, probabilities: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let op = MaskedSoftmaxBackward { scale: self.scale };
        Ok(Some(probabilities.apply_op2_no_bwd(&grad.contiguous()?, &op)?))
    }
}

struct MaskedSoftmaxBackward {
    scale: f32,
}

impl CustomOp2 for MaskedSoftmaxBackward {
    fn name(&self) -> &'static str {
        "masked-softmax-backward"
    }

    fn cpu_fwd(
        &self,
        probabilities: &CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let p = rows::slice(probabilities, layout)?;
        let grad = rows::slice(grad, grad_layout)?;
        let keys = layout.shape().dims4()?.3;
        let mut out = vec![0.0_f32; p.len()];
        rows::for_each(&mut out, keys, |r, row| {
            let p = &p[r * keys..][..keys];
            let grad = &grad[r * keys..][..keys];
            let mean = math::sum(p, |i, p| p * grad[i]);
            for i in 0..keys {
                row[i] = self.scale * p[i] * (grad[i] - mean);
            }
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
