//! CurveGrad: sources whose training loss still falls (Bingel and Søgaard 2017,
//! section 3, for auxiliary tasks; Vu et al. 2020 and the paper, section 4.2, for
//! sources).
//!
//! The loss of step t of T is put at p = 100·(t − ½)/T percent of fine-tuning. The
//! gradient at 10, 20, 30, 50 and 70 % is the slope of the least-squares line through
//! all steps within 5 percentage points, which smooths and differentiates at once: in
//! loss per percent of training. At each of the five, the steepest descent is first;
//! the five orders are fused. Losses are compared as they are, although a squared
//! error and a cross-entropy have no common unit: a ranking across objectives says
//! less than one within.

use super::kept::Kept;
use super::matrix::fuse;
use super::work::{Task, Work, union};
use super::{Baseline, Matrix, Options, tuned};
use crate::Error;
use crate::train::FineTuneRecord;
use serde::{Deserialize, Serialize};

/// Most training examples of a task, unless more are asked for.
pub const MAX_TRAIN: usize = 10_000;

/// Where gradients are taken, in percent of training.
const MOMENTS: [f64; 5] = [10.0, 20.0, 30.0, 50.0, 70.0];

/// How far from a moment steps count, in percentage points.
const REACH: f64 = 5.0;

/// Steps that a line goes through at least.
const FEWEST: usize = 3;

/// Loss per percent of training at each of the moments.
type Gradients = [f64; MOMENTS.len()];

/// What is kept of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Curve {
    gradients: Gradients,
    /// The loss of every step.
    losses: Vec<f64>,
}

pub fn matrix(
    work: &mut Work<'_, '_>,
    sources: &[String],
    targets: &[String],
) -> Result<Matrix, Error> {
    let max_train = work.options.max_train.unwrap_or(MAX_TRAIN);
    let options = Options { max_train: Some(max_train), ..work.options.clone() };
    let settings = work.settings(&options);
    let kept = Kept::open(work.folder, Baseline::CurveGrad.name(), "", settings)?;
    // Encoders tuned in the same way for another baseline have the same curves.
    let tuned = match tuned::open(work, &options) {
        Ok(tuned) => Some(tuned),
        // Those of other settings are no use here, and no harm either.
        Err(Error::Resume(_)) => None,
        Err(error) => return Err(error),
    };
    let made = work.each(&union(sources, targets), Some(max_train), |work, name, task| {
        // A target is loaded for its id; its own curve decides nothing.
        let wanted = sources.iter().any(|source| source == name);
        wanted.then(|| gradients(work, task, &kept, tuned.as_ref())).transpose()
    })?;
    Matrix::new(made.ids(targets), made.ids(sources), |_, others| {
        let list = |moment: usize| {
            let descent = |&s: &usize| made.of(&sources[s]).map_or(f64::NAN, |g| -g[moment]);
            others.iter().map(descent).collect()
        };
        let lists: Vec<Vec<f64>> = (0..MOMENTS.len()).map(list).collect();
        Ok(fuse(&lists))
    })
}

fn gradients(
    work: &mut Work<'_, '_>,
    task: &Task,
    kept: &Kept,
    tuned: Option<&Kept>,
) -> Result<Gradients, Error> {
    let id = &task.dataset.task;
    if let Some(curve) = kept.result::<Curve>(id, &task.identity)? {
        return Ok(curve.gradients);
    }
    let there =
        tuned.map(|tuned| tuned.result::<FineTuneRecord>(id, &task.identity)).transpose()?;
    let record = match there.flatten() {
        Some(record) => record,
        None => work.fine_tune(&task.dataset)?.record,
    };
    let gradients = slopes(&record.losses).ok_or_else(|| Error::Baseline {
        task: id.clone(),
        what: format!(
            "{} steps of fine-tuning are too few for the gradients of a curve, each of which needs \
             {FEWEST} steps in a tenth of training; use more --epochs or a smaller --batch-size",
            record.losses.len()
        ),
    })?;
    let curve = Curve { gradients, losses: record.losses };
    kept.keep(id, &task.identity, &curve, None)?;
    Ok(gradients)
}

/// The gradients of a curve at all moments; `None` where it has too few steps.
fn slopes(losses: &[f64]) -> Option<Gradients> {
    // Steps at the border count on both sides, whatever rounding does to them.
    const ROUNDING: f64 = 1e-9;
    let percent = |step: usize| 100.0 * (step as f64 + 0.5) / losses.len() as f64;
    let mut slopes = [0.0; MOMENTS.len()];
    for (slope, moment) in slopes.iter_mut().zip(MOMENTS) {
        let points: Vec<(f64, f64)> = losses
            .iter()
            .enumerate()
            .map(|(step, loss)| (percent(step) - moment, *loss))
            .filter(|(distance, _)| distance.abs() <= REACH + ROUNDING)
            .collect();
        if points.len() < FEWEST {
            return None;
        }
        let n = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / n, sum.1 + p.1 / n));
        let both: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        *slope = both / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    }
    Some(slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The losses of `steps` steps, from their place in percent.
    fn curve(steps: usize, loss: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..steps).map(|step| loss(100.0 * (step as f64 + 0.5) / steps as f64)).collect()
    }

    #[track_caller]
    fn close(own: Gradients, wanted: [f64; 5], tolerance: f64) {
        for (own, wanted) in own.iter().zip(wanted) {
            assert!((own - wanted).abs() <= tolerance * wanted.abs().max(1e-12), "{own}, {wanted}");
        }
    }

    #[test]
    fn a_line_has_its_slope_everywhere_and_however_many_steps() {
        for steps in [30, 60, 61, 937] {
            close(slopes(&curve(steps, |p| 3.0 - 0.02 * p)).unwrap(), [-0.02; 5], 1e-9);
        }
    }

    #[test]
    fn a_curves_gradient_is_its_derivative() {
        // A parabola's least-squares line has the slope of the middle.
        let parabola = slopes(&curve(1000, |p| (p - 100.0).powi(2))).unwrap();
        close(parabola, [-180.0, -160.0, -140.0, -100.0, -60.0], 1e-9);
        let decay = slopes(&curve(1000, |p| (-p / 20.0).exp())).unwrap();
        close(decay, MOMENTS.map(|p| -(-p / 20.0).exp() / 20.0), 0.01);
    }

    #[test]
    fn noise_that_alternates_is_smoothed_away() {
        let mut noisy = curve(1000, |p| 2.0 - 0.01 * p);
        noisy.iter_mut().enumerate().for_each(|(i, y)| *y += [0.3, -0.3][i % 2]);
        close(slopes(&noisy).unwrap(), [-0.01; 5], 0.2);
    }

    #[test]
    fn a_plateau_is_flat_after_the_fall() {
        let [first, .., last] = slopes(&curve(500, |p| (1.0 - p / 20.0).max(0.0))).unwrap();
        assert!((first + 0.05).abs() < 1e-9 && last == 0.0, "{first}, {last}");
    }

    #[test]
    fn few_steps_have_no_gradient() {
        assert_eq!(slopes(&[1.0; 20]), None);
        assert_eq!(slopes(&[]), None);
        assert_eq!(slopes(&[1.0; 30]), Some([0.0; 5]));
    }
}
