//! BitFit: every bias of the encoder's layers learns, nothing else (Zaken et al.
//! 2022).
//!
//! Biases outside of the layers (embedding LayerNorm, pooler) lie in no layer:
//! they could not enter a layer mean, and stay frozen. Tuning starts at the
//! pretrained biases, so the initial values depend on the encoder alone.

use super::{Adapter, Module, NamedVar, PeftMethod, Site};
use crate::encoder::{Bert, Config};
use candle_core::{Result, Tensor, Var, bail};
use tupate_tasks::MethodSpec;

/// The BitFit method.
pub struct BitFit;

impl PeftMethod for BitFit {
    fn name(&self) -> &'static str {
        "bitfit"
    }

    fn paper_spec(&self) -> MethodSpec {
        MethodSpec::BitFit
    }

    fn learning_rates(&self) -> &'static [f64] {
        &[1e-4, 4e-4]
    }

    fn starts_at_the_encoder(&self) -> bool {
        true
    }

    fn build(&self, spec: &MethodSpec, encoder: &Bert, _: u64) -> Result<Box<dyn Adapter>> {
        if *spec != MethodSpec::BitFit {
            bail!("{spec} is not BitFit");
        }
        let mut vars = Vec::new();
        for layer in 0..encoder.config().layers {
            for module in Module::ALL {
                let bias = encoder.bias(Site { layer, module });
                vars.push(NamedVar {
                    layer,
                    name: format!("{}.bias", module.name()),
                    var: Var::from_tensor(&bias.copy()?)?,
                });
            }
        }
        Ok(Box::new(BitFitAdapter { vars }))
    }

    fn embedding_width(&self, _: &MethodSpec, config: &Config) -> usize {
        7 * config.hidden_size + config.intermediate_size
    }
}

struct BitFitAdapter {
    /// Per layer, the biases in the order of [`Module::ALL`].
    vars: Vec<NamedVar>,
}

impl Adapter for BitFitAdapter {
    fn bias(&self, at: Site) -> Option<&Tensor> {
        let place = at.layer * Module::ALL.len() + at.module.place();
        Some(self.vars[place].var.as_tensor())
    }

    fn vars(&self) -> &[NamedVar] {
        &self.vars
    }
}
