//! Sums of codes in WebAssembly, by simd128 or by relaxed SIMD. A module says when it
//! is compiled which it has: a browser refuses a whole module for one instruction
//! that it does not know.

use super::codes::{BLOCK, sum};
use core::arch::wasm32::{i32x4_add, i32x4_extract_lane, v128};
use pulp::cast;

/// Codes in a register.
const WIDTH: usize = 16;

/// The product of each row of codes, `[n, D]`, with the digits, `[D]`.
pub(super) fn row_sums(codes: &[u8], sums: &[i64], digits: &[i16]) -> Vec<i64> {
    let whole = digits.len() / WIDTH * WIDTH;
    let (registers, rest) = digits.split_at(whole);
    let registers: Vec<Digits> = registers.as_chunks().0.iter().map(Digits::new).collect();
    let mut all = Vec::with_capacity(codes.len() / digits.len());
    for (row, codes_sum) in codes.chunks_exact(digits.len()).zip(sums) {
        let (codes, codes_rest) = row.split_at(whole);
        let rest_sum = sum(codes_rest, &vec![SHIFT; rest.len()]);
        let mut row_sum = sum(codes_rest, rest) + rest_sum - i64::from(SHIFT) * codes_sum;
        for (codes, digits) in codes.chunks(BLOCK).zip(registers.chunks(BLOCK / WIDTH)) {
            row_sum += i64::from(block(codes, digits));
        }
        all.push(row_sum);
    }
    all
}

fn total(sums: v128) -> i32 {
    i32x4_extract_lane::<0>(sums)
        + i32x4_extract_lane::<1>(sums)
        + i32x4_extract_lane::<2>(sums)
        + i32x4_extract_lane::<3>(sums)
}

#[cfg(not(target_feature = "relaxed-simd"))]
use plain::{Digits, SHIFT, block};

#[cfg(not(target_feature = "relaxed-simd"))]
mod plain {
    use super::*;
    use core::arch::wasm32::{i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_dot_i16x8};

    /// Digits are taken as they are.
    pub(super) const SHIFT: i16 = 0;

    /// Sixteen digits, as 16-bit numbers.
    pub(super) struct Digits([v128; 2]);

    impl Digits {
        pub(super) fn new(digits: &[i16; WIDTH]) -> Self {
            let (halves, _) = digits.as_chunks::<8>();
            Self([cast(halves[0]), cast(halves[1])])
        }
    }

    /// The product of at most [`BLOCK`] codes and digits.
    #[inline]
    pub(super) fn block(codes: &[u8], digits: &[Digits]) -> i32 {
        let mut sums: [v128; 2] = [cast([0_i32; 4]); 2];
        for (codes, Digits(digits)) in codes.as_chunks::<WIDTH>().0.iter().zip(digits) {
            let codes: v128 = cast(*codes);
            let low = i32x4_dot_i16x8(i16x8_extend_low_i8x16(codes), digits[0]);
            let high = i32x4_dot_i16x8(i16x8_extend_high_i8x16(codes), digits[1]);
            sums = [i32x4_add(sums[0], low), i32x4_add(sums[1], high)];
        }
        total(i32x4_add(sums[0], sums[1]))
    }
}

#[cfg(target_feature = "relaxed-simd")]
use relaxed::{Digits, SHIFT, block};

#[cfg(target_feature = "relaxed-simd")]
mod relaxed {
    use super::*;
    use core::arch::wasm32::{i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_shl};

    /// Makes a digit positive: −8191 to 8191 becomes 1 to 16383.
    pub(super) const SHIFT: i16 = 1 << 13;

    /// Sixteen digits plus [`SHIFT`], as their upper and their lower seven bits.
    /// Of a factor of eight bits the instruction may make what the processor likes,
    /// of seven bits the result is the same everywhere.
    pub(super) struct Digits([v128; 2]);

    impl Digits {
        pub(super) fn new(digits: &[i16; WIDTH]) -> Self {
            Self([
                cast(digits.map(|digit| ((digit + SHIFT) >> 7) as u8)),
                cast(digits.map(|digit| ((digit + SHIFT) & 0x7f) as u8)),
            ])
        }
    }

    /// The product of at most [`BLOCK`] codes and digits plus [`SHIFT`]. A pair of products fits
    /// into the 16 bits that the instruction has for it: 2 · 128 · 127 < 2¹⁵.
    #[inline]
    pub(super) fn block(codes: &[u8], digits: &[Digits]) -> i32 {
        let zero: v128 = cast([0_i32; 4]);
        let (mut upper, mut lower) = (zero, zero);
        for (codes, Digits(digits)) in codes.as_chunks::<WIDTH>().0.iter().zip(digits) {
            let codes: v128 = cast(*codes);
            upper = i32x4_relaxed_dot_i8x16_i7x16_add(codes, digits[0], upper);
            lower = i32x4_relaxed_dot_i8x16_i7x16_add(codes, digits[1], lower);
        }
        total(i32x4_add(i32x4_shl(upper, 7), lower))
    }
}
