//! Scalar functions without branches, so that loops over them vectorise.

/// `e^x`, relative error below 3e-7; 0 and infinity are not reached, the result
/// saturates near 1e-38 and 1e38. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low
    // bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HI - n * LN2_LO;
    // Taylor to degree 7 on |r| ≤ ln(2)/2: the next term is below 6e-9.
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * tail)));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    p * scale
}

/// The standard normal distribution at `x`: its cumulative probability and its
/// density, absolute error below 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub fn normal(x: f32) -> (f32, f32) {
    const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let e = exp(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    let tail = 0.5 * poly * e;
    let cumulative = if x < 0.0 { tail } else { 1.0 - tail };
    (cumulative, FRAC_1_SQRT_2PI * e)
}

const LANES: usize = 16;

/// Sum in sixteen lanes: vectorises, and the order never depends on threads.
#[inline(always)]
pub fn sum(values: &[f32], f: impl Fn(usize, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for (c, chunk) in chunks.iter().enumerate() {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(c * LANES + l, chunk[l]);
        }
    }
    let done = values.len() - rest.len();
    let mut total = lanes.iter().sum::<f32>();
    for (i, &value) in rest.iter().enumerate() {
        total += f(done + i, value);
    }
    total
}

/// `Σ a·b` of two of one length, summed as [`sum`] does.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest = rest_a.iter().zip(rest_b).map(|(a, b)| a * b);
    rest.fold(lanes.iter().sum(), |sum, product| sum + product)
}

/// `to += factor·values`.
#[inline(always)]
pub fn add_scaled(factor: f32, values: &[f32], to: &mut [f32]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += factor * value;
    }
}

/// The greatest value; negative infinity for none.
#[inline(always)]
pub fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    rest.iter().chain(&lanes).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exp() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let wanted = f64::from(x).exp();
            let error = (f64::from(exp(x)) - wanted).abs() / wanted;
            assert!(error < 3e-7, "{x}: {error}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e9) < 2e-38);
    }

    #[test]
    fn normal_is_normal() {
        // Φ from Python's statistics.NormalDist().
        for (x, cdf) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (2.5, 0.993_790_334_674_223_8),
            (-4.0, 3.167_124_183_311_986e-5),
        ] {
            let (got, density) = normal(x as f32);
            assert!((f64::from(got) - cdf).abs() < 2e-7, "{x}: {got}");
            let pdf = (-x * x / 2.0_f64).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) - pdf).abs() < 1e-7, "{x}: {density}");
        }
    }

    #[test]
    fn sums_and_maxima_of_any_length() {
        for n in 0..70 {
            let values: Vec<f32> = (0..n).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            assert_eq!(sum(&values, |_, v| v), values.iter().sum::<f32>());
            assert_eq!(max(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert_eq!(dot(&values, &values), values.iter().map(|v| v * v).sum::<f32>());
        }
    }
}
