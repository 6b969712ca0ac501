//! The measures of a predicted ranking, in one slice.

use crate::regret::{rank_of_best, regret, regret_floor, regret_of_means, regret_of_means_floor};
use crate::{Relevance, descending, kendall_tau, ndcg, ndcg_floor, spearman};

/// One target's predicted scores beside the true ones.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    predicted: &'a [f64],
    truth: &'a [f64],
    no_transfer: Option<f64>,
    order: Vec<usize>,
}

impl<'a> Judged<'a> {
    /// Predicted and true scores of the same sources, `[n]` each, with the
    /// target's score without transfer where it is known. Equal predictions are
    /// ordered by `ids`.
    ///
    /// `None` unless there are two sources or more and all scores are finite.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn new<S: AsRef<str>>(
        predicted: &'a [f64],
        truth: &'a [f64],
        ids: &[S],
        no_transfer: Option<f64>,
    ) -> Option<Self> {
        assert_eq!(predicted.len(), truth.len(), "a prediction for every source");
        let finite = predicted.iter().chain(truth).chain(&no_transfer).all(|x| x.is_finite());
        if predicted.len() < 2 || !finite {
            return None;
        }
        Some(Self { predicted, truth, no_transfer, order: descending(predicted, ids) })
    }

    /// The indices of the sources, best predicted first.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    fn ndcg(&self, relevance: Relevance) -> Option<f64> {
        ndcg(&self.order, &relevance.of(self.truth, self.no_transfer)?)
    }

    fn ndcg_floor(&self, relevance: Relevance) -> Option<f64> {
        ndcg_floor(&relevance.of(self.truth, self.no_transfer)?)
    }

    fn regret(&self, k: usize) -> Option<f64> {
        regret(&self.order, self.truth, k)
    }
}

