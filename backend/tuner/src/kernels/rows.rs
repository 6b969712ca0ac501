//! Row-wise loops: split over threads, vectorised for this processor.

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Least number of values worth handing to another thread.
const GRAIN: usize = 1 << 14;

/// Calls `f(row, values)` for every row of `out`. Each row is computed by one
/// thread from its inputs alone: the result does not depend on their number.
pub fn for_each(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    let rows_per_task = GRAIN.div_ceil(width).max(1);
    let run = |task: usize, block: &mut [f32]| {
        ARCH.dispatch(
            #[inline(always)]
            || {
                for (i, row) in block.chunks_exact_mut(width).enumerate() {
                    f(task * rows_per_task + i, row);
                }
            },
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

/// Sums of the columns of `[.., width]`. Rows are joined in blocks of a fixed size,
/// so that the result does not depend on the number of threads.
pub fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    const ROWS: usize = 128;
    let block = |block: &[f32]| {
        let mut sums = vec![0.0_f32; width];
        ARCH.dispatch(
            #[inline(always)]
            || {
                for row in block.chunks_exact(width) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            },
        );
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
