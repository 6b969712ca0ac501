//! Processors with AVX-512.

use super::kernel::kernel;
use std::arch::x86_64::*;
use std::mem::transmute;

/// Sixteen columns in each of four registers.
pub const PANEL: usize = 64;

pub fn single_is_there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

pub fn half_is_there() -> bool {
    single_is_there() && is_x86_feature_detected!("avx512bf16")
}

/// Rounds rows of `inner` values to bf16, two a word; a row of odd length ends with a
/// zero.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[expect(unsafe_code, reason = "loads and stores of registers")]
pub fn round(x: &[f32], inner: usize, rounded: &mut Vec<u32>) {
    let pairs = inner.div_ceil(2);
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

kernel!(
    single,
    "avx512f,avx512bw",
    super::PANEL,
    __m512,
    |at| _mm512_loadu_ps(at),
    |at: *const u32| _mm512_load_ps(at.cast()),
    |word: u32| _mm512_set1_ps(f32::from_bits(word)),
    |sums, left, right| _mm512_fmadd_ps(left, right, sums),
    |at: *mut f32, n: usize, sums| _mm512_mask_storeu_ps(at, first(n), sums),
);
kernel!(
    half,
    "avx512f,avx512bw,avx512bf16",
    super::PANEL,
    __m512,
    |at| _mm512_loadu_ps(at),
    |at: *const u32| transmute::<__m512i, __m512bh>(_mm512_load_si512(at.cast())),
    |word: u32| transmute::<__m512i, __m512bh>(_mm512_set1_epi32(word as i32)),
    |sums, left, right| _mm512_dpbf16_ps(sums, left, right),
    |at: *mut f32, n: usize, sums| _mm512_mask_storeu_ps(at, first(n), sums),
);

/// The first `n` of sixteen lanes.
fn first(n: usize) -> __mmask16 {
    ((1_u32 << n) - 1) as __mmask16
}