/// A way to judge a ranking.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name; a dot separates a family from its member, as in `regret.3`.
    pub name: &'static str,
    /// Whether greater values are better ones.
    pub greater_is_better: bool,
    /// Its value; `None` where it is undefined for this target.
    pub of: fn(&Judged<'_>) -> Option<f64>,
    /// Its exact expectation over a uniformly random order.
    pub floor: fn(&Judged<'_>) -> Option<f64>,
}

const fn measure(
    name: &'static str,
    greater_is_better: bool,
    of: fn(&Judged<'_>) -> Option<f64>,
    floor: fn(&Judged<'_>) -> Option<f64>,
) -> Measure {
    Measure { name, greater_is_better, of, floor }
}

/// Every measure. The correlations are of predicted with true scores; a random
/// order is as likely as its reverse, so that their floor is 0.
pub const MEASURES: &[Measure] = &[
    measure(
        "rank_of_best",
        false,
        |j| Some(rank_of_best(j.predicted, j.truth)),
        |j| Some((j.truth.len() + 1) as f64 / 2.0),
    ),
    measure(
        "ndcg.percent",
        true,
        |j| j.ndcg(Relevance::Percent),
        |j| j.ndcg_floor(Relevance::Percent),
    ),
    measure(
        "ndcg.fraction",
        true,
        |j| j.ndcg(Relevance::Fraction),
        |j| j.ndcg_floor(Relevance::Fraction),
    ),
    measure("ndcg.rank", true, |j| j.ndcg(Relevance::Rank), |j| j.ndcg_floor(Relevance::Rank)),
    measure("ndcg.gain", true, |j| j.ndcg(Relevance::Gain), |j| j.ndcg_floor(Relevance::Gain)),
    measure("regret.1", false, |j| j.regret(1), |j| regret_floor(j.truth, 1)),
    measure("regret.3", false, |j| j.regret(3), |j| regret_floor(j.truth, 3)),
    measure("regret.5", false, |j| j.regret(5), |j| regret_floor(j.truth, 5)),
    measure(
        "regret_of_means.5",
        false,
        |j| regret_of_means(&j.order, j.truth, 5),
        |j| regret_of_means_floor(j.truth, 5),
    ),
    measure(
        "kendall_tau",
        true,
        |j| kendall_tau(j.predicted, j.truth),
        |j| kendall_tau(j.truth, j.truth).map(|_| 0.0),
    ),
    measure(
        "spearman",
        true,
        |j| spearman(j.predicted, j.truth),
        |j| spearman(j.truth, j.truth).map(|_| 0.0),
    ),
];

/// The values of [`MEASURES`], in their order.
pub type Values = Vec<Option<f64>>;

/// Every measure of one target.
pub fn measures(judged: &Judged<'_>) -> Values {
    MEASURES.iter().map(|measure| (measure.of)(judged)).collect()
}

/// Every measure's expectation over a random order for one target.
pub fn floors(judged: &Judged<'_>) -> Values {
    MEASURES.iter().map(|measure| (measure.floor)(judged)).collect()
}

/// What one more run of the truth itself would score: each seed's scores, `[n]`
/// a seed, judged as a prediction of the mean of the other seeds, averaged over
/// the seeds. It is no bound: the run that predicts is as noisy as each that is predicted, and
/// a method without that noise can do better.
///
/// `None` with fewer than two seeds, or where [`Judged::new`] refuses.
///
/// # Panics
/// When the seeds differ in length.
pub fn ceilings<S: AsRef<str>>(
    seeds: &[Vec<f64>],
    ids: &[S],
    no_transfer: Option<f64>,
) -> Option<Values> {
    if seeds.len() < 2 {
        return None;
    }
    let mut rows = Vec::with_capacity(seeds.len());
    for (own, predicted) in seeds.iter().enumerate() {
        let others: Vec<f64> = (0..predicted.len())
            .map(|source| {
                let rest = seeds.iter().enumerate().filter(|(i, _)| *i != own);
                rest.map(|(_, seed)| seed[source]).sum::<f64>() / (seeds.len() - 1) as f64
            })
            .collect();
        rows.push(measures(&Judged::new(predicted, &others, ids, no_transfer)?));
    }
    Some(means(&rows))
}

/// The mean of each measure over the rows in which it is defined.
pub fn means(rows: &[Values]) -> Values {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| {
            let defined: Vec<f64> = rows.iter().filter_map(|row| row[column]).collect();
            (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Calls `visit` with every order of `0..n` (Heap's algorithm).
    fn permutations(n: usize, visit: &mut dyn FnMut(&[usize])) {
        fn go(k: usize, items: &mut [usize], visit: &mut dyn FnMut(&[usize])) {
            if k <= 1 {
                return visit(items);
            }
            for i in 0..k {
                go(k - 1, items, visit);
                items.swap(if k.is_multiple_of(2) { i } else { 0 }, k - 1);
            }
        }
        go(n, &mut (0..n).collect::<Vec<_>>(), visit);
    }

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{i:02}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_floor_is_the_mean_over_all_orders(
            truth in proptest::collection::vec(-2_i32..12, 2..=6),
            no_transfer in 0_i32..6,
        ) {
            let truth: Vec<f64> = truth.into_iter().map(|x| f64::from(x) / 12.0).collect();
            let n = truth.len();
            let without = Some(f64::from(no_transfer) / 12.0);
            let (mut sums, mut count) = (vec![0.0; MEASURES.len()], 0.0);
            let mut undefined = vec![false; MEASURES.len()];
            permutations(n, &mut |order| {
                let mut predicted = vec![0.0; n];
                for (place, &i) in order.iter().enumerate() {
                    predicted[i] = -(place as f64);
                }
                let judged = Judged::new(&predicted, &truth, &ids(n), without).unwrap();
                count += 1.0;
                for (m, value) in measures(&judged).into_iter().enumerate() {
                    match value {
                        Some(value) => sums[m] += value,
                        None => undefined[m] = true,
                    }
                }
            });
            let some_order = vec![0.0; n];
            let floors =
                floors(&Judged::new(&some_order, &truth, &ids(n), without).unwrap());
            for (m, measure) in MEASURES.iter().enumerate() {
                match floors[m] {
                    Some(floor) => {
                        prop_assert!(!undefined[m], "{}", measure.name);
                        let mean = sums[m] / count;
                        prop_assert!((floor - mean).abs() < 1e-9, "{}: {floor} {mean}", measure.name);
                    }
                    None => prop_assert!(undefined[m], "{}", measure.name),
                }
            }
        }

        #[test]
        fn nothing_beats_the_truth_itself(
            truth in proptest::collection::vec(1_u32..1000, 2..12),
            predicted in proptest::collection::vec(-1.0_f64..1.0, 12),
        ) {
            let truth: Vec<f64> = truth.into_iter().map(|x| f64::from(x) / 1000.0).collect();
            let (n, ids) = (truth.len(), ids(truth.len()));
            let ideal = measures(&Judged::new(&truth, &truth, &ids, Some(0.2)).unwrap());
            let other = measures(&Judged::new(&predicted[..n], &truth, &ids, Some(0.2)).unwrap());
            for (m, measure) in MEASURES.iter().enumerate() {
                if let (Some(ideal), Some(other)) = (ideal[m], other[m]) {
                    let margin = if measure.greater_is_better { ideal - other } else { other - ideal };
                    // Tied best sources share a rank, whatever the order.
                    let tied = measure.name == "rank_of_best" && ideal != 1.0;
                    prop_assert!(margin >= -1e-9 || tied, "{}: {ideal} {other}", measure.name);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_judged() {
        assert!(Judged::new(&[1.0], &[1.0], &["a"], None).is_none());
        assert!(Judged::new(&[1.0, f64::NAN], &[1.0, 2.0], &["a", "b"], None).is_none());
        let none: [&str; 2] = ["a", "b"];
        assert!(ceilings(&[vec![1.0, 2.0]], &none, None).is_none());
    }

    #[test]
    fn seeds_that_agree_have_a_perfect_ceiling() {
        let seed = vec![0.25, 0.5, 0.75];
        let ceiling =
            ceilings(&[seed.clone(), seed.clone(), seed], &["a", "b", "c"], None).unwrap();
        let of = |name| ceiling[MEASURES.iter().position(|m| m.name == name).unwrap()];
        assert_eq!((of("rank_of_best"), of("regret.1")), (Some(1.0), Some(0.0)));
        assert_eq!(of("ndcg.gain"), None, "there is no score without transfer");
    }

    #[test]
    fn seeds_by_hand() {
        // Seed 0 has the best first, the others second: 0 judged by 1 and 2
        // ranks it second; 1 by the mean (0.5, 0.45) of 0 and 2 too; 2 too.
        let seeds = [vec![0.8, 0.3], vec![0.2, 0.6], vec![0.2, 0.6]];
        let ceiling = ceilings(&seeds, &["a", "b"], None).unwrap();
        assert_eq!(ceiling[0], Some(2.0));
    }
}
