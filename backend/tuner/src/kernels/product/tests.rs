//! Products against sums in f64 of the values as the precision has them.

use super::*;

/// A value as a product of this precision has it; rounded to the nearest, to even where
/// two are as near.
fn seen(precision: Precision, value: f32) -> f64 {
    f64::from(match precision {
        Precision::F32 | Precision::Tf32 => value,
        Precision::Bf16 => bf16::from_f32(value).to_f32(),
    })
}

/// Those that this processor has.
fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.iter().copied().filter(|kernel| kernel.there())
}

fn weight(values: &[f32], out: usize, inner: usize, kernel: Kernel) -> Weight {
    let tensor = Tensor::from_slice(values, (out, inner), &Device::Cpu).unwrap();
    Weight::laid_out(&tensor, kernel).unwrap()
}

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// `x` `[m, k]` by `w(k, n)`, and beside each value the sum of what was added, without
/// signs, which bounds the error of any order of adding.
fn wanted(
    precision: Precision,
    x: &[f32],
    (k, n): (usize, usize),
    w: impl Fn(usize, usize) -> f32,
    bias: Option<&[f32]>,
) -> Vec<(f64, f64)> {
    let row = |x: &[f32], column: usize| {
        let start = bias.map_or(0.0, |bias| f64::from(bias[column]));
        let terms = (0..k).map(|i| seen(precision, x[i]) * seen(precision, w(i, column)));
        terms.fold((start, start.abs()), |(sum, size), t| (sum + t, size + t.abs()))
    };
    let columns = |x| (0..n).map(move |column| (x, column));
    x.chunks_exact(k).flat_map(columns).map(|(x, column)| row(x, column)).collect()
}

fn assert_close(got: &[f32], wanted: &[(f64, f64)], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (i, (got, (sum, size))) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(*got) - sum).abs();
        assert!(error <= 1e-6 * size.max(1e-30), "{what} at {i}: {got} against {sum}");
    }
}

/// `x·Wᵀ + b` and `dy·W` in blocks, as layers multiply.
fn forward(weight: &Weight, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / weight.inputs() * weight.outputs()];
    let blocks = x.chunks(BLOCK * weight.inputs()).zip(out.chunks_mut(BLOCK * weight.outputs()));
    for (x, out) in blocks {
        weight.forward_block(x, bias, &mut Scratch::default(), writable(out));
    }
    out
}

fn backward(weight: &Weight, dy: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; dy.len() / weight.outputs() * weight.inputs()];
    let blocks = dy.chunks(BLOCK * weight.outputs()).zip(out.chunks_mut(BLOCK * weight.inputs()));
    for (dy, out) in blocks {
        weight.backward_block(dy, &mut Scratch::default(), writable(out));
    }
    out
}

/// Rows, inner and outer width: below, at and above what registers, tiles and blocks hold.
const SHAPES: &[[usize; 3]] = &[
    [1, 1, 1],
    [1, 2, 3],
    [5, 31, 15],
    [6, 32, 64],
    [7, 33, 65],
    [13, 64, 16],
    [97, 50, 130],
    [200, 96, 384],
];

#[test]
fn products_are_those_of_the_values() {
    for (kernel, &[m, inner, out]) in kernels().flat_map(|k| SHAPES.iter().map(move |s| (k, s))) {
        let precision = kernel.precision();
        let (w, bias) = (values(out * inner, 1), values(out, 2));
        let weight = weight(&w, out, inner, kernel);
        let what = format!("{m} × {inner} → {out}, {kernel:?}");
        let (x, dy) = (values(m * inner, 3), values(m * out, 4));
        let transposed = |row: usize, column: usize| w[column * inner + row];
        let plain = |row: usize, column: usize| w[row * inner + column];
        let sums = wanted(precision, &x, (inner, out), transposed, None);
        assert_close(&forward(&weight, &x, None), &sums, &what);
        let sums = wanted(precision, &x, (inner, out), transposed, Some(&bias));
        assert_close(&forward(&weight, &x, Some(&bias)), &sums, &format!("{what} with a bias"));
        let sums = wanted(precision, &dy, (out, inner), plain, None);
        assert_close(&backward(&weight, &dy), &sums, &format!("{what} back"));
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for kernel in kernels() {
        let weight = weight(&[1.0; 3 * 40], 3, 40, kernel);
        for (bad, at) in [(f32::NAN, 0), (f32::NAN, 39), (f32::INFINITY, 20)] {
            let mut x = vec![1.0; 2 * 40];
            x[40 + at] = bad;
            let y = forward(&weight, &x, None);
            assert_eq!(y[..3], [40.0; 3]);
            assert!(y[3..].iter().all(|v| !v.is_finite()), "{y:?}");
        }
    }
}

#[test]
fn a_product_without_rows_is_empty() {
    for kernel in kernels() {
        assert!(forward(&weight(&values(6, 1), 3, 2, kernel), &[], None).is_empty());
    }
}
