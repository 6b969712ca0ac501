//! The frozen encoder with a linear head: what tuning has to beat.

use crate::Error;
use crate::batch::{self, Batch, Target, Tokenised};
use crate::data::{Dataset, Objective};
use crate::encoder::Encoder;
use crate::objective::{self, Prediction, Scores};
use crate::peft::Frozen;
use argmin::core::{CostFunction, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use candle_core::{D, DType, Device, Result as TensorResult, Tensor};

/// Most iterations; the solutions here need a few dozen.
const ITERATIONS: u64 = 500;
/// The solver stops when the gradient's norm falls below this share of the number
/// of examples.
const TOLERANCE: f64 = 1e-6;
/// Pairs of steps and gradients that the solver remembers.
const MEMORY: usize = 10;

/// Fits a linear head to the frozen encoder's pooled vectors, standardised by the
/// training split, and scores it on the validation split: logistic regression for
/// classes, ridge regression for numbers, both with half the squared norm of the
/// weights added to the sum of losses (C = 1 in scikit-learn's
/// `LogisticRegression`, alpha = 1 in its `Ridge`).
///
/// # Errors
/// When the task has no pooled vectors, or the device fails.
pub(crate) fn linear_probe(
    encoder: &Encoder,
    dataset: &Dataset,
    train: &Tokenised<'_>,
    dev: &Tokenised<'_>,
    batch_size: usize,
) -> Result<Scores, Error> {
    let (x, x_dev) = (features(encoder, train, batch_size)?, features(encoder, dev, batch_size)?);
    let predictions = fit_and_predict(dataset, train, &x, &x_dev)?;
    objective::score(dataset, dev, &predictions)
}

fn fit_and_predict(
    dataset: &Dataset,
    train: &Tokenised<'_>,
    x: &Tensor,
    x_dev: &Tensor,
) -> Result<Vec<Prediction>, Error> {
    let mean = x.mean_keepdim(0)?;
    let deviation = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?.sqrt()?;
    // A constant feature stays what it is after centring: zero.
    let deviation = deviation.maximum(1e-12)?;
    let standard = |x: &Tensor| x.broadcast_sub(&mean)?.broadcast_div(&deviation);
    let gold: Vec<f64> = train.sequences.iter().map(|s| gold(&s.target)).collect();
    // Ridge regression's intercept is the mean, which the iteration need not find.
    let shift = match dataset.objective {
        Objective::Regression => gold.iter().sum::<f64>() / gold.len().max(1) as f64,
        _ => 0.0,
    };
    let problem = Problem {
        x: standard(x)?,
        gold: gold.into_iter().map(|value| value - shift).collect(),
        outputs: dataset.objective.outputs(dataset.label_names.len()),
        regression: dataset.objective == Objective::Regression,
    };
    let best = problem.solve()?;
    let outputs = problem.outputs_of(&standard(x_dev)?, &best)?;
    if problem.regression {
        let scores: Vec<f64> = outputs.flatten_all()?.to_vec1()?;
        return Ok(scores.iter().map(|s| Prediction::Score((s + shift) as f32)).collect());
    }
    let classes: Vec<u32> = outputs.argmax(D::Minus1)?.to_vec1()?;
    Ok(classes.into_iter().map(Prediction::Class).collect())
}

fn gold(target: &Target) -> f64 {
    match target {
        Target::Class(class) => f64::from(*class),
        Target::Score(score) => f64::from(*score),
        // `features` has refused these.
        Target::Span(_) | Target::Tags(_) => 0.0,
    }
}

/// What is said where each text has many labels.
pub(crate) fn not_probed() -> Error {
    Error::Setting(
        "--probe is for tasks with one label a text: classification and regression".into(),
    )
}

/// The pooled vectors `[n, H]` of all sequences, in their order, as `f64`.
pub(crate) fn features(
    encoder: &Encoder,
    split: &Tokenised<'_>,
    batch_size: usize,
) -> Result<Tensor, Error> {
    if split.sequences.iter().any(|s| matches!(s.target, Target::Span(_) | Target::Tags(_))) {
        return Err(not_probed());
    }
    let order = batch::sorted(&split.sequences, batch_size);
    let mut rows = Vec::with_capacity(order.len());
    for indices in &order {
        let batch = Batch::new(&split.sequences, indices, encoder.config().pad_token_id);
        let hidden = encoder.model.forward(&batch, &Frozen)?;
        let pooled = encoder.model.pool(&hidden, &batch, encoder.pooling)?.detach();
        rows.push(pooled.to_device(&Device::Cpu)?);
    }
    let mut place = vec![0_u32; split.sequences.len()];
    for (now, i) in order.iter().flatten().enumerate() {
        place[*i] = now as u32;
    }
    let place = Tensor::new(place, &Device::Cpu)?;
    Ok(Tensor::cat(&rows, 0)?.index_select(&place, 0)?.to_dtype(DType::F64)?)
}

/// The sum of losses plus half the squared norm of the weights.
#[derive(Clone)]
struct Problem {
    /// `[n, H]`.
    x: Tensor,
    /// `[n]`: classes or numbers.
    gold: Vec<f64>,
    /// `C`.
    outputs: usize,
    regression: bool,
}

impl Problem {
    /// Weights `[C, H]` and bias `[C]` out of one flat vector.
    fn parts(&self, flat: &[f64]) -> TensorResult<(Tensor, Tensor)> {
        let width = self.x.dim(1)?;
        let (weight, bias) = flat.split_at(self.outputs * width);
        Ok((
            Tensor::from_slice(weight, (self.outputs, width), &Device::Cpu)?,
            Tensor::from_slice(bias, self.outputs, &Device::Cpu)?,
        ))
    }

    fn outputs_of(&self, x: &Tensor, flat: &[f64]) -> TensorResult<Tensor> {
        let (weight, bias) = self.parts(flat)?;
        x.matmul(&weight.t()?)?.broadcast_add(&bias)
    }

    /// Losses summed, and their gradient by the outputs `[n, C]`.
    fn losses(&self, flat: &[f64]) -> TensorResult<(f64, Tensor)> {
        let outputs = self.outputs_of(&self.x, flat)?;
        let mut rows: Vec<Vec<f64>> = outputs.to_vec2()?;
        let mut sum = 0.0;
        for (row, &gold) in rows.iter_mut().zip(&self.gold) {
            if self.regression {
                let error = row[0] - gold;
                sum += error * error / 2.0;
                row[0] = error;
            } else {
                let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let normaliser = row.iter().map(|o| (o - highest).exp()).sum::<f64>();
                sum += normaliser.ln() + highest - row[gold as usize];
                for output in row.iter_mut() {
                    *output = (*output - highest).exp() / normaliser;
                }
                row[gold as usize] -= 1.0;
            }
        }
        Ok((sum, Tensor::new(rows, &Device::Cpu)?))
    }

    /// The weights `[C·H]` and biases `[C]` that make the sum least.
    fn solve(&self) -> Result<Vec<f64>, Error> {
        let (rows, width) = self.x.dims2()?;
        let failed = |e: argmin::core::Error| Error::Probe(e.to_string());
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(TOLERANCE * rows as f64)
            .map_err(failed)?;
        let start = vec![0.0; self.outputs * (width + 1)];
        let result = Executor::new(self.clone(), solver)
            .configure(|state| state.param(start).max_iters(ITERATIONS))
            .run()
            .map_err(failed)?;
        result.state.best_param.ok_or_else(|| Error::Probe("no solution".into()))
    }

    fn weights<'a>(&self, flat: &'a [f64]) -> &'a [f64] {
        &flat[..flat.len() - self.outputs]
    }
}

