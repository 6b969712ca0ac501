//! Products with frozen weights.
//!
//! A frozen weight is laid out once as the kernel reads it, in f32 or rounded to bf16, for
//! both directions. bf16 has the range of f32 and eight bits of precision: a rounded value
//! is off by at most 2⁻⁹ of it, about 0.2 %. What it is multiplied with is rounded on the
//! way; products are summed in f32. A processor with AVX-512 BF16 multiplies two pairs of
//! values a lane where an f32 instruction multiplies one.
//!
//! Every value of a product is summed in one order, whatever the number of rows, blocks
//! and threads.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;

pub use kernel::TILE;

use super::rows;
use candle_core::{Device, Result, Storage, Tensor, bail};
use half::bf16;
use kernel::Kernel;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::mem::MaybeUninit;

/// How exactly a frozen encoder multiplies with the weights of its layers. Sums, all
/// that learns and everything else are f32; on a GPU, what goes into products and comes out
/// of them is of their precision, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Single precision, of which the tensor cores of a GPU read ten bits behind the first.
    Tf32,
    /// bf16 with sums in f32.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl Precision {
    /// The fastest that there is on `device`.
    pub fn fastest(device: &Device) -> Self {
        match Self::Bf16.available(device) {
            true => Self::Bf16,
            false => Self::F32,
        }
    }

    /// Whether weights on `device` can be laid out for such products. Where there are none
    /// in f32, those of candle serve.
    pub fn available(self, device: &Device) -> bool {
        match device.is_cpu() {
            true => Kernel::of(self).is_some(),
            false => cfg!(feature = "cuda") && device.is_cuda(),
        }
    }
}

/// Rows that a thread multiplies at a time: they stay in its cache while the weight
/// passes by.
pub const BLOCK: usize = 96;

/// Sixteen columns of one f32 each, or of two bf16 of neighbouring rows, the upper row in
/// the lower half.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([u32; Lanes::COLUMNS]);

impl Lanes {
    const COLUMNS: usize = 16;

    /// How many a row of so many columns is.
    const fn of(columns: usize) -> usize {
        columns.div_ceil(Self::COLUMNS)
    }
}

/// The right side of a product, `[K, N]`, as the kernel reads it: panels of some columns,
/// in each of them one row after the other, or one pair of rows. What is missing at the
/// ends is zero.
struct Panels {
    kernel: Kernel,
    /// `K` and `N`.
    inner: usize,
    columns: usize,
    lanes: Vec<Lanes>,
}

/// The left side of a product while it is multiplied.
#[derive(Default)]
pub struct Scratch {
    words: Vec<u32>,
}

impl Panels {
    /// `value(row, column)` for all of `[inner, columns]`.
    fn new(
        kernel: Kernel,
        (inner, columns): (usize, usize),
        value: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let (panel, rows) = (kernel.panel(), kernel.words(inner));
        let each = Lanes::of(panel);
        let mut lanes = vec![Lanes([0; Lanes::COLUMNS]); columns.div_ceil(panel) * rows * each];
        let halves = kernel.precision() == Precision::Bf16;
        let half = |row: usize, column: usize| match row < inner {
            true => u32::from(bf16::from_f32(value(row, column)).to_bits()),
            false => 0,
        };
        lanes.par_chunks_mut(rows * each).enumerate().for_each(|(index, lanes)| {
            for (i, lanes) in lanes.iter_mut().enumerate() {
                let row = i / each;
                let first = index * panel + i % each * Lanes::COLUMNS;
                for (column, word) in (first..columns).zip(&mut lanes.0) {
                    *word = match halves {
                        true => half(2 * row, column) | half(2 * row + 1, column) << 16,
                        false => value(row, column).to_bits(),
                    };
                }
            }
        });
        Self { kernel, inner, columns, lanes }
    }

    /// Writes all of `x·self + bias` to `out`, `x` `[M, K]`, `out` `[M, N]`, by this
    /// thread alone.
    #[expect(unsafe_code, reason = "what was written is initialised")]
    fn block<'o>(
        &self,
        x: &[f32],
        bias: Option<&[f32]>,
        scratch: &mut Scratch,
        out: &'o mut [MaybeUninit<f32>],
    ) -> &'o mut [f32] {
        let rows = x.len() / self.inner;
        assert!(x.len() == rows * self.inner && out.len() == rows * self.columns);
        assert!(bias.is_none_or(|bias| bias.len() == self.columns));
        self.kernel.block(self, x, bias, scratch, out);
        // SAFETY: the kernel has written every value.
        unsafe { out.assume_init_mut() }
    }
}

