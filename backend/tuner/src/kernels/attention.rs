//! Scaled dot-product attention over several heads (Vaswani et al. 2017, eq. 1).
//!
//! One operation from the projections to the context: no heads are transposed in
//! memory, and scores and probabilities, `[B, N, S, K]` the largest tensors of a
//! step, exist for one sequence at a time. The backward pass computes them again,
//! which costs less than to write and read them.

use super::places::{self, Places};
use super::{math, rows};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

/// Added to the score of a key that may not be attended: large enough that its
/// probability vanishes, small enough that no sum overflows.
pub const MASKED: f32 = -1e9;

/// What attention needs to know beside queries, keys and values.
#[derive(Clone)]
pub struct Attention {
    /// Number of heads, `N`.
    pub heads: usize,
    /// `[B, K]`: 0 for a key that may be attended, [`MASKED`] for padding.
    pub mask: Tensor,
    /// Added to the scaled scores, `[1, N, S, K]`.
    pub bias: Option<Tensor>,
}

/// `softmax(q·kᵀ/√d + bias + mask)·v` in each head, `query` `[B, S, H]`, `key` and
/// `value` `[B, K, H]` → `[B, S, H]`.
///
/// `K` is `S`, or more where a prefix stands in front. The context of a padding
/// token is of no meaning: it is zero on the CPU.
///
/// # Errors
/// When the shapes do not fit.
pub fn attention(query: &Tensor, key: &Tensor, value: &Tensor, with: &Attention) -> Result<Tensor> {
    let (b, s, h) = query.dims3()?;
    let (n, keys) = (with.heads, key.dim(1)?);
    let fits = key.dims() == [b, keys, h]
        && value.dims() == key.dims()
        && with.mask.dims() == [b, keys]
        && with.bias.as_ref().is_none_or(|bias| bias.dims() == [1, n, s, keys])
        && h % n == 0
        && keys >= s;
    if !fits {
        bail!(
            "attention of {n} heads over {:?}, {:?}, {:?} with the mask {:?}",
            query.dims(),
            key.dims(),
            value.dims(),
            with.mask.dims()
        );
    }
    // The fused operation gives the bias no gradient.
    if rows::fused(query) && with.bias.as_ref().is_none_or(|bias| !bias.track_op()) {
        let op = Fused(with.contiguous()?);
        return query.contiguous()?.apply_op3(&key.contiguous()?, &value.contiguous()?, op);
    }
    let d = h / n;
    let split = |x: &Tensor| x.reshape((b, (), n, d))?.transpose(1, 2)?.contiguous();
    let (query, key, value) = (split(query)?, split(key)?, split(value)?); // [B, N, S or K, d]
    let scores = (query.matmul(&key.transpose(2, 3)?)? / (d as f64).sqrt())?; // [B, N, S, K]
    let mut scores = scores.broadcast_add(&with.mask.reshape((b, 1, 1, keys))?)?;
    if let Some(bias) = &with.bias {
        scores = scores.broadcast_add(bias)?;
    }
    // The maximum only guards against overflow: the result does not depend on
    // it, so it may be a constant to the gradient.
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let probabilities = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
    probabilities.matmul(&value)?.transpose(1, 2)?.contiguous()?.reshape((b, s, h))
}

/// The sizes of a call, and of one sequence in it.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub heads: usize,
    /// Width of a head, `d`.
    pub width: usize,
    /// `S` and `K` as the tensors have them.
    pub queries: usize,
    pub keys: usize,
}

/// One sequence without its padding.
struct Sequence<'a> {
    sizes: Sizes,
    /// Where its queries and keys begin.
    starts: (usize, usize),
    /// Real queries and keys.
    queries: usize,
    keys: usize,
    mask: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// The CPU storage of a contiguous tensor and where its values start.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub storage: &'a CpuStorage,
    pub start: usize,
}

