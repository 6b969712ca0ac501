//! The axis of the bars: where it starts, where it ends, and saying so.
//!
//! Raw cosines of tuned parameters all lie near 0.99, where bars from zero would
//! look alike. Cutting the axis shows the differences but makes lengths lie, so a
//! cut axis is drawn with points in place of bars, and always says that it is cut.

/// How the scores are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bars from zero.
    Whole,
    /// Bars from zero to either side.
    Signed,
    /// Points on an axis that does not start at zero.
    Cut,
}

/// An axis that holds all scores of a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The left end.
    pub from: f64,
    /// The right end.
    pub to: f64,
    /// How scores are drawn on it.
    pub kind: Kind,
    /// Where it is labelled, in ascending order.
    pub ticks: Vec<f64>,
    decimals: usize,
}

/// Below this share of the greatest score, differences are hard to see on an
/// axis from zero.
const CROWDED: f64 = 0.25;
/// Intervals that an axis is divided into, about.
const INTERVALS: f64 = 4.0;

impl Axis {
    /// The axis for these scores.
    pub fn of(scores: &[f64]) -> Self {
        let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !(low.is_finite() && high.is_finite()) {
            return Self::between(0.0, 1.0, Kind::Whole);
        }
        let spread = high - low;
        if low < 0.0 {
            return Self::between(low, high.max(0.0), Kind::Signed);
        }
        if spread > 0.0 && spread < CROWDED * high {
            // The natural end of a cosine is 1: shown where that does not
            // squeeze the scores into a corner.
            let to = if high <= 1.0 && 1.0 - high <= spread { 1.0 } else { high };
            let axis = Self::between((low - 0.05 * spread).max(0.0), to, Kind::Cut);
            if axis.from > 0.0 {
                return axis;
            }
        }
        let to = if high > 0.0 { high } else { 1.0 };
        Self::between(0.0, to, Kind::Whole)
    }

    /// The axis for points, which do not start at zero: no longer than it must be.
    pub fn around(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !(low.is_finite() && high.is_finite()) {
            return Self::between(0.0, 1.0, Kind::Cut);
        }
        Self::between(low, high, Kind::Cut)
    }

    fn between(low: f64, high: f64, kind: Kind) -> Self {
        let step = nice_step((high - low) / INTERVALS);
        // A hair of tolerance, lest 0.3 / 0.1 = 2.9999… adds an empty interval.
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil().max(first + 1.0);
        let ticks: Vec<f64> = (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|tick| if tick == 0.0 { 0.0 } else { tick })
            .collect();
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        Self { from: first * step, to: last * step, kind, ticks, decimals }
    }

    /// Where on the axis a value lies: 0 at its left end, 1 at its right.
    pub fn place(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Both ends of a score's mark, as places on the axis, left one first.
    pub fn mark(&self, score: f64) -> (f64, f64) {
        let end = self.place(score);
        let start = match self.kind {
            Kind::Whole | Kind::Cut => 0.0,
            Kind::Signed => self.place(0.0),
        };
        (start.min(end), start.max(end))
    }

    /// A tick's label.
    pub fn label(&self, tick: f64) -> String {
        crate::words::number(tick, self.decimals)
    }

    /// What a reader must know of the axis, in a sentence.
    pub fn note(&self) -> String {
        let (from, to) = (self.label(self.from), self.label(self.to));
        match self.kind {
            Kind::Whole => format!("The scale runs from {from} to {to}."),
            Kind::Signed => format!(
                "The scale runs from {from} to {to}; bars start at 0 and go left for tasks that point away."
            ),
            Kind::Cut => {
                format!(
                    "The scale runs from {from} to {to}, not from 0: compare places, not lengths."
                )
            }
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    // Scores of duplicates differ by rounding alone: no axis finer than that.
    let rough = rough.max(1e-6);
    let power = 10.0_f64.powi(rough.log10().floor() as i32);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|t| axis.label(*t)).collect()
    }

    #[test]
    fn raw_cosines_get_a_cut_axis_that_says_so() {
        let axis = Axis::of(&[0.9961, 0.9942, 0.9931]);
        assert_eq!(axis.kind, Kind::Cut);
        assert_eq!(labels(&axis), ["0.992", "0.993", "0.994", "0.995", "0.996", "0.997"]);
        assert!(axis.note().contains("from 0.992 to 0.997, not from 0"));
        assert!(axis.place(0.9931) > 0.0);
    }

    #[test]
    fn a_cut_axis_reaches_1_where_that_squeezes_nothing() {
        assert_eq!(Axis::of(&[0.9996, 0.9991, 0.9988]).to, 1.0);
    }

    #[test]
    fn a_cut_axis_ends_near_the_scores_when_one_is_far() {
        let axis = Axis::of(&[0.52, 0.515, 0.51]);
        assert_eq!(axis.kind, Kind::Cut);
        assert!(axis.to < 0.53, "{axis:?}");
    }

    #[test]
    fn spread_scores_start_at_zero() {
        let axis = Axis::of(&[0.61, 0.3, 0.02]);
        assert_eq!((axis.kind, axis.from), (Kind::Whole, 0.0));
        assert_eq!(axis.mark(0.0), (0.0, 0.0));
        assert_eq!(labels(&axis), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
    }

    #[test]
    fn negative_scores_go_left_from_zero() {
        let axis = Axis::of(&[0.41, -0.33]);
        assert_eq!(axis.kind, Kind::Signed);
        let (left, right) = axis.mark(-0.33);
        assert!(left < right && (right - axis.place(0.0)).abs() < 1e-12);
        assert!(axis.ticks.contains(&0.0));
        assert_eq!(axis.label(-0.2), "−0.2");
        assert_eq!(Axis::of(&[-0.2, -0.4]).to, 0.0);
    }

    #[test]
    fn points_have_an_axis_around_them() {
        let axis = Axis::around(&[0.495, 0.92, 0.7]);
        assert_eq!(labels(&axis), ["0.4", "0.6", "0.8", "1.0"]);
        for values in [&[][..], &[0.5], &[-0.2, 0.1], &[0.0, 0.0], &[13.0, 1.5]] {
            let axis = Axis::around(values);
            assert!((2..=8).contains(&axis.ticks.len()), "{values:?} {axis:?}");
            assert!(values.iter().all(|v| axis.from <= *v && *v <= axis.to), "{axis:?}");
        }
    }

    #[test]
    fn every_ranking_has_a_sane_axis() {
        let cases: [&[f64]; 7] =
            [&[], &[0.0], &[1.0], &[0.7, 0.7], &[-1.0], &[1.0, 1.0 - 1e-12], &[0.3, 0.31, 0.29]];
        for scores in cases {
            let axis = Axis::of(scores);
            assert!(axis.from < axis.to, "{scores:?} {axis:?}");
            assert!((2..=8).contains(&axis.ticks.len()), "{scores:?} {axis:?}");
            for score in scores {
                assert!(
                    axis.from <= score + 1e-9 && score - 1e-9 <= axis.to,
                    "{scores:?} {axis:?}"
                );
                assert!(axis.mark(*score).0.is_finite());
            }
        }
    }
}
