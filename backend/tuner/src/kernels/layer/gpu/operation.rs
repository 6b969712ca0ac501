//! The layers on a GPU as an operation of candle's tape.

use super::{Kept, Rounding, Sizes, Step, Weights, backward, forward, round};
use crate::kernels::gpu::{At, Driver, Kind, Values};
use crate::kernels::layer::{Attention, Laid, LayerWeights, Plan, Precision};
use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use std::sync::{Mutex, PoisonError};

/// The weights of a layer on a GPU.
pub struct OnGpu {
    machine: Driver,
    weights: Weights<Driver>,
    hidden: usize,
    intermediate: usize,
}

impl OnGpu {
    /// Lays out `weights`, which are on a GPU.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(weights: &LayerWeights<'_>, precision: Precision) -> Result<Self> {
        let (intermediate, hidden) = weights.intermediate.dims2()?;
        let machine = Driver::of(weights.output)?;
        let (kind, rounding) = match precision {
            Precision::F32 => (Kind::F32, Rounding::None),
            Precision::Tf32 => (Kind::F32, Rounding::Tf32),
            Precision::Bf16 => (Kind::Bf16, Rounding::None),
        };
        let put = |tensor: &Tensor, kind| {
            let tensor = tensor.contiguous()?;
            round(&machine, machine.at(&tensor)?, kind, tensor.elem_count())
        };
        let [first, second] = weights.gammas.map(|gamma| put(gamma, Kind::F32));
        let weights = Weights {
            projections: put(&Tensor::cat(&weights.projections, 0)?, kind)?,
            attention_output: put(weights.attention_output, kind)?,
            intermediate: put(weights.intermediate, kind)?,
            output: put(weights.output, kind)?,
            gammas: [first?, second?],
            eps: weights.eps,
            biases: put(&Tensor::cat(&weights.biases, 0)?, Kind::F32)?,
            kind,
            rounding,
        };
        Ok(Self { machine, weights, hidden, intermediate })
    }

    /// `H` and `I`.
    pub fn widths(&self) -> (usize, usize) {
        (self.hidden, self.intermediate)
    }

    /// The bytes of all weights.
    ///
    /// # Errors
    /// Those of the device.
    pub fn contents(&self) -> Result<Vec<Vec<u8>>> {
        let Weights { projections, attention_output, intermediate, output, .. } = &self.weights;
        let all = [projections, attention_output, intermediate, output];
        all.iter().map(|values| values.bytes(&self.machine)).collect()
    }
}

/// See [`layers`](crate::kernels::layers).
///
/// # Errors
/// Those of the device.
pub fn layers(
    x: &Tensor,
    packed: &Tensor,
    plans: Vec<Plan>,
    attention: Attention,
    keep: bool,
) -> Result<Tensor> {
    x.apply_op2(packed, Operation { plans, attention, keep, kept: Mutex::new(None) })
}

struct Operation {
    plans: Vec<Plan>,
    attention: Attention,
    /// Whether there will be a backward pass.
    keep: bool,
    kept: Mutex<Option<OfForward>>,
}

/// What the backward pass needs.
struct OfForward {
    layers: Vec<Kept<Driver>>,
    /// What stands in the layers, as it is multiplied.
    rounded: Values<Driver>,
}

impl Operation {
    /// The layers, with what stands in them from `standing` on.
    fn steps<'a>(
        &'a self,
        machine: &'a Driver,
        (batch, queries): (usize, usize),
        standing: At,
        rounded: At,
    ) -> Result<Vec<Step<'a, Driver>>> {
        let mask = machine.at(&self.attention.mask)?;
        let bias = self.attention.bias.as_ref().map(|bias| machine.at(bias)).transpose()?;
        let step = |plan: &'a Plan| {
            let Laid::Gpu(layer) = &plan.layer.0 else {
                bail!("a layer was given hidden states that are on a GPU, as it is not")
            };
            Ok(Step {
                machine,
                weights: &layer.weights,
                sizes: Sizes {
                    batch,
                    heads: plan.sizes.heads,
                    width: plan.sizes.width,
                    queries,
                    prefix: plan.sizes.keys - queries,
                    intermediate: layer.intermediate,
                },
                parts: &plan.parts,
                standing: standing.plus(plan.place.start),
                rounded: rounded.plus(plan.place.start),
                mask,
                bias,
            })
        };
        self.plans.iter().map(step).collect()
    }

    /// That of the products.
    fn kind(&self) -> Kind {
        match self.plans.first().map(|plan| &plan.layer.0) {
            Some(Laid::Gpu(layer)) => layer.weights.kind,
            _ => Kind::F32,
        }
    }
}

impl CustomOp2 for Operation {
    fn name(&self) -> &'static str {
        "frozen-layers-on-gpu"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("layers on a GPU were given hidden states that are not")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        packed: &CudaStorage,
        packed_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let machine = Driver::of(&self.attention.mask)?;
        let (batch, queries, _) = x_layout.shape().dims3()?;
        let standing = machine.of_storage(packed, packed_layout)?;
        let len = packed_layout.shape().elem_count();
        let rounded = round(&machine, standing, self.kind(), len)?;
        let steps = self.steps(&machine, (batch, queries), standing, rounded.at(&machine))?;
        let x = machine.of_storage(x, x_layout)?;
        let (y, layers) = forward::forward(&steps, x, self.keep)?;
        drop(steps);
        if self.keep {
            let kept = OfForward { layers, rounded };
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Ok((machine.storage(y)?, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        packed: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(OfForward { layers, rounded }) = kept else {
            bail!("layers kept nothing for a backward pass, or there was one before");
        };
        let machine = Driver::of(x)?;
        let (batch, queries, _) = x.dims3()?;
        let gradient = gradient.contiguous()?;
        let steps =
            self.steps(&machine, (batch, queries), machine.at(packed)?, rounded.at(&machine))?;
        let places: Vec<usize> = self.plans.iter().map(|plan| plan.place.start).collect();
        let of_packed = Values::zeros(&machine, Kind::F32, packed.elem_count())?;
        let to = (of_packed.at(&machine), &places[..]);
        let dx = backward::backward(&steps, layers, machine.at(&gradient)?, to, x.track_op())?;
        let dx = dx.map(|dx| machine.tensor(dx, x.shape())).transpose()?;
        Ok((dx, Some(machine.tensor(of_packed, packed.shape())?)))
    }
}
