//! How sure a mean over targets is: bootstrap intervals and a paired test.
//!
//! Random numbers come from SplitMix64 (Steele, Lea and Flood 2014) used as a
//! counter: number `i` of a seed is `mix(seed + (i + 1) · 0x9E3779B97F4A7C15)`,
//! with `mix` as in [`random`]. So every figure can be reproduced from its seed,
//! natively, in the browser and in any other language.

use crate::{at_once, no_pause};

/// Number `i` of the stream that `seed` names, uniform in 64 bits.
pub fn random(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Number `i` of a seed as an index below `n`: the high word of the product.
/// With `n` targets, its bias is below `n / 2^64`.
fn index(seed: u64, i: u64, n: usize) -> usize {
    ((u128::from(random(seed, i)) * n as u128) >> 64) as usize
}

/// The 95 % percentile bootstrap interval of the mean of `values`, one value a
/// target, over `draws` resamples of the targets; values of the same targets
/// are resampled alike under the same seed. Where a measure is undefined
/// (`None`), the mean is over the rest. Percentiles are interpolated linearly.
///
/// `None` with fewer than two defined values, which say nothing of spread.
pub fn bootstrap_interval(values: &[Option<f64>], draws: usize, seed: u64) -> Option<[f64; 2]> {
    at_once(bootstrap_intervals(&[values.to_vec()], draws, seed, &no_pause)).remove(0)
}

/// [`bootstrap_interval`] of several measures, each `[targets]`, at the price of one:
/// they share their resamples.
///
/// # Panics
/// When the measures are of different numbers of targets.
pub async fn bootstrap_intervals(
    measures: &[Vec<Option<f64>>],
    draws: usize,
    seed: u64,
    pause: &impl AsyncFn(),
) -> Vec<Option<[f64; 2]>> {
    let n = measures.first().map_or(0, Vec::len);
    assert!(measures.iter().all(|values| values.len() == n), "one value a target");
    let mut means: Vec<Vec<f64>> = vec![Vec::new(); measures.len()];
    let mut chosen = vec![0; n];
    for draw in 0..draws {
        for (place, target) in chosen.iter_mut().enumerate() {
            *target = index(seed, (draw * n + place) as u64, n);
        }
        for (values, means) in measures.iter().zip(&mut means) {
            let (mut sum, mut count) = (0.0, 0_u32);
            for value in chosen.iter().filter_map(|&target| values[target]) {
                sum += value;
                count += 1;
            }
            if count > 0 {
                means.push(sum / f64::from(count));
            }
        }
        if draw % 64 == 0 {
            pause().await;
        }
    }
    let mut intervals = Vec::with_capacity(measures.len());
    for (values, mut means) in measures.iter().zip(means) {
        means.sort_unstable_by(f64::total_cmp);
        let known = values.iter().flatten().count() >= 2;
        let ends = percentile(&means, 0.025).zip(percentile(&means, 0.975));
        intervals.push(ends.filter(|_| known).map(|(low, high)| [low, high]));
        pause().await;
    }
    intervals
}

fn percentile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// The outcome of [`paired_test`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedTest {
    /// Targets that were compared.
    pub targets: usize,
    /// Mean of first minus second.
    pub difference: f64,
    /// Its 95 % bootstrap interval over targets; `None` for one target.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p-value of the sign-flip permutation test.
    pub p_value: f64,
    /// Whether all sign flips were counted, or some drawn.
    pub exact: bool,
}

/// Of how improbable a difference by chance must be to be told apart from none.
pub const SIGNIFICANT: f64 = 0.05;

