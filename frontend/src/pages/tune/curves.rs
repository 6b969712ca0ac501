//! Loss and validation score by epoch, drawn small.

use super::picture;
use super::watched::{Curve, Point, Watched};
use crate::components::picture::SaveButtons;
use crate::words;
use leptos::prelude::*;
use std::fmt::Write;

/// The drawing's inner size; it is stretched to the place that it has.
pub const WIDTH: f64 = 300.0;
/// See [`WIDTH`].
pub const HEIGHT: f64 = 100.0;

/// Both, beside one another; `asked` is how many epochs there will be at most.
#[component]
pub fn Curves(
    watched: RwSignal<Watched>,
    asked: Memo<u64>,
    /// What the run is called.
    name: Memo<String>,
) -> impl IntoView {
    let epochs = Memo::new(move |_| {
        watched.with(|watched| {
            let points = watched.curves.iter().flat_map(|curve| &curve.points);
            let done = points.map(|point| point.epoch).max().unwrap_or(0);
            let rests = watched.state.is_some_and(|state| state.is_at_rest());
            end(done, if rests { done } else { asked.get() })
        })
    });
    let some = Signal::derive(move || {
        watched.with(|watched| watched.curves.iter().any(|curve| !curve.points.is_empty()))
    });
    let file = Callback::new(move |()| {
        let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
        format!("tupate-{}-curves", name.get_untracked().chars().map(plain).collect::<String>())
    });
    let drawn = Callback::new(move |()| {
        let curves = watched.with_untracked(|watched| watched.curves.clone());
        Some(picture::of(&name.get_untracked(), &curves, epochs.get_untracked()))
    });
    view! {
        <div class="curves">
            <Plot watched epochs name="Loss" of=|point| point.loss />
            <Plot watched epochs name="Validation score" of=|point| point.score />
        </div>
        // There from the beginning, so that nothing moves when the first epoch is done.
        <SaveButtons hook="curves" name=file what="the curves" drawn ready=some />
    }
}

/// Where the axis of epochs ends: at the last of all where that is near, else where what is
/// done fills it, in steps so that it seldom changes.
fn end(done: u64, asked: u64) -> u64 {
    let enough = [5, 10, 20, 50, 100, 200, 500].into_iter().find(|end| *end >= done);
    enough.unwrap_or(u64::MAX).min(asked).max(done).max(2)
}

#[component]
fn Plot(
    watched: RwSignal<Watched>,
    epochs: Memo<u64>,
    name: &'static str,
    of: fn(&Point) -> f64,
) -> impl IntoView {
    let curves = Memo::new(move |_| watched.with(|watched| watched.curves.clone()));
    let drawn = Memo::new(move |_| curves.with(|curves| Drawn::of(curves, epochs.get(), of)));
    let last = move || {
        drawn.with(|d| if d.paths.is_empty() { "–".into() } else { words::number(d.last, 3) })
    };
    // A line that does not change needs no scale.
    let edge = move |at: fn(&Drawn) -> f64| {
        move || drawn.with(|d| (d.high > d.low).then(|| words::number(at(d), 3)))
    };
    view! {
        <figure>
            <figcaption>
                <span>{name}</span>
                <strong>{last}</strong>
            </figcaption>
            <div class="plot">
                <span class="high" aria-hidden="true">{edge(|d| d.high)}</span>
                <span class="low" aria-hidden="true">{edge(|d| d.low)}</span>
                <svg
                    viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                    preserveAspectRatio="none"
                    role="img"
                    aria-label=move || drawn.with(|d| d.words(name))
                >
                    <path class="frame" d=format!("M0 0H{WIDTH}M0 {}H{WIDTH}M0 {HEIGHT}H{WIDTH}", HEIGHT / 2.0) />
                    {move || {
                        drawn
                            .with(|d| {
                                let last = d.paths.len().saturating_sub(1);
                                d.paths
                                    .iter()
                                    .enumerate()
                                    .map(|(i, path)| {
                                        view! { <path class:now=i == last d=path.clone() /> }
                                    })
                                    .collect_view()
                            })
                    }}
                </svg>
            </div>
            <p class="epochs" aria-hidden="true">
                <span>"epoch 1"</span>
                <span>{move || epochs.get().to_string()}</span>
            </p>
        </figure>
    }
}

