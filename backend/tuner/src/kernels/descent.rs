//! A step of AdamW down the gradient, which is clipped before: what learns is moved in place.

use super::rows;
use candle_core::{CpuStorage, D, InplaceOp2, InplaceOp3, Layout, Result, Storage, Tensor, bail};

/// What a step of AdamW needs to know beside the values (Loshchilov and Hutter
/// 2019, algorithm 2).
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// A gradient that is longer, all tensors together, is cut to this length.
    pub longest: f64,
    /// Steps taken, this one included.
    pub count: usize,
}

impl Step {
    /// What the moment of this decay is multiplied by, because it began at zero.
    pub(super) fn correction(&self, beta: f64) -> f64 {
        1.0 / (1.0 - beta.powi(self.count as i32))
    }

    /// What weight decay leaves of a parameter.
    pub(super) fn keep(&self) -> f64 {
        1.0 - self.learning_rate * self.weight_decay
    }
}

/// A tensor that learns, all f32 and of one shape.
pub struct Moving<'a> {
    /// What is moved.
    pub parameter: &'a Tensor,
    /// Without one it stays where it is.
    pub gradient: Option<&'a Tensor>,
    /// First moments.
    pub first: &'a Tensor,
    /// Second moments.
    pub second: &'a Tensor,
}

/// The sum of squares of each gradient of a step. On a GPU the step may be still to come.
pub struct Squares(Sums);

enum Sums {
    Here(Vec<Option<f64>>),
    #[cfg(feature = "cuda")]
    OnGpu {
        machine: super::gpu::Driver,
        sums: super::gpu::Sums<super::gpu::Driver>,
        /// Which tensors they are of.
        of: Vec<bool>,
    },
}

impl Squares {
    /// Waits for the step; gives `None` for a tensor without a gradient.
    ///
    /// # Errors
    /// Those of the device.
    pub fn read(self) -> Result<Vec<Option<f64>>> {
        match self.0 {
            Sums::Here(squares) => Ok(squares),
            #[cfg(feature = "cuda")]
            Sums::OnGpu { machine, sums, of } => {
                let mut sums = sums.read(&machine)?.into_iter();
                Ok(of.into_iter().map(|there| if there { sums.next() } else { None }).collect())
            }
        }
    }
}

/// Moves all tensors by one step. Where the gradient as a whole is not a number, nothing
/// moves.
///
/// # Errors
/// Only those of the device.
pub fn descend(tensors: &[Moving<'_>], step: &Step) -> Result<Squares> {
    #[cfg(feature = "cuda")]
    if tensors.first().is_some_and(|tensor| tensor.parameter.device().is_cuda()) {
        return on_gpu(tensors, step);
    }
    let squares = tensors.iter().map(|tensor| tensor.gradient.map(sum_of_squares).transpose());
    let squares = squares.collect::<Result<Vec<_>>>()?;
    let norm = squares.iter().flatten().sum::<f64>().sqrt();
    if norm.is_finite() {
        let scale = if norm > step.longest { step.longest / norm } else { 1.0 };
        tensors.iter().try_for_each(|tensor| adamw(tensor, step, scale))?;
    }
    Ok(Squares(Sums::Here(squares)))
}

#[cfg(feature = "cuda")]
fn on_gpu(tensors: &[Moving<'_>], step: &Step) -> Result<Squares> {
    use super::gpu::{Driver, Learning, Tensors, descend};
    let machine = Driver::of(tensors[0].parameter)?;
    let gradients = tensors.iter().map(|tensor| tensor.gradient.map(Tensor::contiguous));
    let gradients = gradients.map(Option::transpose).collect::<Result<Vec<_>>>()?;
    let mut learning = Vec::with_capacity(tensors.len());
    for (tensor, gradient) in tensors.iter().zip(&gradients) {
        let Some(gradient) = gradient else { continue };
        learning.push(Learning {
            parameter: machine.at(tensor.parameter)?,
            gradient: machine.at(gradient)?,
            first: machine.at(tensor.first)?,
            second: machine.at(tensor.second)?,
            len: tensor.parameter.elem_count(),
        });
    }
    let sums = descend(&machine, &learning, step)?;
    let of = gradients.iter().map(Option::is_some).collect();
    Ok(Squares(Sums::OnGpu { machine, sums, of }))
}

/// `Σ x²` over all values.
fn sum_of_squares(x: &Tensor) -> Result<f64> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("a gradient is not on the CPU") };
    Ok(rows::squares(rows::slice(storage, layout)?))
}

/// Moves one tensor, its gradient multiplied by `scale`: three passes over the values,
/// nothing allocated.
fn adamw(tensor: &Moving<'_>, step: &Step, scale: f64) -> Result<()> {
    let Moving { parameter, gradient: Some(gradient), first, second } = tensor else {
        return Ok(());
    };
    let gradient = gradient.contiguous()?;
    let moment = |beta: f64, square| Moment {
        beta: beta as f32,
        rest: (1.0 - beta) as f32,
        scale: scale as f32,
        square,
    };
    first.inplace_op2(&gradient, &moment(step.beta1, false))?;
    second.inplace_op2(&gradient, &moment(step.beta2, true))?;
    let update = Update {
        keep: step.keep() as f32,
        rate: step.learning_rate as f32,
        scale1: step.correction(step.beta1) as f32,
        scale2: step.correction(step.beta2) as f32,
        epsilon: step.epsilon as f32,
    };
    parameter.inplace_op3(first, second, &update)
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
