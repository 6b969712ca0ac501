//! Processors with AVX2 and without AVX-512: most that are not of servers.

use super::kernel::kernel;
use std::arch::x86_64::*;

/// Eight columns in each of two registers.
pub const PANEL: usize = 16;

pub fn is_there() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

kernel!(
    single,
    "avx2,fma",
    super::PANEL,
    __m256,
    |at| _mm256_loadu_ps(at),
    |at: *const u32| _mm256_load_ps(at.cast()),
    |word: u32| _mm256_set1_ps(f32::from_bits(word)),
    |sums, left, right| _mm256_fmadd_ps(left, right, sums),
    |at: *mut f32, n: usize, sums| {
        // Stores with a mask take many cycles on some of these processors.
        if n == 8 {
            return _mm256_storeu_ps(at, sums);
        }
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let first = _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes);
        _mm256_maskstore_ps(at, first, sums);
    },
);
