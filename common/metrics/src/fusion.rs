//! Several rankings as one.

/// The constant of [`reciprocal_rank_fusion`].
pub const RRF_K: f64 = 60.0;

/// Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): the score of an
/// item is `Σ 1/(60 + rank)` over the rankings, ranks from 1. `ranks[m][i]` is
/// item `i`'s rank in ranking `m`; greater scores are better.
///
/// # Panics
/// When the rankings differ in length.
pub fn reciprocal_rank_fusion(ranks: &[Vec<usize>]) -> Vec<f64> {
    let n = ranks.first().map_or(0, Vec::len);
    assert!(ranks.iter().all(|ranking| ranking.len() == n), "rankings of the same items");
    (0..n).map(|i| ranks.iter().map(|ranking| 1.0 / (RRF_K + ranking[i] as f64)).sum()).collect()
}

/// The mean score of each item: `scores[m][i]` is item `i`'s in method `m`.
///
/// # Panics
/// When the methods differ in length.
pub fn mean_scores(scores: &[Vec<f64>]) -> Vec<f64> {
    let n = scores.first().map_or(0, Vec::len);
    assert!(scores.iter().all(|method| method.len() == n), "scores of the same items");
    let methods = scores.len() as f64;
    (0..n).map(|i| scores.iter().map(|method| method[i]).sum::<f64>() / methods).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let fused = reciprocal_rank_fusion(&[vec![1, 2, 3], vec![3, 1, 2]]);
        assert_eq!(
            fused,
            [1.0 / 61.0 + 1.0 / 63.0, 1.0 / 62.0 + 1.0 / 61.0, 1.0 / 63.0 + 1.0 / 62.0]
        );
        assert_eq!(mean_scores(&[vec![0.5, 1.0], vec![0.25, 0.0]]), [0.375, 0.5]);
        assert!(reciprocal_rank_fusion(&[]).is_empty() && mean_scores(&[]).is_empty());
    }
}
