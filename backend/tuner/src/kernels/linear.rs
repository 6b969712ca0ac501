//! `y = x·Wᵀ + b` with frozen `W`.

use super::{bias, rows};
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Storage, Tensor, bail,
};

/// A linear map whose weight is frozen, `x` `[.., in]` → `[.., out]`, with `weight`
/// `[out, in]` and `bias` `[out]`. `x` has a gradient, and `bias` where it learns.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if rows::fused(x) {
        let weight = Frozen(weight.clone());
        let x = x.contiguous()?;
        return match bias {
            Some(bias) if bias.track_op() => x.apply_op2(&bias.contiguous()?, weight),
            bias => x.apply_op1(FrozenLinear { weight, bias: bias.cloned() }),
        };
    }
    let y = x.broadcast_matmul(&weight.detach().t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// A frozen weight, `[out, in]`. As an operation it takes a bias that learns.
struct Frozen(Tensor);

impl Frozen {
    /// `x·Wᵀ + b`.
    fn forward(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        bias: Option<&[f32]>,
    ) -> Result<(CpuStorage, Shape)> {
        let (out, inner) = self.0.dims2()?;
        let mut dims = layout.dims().to_vec();
        if dims.pop() != Some(inner) {
            bail!("a linear map of {inner} inputs was given {:?}", layout.dims());
        }
        let m: usize = dims.iter().product();
        dims.push(out);
        if bias.is_some_and(|bias| bias.len() != out) {
            let given = bias.map_or(0, <[f32]>::len);
            bail!("a linear map of {out} outputs was given {given} biases");
        }
        let flat = Layout::contiguous_with_offset((m, inner), layout.start_offset());
        let transposed = self.0.t()?;
        let (weight, weight_layout) = transposed.storage_and_layout();
        let Storage::Cpu(weight) = &*weight else {
            bail!("the weight of a linear map is not on the CPU");
        };
        let mut y = x.matmul(weight, (1, m, out, inner), &flat, weight_layout)?;
        if let (Some(bias), CpuStorage::F32(values)) = (bias, &mut y) {
            rows::for_each(
                values,
                out,
                #[inline(always)]
                |_, row| {
                    for (value, b) in row.iter_mut().zip(bias) {
                        *value += b;
                    }
                },
            );
        }
        Ok((y, Shape::from(dims)))
    }

    /// `dx = dy·W`.
    fn backward(&self, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let (out, _) = self.0.dims2()?;
        let m = gradient.elem_count() / gradient.dim(D::Minus1)?;
        let gradient = gradient.contiguous()?.reshape((m, out))?;
        gradient.matmul(&self.0)?.reshape(x.shape())
    }
}

struct FrozenLinear {
    weight: Frozen,
    bias: Option<Tensor>,
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some(bias) = &self.bias else { return self.weight.forward(x, layout, None) };
        let (bias, bias_layout) = bias.storage_and_layout();
        let Storage::Cpu(bias) = &*bias else {
            bail!("the bias of a linear map is not on the CPU");
        };
        self.weight.forward(x, layout, Some(rows::slice(bias, bias_layout)?))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.weight.backward(x, gradient).map(Some)
    }
}

impl CustomOp2 for Frozen {
    fn name(&self) -> &'static str {
        "frozen-linear-with-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(x, layout, Some(rows::slice(bias, bias_layout)?))
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(self.backward(x, gradient)?), Some(bias::gradient(bias, gradient)?)))
    }
}
