//! The layers of a frozen Transformer encoder as one operation, each from hidden states to
//! hidden states (post-norm, Devlin et al. 2019):
//!
//! ```text
//! c = attention(x·Wqᵀ + bq, x·Wkᵀ + bk, x·Wvᵀ + bv)
//! u = LayerNorm(x + c·Woᵀ + bo)
//! y = LayerNorm(u + W₂·GELU(W₁·u + b₁) + b₂)
//! ```
//!
//! with LoRA's updates at queries, keys and values and a prefix before keys and values,
//! where an adapter has them. A thread takes some rows through all that is done to rows
//! while they are in its cache. As one operation they keep for their backward pass what
//! that reads and nothing else: queries, keys, values, what went into the two LayerNorms,
//! and the derivatives of GELU; a tape keeps every value between two of its parts. Padding is
//! left out of all of it.

mod backward;
mod forward;
#[cfg(any(test, feature = "cuda"))]
mod gpu;
mod parts;
mod slopes;
#[cfg(test)]
mod tests;

use super::attention::{Sizes, Values};
use super::places::Places;
use super::product::{BLOCK, Precision, Scratch, TILE, Weight};
use super::{Attention, LowRank, rows};
use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Storage, Tensor, bail};
use parts::Parts;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The frozen weights of a layer, as they were read.
pub struct LayerWeights<'a> {
    /// Of queries, keys and values, `[H, H]` each.
    pub projections: [&'a Tensor; 3],
    /// After attention, `[H, H]`.
    pub attention_output: &'a Tensor,
    /// `W₁`, `[I, H]`.
    pub intermediate: &'a Tensor,
    /// `W₂`, `[H, I]`.
    pub output: &'a Tensor,
    /// Scales of the LayerNorms after attention and at the end, `[H]` each.
    pub gammas: [&'a Tensor; 2],
    /// Their ε.
    pub eps: f32,
    /// As in [`Standing::biases`].
    pub biases: [&'a Tensor; 8],
}

/// The same, laid out for the device that they are on.
#[derive(Clone)]
pub struct FrozenLayer(Laid);

#[derive(Clone)]
enum Laid {
    Cpu(Arc<OnCpu>),
    #[cfg(feature = "cuda")]
    Gpu(Arc<gpu::OnGpu<super::gpu::Driver>>),
    #[cfg(test)]
    Emulated(Arc<gpu::OnGpu<super::gpu::Emulated>>),
}

/// On the CPU.
struct OnCpu {
    projections: [Weight; 3],
    attention_output: Weight,
    intermediate: Weight,
    output: Weight,
    gammas: [Vec<f32>; 2],
    eps: f32,
    /// All biases, one after the other.
    biases: Vec<f32>,
}

/// All bytes of a weight that was laid out.
pub enum Content<'a> {
    /// Where it is.
    Here(&'a Weight),
    /// A copy of what is on a GPU.
    #[cfg(any(test, feature = "cuda"))]
    Copy(Vec<u8>),
}

/// What stands in a layer beside its frozen weights. All of it has gradients.
pub struct Standing<'a> {
    /// Biases and shifts of query, key, value, attention output, attention norm,
    /// intermediate, output and output norm; `[I]` for the sixth, `[H]` for the others.
    /// `None` are the layer's own, which have no gradients.
    pub biases: Option<[&'a Tensor; 8]>,
    /// Added to queries, keys and values.
    pub low_rank: [Option<LowRank<'a>>; 3],
    /// Keys and values in front of every sequence's own, `[P, H]` each.
    pub prefix: Option<(&'a Tensor, &'a Tensor)>,
}

impl OnCpu {
    fn new(weights: &LayerWeights<'_>, precision: Precision) -> Result<Self> {
        let [query, key, value] = weights.projections.map(|weight| Weight::new(weight, precision));
        let [first, second] = weights.gammas.map(Tensor::to_vec1);
        Ok(Self {
            projections: [query?, key?, value?],
            attention_output: Weight::new(weights.attention_output, precision)?,
            intermediate: Weight::new(weights.intermediate, precision)?,
            output: Weight::new(weights.output, precision)?,
            gammas: [first?, second?],
            eps: weights.eps,
            biases: Tensor::cat(&weights.biases, 0)?.to_vec1()?,
        })
    }

    /// `H` and `I`.
    fn widths(&self) -> (usize, usize) {
        (self.intermediate.inputs(), self.intermediate.outputs())
    }

    /// Of all its products.
    fn precision(&self) -> Precision {
        self.intermediate.precision()
    }
}

impl FrozenLayer {
    /// Lays out `weights` for products of this precision.
    ///
    /// # Errors
    /// When there are no such products on their device.
    pub fn new(weights: &LayerWeights<'_>, precision: Precision) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if weights.output.device().is_cuda() {
            return Ok(Self(Laid::Gpu(Arc::new(gpu::OnGpu::new(weights, precision)?))));
        }
        Ok(Self(Laid::Cpu(Arc::new(OnCpu::new(weights, precision)?))))
    }

    /// Lays them out as a GPU has them, which this processor stands in for.
    #[cfg(test)]
    pub fn emulated(weights: &LayerWeights<'_>, precision: Precision) -> Result<Self> {
        Ok(Self(Laid::Emulated(Arc::new(gpu::OnGpu::new(weights, precision)?))))
    }

    /// `H` and `I`.
    fn widths(&self) -> (usize, usize) {
        match &self.0 {
            Laid::Cpu(layer) => layer.widths(),
            #[cfg(feature = "cuda")]
            Laid::Gpu(layer) => layer.widths(),
            #[cfg(test)]
            Laid::Emulated(layer) => layer.widths(),
        }
    }

    /// What all of its weights are now.
    ///
    /// # Errors
    /// Those of the device.
    pub fn contents(&self) -> Result<Vec<Content<'_>>> {
        match &self.0 {
            Laid::Cpu(layer) => {
                let rest = [&layer.attention_output, &layer.intermediate, &layer.output];
                Ok(layer.projections.iter().chain(rest).map(Content::Here).collect())
            }
            #[cfg(feature = "cuda")]
            Laid::Gpu(layer) => Ok(layer.contents()?.into_iter().map(Content::Copy).collect()),
            #[cfg(test)]
            Laid::Emulated(layer) => Ok(layer.contents()?.into_iter().map(Content::Copy).collect()),
        }
    }
}

impl Content<'_> {
    /// Calls `f` with all bytes, piece by piece.
    pub fn each_piece(&self, mut f: impl FnMut(&[u8])) {
        match self {
            Self::Here(weight) => weight.each_piece(&mut f),
            #[cfg(any(test, feature = "cuda"))]
            Self::Copy(bytes) => f(bytes),
        }
    }
}

