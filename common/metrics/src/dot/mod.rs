//! Products of many rows with one query, straight from a file's bytes.
//!
//! Every path gives the same bits. A product of two `f32` is exact in `f64`, codes are
//! summed as whole numbers, and the order of the sums is fixed: 16 running sums, joined
//! in halves, whatever the width of the processor's registers.
//!
//! The loops over `f32` and `f16` are plain Rust in a form that the compiler
//! vectorises: for AVX-512 or AVX2 where the processor has it (`pulp` asks it), for
//! NEON and for wasm's simd128. Products of codes take instructions that no compiler
//! finds by itself: one module a processor, each with one function, `row_sums`.

mod codes;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
use plain::row_sums;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm::row_sums;
#[cfg(target_arch = "x86_64")]
use x86::row_sums;

pub use codes::{Coarse, Codes, DIGITS_MAX};

/// Running sums of a product.
const LANES: usize = 16;

/// Runs a loop compiled for the best instructions of this processor.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

/// Runs a loop. A module for browsers is compiled for one kind of instructions as a
/// whole, and must not hold others.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Products of rows of little-endian `f32`, `[n, D]`, with `query`, `[D]`: `[n]`.
///
/// # Panics
/// When `query` is empty or `rows` is no whole number of rows.
pub fn f32_products(rows: &[u8], query: &[f32]) -> Vec<f64> {
    products(rows, query, f32::from_le_bytes)
}

/// Products of rows of little-endian `f16`, `[n, D]`, with `query`, `[D]`: `[n]`.
/// Of values that are not finite, nothing is said.
///
/// # Panics
/// As [`f32_products`].
pub fn f16_products(rows: &[u8], query: &[f32]) -> Vec<f64> {
    products(rows, query, f16_value)
}

/// Squared lengths of rows of little-endian `f32`, `[n, D]`: `[n]`.
///
/// # Panics
/// When `dim` is 0 or `rows` is no whole number of rows.
pub fn f32_squares(rows: &[u8], dim: usize) -> Vec<f64> {
    squares(rows, dim, f32::from_le_bytes)
}

/// Squared lengths of rows of little-endian `f16`, `[n, D]`: `[n]`.
///
/// # Panics
/// As [`f32_squares`].
pub fn f16_squares(rows: &[u8], dim: usize) -> Vec<f64> {
    squares(rows, dim, f16_value)
}

/// What [`f32_shifted`] and [`f16_shifted`] give, `[n]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct Shifted {
    /// Products with the direction.
    pub products: Vec<f64>,
    /// Squared lengths.
    pub squares: Vec<f64>,
}

/// Of rows of little-endian `f32`, `[n, D]`, minus `origin`: products with
/// `direction`, and squared lengths. Differences are exact in `f64`, so that a row
/// close to the origin keeps its angle.
///
/// # Panics
/// As [`f32_products`], and when the lengths differ.
pub fn f32_shifted(rows: &[u8], origin: &[f32], direction: &[f32]) -> Shifted {
    shifted(rows, origin, direction, f32::from_le_bytes)
}

/// The same as [`f32_shifted`] of little-endian `f16`.
///
/// # Panics
/// As [`f32_shifted`].
pub fn f16_shifted(rows: &[u8], origin: &[f32], direction: &[f32]) -> Shifted {
    shifted(rows, origin, direction, f16_value)
}

/// The product of two vectors, both `[D]`, as the products of rows are summed.
///
/// # Panics
/// When the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    vectorised(
        #[inline(always)]
        || sum(a, b, f64::from, f64::from),
    )
}

/// A finite half-precision number, IEEE 754 binary16, without a branch: its fields
/// are moved to where those of an `f32` lie, and the product corrects the
/// exponent, also of subnormal numbers.
#[inline(always)]
pub fn f16_value(bytes: [u8; 2]) -> f32 {
    /// 2¹¹²: the difference of the exponents' biases, 127 − 15.
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    // With its sign in all upper bits, of which the mask leaves one.
    let half = i32::from(i16::from_le_bytes(bytes)).cast_unsigned();
    f32::from_bits((half << 13) & 0x8fff_e000) * BIAS
}

#[inline(always)]
fn products<const B: usize>(
    rows: &[u8],
    query: &[f32],
    value: impl Fn([u8; B]) -> f32 + Copy,
) -> Vec<f64> {
    let rows = values_of::<B>(rows, query.len());
    let query: Vec<f64> = query.iter().copied().map(f64::from).collect();
    each(
        rows,
        query.len(),
        #[inline(always)]
        |row| sum(row, &query, |x| f64::from(value(x)), |y| y),
    )
}

#[inline(always)]
fn squares<const B: usize>(
    rows: &[u8],
    dim: usize,
    value: impl Fn([u8; B]) -> f32 + Copy,
) -> Vec<f64> {
    let rows = values_of::<B>(rows, dim);
    each(
        rows,
        dim,
        #[inline(always)]
        |row| sum(row, row, |x| f64::from(value(x)), |y| f64::from(value(y))),
    )
}

/// What `work` makes of each row. All of it is inlined, hence a loop and no iterator's
/// `map` and `collect`: what is not inlined is compiled without the instructions that
/// the processor was asked for, and `f16` takes three times as long.
#[inline(always)]
fn each<T>(rows: &[T], dim: usize, work: impl Fn(&[T]) -> f64) -> Vec<f64> {
    vectorised(
        #[inline(always)]
        || {
            let mut all = Vec::with_capacity(rows.len() / dim);
            for row in rows.chunks_exact(dim) {
                all.push(work(row));
            }
            all
        },
    )
}

#[inline(always)]
fn shifted<const B: usize>(
    rows: &[u8],
    origin: &[f32],
    direction: &[f32],
    value: impl Fn([u8; B]) -> f32 + Copy,
) -> Shifted {
    assert_eq!(origin.len(), direction.len(), "vectors of different lengths");
    let rows = values_of::<B>(rows, origin.len());
    let direction: Vec<f64> = direction.iter().copied().map(f64::from).collect();
    vectorised(
        #[inline(always)]
        || {
            let mut all = Shifted { products: Vec::new(), squares: Vec::new() };
            let mut difference = vec![0.0_f64; origin.len()];
            for row in rows.chunks_exact(origin.len()) {
                for ((d, &x), &o) in difference.iter_mut().zip(row).zip(origin) {
                    *d = f64::from(value(x)) - f64::from(o);
                }
                all.products.push(sum(&difference, &direction, |x| x, |y| y));
                all.squares.push(sum(&difference, &difference, |x| x, |y| y));
            }
            all
        },
    )
}

/// The encoded values of rows, `[n, dim]`.
fn values_of<const B: usize>(rows: &[u8], dim: usize) -> &[[u8; B]] {
    let (values, rest) = rows.as_chunks::<B>();
    assert!(dim > 0 && rest.is_empty() && values.len().is_multiple_of(dim), "whole rows");
    values
}

/// The sum of products, in [`LANES`] running sums.
#[inline(always)]
fn sum<X: Copy, Y: Copy>(
    x: &[X],
    y: &[Y],
    x_value: impl Fn(X) -> f64,
    y_value: impl Fn(Y) -> f64,
) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..LANES {
            sums[lane] += x_value(x[lane]) * y_value(y[lane]);
        }
    }
    for ((sum, &x), &y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += x_value(x) * y_value(y);
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}
