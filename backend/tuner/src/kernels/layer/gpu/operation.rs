//! The layers on a GPU as an operation of candle's tape.

use super::{Kept as OfLayer, Rounding, Sizes, Step, Weights, backward, forward, round};
use crate::kernels::gpu::{At, Kind, Tensors, Values};
use crate::kernels::layer::{Attention, LayerWeights, Plan, Precision, take};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::sync::{Arc, Mutex};

/// The weights of a layer on a GPU.
pub struct OnGpu<M: Tensors> {
    machine: M,
    weights: Weights<M>,
    hidden: usize,
    intermediate: usize,
}

impl<M: Tensors> OnGpu<M> {
    /// Lays out `weights`, which are where the machine is.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(weights: &LayerWeights<'_>, precision: Precision) -> Result<Self> {
        let (intermediate, hidden) = weights.intermediate.dims2()?;
        let machine = M::of(weights.output)?;
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

/// A layer on its way through a batch, and what stands in it.
pub struct Planned<M: Tensors> {
    pub layer: Arc<OnGpu<M>>,
    pub plan: Plan,
}

/// See [`layers`](crate::kernels::layers).
///
/// # Errors
/// Those of the device.
pub fn layers<M: Tensors>(
    x: &Tensor,
    packed: &Tensor,
    planned: Vec<Planned<M>>,
    attention: Attention,
    keep: bool,
) -> Result<Tensor> {
    let Some(kind) = planned.first().map(|first| first.layer.weights.kind) else {
        return Ok(x.clone());
    };
    let machine = M::of(x)?;
    let batch = Batch { planned, attention };
    let rounded = round(&machine, machine.at(packed)?, kind, packed.elem_count())?;
    let steps = batch.steps(&machine, x, machine.at(packed)?, rounded.at(&machine))?;
    let (y, layers) = forward::forward(&steps, machine.at(x)?, keep)?;
    drop(steps);
    let kept = keep.then_some(Kept { layers, rounded });
    let result = Mutex::new(Some(machine.storage(y)?));
    x.apply_op2(packed, Operation { batch, result, kept: Mutex::new(kept) })
}

/// Layers, and what all of them attend to.
struct Batch<M: Tensors> {
    planned: Vec<Planned<M>>,
    attention: Attention,
}

/// What the backward pass needs.
struct Kept<M: Tensors> {
    layers: Vec<OfLayer<M>>,
    /// What stands in the layers, as it is multiplied.
    rounded: Values<M>,
}

/// Layers whose result is there: for the tape.
struct Operation<M: Tensors> {
    batch: Batch<M>,
    /// Until the tape takes it.
    result: Mutex<Option<Storage>>,
    kept: Mutex<Option<Kept<M>>>,
}

impl<M: Tensors> Batch<M> {
    /// The layers for hidden states like `x`, with what stands in them from `standing` on.
    fn steps<'a>(
        &'a self,
        machine: &'a M,
        x: &Tensor,
        standing: At,
        rounded: At,
    ) -> Result<Vec<Step<'a, M>>> {
        let (batch, queries, _) = x.dims3()?;
        let mask = machine.at(&self.attention.mask)?;
        let bias = self.attention.bias.as_ref().map(|bias| machine.at(bias)).transpose()?;
        let step = |Planned { layer, plan }: &'a Planned<M>| Step {
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
        };
        Ok(self.planned.iter().map(step).collect())
    }
}

impl<M: Tensors> CustomOp2 for Operation<M> {
    fn name(&self) -> &'static str {
        "frozen-layers-on-gpu"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        match take(&self.result) {
            Some(Storage::Cpu(result)) => Ok((result, layout.shape().clone())),
            _ => bail!("the result of layers was taken before, or is not on the CPU"),
        }
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        match take(&self.result) {
            Some(Storage::Cuda(result)) => Ok((result, layout.shape().clone())),
            _ => bail!("the result of layers was taken before, or is not on a GPU"),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        packed: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(Kept { layers, rounded }) = take(&self.kept) else {
            bail!("layers kept nothing for a backward pass, or there was one before");
        };
        let machine = M::of(x)?;
        let gradient = gradient.contiguous()?;
        let standing = machine.at(packed)?;
        let steps = self.batch.steps(&machine, x, standing, rounded.at(&machine))?;
        let places: Vec<usize> =
            self.batch.planned.iter().map(|planned| planned.plan.place.start).collect();
        let of_packed = Values::zeros(&machine, Kind::F32, packed.elem_count())?;
        let to = (of_packed.at(&machine), &places[..]);
        let dx = backward::backward(&steps, layers, machine.at(&gradient)?, to, x.track_op())?;
        let dx = dx.map(|dx| machine.tensor(dx, x.shape())).transpose()?;
        Ok((dx, Some(machine.tensor(of_packed, packed.shape())?)))
    }
}
