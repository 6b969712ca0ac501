//! Scores of a classifier's predictions. Classes are small integers.

/// Share of predictions that equal the gold class, in `[0, 1]`; 0 for none.
///
/// # Panics
/// When the slices differ in length (true of every function here).
pub fn accuracy(gold: &[u32], predicted: &[u32]) -> f64 {
    assert_eq!(gold.len(), predicted.len(), "a prediction for every example");
    if gold.is_empty() {
        return 0.0;
    }
    let hits = gold.iter().zip(predicted).filter(|(g, p)| g == p).count();
    hits as f64 / gold.len() as f64
}

/// F1 of class 1 against all others; 0 when it is never predicted or never
/// gold (scikit-learn's `f1_score` with `zero_division=0`).
pub fn binary_f1(gold: &[u32], predicted: &[u32]) -> f64 {
    f_beta(gold, predicted, 1.0)
}

/// F_β of class 1 against all others: recall weighs `beta` times as much as
/// precision, so that 0.5 favours precision. 0 when the class is never
/// predicted or never gold (scikit-learn's `fbeta_score` with
/// `zero_division=0`).
///
/// # Panics
/// When `beta` is not a positive number.
pub fn f_beta(gold: &[u32], predicted: &[u32], beta: f64) -> f64 {
    assert_eq!(gold.len(), predicted.len(), "a prediction for every example");
    assert!(beta.is_finite() && beta > 0.0, "beta is a positive number");
    let count = |g: bool, p: bool| {
        gold.iter().zip(predicted).filter(|&(&a, &b)| (a == 1) == g && (b == 1) == p).count() as f64
    };
    let (tp, fp, fn_) = (count(true, true), count(false, true), count(true, false));
    let weight = beta * beta;
    if tp == 0.0 { 0.0 } else { (1.0 + weight) * tp / ((1.0 + weight) * tp + weight * fn_ + fp) }
}

/// Matthews correlation coefficient, in `[-1, 1]`, for any number of classes
/// (Gorodkin 2004, as scikit-learn computes it); 0 when either side is
/// constant.
pub fn matthews(gold: &[u32], predicted: &[u32]) -> f64 {
    assert_eq!(gold.len(), predicted.len(), "a prediction for every example");
    let classes = gold.iter().chain(predicted).max().map_or(0, |&m| m as usize + 1);
    let (mut of_gold, mut of_predicted) = (vec![0.0_f64; classes], vec![0.0_f64; classes]);
    let mut hits = 0.0;
    for (&g, &p) in gold.iter().zip(predicted) {
        of_gold[g as usize] += 1.0;
        of_predicted[p as usize] += 1.0;
        hits += f64::from(u8::from(g == p));
    }
    let n = gold.len() as f64;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let spread = (n * n - dot(&of_predicted, &of_predicted)) * (n * n - dot(&of_gold, &of_gold));
    if spread <= 0.0 {
        return 0.0;
    }
    (hits * n - dot(&of_gold, &of_predicted)) / spread.sqrt()
}

/// The most frequent class, the smallest such on a tie; `None` for no gold.
pub fn majority_class(gold: &[u32]) -> Option<u32> {
    let classes = gold.iter().max().map(|&m| m as usize + 1)?;
    let mut counts = vec![0_usize; classes];
    for &g in gold {
        counts[g as usize] += 1;
    }
    let most = counts.iter().max()?;
    counts.iter().position(|c| c == most).map(|class| class as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: scikit-learn 1.7 (accuracy_score, f1_score,
    // matthews_corrcoef) on the same lists.
    const GOLD: [u32; 8] = [1, 0, 1, 1, 0, 0, 1, 0];
    const PREDICTED: [u32; 8] = [1, 0, 0, 1, 1, 0, 1, 1];

    #[test]
    fn binary_scores() {
        assert!((accuracy(&GOLD, &PREDICTED) - 0.625).abs() < 1e-12);
        assert!((binary_f1(&GOLD, &PREDICTED) - 2.0 / 3.0).abs() < 1e-12);
        assert!((matthews(&GOLD, &PREDICTED) - 0.258_198_889_747_161_1).abs() < 1e-12);
    }

    #[test]
    fn three_classes() {
        let gold = [0, 1, 2, 2, 1, 0, 2];
        let predicted = [0, 2, 2, 2, 1, 0, 1];
        assert!((matthews(&gold, &predicted) - 0.5625).abs() < 1e-12);
    }

    #[test]
    fn constant_predictions_have_no_correlation() {
        assert_eq!(matthews(&GOLD, &[1; 8]), 0.0);
        assert_eq!(binary_f1(&GOLD, &[0; 8]), 0.0);
    }

    #[test]
    fn majority_takes_the_smaller_class_on_a_tie() {
        assert_eq!(majority_class(&GOLD), Some(0));
        assert_eq!(majority_class(&[2, 2, 1]), Some(2));
        assert_eq!(majority_class(&[]), None);
    }
}
