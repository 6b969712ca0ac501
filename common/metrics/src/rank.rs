//! From scores to an order.

use std::cmp::Ordering;

/// The indices of `scores` by descending score; ties are broken by ascending
/// `ids`, so that a ranking never depends on the order of a file.
///
/// # Panics
/// When the two slices differ in length or a score is NaN.
pub fn descending<S: AsRef<str>>(scores: &[f64], ids: &[S]) -> Vec<usize> {
    assert_eq!(scores.len(), ids.len(), "a score for every id");
    by_score(scores, &|i, j| ids[i].as_ref().cmp(ids[j].as_ref()))
}

/// One function for ids of every type, which are looked at where scores are equal.
fn by_score(scores: &[f64], ties: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    assert!(scores.iter().all(|s| !s.is_nan()), "a NaN score has no rank");
    // Scores beside their places: an order of places alone would jump through memory.
    let mut order: Vec<(f64, usize)> = scores.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|(x, i), (y, j)| {
        // 0 is added because −0 and 0 are equal scores.
        (y + 0.0).total_cmp(&(x + 0.0)).then_with(|| ties(*i, *j)).then(i.cmp(j))
    });
    order.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_by_id() {
        assert_eq!(descending(&[0.5, 0.9, 0.5, 0.9], &["d", "c", "a", "b"]), [3, 1, 2, 0]);
    }

    #[test]
    fn negative_zero_ties_with_zero() {
        assert_eq!(descending(&[-0.0, 0.0, -0.1], &["a", "b", "c"]), [0, 1, 2]);
        assert_eq!(descending(&[0.0, -0.0, -0.1], &["b", "a", "c"]), [1, 0, 2]);
    }

    proptest! {
        #[test]
        fn a_permutation_in_descending_order(scores in proptest::collection::vec(-1.0..1.0_f64, 0..50)) {
            let ids: Vec<String> = (0..scores.len()).map(|i| format!("{i:03}")).collect();
            let order = descending(&scores, &ids);
            let mut seen = order.clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..scores.len()).collect::<Vec<_>>());
            prop_assert!(order.windows(2).all(|w| scores[w[0]] >= scores[w[1]]));
        }
    }
}
