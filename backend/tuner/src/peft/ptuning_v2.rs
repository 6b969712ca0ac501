//! P-Tuning v2: trained key and value prefixes in every layer (Liu et al. 2021),
//! without a reparameterisation network.
//!
//! Each layer's attention sees `P` more keys and values in front of its own, as
//! if they belonged to past tokens: they have no query, and the positions of the
//! real tokens count on from them. Their initial values are standard
//! normal, as in the method's reference implementation, whose one embedding
//! `[P, L·2·H]` holds `layer 0 K | layer 0 V | layer 1 K | …`: here the same
//! numbers are one key and one value tensor a layer.

use super::{Adapter, NamedVar, PeftMethod};
use crate::encoder::{Bert, Config};
use crate::rng::Rng;
use candle_core::{Result, Tensor, Var, bail};
use tupate_tasks::MethodSpec;

/// The P-Tuning v2 method.
pub struct PTuningV2;

impl PeftMethod for PTuningV2 {
    fn name(&self) -> &'static str {
        "ptuning-v2"
    }

    fn paper_spec(&self) -> MethodSpec {
        MethodSpec::PTuningV2 { prefix_length: 20 }
    }

    fn learning_rates(&self) -> &'static [f64] {
        &[1e-2, 1e-3]
    }

    fn starts_at_the_encoder(&self) -> bool {
        false
    }

    fn build(&self, spec: &MethodSpec, encoder: &Bert, seed: u64) -> Result<Box<dyn Adapter>> {
        let MethodSpec::PTuningV2 { prefix_length } = *spec else {
            bail!("{spec} is not P-Tuning v2");
        };
        let (layers, h) = (encoder.config().layers, encoder.config().hidden_size);
        let mut rng = Rng::new(seed, "P-Tuning v2 initial parameters");
        let mut vars = Vec::with_capacity(2 * layers);
        for layer in 0..layers {
            for part in ["key", "value"] {
                let values: Vec<f32> = (0..prefix_length * h).map(|_| rng.normal(1.0)).collect();
                let tensor = Tensor::from_vec(values, (prefix_length, h), encoder.device())?;
                let var = Var::from_tensor(&tensor)?;
                vars.push(NamedVar { layer, name: format!("prefix.{part}"), var });
            }
        }
        Ok(Box::new(PrefixAdapter { vars, length: prefix_length }))
    }

    fn embedding_width(&self, spec: &MethodSpec, config: &Config) -> usize {
        match spec {
            MethodSpec::PTuningV2 { prefix_length } => 2 * prefix_length * config.hidden_size,
            _ => 0,
        }
    }
}

struct PrefixAdapter {
    /// Per layer: key `[P, H]`, then value `[P, H]`.
    vars: Vec<NamedVar>,
    length: usize,
}

impl Adapter for PrefixAdapter {
    fn prefix_length(&self) -> usize {
        self.length
    }

    fn prefix(&self, layer: usize) -> Option<(&Tensor, &Tensor)> {
        let (key, value) = (&self.vars[2 * layer].var, &self.vars[2 * layer + 1].var);
        Some((key.as_tensor(), value.as_tensor()))
    }

    fn vars(&self) -> &[NamedVar] {
        &self.vars
    }
}