/// Curves as paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// One a curve.
    pub paths: Vec<String>,
    /// The least value.
    pub low: f64,
    /// The greatest one.
    pub high: f64,
    first: f64,
    /// The latest one.
    pub last: f64,
    points: usize,
}

impl Drawn {
    /// What `of` says of the points, up to so many epochs.
    pub fn of(curves: &[Curve], epochs: u64, of: fn(&Point) -> f64) -> Self {
        let all = || curves.iter().flat_map(|curve| &curve.points);
        let values = || all().map(of).filter(|value| value.is_finite());
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        if low > high {
            return Self::default();
        }
        let last_epoch = epochs.max(2);
        let span = if high > low { high - low } else { 1.0 };
        let place = |point: &Point| {
            let x = (point.epoch - 1) as f64 / (last_epoch - 1) as f64 * WIDTH;
            // A line that does not change runs in the middle.
            let share = if high > low { (of(point) - low) / span } else { 0.5 };
            (x, (1.0 - share) * HEIGHT)
        };
        let path = |curve: &Curve| {
            let mut path = String::new();
            for point in curve.points.iter().filter(|point| of(point).is_finite()) {
                let (x, y) = place(point);
                let command = if path.is_empty() { 'M' } else { 'L' };
                // Writing to a string cannot fail.
                let _ = write!(path, "{command}{x:.1} {y:.1}");
            }
            // A single point is a dot: a line of no length with round ends.
            path.push_str(if curve.points.len() == 1 { "h0" } else { "" });
            path
        };
        let points = curves.last().map_or(&[][..], |curve| &curve.points);
        Self {
            paths: curves.iter().map(path).collect(),
            low,
            high,
            first: points.first().map_or(f64::NAN, of),
            last: points.last().map_or(f64::NAN, of),
            points: points.len(),
        }
    }

    fn words(&self, name: &str) -> String {
        match self.points {
            0 => format!("{name}: nothing yet"),
            1 => format!("{name}: {} after one epoch", words::number(self.last, 3)),
            n => format!(
                "{name}: from {} to {} over {n} epochs, between {} and {}",
                words::number(self.first, 3),
                words::number(self.last, 3),
                words::number(self.low, 3),
                words::number(self.high, 3)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fill_the_place_they_have() {
        let points = [(1, 0.9), (2, 0.4), (3, 0.5)];
        let points = points.map(|(epoch, loss)| Point { epoch, loss, score: 0.5 });
        let curve = Curve { learning_rate: 1e-3, points: points.into() };
        let drawn = Drawn::of(std::slice::from_ref(&curve), 5, |point| point.loss);
        assert_eq!(drawn.paths, ["M0.0 0.0L75.0 100.0L150.0 80.0"]);
        assert!(drawn.words("Loss").contains("from 0.900 to 0.500 over 3 epochs"));
        let flat = Drawn::of(&[curve], 3, |point| point.score);
        assert_eq!(flat.paths, ["M0.0 50.0L150.0 50.0L300.0 50.0"]);
        assert_eq!(Drawn::of(&[], 3, |point| point.loss), Drawn::default());
        let one = Curve { learning_rate: 1.0, points: vec![points[0]] };
        assert_eq!(Drawn::of(&[one], 1, |point| point.loss).paths, ["M0.0 50.0h0"]);
    }

    #[test]
    fn the_axis_of_epochs_is_filled_and_seldom_changes() {
        for (done, asked, expected) in
            [(0, 300, 5), (3, 300, 5), (6, 300, 10), (150, 300, 200), (250, 300, 300), (4, 4, 4)]
        {
            assert_eq!(end(done, asked), expected, "{done} of {asked}");
        }
        assert_eq!((end(0, 0), end(1, 1), end(700, 1000)), (2, 2, 1000));
    }
}