impl PairedTest {
    /// Whether the first is the greater one; `None` where chance could have done it. It takes
    /// both an interval without 0 and a small p-value: of few targets that happen to agree,
    /// the bootstrap's interval never holds 0.
    pub fn first_is_greater(&self) -> Option<bool> {
        let [low, high] = self.interval.filter(|_| self.p_value < SIGNIFICANT)?;
        match (low > 0.0, high < 0.0) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// Most targets whose `2^n` sign flips are all counted.
pub const EXACT_UP_TO: usize = 16;

/// Compares two methods over the same targets: a two-sided sign-flip
/// permutation test of the mean difference (Fisher 1935). If the methods were
/// alike, each target's difference could as well have the other sign; the
/// p-value is the share of sign flips whose mean is at least as far from 0.
///
/// All flips are counted up to [`EXACT_UP_TO`] targets; beyond, `draws` are
/// drawn with `seed`, and the observed one is counted among them, so that p is
/// never 0. Targets where either value is `None` are left out; `None` if no
/// target is left.
///
/// # Panics
/// When the slices differ in length.
pub fn paired_test(
    first: &[Option<f64>],
    second: &[Option<f64>],
    draws: usize,
    seed: u64,
) -> Option<PairedTest> {
    assert_eq!(first.len(), second.len(), "two values a target");
    let differences: Vec<f64> =
        first.iter().zip(second).filter_map(|(a, b)| Some((*a)? - (*b)?)).collect();
    let n = differences.len();
    if n == 0 {
        return None;
    }
    let sum: f64 = differences.iter().sum();
    // Sums of the same numbers in another order must count as equal.
    let scale: f64 = differences.iter().map(|d| d.abs()).sum();
    let threshold = sum.abs() - 1e-12 * scale;
    let extreme = |flipped: &dyn Fn(usize) -> bool| {
        let flipped: f64 =
            differences.iter().enumerate().map(|(i, d)| if flipped(i) { -d } else { *d }).sum();
        flipped.abs() >= threshold
    };
    let exact = n <= EXACT_UP_TO;
    let p_value = if exact {
        let all = 1_u64 << n;
        let hits = (0..all).filter(|bits| extreme(&|i| bits >> i & 1 == 1)).count();
        hits as f64 / all as f64
    } else {
        let flip = |draw: usize, i: usize| random(seed, (draw * n + i) as u64) >> 63 == 1;
        let hits = (0..draws).filter(|&draw| extreme(&|i| flip(draw, i))).count();
        (hits + 1) as f64 / (draws + 1) as f64
    };
    let values: Vec<Option<f64>> = differences.iter().copied().map(Some).collect();
    Some(PairedTest {
        targets: n,
        difference: sum / n as f64,
        interval: bootstrap_interval(&values, draws, seed),
        p_value,
        exact,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_split_mix_64() {
        // The first numbers of the reference implementation.
        let of = |seed| [random(seed, 0), random(seed, 1)];
        assert_eq!(of(0), [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
        assert_eq!(of(1_234_567), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn few_targets_that_agree_tell_nothing() {
        let test = |n: usize| {
            let first: Vec<_> = (0..n).map(|i| Some(0.5 + 0.01 * (i + 1) as f64)).collect();
            paired_test(&first, &vec![Some(0.5); n], 1000, 0).unwrap()
        };
        for n in 2..=5 {
            assert!(test(n).interval.unwrap()[0] > 0.0, "{n}");
            assert_eq!(test(n).first_is_greater(), None, "{n}");
        }
        assert_eq!(test(6).first_is_greater(), Some(true), "p is 1 of 32");
        assert_eq!(test(1).first_is_greater(), None);
        let [low, high] = test(6).interval.unwrap();
        let less = PairedTest { interval: Some([-high, -low]), ..test(6) };
        assert_eq!(less.first_is_greater(), Some(false));
        let open = PairedTest { interval: Some([-low, high]), ..test(6) };
        assert_eq!(open.first_is_greater(), None);
    }

    #[test]
    fn indices_are_below_n_and_reach_all() {
        let mut seen = [0_usize; 7];
        (0..7000).for_each(|i| seen[index(3, i, 7)] += 1);
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
    }

    #[test]
    fn one_value_has_no_interval() {
        assert_eq!(bootstrap_interval(&[Some(1.0)], 100, 0), None);
        assert_eq!(bootstrap_interval(&[Some(1.0), None], 100, 0), None);
        assert_eq!(bootstrap_interval(&[Some(1.0), Some(1.0)], 100, 0), Some([1.0, 1.0]));
        assert_eq!(bootstrap_interval(&[Some(1.0), Some(2.0)], 0, 0), None);
    }

    #[test]
    fn equal_methods_are_not_told_apart() {
        let values: Vec<_> = (0..30).map(|i| Some(f64::from(i))).collect();
        for n in [3, 30] {
            let test = paired_test(&values[..n], &values[..n], 1000, 0).unwrap();
            assert_eq!((test.difference, test.p_value), (0.0, 1.0));
            assert_eq!(test.exact, n == 3);
        }
    }

    #[test]
    fn the_smallest_exact_p_is_two_of_all_flips() {
        let (first, second): (Vec<_>, Vec<_>) =
            (1..=5).map(|i| (Some(f64::from(i)), Some(0.0))).unzip();
        assert_eq!(paired_test(&first, &second, 0, 0).unwrap().p_value, 2.0 / 32.0);
        assert_eq!(paired_test(&[None], &[Some(1.0)], 10, 0), None);
    }
}