impl Sequence<'_> {
    /// Of rows of `H` so many, from `first` on, as `[N, rows, d]`.
    fn heads(&self, first: usize, rows: usize, start: usize) -> Layout {
        let Sizes { heads, width, .. } = self.sizes;
        let h = heads * width;
        let shape = Shape::from((heads, rows, width));
        Layout::new(shape, vec![width, h, 1], start + first * h)
    }

    fn of_queries(&self, start: usize) -> Layout {
        self.heads(self.starts.0, self.queries, start)
    }

    fn of_keys(&self, start: usize) -> Layout {
        self.heads(self.starts.1, self.keys, start)
    }

    /// `[N, m, k]`·`[N, k, n]` → `[N, m, n]`.
    fn product(
        &self,
        (lhs, lhs_layout): (&CpuStorage, &Layout),
        (rhs, rhs_layout): (&CpuStorage, &Layout),
    ) -> Result<CpuStorage> {
        let (n, m, k) = lhs_layout.shape().dims3()?;
        let out = rhs_layout.shape().dims3()?.2;
        lhs.matmul(rhs, (n, m, out, k), lhs_layout, rhs_layout)
    }

    /// The attention probabilities, `[N, S, K]` of this sequence.
    fn probabilities(&self, query: Values<'_>, key: Values<'_>) -> Result<CpuStorage> {
        let transposed = self.of_keys(key.start).transpose(1, 2)?;
        let queries = self.of_queries(query.start);
        let mut scores = self.product((query.storage, &queries), (key.storage, &transposed))?;
        let scale = 1.0 / (self.sizes.width as f32).sqrt();
        rows::for_each(
            floats(&mut scores)?,
            self.keys,
            #[inline(always)]
            |r, row| {
                for (score, mask) in row.iter_mut().zip(self.mask) {
                    *score = *score * scale + mask;
                }
                if let Some(bias) = self.bias {
                    let (head, query) = (r / self.queries, r % self.queries);
                    let at = (head * self.sizes.queries + query) * self.sizes.keys;
                    for (score, bias) in row.iter_mut().zip(&bias[at..]) {
                        *score += bias;
                    }
                }
                let highest = math::max(row);
                for value in row.iter_mut() {
                    *value = math::exp(*value - highest);
                }
                let scale = 1.0 / math::sum(row, |_, v| v);
                for value in row.iter_mut() {
                    *value *= scale;
                }
            },
        );
        Ok(scores)
    }

    /// Writes `[N, rows, d]` into the sequence's `[rows, H]`.
    fn scatter(&self, from: &CpuStorage, to: &mut [f32]) -> Result<()> {
        let Sizes { heads, width, .. } = self.sizes;
        let from = from.as_slice::<f32>()?;
        let rows = from.len() / (heads * width);
        for (head, block) in from.chunks_exact(rows * width).enumerate() {
            let to = to.chunks_exact_mut(heads * width);
            for (row, to) in block.chunks_exact(width).zip(to) {
                to[head * width..][..width].copy_from_slice(row);
            }
        }
        Ok(())
    }

    fn forward(
        &self,
        query: Values<'_>,
        key: Values<'_>,
        value: Values<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        let probabilities = self.probabilities(query, key)?;
        let square = Layout::contiguous((self.sizes.heads, self.queries, self.keys));
        let values = self.of_keys(value.start);
        let context = self.product((&probabilities, &square), (value.storage, &values))?;
        self.scatter(&context, out)
    }

    /// With `P` the probabilities and `G` the gradient of the context:
    /// `dV = Pᵀ·G`, `dP = G·Vᵀ`, `dS = P∘(dP - Σ dP∘P)/√d`, `dQ = dS·K`, `dK = dSᵀ·Q`.
    fn backward(
        &self,
        [query, key, value, gradient]: [Values<'_>; 4],
        [of_query, of_key, of_value]: [&mut [f32]; 3],
    ) -> Result<()> {
        let probabilities = self.probabilities(query, key)?;
        let square = Layout::contiguous((self.sizes.heads, self.queries, self.keys));
        let across = square.transpose(1, 2)?;
        let gradients = (gradient.storage, &self.of_queries(gradient.start));
        self.scatter(&self.product((&probabilities, &across), gradients)?, of_value)?;
        let values = self.of_keys(value.start).transpose(1, 2)?;
        let mut scores = self.product(gradients, (value.storage, &values))?;
        let scale = 1.0 / (self.sizes.width as f32).sqrt();
        let p = probabilities.as_slice::<f32>()?;
        rows::for_each(
            floats(&mut scores)?,
            self.keys,
            #[inline(always)]
            |r, row| {
                let p = &p[r * self.keys..][..self.keys];
                let mean = math::sum(p, |i, p| p * row[i]);
                for (value, p) in row.iter_mut().zip(p) {
                    *value = scale * p * (*value - mean);
                }
            },
        );
        let keys = (key.storage, &self.of_keys(key.start));
        self.scatter(&self.product((&scores, &square), keys)?, of_query)?;
        let queries = (query.storage, &self.of_queries(query.start));
        self.scatter(&self.product((&scores, &across), queries)?, of_key)
    }
}

fn floats(storage: &mut CpuStorage) -> Result<&mut [f32]> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => bail!("a product of f32 is not f32"),
    }
}

