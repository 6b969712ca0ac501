//! LayerNorm with frozen scale and shift.

use super::{math, rows};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Storage, Tensor, bail,
};

/// `(x - mean)/√(var + eps)·gamma + beta` over the last dimension, `[.., H]` →
/// `[.., H]`. Only `x` has a gradient.
///
/// # Errors
/// When the shapes do not fit.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f32) -> Result<Tensor> {
    if rows::fused(x) {
        let op = LayerNorm { gamma: gamma.clone(), beta: beta.clone(), eps };
        return x.contiguous()?.apply_op1(op);
    }
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + f64::from(eps))?.sqrt()?)?;
    normed.broadcast_mul(&gamma.detach())?.broadcast_add(&beta.detach())
}

struct LayerNorm {
    gamma: Tensor,
    beta: Tensor,
    eps: f32,
}

/// The LayerNorm of a row, `x`, written to `y`.
#[inline(always)]
pub(super) fn row(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, y: &mut [f32]) {
    let (mean, scale) = moments(x, eps);
    for i in 0..y.len() {
        y[i] = (x[i] - mean) * scale * gamma[i] + beta[i];
    }
}

/// The gradient of a row, `dy` that of its LayerNorm, written to `dx`. With u = dy·gamma
/// and n = (x - mean)·scale the normed row: dx = scale·(u - mean(u) - n·mean(u·n)).
#[inline(always)]
pub(super) fn row_backward(x: &[f32], dy: &[f32], gamma: &[f32], eps: f32, dx: &mut [f32]) {
    let (mean, scale) = moments(x, eps);
    let n = x.len() as f32;
    let mean_u = math::sum(dy, |i, g| g * gamma[i]) / n;
    let mean_un = math::sum(dy, |i, g| g * gamma[i] * (x[i] - mean) * scale) / n;
    for i in 0..dx.len() {
        let normed = (x[i] - mean) * scale;
        dx[i] = scale * (dy[i] * gamma[i] - mean_u - normed * mean_un);
    }
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = math::sum(row, |_, v| v) / n;
    let variance = math::sum(row, |_, v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

pub(super) fn with_slice<T>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(rows::slice(storage, layout)?)),
        _ => bail!("a LayerNorm parameter is not on the CPU"),
    }
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = rows::slice(storage, layout)?;
        let width = self.gamma.elem_count();
        if layout.dims().last() != Some(&width) {
            bail!("a LayerNorm of {width} was given {:?}", layout.dims());
        }
        let mut out = vec![0.0_f32; x.len()];
        with_slice(&self.gamma, |gamma| {
            with_slice(&self.beta, |beta| {
                rows::for_each(
                    &mut out,
                    width,
                    #[inline(always)]
                    |r, y| {
                        row(&x[r * width..][..width], gamma, beta, self.eps, y);
                    },
                );
            })
        })??;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let op = LayerNormBackward { gamma: &self.gamma, eps: self.eps };
        Ok(Some(arg.contiguous()?.apply_op2_no_bwd(&grad.contiguous()?, &op)?))
    }
}

struct LayerNormBackward<'a> {
    gamma: &'a Tensor,
    eps: f32,
}

impl CustomOp2 for LayerNormBackward<'_> {
    fn name(&self) -> &'static str {
        "layer-norm-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad) = (rows::slice(x, x_layout)?, rows::slice(grad, grad_layout)?);
        let width = self.gamma.elem_count();
        let mut out = vec![0.0_f32; x.len()];
        with_slice(self.gamma, |gamma| {
            rows::for_each(
                &mut out,
                width,
                #[inline(always)]
                |r, dx| {
                    let at = r * width;
                    row_backward(&x[at..][..width], &grad[at..][..width], gamma, self.eps, dx);
                },
            );
        })?;
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}