impl CostFunction for Problem {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, flat: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        let norm = self.weights(flat).iter().map(|w| w * w).sum::<f64>();
        Ok(self.losses(flat)?.0 + norm / 2.0)
    }
}

impl Gradient for Problem {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, flat: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        let (_, by_output) = self.losses(flat)?;
        let mut gradient: Vec<f64> =
            by_output.t()?.matmul(&self.x)?.flatten_all()?.to_vec1::<f64>()?;
        for (g, w) in gradient.iter_mut().zip(self.weights(flat)) {
            *g += w;
        }
        gradient.extend(by_output.sum(0)?.to_vec1::<f64>()?);
        Ok(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 40;

    /// Three features, the last of them constant, standardised.
    fn features() -> Tensor {
        let value = |i: usize, j: usize| ((i * (7 + 2 * j) + 3 * j) % 11) as f64 / 5.0 - 1.0;
        let x: Vec<Vec<f64>> = (0..N).map(|i| (0..3).map(|j| value(i, j)).collect()).collect();
        let x = Tensor::new(x, &Device::Cpu).unwrap();
        let centred = x.broadcast_sub(&x.mean_keepdim(0).unwrap()).unwrap();
        let deviation = centred.sqr().unwrap().mean_keepdim(0).unwrap().sqrt().unwrap();
        centred.broadcast_div(&deviation.maximum(1e-12).unwrap()).unwrap()
    }

    fn assert_close(own: &[f64], wanted: &[f64]) {
        assert_eq!(own.len(), wanted.len());
        for (own, wanted) in own.iter().zip(wanted) {
            assert!((own - wanted).abs() < 2e-5, "{own} against {wanted}");
        }
    }

    // Expected values: scikit-learn 1.9.1, LogisticRegression() and
    // Ridge(alpha=1.0) on the same standardised features.
    #[test]
    fn logistic_regression_is_scikit_learns() {
        let gold = (0..N).map(|i| ((i * i + i / 3) % 3) as f64).collect();
        let problem = Problem { x: features(), gold, outputs: 3, regression: false };
        assert_close(
            &problem.solve().unwrap(),
            &[
                0.049201491592539115,
                -0.06295353464776883,
                0.0,
                0.0019004688210766277,
                -0.05775116667737626,
                0.0,
                -0.0511019604136162,
                0.12070470132514495,
                0.0,
                -0.019279189223943567,
                0.12547438093885932,
                -0.10619519171491705,
            ],
        );
    }

    #[test]
    fn ridge_regression_is_scikit_learns() {
        let raw = |i: usize, j: usize| ((i * (7 + 2 * j) + 3 * j) % 11) as f64 / 5.0 - 1.0;
        let gold: Vec<f64> =
            (0..N).map(|i| (i % 7) as f64 * 0.5 + raw(i, 0) - 2.0 * raw(i, 1)).collect();
        let mean = gold.iter().sum::<f64>() / N as f64;
        assert_close(&[mean], &[1.4575]);
        let gold = gold.iter().map(|value| value - mean).collect();
        let problem = Problem { x: features(), gold, outputs: 1, regression: true };
        let wanted = [0.6284351245496359, -1.2590377288881, 0.0, 0.0];
        assert_close(&problem.solve().unwrap(), &wanted);
    }
}
