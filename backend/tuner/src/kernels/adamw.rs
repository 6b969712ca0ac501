//! One step of AdamW in place: three passes over the values, nothing allocated.

use super::rows;
use candle_core::{CpuStorage, D, InplaceOp2, InplaceOp3, Layout, Result, Tensor};

/// What a step of AdamW needs to know beside the values (Loshchilov and Hutter
/// 2019, algorithm 2).
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are multiplied by this first.
    pub scale: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Steps taken, this one included.
    pub count: usize,
}

/// Moves `parameter` and both moments, all of one shape, by one step.
///
/// # Errors
/// Only those of the device.
pub fn adamw(
    parameter: &Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
    gradient: &Tensor,
    step: Step,
) -> Result<Option<Tensor>> {
    let correction = |beta: f64| 1.0 / (1.0 - beta.powi(step.count as i32));
    let (scale1, scale2) = (correction(step.beta1), correction(step.beta2));
    if rows::fused(parameter) {
        let gradient = gradient.contiguous()?;
        let moment = |beta: f64, square| Moment {
            beta: beta as f32,
            rest: (1.0 - beta) as f32,
            scale: step.scale as f32,
            square,
        };
        first.inplace_op2(&gradient, &moment(step.beta1, false))?;
        second.inplace_op2(&gradient, &moment(step.beta2, true))?;
        let update = Update {
            keep: (1.0 - step.learning_rate * step.weight_decay) as f32,
            rate: step.learning_rate as f32,
            scale1: scale1 as f32,
            scale2: scale2 as f32,
            epsilon: step.epsilon as f32,
        };
        parameter.inplace_op3(first, second, &update)?;
        return Ok(None);
    }
    let gradient = (gradient * step.scale)?;
    // Detached, or each step would keep the graph of all before it.
    *first = ((&*first * step.beta1)? + (&gradient * (1.0 - step.beta1))?)?.detach();
    *second = ((&*second * step.beta2)? + (gradient.sqr()? * (1.0 - step.beta2))?)?.detach();
    let denominator = ((&*second * scale2)?.sqrt()? + step.epsilon)?;
    let update = ((&*first * scale1)? / denominator)?;
    let decayed = (parameter * (1.0 - step.learning_rate * step.weight_decay))?;
    Ok(Some((decayed - (update * step.learning_rate)?)?))
}

struct Moment {
    beta: f32,
    rest: f32,
    scale: f32,
    square: bool,
}

impl InplaceOp2 for Moment {
    fn name(&self) -> &'static str {
        "adamw-moment"
    }

    fn cpu_fwd(
        &self,
        moment: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = rows::slice(gradient, gradient_layout)?;
        let width = width(layout);
        rows::for_each(
            rows::slice_mut(moment, layout)?,
            width,
            #[inline(always)]
            |r, row| {
                for (m, &g) in row.iter_mut().zip(&gradient[r * width..]) {
                    let g = g * self.scale;
                    let g = if self.square { g * g } else { g };
                    *m = *m * self.beta + g * self.rest;
                }
            },
        );
        Ok(())
    }
}

struct Update {
    keep: f32,
    rate: f32,
    scale1: f32,
    scale2: f32,
    epsilon: f32,
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw-update"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let first = rows::slice(first, first_layout)?;
        let second = rows::slice(second, second_layout)?;
        let width = width(layout);
        rows::for_each(
            rows::slice_mut(parameter, layout)?,
            width,
            #[inline(always)]
            |r, row| {
                let at = r * width;
                for ((p, &m), &v) in row.iter_mut().zip(&first[at..]).zip(&second[at..]) {
                    let update = m * self.scale1 / ((v * self.scale2).sqrt() + self.epsilon);
                    *p = *p * self.keep - update * self.rate;
                }
            },
        );
        Ok(())
    }
}

fn width(layout: &Layout) -> usize {
    layout.shape().dim(D::Minus1).unwrap_or(1)
}
