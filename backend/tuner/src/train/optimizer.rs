//! AdamW (Loshchilov and Hutter 2019), with its state in the open so that a run
//! can be stopped and resumed.

use crate::kernels::{self, Moving, Squares};
use candle_core::{Result, Tensor, Var, backprop::GradStore};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// AdamW over a fixed list of parameters, as PyTorch defines it.
pub struct AdamW {
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Added to the denominator of a step.
    pub epsilon: f64,
    /// Steps taken so far.
    pub steps: usize,
    /// First moments, one a parameter.
    pub first: Vec<Tensor>,
    /// Second moments, one a parameter.
    pub second: Vec<Tensor>,
}

impl AdamW {
    /// A fresh optimiser: all moments zero.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn new(vars: &[Var], weight_decay: f64) -> Result<Self> {
        let zeros = || vars.iter().map(|v| v.zeros_like()).collect::<Result<Vec<_>>>();
        Ok(Self { weight_decay, epsilon: EPSILON, steps: 0, first: zeros()?, second: zeros()? })
    }

    /// One step down gradients that are cut to the length `longest`; gives their squares.
    /// Parameters without a gradient stay as they are, and all of them where a gradient is
    /// not a number.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn step(
        &mut self,
        vars: &[Var],
        gradients: &GradStore,
        learning_rate: f64,
        longest: f64,
    ) -> Result<Squares> {
        self.steps += 1;
        let step = kernels::Step {
            learning_rate,
            weight_decay: self.weight_decay,
            beta1: BETA1,
            beta2: BETA2,
            epsilon: self.epsilon,
            longest,
            count: self.steps,
        };
        let tensors: Vec<Moving<'_>> = vars
            .iter()
            .zip(self.first.iter().zip(&self.second))
            .map(|(var, (first, second))| {
                let gradient = gradients.get(var);
                Moving { parameter: var.as_tensor(), gradient, first, second }
            })
            .collect();
        kernels::descend(&tensors, &step)
    }
}
