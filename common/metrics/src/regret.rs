//! What following a ranking costs: ρ, and regret in its two published forms.

use crate::average_ranks;

/// The predicted rank, from 1, of the source with the highest true score; its
/// mean over targets is the paper's ρ (section 4.1). Sources of equal predicted
/// score share the mean of their ranks, and where several sources are the best,
/// the mean of theirs counts.
///
/// # Panics
/// When the slices differ in length or are empty.
pub fn rank_of_best(predicted: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(predicted.len(), truth.len(), "a prediction for every source");
    let best = best(truth).expect("at least one source");
    let negated: Vec<f64> = predicted.iter().map(|score| -score).collect();
    let ranks = average_ranks(&negated);
    let of_best: Vec<f64> =
        ranks.iter().zip(truth).filter(|(_, t)| **t == best).map(|(r, _)| *r).collect();
    of_best.iter().sum::<f64>() / of_best.len() as f64
}

/// Regret@k: `(best − best of the first k) / best` of the true scores, where
/// `order` has the indices of the sources, best predicted first. 0 is perfect.
///
/// `None` when there is no source, or the best true score is not positive: the
/// share of nothing is not defined.
///
/// # Panics
/// When `k` is 0 (true of every function here).
pub fn regret(order: &[usize], truth: &[f64], k: usize) -> Option<f64> {
    assert!(k > 0, "the first 0 sources have no best");
    let best = best(truth).filter(|best| *best > 0.0)?;
    let chosen: Vec<f64> = order.iter().take(k).map(|&i| truth[i]).collect();
    Some((best - self::best(&chosen)?) / best)
}

/// The expectation of [`regret`] over a uniformly random order, exactly. The
/// best of k sources drawn without replacement is the i-th best of all n (from
/// 1) with probability `C(n − i, k − 1) / C(n, k)`.
pub fn regret_floor(truth: &[f64], k: usize) -> Option<f64> {
    assert!(k > 0, "the first 0 sources have no best");
    let best = best(truth).filter(|best| *best > 0.0)?;
    let mut sorted = truth.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (n, k) = (sorted.len(), k.min(sorted.len()));
    // P(1) = k/n, and P(i+1)/P(i) = (n−i−k+1)/(n−i): no binomial overflows.
    let mut probability = k as f64 / n as f64;
    let mut expected = 0.0;
    for (i, score) in sorted[..=n - k].iter().enumerate() {
        expected += probability * score;
        let i = i + 1;
        if i < n {
            probability *= (n - i + 1 - k) as f64 / (n - i) as f64;
        }
    }
    Some((best - expected) / best)
}

/// Regret of means: how far the mean true score of the first k falls short of
/// the mean of the k best, over the latter (TaskWeb, Kim et al. 2023, k = 5).
/// `None` when there is no source or the latter is not positive.
pub fn regret_of_means(order: &[usize], truth: &[f64], k: usize) -> Option<f64> {
    let chosen: Vec<f64> = order.iter().take(k).map(|&i| truth[i]).collect();
    short_of_ideal(mean(&chosen)?, truth, k)
}

/// The expectation of [`regret_of_means`] over a uniformly random order: the
/// expected mean of any k is the mean of all.
pub fn regret_of_means_floor(truth: &[f64], k: usize) -> Option<f64> {
    short_of_ideal(mean(truth)?, truth, k)
}

fn short_of_ideal(mean_of_chosen: f64, truth: &[f64], k: usize) -> Option<f64> {
    assert!(k > 0, "the first 0 sources have no mean");
    let mut sorted = truth.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted.truncate(k);
    // Scores that cancel leave what rounding left, and a share of that is any number.
    let size = sorted.iter().map(|score| score.abs()).sum::<f64>();
    let ideal = mean(&sorted).filter(|ideal| *ideal > f64::EPSILON * size)?;
    Some((ideal - mean_of_chosen) / ideal)
}

fn best(scores: &[f64]) -> Option<f64> {
    scores.iter().copied().reduce(f64::max)
}

fn mean(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 4] = [0.5, 0.8, 0.4, 0.6];

    #[test]
    fn rank_of_best_by_hand() {
        assert_eq!(rank_of_best(&[0.9, 0.1, 0.5, 0.4], &TRUTH), 4.0);
        assert_eq!(rank_of_best(&[0.9, 0.5, 0.5, 0.4], &TRUTH), 2.5);
        assert_eq!(rank_of_best(&[0.9, 0.8, 0.7], &[0.6, 0.5, 0.6]), 2.0);
    }

    #[test]
    fn regret_by_hand() {
        let order = [2, 3, 0, 1];
        for (k, wanted) in [(1, 0.5), (2, 0.25), (3, 0.25), (4, 0.0), (9, 0.0)] {
            let found = regret(&order, &TRUTH, k).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{k}: {found}");
        }
        // (0.7 − 0.5) / 0.7
        let found = regret_of_means(&order, &TRUTH, 2).unwrap();
        assert!((found - 0.2 / 0.7).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_share_of_nothing_is_not_defined() {
        assert_eq!(regret(&[0, 1], &[0.0, -0.5], 1), None);
        assert_eq!(regret_floor(&[0.0, -0.5], 1), None);
        assert_eq!(regret_of_means(&[0, 1], &[0.0, -0.5], 1), None);
        let cancelling = [-2.0, -1.0, 2.0, 2.0, -1.0].map(|x| x / 12.0);
        assert_eq!(regret_of_means(&[0, 1, 2, 3, 4], &cancelling, 5), None);
        assert_eq!(regret_of_means_floor(&cancelling, 5), None);
        assert_eq!(regret_floor(&[], 1), None);
        assert_eq!(regret_of_means_floor(&[], 1), None);
    }
}
