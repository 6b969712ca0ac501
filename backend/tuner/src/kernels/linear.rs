//! `y = x·Wᵀ + b` with frozen `W` and `b`.

use super::rows;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Storage, Tensor, bail};

/// A frozen linear map, `x` `[.., in]` → `[.., out]`, with `weight`
/// `[out, in]` and `bias` `[out]`. Only `x` has a gradient.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if rows::fused(x) {
        let op = FrozenLinear { weight: weight.clone(), bias: bias.cloned() };
        return x.contiguous()?.apply_op1(op);
    }
    let y = x.broadcast_matmul(&weight.detach().t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.detach()),
        None => Ok(y),
    }
}

struct FrozenLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (out, inner) = self.weight.dims2()?;
        let mut dims = layout.dims().to_vec();
        if dims.pop() != Some(inner) {
            bail!("a linear map of {inner} inputs was given {:?}", layout.dims());
        }
        let m: usize = dims.iter().product();
        dims.push(out);
        let flat = Layout::contiguous_with_offset((m, inner), layout.start_offset());
        let transposed = self.weight.t()?;
        let (weight, weight_layout) = transposed.storage_and_layout();
        let Storage::Cpu(weight) = &*weight else {
            bail!("the weight of a linear map is not on the CPU");
        };
        let mut y = storage.matmul(weight, (1, m, out, inner), &flat, weight_layout)?;
        if let (Some(bias), CpuStorage::F32(values)) = (&self.bias, &mut y) {
            let (bias, bias_layout) = bias.storage_and_layout();
            let Storage::Cpu(bias) = &*bias else {
                bail!("the bias of a linear map is not on the CPU");
            };
            let bias = rows::slice(bias, bias_layout)?;
            rows::for_each(values, out, |_, row| {
                for (value, b) in row.iter_mut().zip(bias) {
                    *value += b;
                }
            });
        }
        Ok((y, Shape::from(dims)))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (out, _) = self.weight.dims2()?;
        let m = grad.elem_count() / grad.dim(D::Minus1)?;
        let grad = grad.contiguous()?.reshape((m, out))?;
        Ok(Some(grad.matmul(&self.weight)?.reshape(arg.shape())?))
    }
}
