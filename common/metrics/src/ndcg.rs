//! Normalised discounted cumulative gain of a predicted order.
//!
//! "NDCG" is not one number: it depends on what relevance means, and published
//! figures differ in it. So a relevance has a name here.

/// How a source's true score becomes its relevance `rel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// `100 · score`: half a point of accuracy matters. The default.
    Percent,
    /// `score` itself. Nearly blind: a random order comes close to 1.
    Fraction,
    /// `n + 1 − true rank` of `n` sources: `n` for the best, 1 for the worst
    /// (TaskWeb, Kim et al. 2023). Sources of equal score keep the order in
    /// which they are given, as published figures do.
    Rank,
    /// `max(0, 100 · (score − score without transfer))`: what harms is as
    /// irrelevant as what does nothing.
    Gain,
}

impl Relevance {
    /// Every relevance, the default first.
    pub const ALL: [Self; 4] = [Self::Percent, Self::Fraction, Self::Rank, Self::Gain];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Fraction => "fraction",
            Self::Rank => "rank",
            Self::Gain => "gain",
        }
    }

    /// The relevance of each source, `[n]`, from its true score. `None` for
    /// [`Relevance::Gain`] when the score without transfer is not known.
    pub fn of(self, truth: &[f64], no_transfer: Option<f64>) -> Option<Vec<f64>> {
        Some(match self {
            Self::Percent => truth.iter().map(|score| 100.0 * score).collect(),
            Self::Fraction => truth.to_vec(),
            Self::Rank => {
                let mut order: Vec<usize> = (0..truth.len()).collect();
                // A stable sort; `-0.0` and `0.0` are equal scores.
                order.sort_by(|&i, &j| (truth[j] + 0.0).total_cmp(&(truth[i] + 0.0)));
                let mut relevance = vec![0.0; truth.len()];
                for (place, &i) in order.iter().enumerate() {
                    relevance[i] = (truth.len() - place) as f64;
                }
                relevance
            }
            Self::Gain => {
                let without = no_transfer?;
                truth.iter().map(|score| (100.0 * (score - without)).max(0.0)).collect()
            }
        })
    }
}

/// NDCG of the sources in `order` (indices into `relevance`, best first):
/// DCG of that order over DCG of the ideal one, with
/// `DCG = Σ_{i≥1} (2^rel_i − 1) / log2(i + 1)` (Burges et al. 2005).
///
/// `None` when the ideal DCG is not positive: nothing is relevant then, and
/// every order is as good. All terms are scaled by `2^−max(rel)`, which cancels
/// in the quotient, so that large relevances do not overflow.
///
/// # Panics
/// When `order` is not as long as `relevance`.
pub fn ndcg(order: &[usize], relevance: &[f64]) -> Option<f64> {
    assert_eq!(order.len(), relevance.len(), "an order of all sources");
    let gains = gains(relevance);
    quotient(order.iter().map(|&i| gains[i]).enumerate().map(|(i, g)| g * discount(i)).sum(), gains)
}

/// The expectation of [`ndcg`] over a uniformly random order, exactly: every
/// source is equally likely at every place, so that the expected DCG is the
/// mean gain times the sum of the discounts.
pub fn ndcg_floor(relevance: &[f64]) -> Option<f64> {
    let gains = gains(relevance);
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    quotient(mean * (0..gains.len()).map(discount).sum::<f64>(), gains)
}

/// `2^rel − 1`, scaled by `2^−max(rel)`.
fn gains(relevance: &[f64]) -> Vec<f64> {
    let max = relevance.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    relevance.iter().map(|rel| (rel - max).exp2() - (-max).exp2()).collect()
}

fn discount(place: usize) -> f64 {
    1.0 / ((place + 2) as f64).log2()
}

fn quotient(dcg: f64, mut gains: Vec<f64>) -> Option<f64> {
    gains.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = gains.iter().enumerate().map(|(i, g)| g * discount(i)).sum();
    let value = dcg / ideal;
    (ideal > 0.0 && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relevances_by_hand() {
        let truth = [0.5, 0.75, 0.5, 0.25];
        let of = |relevance: Relevance| relevance.of(&truth, Some(0.5)).unwrap();
        assert_eq!(of(Relevance::Percent), [50.0, 75.0, 50.0, 25.0]);
        assert_eq!(of(Relevance::Fraction), truth);
        assert_eq!(of(Relevance::Rank), [3.0, 4.0, 2.0, 1.0]);
        assert_eq!(of(Relevance::Gain), [0.0, 25.0, 0.0, 0.0]);
        assert_eq!(Relevance::Gain.of(&truth, None), None);
    }

    #[test]
    fn by_hand() {
        // Gains 2^2−1 = 3, 2^1−1 = 1, 0.
        let relevance = [2.0, 1.0, 0.0];
        let ideal = 3.0 + 1.0 / 3_f64.log2();
        let found = ndcg(&[1, 2, 0], &relevance).unwrap();
        assert!((found - (1.0 + 3.0 / 2.0) / ideal).abs() < 1e-12, "{found}");
        assert_eq!(ndcg(&[0, 1, 2], &relevance), Some(1.0));
    }

    #[test]
    fn large_relevances_do_not_overflow() {
        let relevance: Vec<f64> = (0..5000).map(f64::from).collect();
        let best_first: Vec<usize> = (0..5000).rev().collect();
        assert!((ndcg(&best_first, &relevance).unwrap() - 1.0).abs() < 1e-12);
        let floor = ndcg_floor(&relevance).unwrap();
        // Gains 1, 1/2, 1/4, … of mean 2/5000.
        let discounts: f64 = (2..5002).map(|i| 1.0 / f64::from(i).log2()).sum();
        let ideal: f64 = (2..60).map(|i| 4.0 * 0.5_f64.powi(i) / f64::from(i).log2()).sum();
        assert!((floor - discounts * 2.0 / 5000.0 / ideal).abs() < 1e-9, "{floor}");
    }

    #[test]
    fn where_nothing_is_relevant_there_is_no_ndcg() {
        assert_eq!(ndcg(&[0, 1], &[0.0, 0.0]), None);
        assert_eq!(ndcg_floor(&[0.0, 0.0]), None);
        assert_eq!(ndcg(&[], &[]), None);
        assert_eq!(ndcg(&[0, 1], &[-1.0, -2.0]), None);
    }
}
