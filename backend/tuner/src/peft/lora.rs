//! LoRA: `h = Wx + (α/r)·B·A·x` (Hu et al. 2022), on attention queries and values.
//!
//! `A` `[r, in]` starts uniform in ±1/√in, which is Kaiming's with a = √5 as in
//! the method's reference implementation; `B` `[out, r]` starts at zero, so that
//! tuning begins at the pretrained model. No dropout.

use super::{Adapter, LowRank, Module, NamedVar, PeftMethod, Site};
use crate::encoder::{Bert, Config};
use crate::rng::Rng;
use candle_core::{DType, Result, Tensor, Var, bail};
use tupate_tasks::MethodSpec;

/// The LoRA method.
pub struct Lora;

impl PeftMethod for Lora {
    fn name(&self) -> &'static str {
        "lora"
    }

    fn paper_spec(&self) -> MethodSpec {
        MethodSpec::Lora { rank: 8, alpha: 8.0, targets: vec!["query".into(), "value".into()] }
    }

    fn learning_rates(&self) -> &'static [f64] {
        &[5e-4, 2e-4]
    }

    fn starts_at_the_encoder(&self) -> bool {
        true
    }

    fn build(&self, spec: &MethodSpec, encoder: &Bert, seed: u64) -> Result<Box<dyn Adapter>> {
        let MethodSpec::Lora { rank, alpha, targets } = spec else {
            bail!("{spec} is not LoRA");
        };
        let modules: Vec<Module> = targets.iter().map(|t| module(t)).collect::<Result<_>>()?;
        let (device, h) = (encoder.device(), encoder.config().hidden_size);
        let bound = 1.0 / (h as f32).sqrt();
        let mut rng = Rng::new(seed, "lora initial parameters");
        let mut vars = Vec::new();
        for layer in 0..encoder.config().layers {
            for target in targets {
                let a: Vec<f32> = (0..rank * h).map(|_| rng.uniform(-bound, bound)).collect();
                let a = Var::from_tensor(&Tensor::from_vec(a, (*rank, h), device)?)?;
                let b = Var::zeros((h, *rank), DType::F32, device)?;
                vars.push(NamedVar { layer, name: format!("{target}.lora_A"), var: a });
                vars.push(NamedVar { layer, name: format!("{target}.lora_B"), var: b });
            }
        }
        Ok(Box::new(LoraAdapter { vars, modules, scale: alpha / *rank as f64 }))
    }

    fn embedding_width(&self, spec: &MethodSpec, config: &Config) -> usize {
        match spec {
            MethodSpec::Lora { rank, targets, .. } => targets.len() * 2 * rank * config.hidden_size,
            _ => 0,
        }
    }
}

fn module(target: &str) -> Result<Module> {
    match target {
        "query" => Ok(Module::Query),
        "key" => Ok(Module::Key),
        "value" => Ok(Module::Value),
        other => bail!("LoRA on {other} is not supported; query, key and value are"),
    }
}

struct LoraAdapter {
    /// Per layer, per target: A, then B.
    vars: Vec<NamedVar>,
    modules: Vec<Module>,
    scale: f64,
}

impl Adapter for LoraAdapter {
    fn low_rank(&self, at: Site) -> Option<LowRank<'_>> {
        let target = self.modules.iter().position(|m| *m == at.module)?;
        let first = 2 * (at.layer * self.modules.len() + target);
        let [a, b] = [first, first + 1].map(|i| self.vars[i].var.as_tensor());
        Some(LowRank { a, b, scale: self.scale })
    }

    fn vars(&self) -> &[NamedVar] {
        &self.vars
    }
}
