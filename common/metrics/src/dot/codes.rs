//! Rows of 8-bit codes against a query in 14 bits, in whole numbers.

use super::{row_sums, vectorised};

/// The greatest digit of a query. With the sign it has 14 bits: two digits of seven,
/// which is what one instruction of wasm's relaxed SIMD multiplies with a code.
pub const DIGITS_MAX: i16 = (1 << 13) - 1;

/// Dimensions whose products fit into 32 bits: 1024 · 128 · 8191 < 2³¹.
pub(super) const BLOCK: usize = 1024;

/// A query in digits: `query[j] ≈ step · digits[j]`, off by half a step at most.
///
/// With `D` values of like size that is a relative error of the product of about
/// 10⁻⁵, a hundredth of what the codes themselves cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Coarse {
    /// `[D]`, from −[`DIGITS_MAX`] to [`DIGITS_MAX`].
    digits: Vec<i16>,
    /// What one is worth; 0 for a query of zeros.
    step: f64,
}

impl Coarse {
    /// Rounds a query, `[D]`, half to even. Its values must be finite.
    pub fn new(query: &[f32]) -> Self {
        let largest = query.iter().fold(0.0_f32, |l, x| l.max(x.abs()));
        let step = f64::from(largest) / f64::from(DIGITS_MAX);
        let digit = |x: f32| match step {
            0.0 => 0,
            step => (f64::from(x) / step).round_ties_even() as i16,
        };
        Self { digits: query.iter().map(|&x| digit(x)).collect(), step }
    }
}

/// Rows of codes, two's complement.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// `[n, D]`.
    bytes: Vec<u8>,
    dim: usize,
    /// The sum of each row, `[n]`: with it, digits may be moved to where they are
    /// positive, which the instructions of some processors ask for.
    sums: Vec<i64>,
}

impl Codes {
    /// Rows of codes, `[n, dim]`.
    ///
    /// # Panics
    /// When `dim` is 0 or `bytes` is no whole number of rows.
    pub fn new(bytes: Vec<u8>, dim: usize) -> Self {
        assert!(dim > 0 && bytes.len().is_multiple_of(dim), "whole rows");
        let sums = blocks(&bytes, dim, |code| code);
        Self { bytes, dim, sums }
    }

    /// The codes, `[n, D]`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Products of the rows with a query, `[D]`: `[n]`. But for the rounding of the
    /// query they are exact.
    ///
    /// # Panics
    /// When the query has another length.
    pub fn products(&self, query: &Coarse) -> Vec<f64> {
        assert_eq!(query.digits.len(), self.dim, "vectors of different lengths");
        let sums = row_sums(&self.bytes, &self.sums, &query.digits);
        sums.into_iter().map(|sum| sum as f64 * query.step).collect()
    }

    /// The sum of each row, `[n]`.
    pub fn sums(&self) -> &[i64] {
        &self.sums
    }

    /// Squared lengths of the rows, `[n]`, exact.
    pub fn squares(&self) -> Vec<f64> {
        blocks(&self.bytes, self.dim, |code| code * code).into_iter().map(|s| s as f64).collect()
    }
}

/// For each row the sum of something of every code.
#[inline(always)]
fn blocks(codes: &[u8], dim: usize, of: impl Fn(i32) -> i32) -> Vec<i64> {
    let row = |row: &[u8]| -> i64 {
        let block = |b: &[u8]| b.iter().map(|code| of(i32::from(*code as i8))).sum::<i32>();
        row.chunks(BLOCK).map(|b| i64::from(block(b))).sum()
    };
    vectorised(
        #[inline(always)]
        || codes.chunks_exact(dim).map(row).collect(),
    )
}

/// The product of one row with the digits, in plain code.
#[inline(always)]
pub(super) fn sum(codes: &[u8], digits: &[i16]) -> i64 {
    let product = |(code, digit): (&u8, &i16)| i32::from(*code as i8) * i32::from(*digit);
    codes
        .chunks(BLOCK)
        .zip(digits.chunks(BLOCK))
        .map(|(codes, digits)| i64::from(codes.iter().zip(digits).map(product).sum::<i32>()))
        .sum()
}