impl Attention {
    /// Calls `work` for every sequence that has a real token, on any thread, with
    /// its part of each output: of the first its queries', of the others its keys'.
    fn for_each<const O: usize>(
        &self,
        (sizes, places): (Sizes, &Places),
        outputs: [&mut [f32]; O],
        work: impl Fn(&Sequence<'_>, [&mut [f32]; O]) -> Result<()> + Sync,
    ) -> Result<()> {
        let (mask, mask_layout) = self.mask.storage_and_layout();
        let mask = rows::slice(cpu(&mask)?, mask_layout)?;
        let bias = self.bias.as_ref().map(Tensor::storage_and_layout);
        let bias = match &bias {
            Some((bias, layout)) => Some(rows::slice(cpu(bias)?, layout)?),
            None => None,
        };
        let h = sizes.heads * sizes.width;
        let mut parts: Vec<_> = places.queries.iter().map(|_| Vec::with_capacity(O)).collect();
        for (i, mut output) in outputs.into_iter().enumerate() {
            let ranges = if i == 0 { &places.queries } else { &places.keys };
            for (part, range) in parts.iter_mut().zip(ranges) {
                let (own, rest) = output.split_at_mut(range.len() * h);
                part.push(own);
                output = rest;
            }
        }
        parts.into_par_iter().enumerate().try_for_each(|(index, part)| {
            let mask = &mask[index * sizes.keys..][..sizes.keys];
            let (keys, queries) = places::real(mask, sizes.queries);
            let part = part.try_into().unwrap_or_else(|_| unreachable!("one part an output"));
            if queries == 0 {
                return Ok(());
            }
            let starts = (places.queries[index].start, places.keys[index].start);
            work(&Sequence { sizes, starts, queries, keys, mask, bias }, part)
        })
    }

    /// The context of queries, keys and values, whose rows have these places; it has those
    /// of the queries.
    pub(super) fn context(
        &self,
        sizes: Sizes,
        places: &Places,
        [query, key, value]: [Values<'_>; 3],
    ) -> Result<Vec<f32>> {
        let mut out = vec![0.0_f32; places.rows() * sizes.heads * sizes.width];
        self.for_each((sizes, places), [&mut out], |sequence, [out]| {
            sequence.forward(query, key, value, out)
        })?;
        Ok(out)
    }

    /// The gradients of queries, keys and values; the fourth of `inputs` is that of the
    /// context.
    pub(super) fn gradients(
        &self,
        sizes: Sizes,
        places: &Places,
        inputs: [Values<'_>; 4],
    ) -> Result<[Vec<f32>; 3]> {
        let (h, keys) = (sizes.heads * sizes.width, places.key_rows());
        let [mut of_query, mut of_key, mut of_value] =
            [places.rows(), keys, keys].map(|rows| vec![0.0_f32; rows * h]);
        let outputs: [&mut [f32]; 3] = [&mut of_query, &mut of_key, &mut of_value];
        self.for_each((sizes, places), outputs, |sequence, outputs| {
            sequence.backward(inputs, outputs)
        })?;
        Ok([of_query, of_key, of_value])
    }

    /// The same for a kernel.
    pub(super) fn contiguous(&self) -> Result<Self> {
        let bias = self.bias.as_ref().map(Tensor::contiguous).transpose()?;
        Ok(Self { heads: self.heads, mask: self.mask.contiguous()?, bias })
    }
}

struct Fused(Attention);

impl Fused {
    fn sizes(&self, query: &Layout, key: &Layout) -> Result<Sizes> {
        let (_, queries, h) = query.shape().dims3()?;
        let (heads, keys) = (self.0.heads, key.shape().dims3()?.1);
        Ok(Sizes { heads, width: h / heads, queries, keys })
    }

    /// Every sequence has its padding.
    fn places(&self, sizes: Sizes) -> Result<Places> {
        Ok(Places::padded(self.0.mask.dim(0)?, sizes.queries, sizes.keys))
    }
}

fn cpu(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => bail!("a tensor of the attention is not on the CPU"),
    }
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_layout: &Layout,
        key: &CpuStorage,
        key_layout: &Layout,
        value: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let values = |storage, layout: &Layout| Values { storage, start: layout.start_offset() };
        let query = values(query, query_layout);
        let (key, value) = (values(key, key_layout), values(value, value_layout));
        let sizes = self.sizes(query_layout, key_layout)?;
        let out = self.0.context(sizes, &self.places(sizes)?, [query, key, value])?;
        Ok((CpuStorage::F32(out), query_layout.shape().clone()))
    }

    fn bwd(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let storages = [query, key, value, &gradient].map(Tensor::storage_and_layout);
        let mut inputs = Vec::with_capacity(storages.len());
        for (storage, layout) in &storages {
            inputs.push(Values { storage: cpu(storage)?, start: layout.start_offset() });
        }
        let inputs = [inputs[0], inputs[1], inputs[2], inputs[3]];
        let sizes = self.sizes(query.layout(), key.layout())?;
        let [of_query, of_key, of_value] = self.0.gradients(sizes, &self.places(sizes)?, inputs)?;
        let tensor =
            |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(of_query, query)?, tensor(of_key, key)?, tensor(of_value, value)?))
    }
}
