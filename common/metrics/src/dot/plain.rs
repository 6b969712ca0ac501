//! Sums of codes in plain code.

use super::codes::sum;
use super::vectorised;

/// The product of each row of codes, `[n, D]`, with the digits, `[D]`.
pub(super) fn row_sums(codes: &[u8], _: &[i64], digits: &[i16]) -> Vec<i64> {
    vectorised(
        #[inline(always)]
        || codes.chunks_exact(digits.len()).map(|row| sum(row, digits)).collect(),
    )
}
