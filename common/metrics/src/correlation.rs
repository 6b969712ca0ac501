//! Correlations of two equally long lists of numbers.

/// Pearson's correlation coefficient, in `[-1, 1]`.
///
/// `None` where it is undefined: fewer than two pairs, a constant side, a value
/// that is not finite.
///
/// # Panics
/// When the slices differ in length (true of every function here).
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "a correlation is of pairs");
    if a.len() < 2 || constant(a) || constant(b) {
        return None;
    }
    let (a, b) = (deviations(a), deviations(b));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let value = dot(&a, &b) / (dot(&a, &a).sqrt() * dot(&b, &b).sqrt());
    value.is_finite().then(|| value.clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, in `[-1, 1]`: Pearson's of the ranks, tied
/// values sharing the mean of their ranks. `None` as for [`pearson`].
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "a correlation is of pairs");
    if a.iter().chain(b).any(|x| !x.is_finite()) {
        return None;
    }
    pearson(&average_ranks(a), &average_ranks(b))
}

/// Kendall's τ-b, in `[-1, 1]`: concordant minus discordant pairs over the
/// geometric mean of the pairs that are not tied on either side. `None` as for
/// [`pearson`].
///
/// O(n²) in the number of pairs, which are the sources of one target.
pub fn kendall_tau(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "a correlation is of pairs");
    if a.iter().chain(b).any(|x| !x.is_finite()) {
        return None;
    }
    let (mut balance, mut untied_a, mut untied_b) = (0_i64, 0_u64, 0_u64);
    for i in 0..a.len() {
        for j in 0..i {
            let (x, y) = (sign(a[i], a[j]), sign(b[i], b[j]));
            balance += x * y;
            untied_a += x.unsigned_abs();
            untied_b += y.unsigned_abs();
        }
    }
    let value = balance as f64 / ((untied_a as f64).sqrt() * (untied_b as f64).sqrt());
    value.is_finite().then(|| value.clamp(-1.0, 1.0))
}

/// The rank of each value, 1 for the smallest; tied values share the mean of
/// the ranks that they take up. All must be finite.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    // `==` and not `total_cmp` decides a tie: −0 is 0.
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        // The mean of start+1 ..= start+n.
        let rank = start as f64 + (tied.len() + 1) as f64 / 2.0;
        for &i in tied {
            ranks[i] = rank;
        }
        start += tied.len();
    }
    ranks
}

fn constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Values minus their mean, after scaling the greatest to 1 so that the squares
/// of large values do not overflow: a correlation does not depend on scale.
fn deviations(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let mean = values.iter().map(|x| x / largest).sum::<f64>() / values.len() as f64;
    values.iter().map(|x| x / largest - mean).collect()
}

fn sign(x: f64, y: f64) -> i64 {
    i64::from(x > y) - i64::from(x < y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_no_spread_has_no_correlation() {
        for correlation in [pearson, spearman, kendall_tau] {
            assert_eq!(correlation(&[], &[]), None);
            assert_eq!(correlation(&[1.0], &[2.0]), None);
            assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
            assert_eq!(correlation(&[1.0, f64::NAN], &[1.0, 2.0]), None);
            assert_eq!(correlation(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
            // A constant that is no sum of itself exactly: its mean is not 0.1.
            assert_eq!(correlation(&[0.1; 3], &[1.0, 2.0, 4.0]), None);
        }
    }

    #[test]
    fn tied_values_share_the_mean_rank() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 3.0]), [3.0, 1.0, 3.0, 3.0]);
        assert_eq!(average_ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
    }

    #[test]
    fn large_values_do_not_overflow() {
        let value = pearson(&[1e300, 2e300, 4e300], &[-1e300, 1e300, 5e300]).unwrap();
        assert!((value - 1.0).abs() < 1e-12, "{value}");
    }

    proptest! {
        #[test]
        fn bounded_symmetric_and_odd(
            pairs in proptest::collection::vec((-5_i32..5, -5_i32..5), 2..40)
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) =
                pairs.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).unzip();
            let negated: Vec<f64> = b.iter().map(|x| -x).collect();
            for correlation in [pearson, spearman, kendall_tau] {
                if let Some(value) = correlation(&a, &b) {
                    prop_assert!((-1.0..=1.0).contains(&value));
                    prop_assert!((correlation(&b, &a).unwrap() - value).abs() < 1e-12);
                    prop_assert!((correlation(&a, &negated).unwrap() + value).abs() < 1e-12);
                    prop_assert!((correlation(&a, &a).unwrap() - 1.0).abs() < 1e-12);
                }
            }
        }
    }
}
