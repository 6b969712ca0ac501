//! Embeddings in one byte a value, centred.
//!
//! Plain 8-bit codes would spend their range on what all tasks share, which is
//! nearly all of a raw vector. So the set's mean is stored once, exactly, and
//! each row as the difference from it:
//! `row[j] = mean[j] + scale · code[j]`, codes from −127 to 127.

/// A set's rows as codes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coded {
    /// `[D]`.
    pub mean: Vec<f32>,
    /// `[tasks]`: the greatest difference of the row over 127; 0 for a row that
    /// is the mean.
    pub scales: Vec<f32>,
    /// `[tasks, D]`, row-major.
    pub codes: Vec<i8>,
}

/// Codes `rows`, `[tasks, dim]`. All values must be finite.
pub(crate) fn encode(rows: &[f32], dim: usize) -> Coded {
    let n = (rows.len() / dim) as f64;
    let mut sum = vec![0.0_f64; dim];
    for row in rows.chunks_exact(dim) {
        sum.iter_mut().zip(row).for_each(|(s, &x)| *s += f64::from(x));
    }
    let mean: Vec<f32> = sum.into_iter().map(|s| (s / n) as f32).collect();
    let (mut scales, mut codes) = (Vec::new(), Vec::with_capacity(rows.len()));
    for row in rows.chunks_exact(dim) {
        let differences = || row.iter().zip(&mean).map(|(&x, &m)| f64::from(x) - f64::from(m));
        let largest = differences().fold(0.0_f64, |l, d| l.max(d.abs()));
        let scale = (largest / 127.0) as f32;
        scales.push(scale);
        // Half to even, as NumPy rounds.
        codes.extend(differences().map(|d| match scale {
            0.0 => 0,
            scale => (d / f64::from(scale)).round_ties_even().clamp(-127.0, 127.0) as i8,
        }));
    }
    Coded { mean, scales, codes }
}

/// The rows, `[tasks, dim]`.
pub(crate) fn decode(coded: &Coded) -> Vec<f32> {
    coded
        .codes
        .chunks_exact(coded.mean.len())
        .zip(&coded.scales)
        .flat_map(|(row, &scale)| {
            row.iter().zip(&coded.mean).map(move |(&code, &mean)| value(mean, scale, code))
        })
        .collect()
}

/// One value. The product and the sum are in `f64`, so that they round once.
pub(crate) fn value(mean: f32, scale: f32, code: i8) -> f32 {
    (f64::from(mean) + f64::from(scale) * f64::from(code)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        let coded = encode(&[1.0, 10.0, 3.0, 10.0], 2);
        assert_eq!(coded.mean, [2.0, 10.0]);
        assert_eq!(coded.codes, [-127, 0, 127, 0]);
        assert_eq!(coded.scales, [1.0 / 127.0; 2]);
        let decoded = decode(&coded);
        assert!(decoded.iter().zip([1.0, 10.0, 3.0, 10.0]).all(|(a, b)| (a - b).abs() < 1e-6));
        // One row is the mean, exactly.
        assert_eq!(decode(&encode(&[0.1, -7.0], 2)), [0.1, -7.0]);
    }

    proptest! {
        #[test]
        fn off_by_half_a_step_at_most(
            rows in proptest::collection::vec(-100.0_f32..100.0, 3..40)
        ) {
            let rows = &rows[..rows.len() / 3 * 3];
            let coded = encode(rows, 3);
            for (i, (x, y)) in rows.iter().zip(decode(&coded)).enumerate() {
                // And what rounding to f32 adds.
                let step = coded.scales[i / 3] * 0.5001 + 2e-5;
                prop_assert!((x - y).abs() <= step, "{x} {y}");
            }
        }
    }
}