/// Values that are about to be written, without zeros in their place before: a pass over
/// memory less for the largest tensors of a step.
pub struct Fresh<T = f32> {
    values: Vec<T>,
    len: usize,
}

impl<T> Fresh<T> {
    /// Room for `len` values.
    pub fn new(len: usize) -> Self {
        Self { values: Vec::with_capacity(len), len }
    }

    /// The room.
    pub fn space(&mut self) -> &mut [MaybeUninit<T>] {
        &mut self.values.spare_capacity_mut()[..self.len]
    }

    /// The room in `n` pieces of `each`, the last with what is left; no room at all is
    /// `None` for all.
    pub fn pieces(
        &mut self,
        each: usize,
        n: usize,
    ) -> impl Iterator<Item = Option<&mut [MaybeUninit<T>]>> {
        let pieces = self.space().chunks_mut(each).map(Some);
        pieces.chain(std::iter::repeat_with(|| None)).take(n)
    }

    /// The values.
    ///
    /// # Safety
    /// All of the [`space`](Self::space) was written.
    #[expect(unsafe_code, reason = "see there")]
    pub unsafe fn written(mut self) -> Vec<T> {
        // SAFETY: there is room for so many, and they are written, says the caller.
        unsafe { self.values.set_len(self.len) };
        self.values
    }
}

/// Values as what may be written to.
#[expect(unsafe_code, reason = "scratch space is written by what writes fresh space, too")]
pub fn writable(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: of one layout, and only values are ever written to it.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) }
}

/// A frozen weight `[out, in]`, ready for products.
pub struct Weight {
    forward: Panels,
    backward: Panels,
}

impl Weight {
    /// Lays out `weight`, `[out, in]`.
    ///
    /// # Errors
    /// When this processor has no such products, or the weight is not on the CPU.
    pub fn new(weight: &Tensor, precision: Precision) -> Result<Self> {
        let Some(kernel) = Kernel::of(precision) else {
            bail!("this processor has no products of the precision {precision}");
        };
        Self::laid_out(weight, kernel)
    }

    fn laid_out(weight: &Tensor, kernel: Kernel) -> Result<Self> {
        let (out, inner) = weight.dims2()?;
        let weight = weight.contiguous()?;
        let (storage, layout) = weight.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("a weight is not on the CPU") };
        let values = rows::slice(storage, layout)?;
        let transposed = |row: usize, column: usize| values[column * inner + row];
        let plain = |row: usize, column: usize| values[row * inner + column];
        Ok(Self {
            forward: Panels::new(kernel, (inner, out), transposed),
            backward: Panels::new(kernel, (out, inner), plain),
        })
    }

    /// Calls `f` with all bytes of both layouts, piece by piece.
    pub fn each_piece(&self, mut f: impl FnMut(&[u8])) {
        /// Registers at a time: they stay in the cache.
        const PIECE: usize = 1 << 9;
        let mut bytes = Vec::with_capacity(64 * PIECE);
        for panels in [&self.forward, &self.backward] {
            for piece in panels.lanes.chunks(PIECE) {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|lanes| lanes.0).flat_map(u32::to_le_bytes));
                f(&bytes);
            }
        }
    }

    /// That of the products.
    pub fn precision(&self) -> Precision {
        self.forward.kernel.precision()
    }

    /// `in`.
    pub fn inputs(&self) -> usize {
        self.forward.inner
    }

    /// `out`.
    pub fn outputs(&self) -> usize {
        self.forward.columns
    }

    /// `x·Wᵀ + b`, `x` `[M, in]` → `[M, out]`, by this thread alone; gives `out`, all of it
    /// written.
    pub fn forward_block<'o>(
        &self,
        x: &[f32],
        bias: Option<&[f32]>,
        scratch: &mut Scratch,
        out: &'o mut [MaybeUninit<f32>],
    ) -> &'o mut [f32] {
        self.forward.block(x, bias, scratch, out)
    }

    /// `dy·W`, `dy` `[M, out]` → `[M, in]`, by this thread alone; gives `out`, all of it
    /// written.
    pub fn backward_block<'o>(
        &self,
        gradient: &[f32],
        scratch: &mut Scratch,
        out: &'o mut [MaybeUninit<f32>],
    ) -> &'o mut [f32] {
        self.backward.block(gradient, None, scratch, out)
    }
}
