//! Row-wise loops: split over threads, vectorised for this processor.

use super::math;
use candle_core::{CpuStorage, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Least number of values worth handing to another thread.
const GRAIN: usize = 1 << 14;

/// Work on rows, which all becomes one function for the processor at hand: a closure is
/// called through one that is not part of it, and would be compiled for any x86-64.
struct Rows<'a, F> {
    values: &'a mut [f32],
    width: usize,
    f: F,
}

impl<F: Fn(usize, &mut [f32])> pulp::NullaryFnOnce for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (r, row) in self.values.chunks_exact_mut(self.width).enumerate() {
            (self.f)(r, row);
        }
    }
}

/// The same with rows of two.
struct BothRows<'a, F> {
    values: [&'a mut [f32]; 2],
    width: usize,
    f: F,
}

impl<F: Fn(&mut [f32], &mut [f32])> pulp::NullaryFnOnce for BothRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [one, other] = self.values;
        let rows = one.chunks_exact_mut(self.width).zip(other.chunks_exact_mut(self.width));
        for (one, other) in rows {
            (self.f)(one, other);
        }
    }
}

/// Calls `f(row, values)` for every row of `out`. Each row is computed by one
/// thread from its inputs alone: the result does not depend on their number.
///
/// Here and below `f` must be marked `#[inline(always)]`, or it is compiled for any
/// x86-64, which takes several times as long.
pub fn for_each(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    let rows_per_task = GRAIN.div_ceil(width).max(1);
    let run = |task: usize, block: &mut [f32]| {
        alone(
            block,
            width,
            #[inline(always)]
            |r, row| f(task * rows_per_task + r, row),
        );
    };
    if out.len() <= GRAIN {
        run(0, out);
    } else {
        out.par_chunks_mut(rows_per_task * width)
            .enumerate()
            .for_each(|(task, block)| run(task, block));
    }
}

/// The same by this thread alone.
pub fn alone(values: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32])) {
    ARCH.dispatch(Rows { values, width, f });
}

/// Calls `f`, which becomes one function for the processor at hand.
pub fn dispatch(f: impl FnOnce()) {
    struct Whole<F>(F);

    impl<F: FnOnce()> pulp::NullaryFnOnce for Whole<F> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            (self.0)();
        }
    }

    ARCH.dispatch(Whole(f));
}

/// Calls `f` for every row of two by this thread alone.
pub fn both(values: [&mut [f32]; 2], width: usize, f: impl Fn(&mut [f32], &mut [f32])) {
    ARCH.dispatch(BothRows { values, width, f });
}

/// Adds the columns of `[.., width]` to `sums`, `[width]`, one row after the other.
pub fn add_columns(values: &[f32], sums: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for row in values.chunks_exact(sums.len()) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
}

/// The sum of squares: in f32 over a piece of a fixed size, in f64 over the pieces, so that
/// the result does not depend on the number of threads.
pub fn squares(values: &[f32]) -> f64 {
    struct Squares<'a>(&'a [f32]);

    impl pulp::NullaryFnOnce for Squares<'_> {
        type Output = f32;

        #[inline(always)]
        fn call(self) -> f32 {
            math::sum(self.0, |_, v| v * v)
        }
    }

    let pieces = values.par_chunks(GRAIN).map(|piece| ARCH.dispatch(Squares(piece)));
    pieces.collect::<Vec<f32>>().into_iter().map(f64::from).sum()
}

/// Sums of the columns of `[.., width]`. Rows are joined in blocks of a fixed size,
/// so that the result does not depend on the number of threads.
pub fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    const ROWS: usize = 128;
    let block = |block: &[f32]| {
        let mut sums = vec![0.0_f32; width];
        add_columns(block, &mut sums);
        sums
    };
    let blocks: Vec<Vec<f32>> = values.par_chunks(ROWS * width).map(block).collect();
    let mut total = vec![0.0_f32; width];
    for sums in blocks {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}

/// The values of a contiguous `f32` tensor.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("a kernel was given a tensor that is not contiguous"),
    }
}

/// The same, to be written to.
pub fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let CpuStorage::F32(values) = storage else {
        bail!("a kernel was given values that are not f32")
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&mut values[start..end]),
        None => bail!("a kernel was given a tensor that is not contiguous"),
    }
}

/// Whether the fused kernels serve this tensor.
pub fn fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == candle_core::DType::F32
}
