//! The feed-forward block of a layer as one operation:
//! `LayerNorm(x + W₂·GELU(W₁·x + b₁) + b₂)` with frozen weights.
//!
//! A thread takes some rows from `x` to the result, and from gradient to gradient, while
//! they are in its cache. Of `[.., I]`, the widest tensors of a step, only the derivatives of
//! GELU are kept, which come with its values.

use super::product::{BLOCK, Fresh, Scratch, TILE, Weight, writable};
use super::{gelu, norm, rows};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The frozen part of a feed-forward block.
#[derive(Clone)]
pub struct FeedForward {
    /// `W₁`, `[I, H]`.
    pub first: Arc<Weight>,
    /// `W₂`, `[H, I]`.
    pub second: Arc<Weight>,
    /// Scale of the LayerNorm, `[H]`.
    pub gamma: Tensor,
    /// Its ε.
    pub eps: f32,
}

/// The block's result, `x` `[.., H]` → `[.., H]`. `biases` are `b₁`, `b₂` and the shift of
/// the LayerNorm, one behind the other, `[I + H + H]`. `x` and `biases` have gradients.
///
/// # Errors
/// When the shapes do not fit, or something is not f32 on the CPU.
pub fn feed_forward(x: &Tensor, block: &FeedForward, biases: &Tensor) -> Result<Tensor> {
    let (h, i) = (block.first.inputs(), block.first.outputs());
    let fits = x.dims().last() == Some(&h)
        && (block.second.inputs(), block.second.outputs()) == (i, h)
        && block.gamma.dims() == [h]
        && biases.dims() == [i + 2 * h];
    if !fits || !rows::fused(x) {
        bail!(
            "a feed-forward block of {h} and {i} was given {:?} and {:?}",
            x.dims(),
            biases.dims()
        );
    }
    let keep = x.track_op() || biases.track_op();
    let op = Block { block: block.clone(), keep, kept: OnceLock::new() };
    x.contiguous()?.apply_op2(&biases.contiguous()?, op)
}

struct Block {
    block: FeedForward,
    /// Whether there will be a backward pass.
    keep: bool,
    kept: OnceLock<Kept>,
}

/// What the backward pass needs.
struct Kept {
    /// The derivatives of GELU, `[M, I]`.
    slopes: Vec<f32>,
    /// What went into the LayerNorm, `[M, H]`.
    sum: Vec<f32>,
}

