//! The kernels for processors with AVX-512.

use super::{Lanes, PANEL, Panels, Precision, Scratch, TILE, words};
use std::arch::x86_64::*;
use std::mem::{MaybeUninit, transmute};

pub fn available(precision: Precision) -> bool {
    let single = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    match precision {
        Precision::F32 => single,
        Precision::Tf32 => false,
        Precision::Bf16 => single && is_x86_feature_detected!("avx512bf16"),
    }
}

#[expect(unsafe_code, reason = "instructions that not every processor has")]
pub fn block(
    panels: &Panels,
    x: &[f32],
    bias: Option<&[f32]>,
    scratch: &mut Scratch,
    out: &mut [MaybeUninit<f32>],
) {
    assert!(available(panels.precision));
    // SAFETY: the features are there, as asserted above.
    unsafe {
        match panels.precision {
            Precision::F32 | Precision::Tf32 => single::block(panels, bits(x), bias, out),
            Precision::Bf16 => {
                round(x, panels.inner, &mut scratch.words);
                half::block(panels, &scratch.words, bias, out);
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

/// Rounds rows of `inner` values to bf16, two a word; a row of odd length ends with a
/// zero.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[expect(unsafe_code, reason = "loads and stores of registers")]
fn round(x: &[f32], inner: usize, rounded: &mut Vec<u32>) {
    let pairs = words(Precision::Bf16, inner);
    rounded.clear();
    rounded.resize(x.len() / inner * pairs, 0);
    for (x, rounded) in x.chunks_exact(inner).zip(rounded.chunks_exact_mut(pairs)) {
        let (x, rest) = x.as_chunks::<32>();
        let (of_x, of_rest) = rounded.split_at_mut(16 * x.len());
        for (x, words) in x.iter().zip(of_x.as_chunks_mut::<16>().0) {
            // SAFETY: 32 values are read and 16 words written, which the arrays hold.
            unsafe {
                let low = _mm512_loadu_ps(x.as_ptr());
                let high = _mm512_loadu_ps(x.as_ptr().add(16));
                let both: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                _mm512_storeu_si512(words.as_mut_ptr().cast(), both);
            }
        }
        for (pair, word) in rest.chunks(2).zip(of_rest) {
            let bits = |v: &f32| u32::from(::half::bf16::from_f32(*v).to_bits());
            *word = bits(&pair[0]) | pair.get(1).map_or(0, bits) << 16;
        }
    }
}

/// A kernel of a precision: `$multiply(sums, left, right)` adds the products of sixteen
/// words.
macro_rules! kernel {
    ($name:ident, $features:literal, $multiply:expr) => {
        mod $name {
            use super::*;

            /// Writes all of `x·panels + bias` to `out`, `x` in words.
            #[target_feature(enable = $features)]
            pub fn block(
                panels: &Panels,
                x: &[u32],
                bias: Option<&[f32]>,
                out: &mut [MaybeUninit<f32>],
            ) {
                let (each, columns) = (words(panels.precision, panels.inner), panels.columns);
                let lanes = panels.lanes.chunks_exact(each * PANEL / 16);
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
                assert!(x.len() == M * each && panel.len() == 4 * each);
                assert!(there <= PANEL && out.len() >= (M - 1) * columns + there);
                // SAFETY: `start` has the values of four registers; `panel` has four
                // registers, and each of the `M` rows of `x` a word, for each of `each`;
                // of the rows of `out` no more than `there` values are written, which
                // they have. All asserted above.
                unsafe {
                    let start: [__m512; 4] = [
                        _mm512_loadu_ps(start.as_ptr()),
                        _mm512_loadu_ps(start.as_ptr().add(16)),
                        _mm512_loadu_ps(start.as_ptr().add(32)),
                        _mm512_loadu_ps(start.as_ptr().add(48)),
                    ];
                    let mut sums = [start; M];
                    for i in 0..each {
                        let lanes = panel.as_ptr().add(4 * i);
                        let right: [__m512i; 4] = [
                            _mm512_load_si512(lanes.cast()),
                            _mm512_load_si512(lanes.add(1).cast()),
                            _mm512_load_si512(lanes.add(2).cast()),
                            _mm512_load_si512(lanes.add(3).cast()),
                        ];
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let left = _mm512_set1_epi32(*x.as_ptr().add(r * each + i) as i32);
                            sums[0] = $multiply(sums[0], left, right[0]);
                            sums[1] = $multiply(sums[1], left, right[1]);
                            sums[2] = $multiply(sums[2], left, right[2]);
                            sums[3] = $multiply(sums[3], left, right[3]);
                        }
                    }
                    for (r, sums) in sums.iter().enumerate() {
                        for (c, sum) in sums.iter().enumerate() {
                            let left = there.saturating_sub(16 * c).min(16);
                            let mask = ((1_u32 << left) - 1) as __mmask16;
                            let at = out.as_mut_ptr().wrapping_add(r * columns + 16 * c);
                            _mm512_mask_storeu_ps(at.cast(), mask, *sum);
                        }
                    }
                }
            }
        }
    };
}

kernel!(single, "avx512f,avx512bw", |sums, left, right| {
    _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sums)
});
kernel!(half, "avx512f,avx512bw,avx512bf16", |sums, left, right| {
    _mm512_dpbf16_ps(
        sums,
        transmute::<__m512i, __m512bh>(left),
        transmute::<__m512i, __m512bh>(right),
    )
});
