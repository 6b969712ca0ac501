//! The kernels that there are, and the loop that all of them are.

use super::{Panels, Precision, Scratch};
use std::mem::MaybeUninit;

/// How a kind of processor multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Rows that a kernel multiplies at once: their sums are in registers, beside those of a
/// panel and of one row. Of 32 registers AVX-512 has 6 × 4, 4 and 1, and so has NEON; of 16
/// AVX2 has 6 × 2, 2 and 1.
pub const TILE: usize = 6;

impl Kernel {
    /// All of this architecture, of each precision the faster ones first.
    pub const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Bf16,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
    ];

    /// The fastest that this processor has for products of a precision.
    pub fn of(precision: Precision) -> Option<Self> {
        Self::ALL.iter().copied().find(|kernel| kernel.precision() == precision && kernel.there())
    }

    /// Whether this processor has the instructions.
    pub fn there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::single_is_there(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => super::avx512::half_is_there(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::is_there(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => super::neon::is_there(),
        }
    }

    /// That of the products.
    pub fn precision(self) -> Precision {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => Precision::F32,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Precision::Bf16,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Precision::F32,
        }
    }

    /// Columns of a panel.
    pub fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => super::avx512::PANEL,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::PANEL,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => super::neon::PANEL,
        }
    }

    /// How many words the kernel reads of a row of `inner` values.
    pub fn words(self, inner: usize) -> usize {
        match self.precision() == Precision::Bf16 {
            true => inner.div_ceil(2),
            false => inner,
        }
    }

    /// Writes all of `x·panels + bias` to `out`, by this thread alone.
    #[expect(unsafe_code, reason = "instructions that not every processor has")]
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(unused_variables, reason = "no other kernel needs scratch space")
    )]
    pub fn block(
        self,
        panels: &Panels,
        x: &[f32],
        bias: Option<&[f32]>,
        scratch: &mut Scratch,
        out: &mut [MaybeUninit<f32>],
    ) {
        assert!(self.there() && panels.kernel == self);
        // SAFETY: the instructions are there, as asserted above.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => super::avx512::single::block(panels, bits(x), bias, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Bf16 => {
                    super::avx512::round(x, panels.inner, &mut scratch.words);
                    super::avx512::half::block(panels, &scratch.words, bias, out);
                }
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => super::avx2::single::block(panels, bits(x), bias, out),
                #[cfg(target_arch = "aarch64")]
                Self::Neon => super::neon::single::block(panels, bits(x), bias, out),
            }
        }
    }
}

/// The bits of values.
#[expect(unsafe_code, reason = "of one layout")]
fn bits(values: &[f32]) -> &[u32] {
    // SAFETY: of one size and alignment, and any bits are a number.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// A kernel whose panels have `$panel` columns of f32 in registers of `$register`:
///
/// - `$sums(at)` reads a register of sums,
/// - `$right(at)` one of the panel, which lies on a boundary of its size,
/// - `$left(word)` gives a word to all lanes of one,
/// - `$multiply(sums, left, right)` adds the products of two,
/// - `$store(at, n, sums)` writes the first `n` lanes, at most all, to where no more than
///   these need be.
macro_rules! kernel {
    (
        $name:ident, $features:literal, $panel:expr, $register:ty,
        $sums:expr, $right:expr, $left:expr, $multiply:expr, $store:expr $(,)?
    ) => {
        pub mod $name {
            use super::*;
            use crate::kernels::product::{Lanes, Panels, kernel::TILE};
            use std::mem::MaybeUninit;

            const PANEL: usize = $panel;
            /// Lanes of a register, and registers of a panel's row.
            const LANES: usize = size_of::<$register>() / size_of::<f32>();
            const REGISTERS: usize = PANEL / LANES;

            /// Writes all of `x·panels + bias` to `out`, `x` in words.
            #[target_feature(enable = $features)]
            pub fn block(
                panels: &Panels,
                x: &[u32],
                bias: Option<&[f32]>,
                out: &mut [MaybeUninit<f32>],
            ) {
                let (each, columns) = (panels.kernel.words(panels.inner), panels.columns);
                let lanes = panels.lanes.chunks_exact(each * Lanes::of(PANEL));
                for (panel, lanes) in lanes.enumerate() {
                    let first = panel * PANEL;
                    let there = PANEL.min(columns - first);
                    // Behind the last column stand zeros, as in the panels.
                    let mut start = [0.0; PANEL];
                    if let Some(bias) = bias {
                        start[..there].copy_from_slice(&bias[first..][..there]);
                    }
                    for (x, out) in x.chunks(TILE * each).zip(out.chunks_mut(TILE * columns)) {
                        let out = &mut out[first..];
                        match x.len() / each {
                            6 => tile::<6>(x, lanes, &start, out, columns, there),
                            5 => tile::<5>(x, lanes, &start, out, columns, there),
                            4 => tile::<4>(x, lanes, &start, out, columns, there),
                            3 => tile::<3>(x, lanes, &start, out, columns, there),
                            2 => tile::<2>(x, lanes, &start, out, columns, there),
                            _ => tile::<1>(x, lanes, &start, out, columns, there),
                        }
                    }
                }
            }

            /// `M` rows times one panel, whose first `there` columns are written to rows
            /// of `out` that are `columns` apart.
            #[target_feature(enable = $features)]
            #[expect(unsafe_code, reason = "loads and stores of registers, without checks")]
            fn tile<const M: usize>(
                x: &[u32],
                panel: &[Lanes],
                start: &[f32; PANEL],
                out: &mut [MaybeUninit<f32>],
                columns: usize,
                there: usize,
            ) {
                let each = x.len() / M;
                assert!(x.len() == M * each && panel.len() == each * Lanes::of(PANEL));
                assert!(there <= PANEL && out.len() >= (M - 1) * columns + there);
                // SAFETY: `start` has the values of all registers of a row; `panel` has
                // them, and each of the `M` rows of `x` a word, for each of `each`; of the
                // rows of `out` no more than `there` values are written, which they have.
                // All asserted above.
                unsafe {
                    let start = start.as_ptr();
                    let mut sums = [[$sums(start); REGISTERS]; M];
                    for sums in &mut sums {
                        for (c, sum) in sums.iter_mut().enumerate() {
                            *sum = $sums(start.add(LANES * c));
                        }
                    }
                    let panel = panel.as_ptr().cast::<u32>();
                    for i in 0..each {
                        let row = panel.add(PANEL * i);
                        let mut right = [$right(row); REGISTERS];
                        for (c, right) in right.iter_mut().enumerate() {
                            *right = $right(row.add(LANES * c));
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let left = $left(*x.as_ptr().add(r * each + i));
                            for (sum, right) in sums.iter_mut().zip(right) {
                                *sum = $multiply(*sum, left, right);
                            }
                        }
                    }
                    for (r, sums) in sums.iter().enumerate() {
                        for (c, sum) in sums.iter().enumerate() {
                            let left = there.saturating_sub(LANES * c).min(LANES);
                            let at = out.as_mut_ptr().wrapping_add(r * columns + LANES * c);
                            $store(at.cast::<f32>(), left, *sum);
                        }
                    }
                }
            }
        }
    };
}

pub(super) use kernel;
