//! Sums of codes by AVX-512 or AVX2, in which one instruction multiplies and adds
//! pairs of 16-bit numbers: compilers do not find it from plain code.

use super::codes::{BLOCK, sum};
use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, cast, i32x8, i32x16};

/// The product of each row of codes, `[n, D]`, with the digits, `[D]`.
pub(super) fn row_sums(codes: &[u8], _: &[i64], digits: &[i16]) -> Vec<i64> {
    if let Some(simd) = V4::try_new() {
        simd.vectorize(Rows { simd, codes, digits })
    } else if let Some(simd) = V3::try_new() {
        simd.vectorize(Rows { simd, codes, digits })
    } else {
        codes.chunks_exact(digits.len()).map(|row| sum(row, digits)).collect()
    }
}

struct Rows<'a, S> {
    simd: S,
    codes: &'a [u8],
    digits: &'a [i16],
}

/// Rows with `$lanes` running sums a register. All is inlined: what is not is compiled
/// without the instructions that the processor was asked for.
macro_rules! rows {
    ($simd:ty, $sums:ty, $lanes:literal, $widen:ident, $multiply:ident, $add:ident) => {
        impl Rows<'_, $simd> {
            /// The product of at most [`BLOCK`] codes and digits.
            #[inline(always)]
            fn block(&self, codes: &[u8], digits: &[i16]) -> i64 {
                let (codes, codes_rest) = codes.as_chunks::<{ 2 * $lanes }>();
                let (digits, digits_rest) = digits.as_chunks::<{ 2 * $lanes }>();
                let mut sums: $sums = cast([0_i32; $lanes]);
                for (codes, digits) in codes.iter().zip(digits) {
                    let wide = self.simd.$widen(cast(*codes));
                    sums = self.simd.$add(sums, self.simd.$multiply(wide, cast(*digits)));
                }
                let sums: [i32; $lanes] = cast(sums);
                i64::from(sums.iter().sum::<i32>()) + sum(codes_rest, digits_rest)
            }
        }

        impl NullaryFnOnce for Rows<'_, $simd> {
            type Output = Vec<i64>;

            #[inline(always)]
            fn call(self) -> Vec<i64> {
                let mut all = Vec::with_capacity(self.codes.len() / self.digits.len());
                for row in self.codes.chunks_exact(self.digits.len()) {
                    let mut row_sum = 0;
                    for (codes, digits) in row.chunks(BLOCK).zip(self.digits.chunks(BLOCK)) {
                        row_sum += self.block(codes, digits);
                    }
                    all.push(row_sum);
                }
                all
            }
        }
    };
}

rows!(
    V4,
    i32x16,
    16,
    convert_i8x32_to_i16x32,
    multiply_wrapping_add_adjacent_i16x32,
    wrapping_add_i32x16
);
rows!(
    V3,
    i32x8,
    8,
    convert_i8x16_to_i16x16,
    multiply_wrapping_add_adjacent_i16x16,
    wrapping_add_i32x8
);

#[cfg(test)]
mod tests {
    use super::*;

    /// On a processor with AVX-512 nothing else would run the other one.
    #[test]
    fn avx2_and_avx512_give_what_plain_code_gives() {
        for dim in [1, 16, 31, 33, 100, 1024, 1025, 2500] {
            let codes: Vec<u8> = (0..5 * dim).map(|i| (i * i * 31 % 256) as u8).collect();
            let digits: Vec<i16> = (0..dim).map(|i| (i * 7919 % 16383) as i16 - 8191).collect();
            let plain: Vec<i64> = codes.chunks_exact(dim).map(|row| sum(row, &digits)).collect();
            let (codes, digits) = (&codes[..], &digits[..]);
            if let Some(simd) = V4::try_new() {
                assert_eq!(simd.vectorize(Rows { simd, codes, digits }), plain);
            }
            if let Some(simd) = V3::try_new() {
                assert_eq!(simd.vectorize(Rows { simd, codes, digits }), plain);
            }
            assert_eq!(row_sums(codes, &[], digits), plain);
        }
    }
}
