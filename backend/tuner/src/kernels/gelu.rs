//! GELU, the exact one: `x·Φ(x)`.

use super::{math, rows};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

/// `x·Φ(x)` elementwise, Φ the standard normal distribution function.
///
/// # Errors
/// Only those of the device.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if rows::fused(x) { x.contiguous()?.apply_op1(Gelu) } else { x.gelu_erf() }
}

/// `x·Φ(x)` and its derivative.
#[inline(always)]
pub(super) fn both(x: f32) -> (f32, f32) {
    let (cumulative, density) = math::normal(x);
    (x * cumulative, cumulative + x * density)
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = rows::slice(storage, layout)?;
        let mut out = vec![0.0_f32; x.len()];
        let width = layout.dims().last().copied().unwrap_or(1);
        rows::for_each(
            &mut out,
            width,
            #[inline(always)]
            |r, row| {
                for (y, &x) in row.iter_mut().zip(&x[r * width..]) {
                    *y = both(x).0;
                }
            },
        );
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(arg.contiguous()?.apply_op2_no_bwd(&grad.contiguous()?, &GeluBackward)?))
    }
}

struct GeluBackward;

impl CustomOp2 for GeluBackward {
    fn name(&self) -> &'static str {
        "gelu-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad) = (rows::slice(x, x_layout)?, rows::slice(grad, grad_layout)?);
        let mut out = vec![0.0_f32; x.len()];
        let width = x_layout.dims().last().copied().unwrap_or(1);
        rows::for_each(
            &mut out,
            width,
            #[inline(always)]
            |r, row| {
                let at = r * width;
                for ((d, &x), &g) in row.iter_mut().zip(&x[at..]).zip(&grad[at..]) {
                    *d = g * both(x).1;
                }
            },
        );
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}
