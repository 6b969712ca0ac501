//! Means over targets: how sure they are, by drawing targets anew.

/// Draws of a bootstrap and of a test.
const DRAWS: usize = 10_000;

/// The mean; of nothing not a number.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95 % interval of the mean: percentiles of a bootstrap.
pub fn interval(values: &[f64]) -> [f64; 2] {
    let mut random = crate::bench::random();
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn = values.iter().map(|_| values[(random() * values.len() as f64) as usize]);
            drawn.sum::<f64>() / values.len() as f64
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|share| draws[(share * (DRAWS - 1) as f64).round() as usize])
}

/// The p value of differences whose signs might as well be others: how often random signs
/// give a mean as far from zero, the one that was found being one of the draws.
pub fn sign_flips(differences: &[f64]) -> f64 {
    let mut random = crate::bench::random();
    let found = differences.iter().sum::<f64>().abs();
    let as_far = (0..DRAWS).filter(|_| {
        let flipped = differences.iter().map(|d| if random() < 0.5 { *d } else { -d });
        flipped.sum::<f64>().abs() >= found - 1e-12
    });
    (as_far.count() + 1) as f64 / (DRAWS + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_agree_on_is_sure() {
        let all = [0.25; 12];
        assert_eq!((mean(&all), interval(&all)), (0.25, [0.25, 0.25]));
        // 2 of 2¹² signs are as far.
        assert!(sign_flips(&all) < 0.002);
    }

    #[test]
    fn what_they_disagree_on_is_not() {
        let both = [1.0, -1.0, 1.0, -1.0];
        assert_eq!(sign_flips(&both), 1.0);
        let [low, high] = interval(&both);
        assert!(low <= -0.5 && high >= 0.5, "{low} {high}");
        // scipy.stats.permutation_test, permutation_type="samples", exact: 0.25
        let p = sign_flips(&[3.0, 2.0, 1.0]);
        assert!((p - 0.25).abs() < 0.02, "{p}");
    }
}