/// The result of layers one after the other, each with what stands in it, `x` `[B, S, H]` →
/// `[B, S, H]`. `x` has a gradient. The bias of attention scores in `attention` has none. What
/// stands at padding has no meaning: on the CPU it is not computed, and zero.
///
/// # Errors
/// When the shapes do not fit, or something is not f32 where the weights are.
pub fn layers(
    x: &Tensor,
    layers: &[(&FrozenLayer, Standing<'_>)],
    attention: &Attention,
) -> Result<Tensor> {
    let (batch, queries, width) = x.dims3()?;
    let heads = attention.heads;
    let attention = attention.contiguous()?;
    let (mut packed, mut plans, mut end) = (Vec::new(), Vec::new(), 0);
    for (layer, standing) in layers {
        let (h, i) = layer.widths();
        let start = end;
        let (parts, len) = Parts::pack(standing, (h, i), &mut packed)?;
        end += len;
        let keys = parts.prefix_length(h) + queries;
        if width != h
            || !h.is_multiple_of(heads)
            || attention.mask.dims() != [batch, keys]
            || attention.bias.as_ref().is_some_and(|b| b.dims() != [1, heads, queries, keys])
            || x.dtype() != DType::F32
        {
            bail!(
                "a layer of {h} with {heads} heads was given {:?} and the mask {:?}",
                x.dims(),
                attention.mask.dims()
            );
        }
        let sizes = Sizes { heads, width: h / heads, queries, keys };
        plans.push((&layer.0, Plan { parts, place: start..end, sizes }));
    }
    if packed.is_empty() {
        // An operation takes no tensor without values.
        packed.push(Tensor::zeros(1, DType::F32, x.device())?);
    }
    let (x, packed) = (x.contiguous()?, Tensor::cat(&packed, 0)?);
    let keep = x.track_op() || packed.track_op();
    let (mut on_cpu, mut count) = (Vec::new(), 0);
    #[cfg(feature = "cuda")]
    let mut on_gpu = Vec::new();
    #[cfg(test)]
    let mut emulated = Vec::new();
    for (laid, plan) in plans {
        count += 1;
        match laid {
            Laid::Cpu(layer) => {
                let (layer, attention) = (Arc::clone(layer), attention.clone());
                let places = match on_cpu.first() {
                    // Every layer has the one mask.
                    Some(Step { places, .. }) => Arc::clone(places),
                    None => Arc::new(Places::compact(&attention.mask, queries)?),
                };
                on_cpu.push(Step { layer, plan, attention, places, keep });
            }
            #[cfg(feature = "cuda")]
            Laid::Gpu(layer) => on_gpu.push(gpu::Planned { layer: Arc::clone(layer), plan }),
            #[cfg(test)]
            Laid::Emulated(layer) => {
                emulated.push(gpu::Planned { layer: Arc::clone(layer), plan });
            }
        }
    }
    if on_cpu.len() == count {
        return x.apply_op2(&packed, Operation { steps: on_cpu, kept: Mutex::new(None) });
    }
    #[cfg(feature = "cuda")]
    if on_gpu.len() == count {
        return gpu::layers(&x, &packed, on_gpu, attention, keep);
    }
    #[cfg(test)]
    if emulated.len() == count {
        return gpu::layers(&x, &packed, emulated, attention, keep);
    }
    bail!("some layers are on the CPU, and some elsewhere")
}

/// What stands in a layer, and sizes.
struct Plan {
    parts: Parts,
    /// Where what stands in it is in the vector of all layers.
    place: Range<usize>,
    sizes: Sizes,
}

/// A layer on its way through a batch.
struct Step {
    layer: Arc<OnCpu>,
    plan: Plan,
    attention: Attention,
    /// Where sequences are in all that it works on: without their padding.
    places: Arc<Places>,
    /// Whether there will be a backward pass.
    keep: bool,
}

/// Layers on their way through a batch, one after the other.
struct Operation {
    steps: Vec<Step>,
    /// Of each layer. The backward pass takes it, and gives back what it is done with.
    kept: Mutex<Option<Vec<Kept>>>,
}

/// What the backward pass needs, of `M` rows: those of all sequences without padding.
struct Kept {
    /// Queries, `[M, H]`, keys and values, with a prefix in front of every sequence's.
    projected: [CpuStorage; 3],
    after_attention: KeptRows,
}

/// That of what follows attention.
struct KeptRows {
    /// What went into the LayerNorms after attention and at the end, `[M, H]`.
    sums: [Vec<f32>; 2],
    /// The derivatives of GELU, `[M, I]`.
    slopes: slopes::Kept,
}

/// What a thread works in.
#[derive(Default)]
struct Space {
    scratch: Scratch,
    /// `[m, I]`, twice.
    wide: [Vec<f32>; 2],
    /// `[m, H]`, twice.
    narrow: [Vec<f32>; 2],
}

/// The first `n` of values that are written before they are read.
fn first(values: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if values.len() < n {
        values.resize(n, 0.0);
    }
    &mut values[..n]
}

/// Rows that a thread takes at a time, of `m`: many enough that a weight is worth its way
/// into the cache, few enough that there is work for many threads. It does not depend on
/// their number, and so do sums over blocks.
fn block(m: usize) -> usize {
    const BLOCKS: usize = 32;
    m.div_ceil(BLOCKS).next_multiple_of(TILE).clamp(4 * TILE, BLOCK)
}

/// What was put there, once.
fn take<T>(from: &Mutex<Option<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A whole storage.
fn all(storage: &CpuStorage) -> Values<'_> {
    Values { storage, start: 0 }
}

impl CustomOp2 for Operation {
    fn name(&self) -> &'static str {
        "frozen-layers"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, packed) = (rows::slice(x, x_layout)?, rows::slice(packed, packed_layout)?);
        let Some(Step { places, .. }) = self.steps.first() else { bail!("there are no layers") };
        let width = x_layout.shape().dim(D::Minus1)?;
        let mut y = places.gather(x, width);
        let mut kept = Vec::new();
        for step in &self.steps {
            let (of_step, kept_of_step) = step.forward(&y, step.standing(packed))?;
            y = Cow::Owned(of_step);
            kept.extend(kept_of_step);
        }
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        let y = places.scatter(y.into_owned(), width);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        packed: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(mut kept) = take(&self.kept).filter(|kept| kept.len() == self.steps.len()) else {
            bail!("layers kept nothing for a backward pass, or there was one before");
        };
        let gradient = gradient.contiguous()?;
        let storages = [x, packed, &gradient].map(Tensor::storage_and_layout);
        let mut inputs = Vec::with_capacity(3);
        for (storage, layout) in &storages {
            let Storage::Cpu(storage) = &**storage else { bail!("a gradient is not on the CPU") };
            inputs.push(rows::slice(storage, layout)?);
        }
        let (first, standing) = (inputs[0], inputs[1]);
        let Some(Step { places, .. }) = self.steps.first() else { bail!("there are no layers") };
        let width = x.dim(D::Minus1)?;
        let mut dy = places.gather(inputs[2], width);
        let mut of_packed = vec![0.0; standing.len()];
        while let Some(own) = kept.pop() {
            let at = kept.len();
            let step = &self.steps[at];
            let input = match kept.last() {
                _ if !step.reads_input() => Cow::Owned(Vec::new()),
                None => places.gather(first, width),
                // What is normalised again need not be kept.
                Some(before) => {
                    let step = &self.steps[at - 1];
                    Cow::Owned(step.result(before, step.standing(standing)))
                }
            };
            let of_input = at > 0 || x.track_op();
            let (dx, of_standing) =
                step.backward(&input, step.standing(standing), &dy, own, of_input)?;
            of_packed[step.plan.place.clone()].copy_from_slice(&of_standing);
            dy = Cow::Owned(dx);
        }
        let like = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        let dx =
            x.track_op().then(|| like(places.scatter(dy.into_owned(), width), x)).transpose()?;
        Ok((dx, Some(like(of_packed, packed)?)))
    }
}
