//! A trainable shift, added to every row.

use super::rows;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};

/// `x + bias`, `x` `[.., H]`, `bias` `[H]`. Both have a gradient; that of the
/// bias is the sum over all rows.
///
/// # Errors
/// When the shapes do not fit.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if rows::fused(x) {
        x.contiguous()?.apply_op2(&bias.contiguous()?, AddBias)
    } else {
        x.broadcast_add(bias)
    }
}

struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (rows::slice(x, x_layout)?, rows::slice(bias, bias_layout)?);
        let width = bias.len();
        if x_layout.dims().last() != Some(&width) {
            bail!("a bias of {width} was added to {:?}", x_layout.dims());
        }
        let mut out = vec![0.0_f32; x.len()];
        rows::for_each(
            &mut out,
            width,
            #[inline(always)]
            |r, row| {
                let x = &x[r * width..][..width];
                for i in 0..width {
                    row[i] = x[i] + bias[i];
                }
            },
        );
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.clone()), Some(gradient(bias, grad)?)))
    }
}

/// The gradient of a bias `[H]` that was added to every row of what has the gradient
/// `[.., H]`: the sum over the rows.
pub(super) fn gradient(bias: &Tensor, of_rows: &Tensor) -> Result<Tensor> {
    let of_rows = of_rows.contiguous()?;
    let (storage, layout) = of_rows.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("a gradient is not on the CPU") };
    let sums = rows::column_sums(rows::slice(storage, layout)?, bias.elem_count());
    Tensor::from_vec(sums, bias.shape(), bias.device())
}