/// What a thread works in.
#[derive(Default)]
struct Space {
    scratch: Scratch,
    wide: Vec<f32>,
    narrow: Vec<f32>,
    inner: Vec<f32>,
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

impl Block {
    fn widths(&self) -> (usize, usize) {
        (self.block.first.inputs(), self.block.first.outputs())
    }
}

impl CustomOp2 for Block {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    #[expect(unsafe_code, reason = "see `Fresh`")]
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        biases: &CpuStorage,
        biases_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, biases) = (rows::slice(x, x_layout)?, rows::slice(biases, biases_layout)?);
        let (h, i) = self.widths();
        let FeedForward { first: w1, second: w2, gamma, eps } = &self.block;
        let (b1, rest) = biases.split_at(i);
        let (b2, beta) = rest.split_at(h);
        let m = x.len() / h;
        let block = block(m);
        let mut out = Fresh::new(m * h);
        let kept = if self.keep { m } else { 0 };
        let (mut inner, mut sum) = (Fresh::new(kept * i), Fresh::new(kept * h));
        norm::with_slice(gamma, |gamma| {
            let blocks = m.div_ceil(block);
            // Where nothing is kept, there is scratch space for every block.
            let mut inners: Vec<_> = inner.space().chunks_mut(block * i).map(Some).collect();
            let mut sums: Vec<_> = sum.space().chunks_mut(block * h).map(Some).collect();
            inners.resize_with(blocks, || None);
            sums.resize_with(blocks, || None);
            let out = out.space().par_chunks_mut(block * h).zip(x.par_chunks(block * h));
            out.zip(inners).zip(sums).for_each_init(
                Space::default,
                |space, (((out, x), inner), sum)| {
                    let m = x.len() / h;
                    let of_inner = first(&mut space.inner, if self.keep { 0 } else { m * i });
                    let inner = inner.unwrap_or_else(|| writable(of_inner));
                    let inner = w1.forward_block(x, Some(b1), &mut space.scratch, inner);
                    let wide = first(&mut space.wide, m * i);
                    rows::both(
                        [wide, inner],
                        i,
                        #[inline(always)]
                        |wide, inner| {
                            for (y, x) in wide.iter_mut().zip(inner) {
                                (*y, *x) = gelu::both(*x);
                            }
                        },
                    );
                    let of_sum = first(&mut space.narrow, if self.keep { 0 } else { m * h });
                    let sum = sum.unwrap_or_else(|| writable(of_sum));
                    let sum = w2.forward_block(wide, Some(b2), &mut space.scratch, sum);
                    rows::alone(
                        sum,
                        h,
                        #[inline(always)]
                        |r, row| {
                            for (sum, x) in row.iter_mut().zip(&x[r * h..]) {
                                *sum += x;
                            }
                        },
                    );
                    let out = out.write_copy_of_slice(sum);
                    rows::alone(
                        out,
                        h,
                        #[inline(always)]
                        |r, y| {
                            norm::row(&sum[r * h..][..h], gamma, beta, *eps, y);
                        },
                    );
                },
            );
        })?;
        if self.keep {
            // SAFETY: `forward_block` has written every block of both.
            let kept = unsafe { Kept { slopes: inner.written(), sum: sum.written() } };
            if self.kept.set(kept).is_err() {
                bail!("a feed-forward block was computed twice");
            }
        }
        // SAFETY: every block was written.
        Ok((CpuStorage::F32(unsafe { out.written() }), x_layout.shape().clone()))
    }

    #[expect(unsafe_code, reason = "see `Fresh`")]
    fn bwd(
        &self,
        x: &Tensor,
        biases: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(Kept { slopes, sum }) = self.kept.get() else {
            bail!("a feed-forward block kept nothing for its backward pass");
        };
        let gradient = gradient.contiguous()?;
        let (storage, layout) = gradient.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("a gradient is not on the CPU") };
        let gradient = rows::slice(storage, layout)?;
        let (h, i) = self.widths();
        let FeedForward { first: w1, second: w2, gamma, eps } = &self.block;
        let learn = biases.track_op();
        let block = block(gradient.len() / h);
        let mut dx = Fresh::new(gradient.len());
        let of_blocks: Vec<Vec<f32>> = norm::with_slice(gamma, |gamma| {
            let dx = dx.space().par_chunks_mut(block * h).zip(gradient.par_chunks(block * h));
            let kept = slopes.par_chunks(block * i).zip(sum.par_chunks(block * h));
            let one = |space: &mut Space, ((dx, dy), (slopes, sum)): ((&mut [_], &[f32]), _)| {
                let (slopes, sum): (&[f32], &[f32]) = (slopes, sum);
                let m = dy.len() / h;
                let of_sum = first(&mut space.narrow, m * h);
                rows::alone(
                    of_sum,
                    h,
                    #[inline(always)]
                    |r, dx| {
                        let at = r * h;
                        norm::row_backward(&sum[at..][..h], &dy[at..][..h], gamma, *eps, dx);
                    },
                );
                let of_inner = writable(first(&mut space.wide, m * i));
                let of_inner = w2.backward_block(of_sum, &mut space.scratch, of_inner);
                rows::alone(
                    of_inner,
                    i,
                    #[inline(always)]
                    |r, row| {
                        for (d, slope) in row.iter_mut().zip(&slopes[r * i..]) {
                            *d *= slope;
                        }
                    },
                );
                let dx = w1.backward_block(of_inner, &mut space.scratch, dx);
                rows::alone(
                    dx,
                    h,
                    #[inline(always)]
                    |r, row| {
                        for (dx, of_sum) in row.iter_mut().zip(&of_sum[r * h..]) {
                            *dx += of_sum;
                        }
                    },
                );
                let mut sums = vec![0.0; if learn { i + 2 * h } else { 0 }];
                if learn {
                    let (of_b1, rest) = sums.split_at_mut(i);
                    let (of_b2, of_beta) = rest.split_at_mut(h);
                    rows::add_columns(of_inner, of_b1);
                    rows::add_columns(of_sum, of_b2);
                    rows::add_columns(dy, of_beta);
                }
                sums
            };
            dx.zip(kept).map_init(Space::default, one).collect()
        })?;
        // SAFETY: `backward_block` has written every block.
        let dx = Tensor::from_vec(unsafe { dx.written() }, x.shape(), x.device())?;
        if !learn {
            return Ok((Some(dx), None));
        }
        let mut sums = vec![0.0; i + 2 * h];
        for of_block in &of_blocks {
            rows::add_columns(of_block, &mut sums);
        }
        Ok((Some(dx), Some(Tensor::from_vec(sums, biases.shape(), biases.device())?)))
    }
}
