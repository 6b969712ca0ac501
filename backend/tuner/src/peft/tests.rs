//! Conformance: what every registered method must do.

use super::*;
use crate::batch::{Batch, Target, Tokens};
use crate::data::Objective;
use crate::encoder::Encoder;
use candle_core::Device;
use std::path::Path;

fn encoder() -> Encoder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-bert");
    Encoder::load("tiny-bert", &folder, &Device::Cpu).unwrap()
}

fn batch() -> Batch {
    let tokens = |ids: &[u32], class| Tokens {
        example: 0,
        input_ids: ids.to_vec(),
        token_type_ids: vec![0; ids.len()],
        target: Target::Class(class),
    };
    let examples = [
        tokens(&[2, 20, 31, 9, 3], 0),
        tokens(&[2, 44, 12, 3], 1),
        tokens(&[2, 15, 17, 33, 21, 40, 3], 0),
    ];
    Batch::new(&examples, &[0, 1, 2], 0)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_fresh_adapter_reproduces_the_frozen_encoder_or_says_that_it_does_not() {
    let encoder = encoder();
    let frozen = values(&encoder.model.forward(&batch(), &Frozen).unwrap());
    for method in METHODS {
        let adapter = method.build(&method.paper_spec(), &encoder.model, 1).unwrap();
        let adapted = values(&encoder.model.forward(&batch(), adapter.as_ref()).unwrap());
        let same = method.starts_at_the_encoder();
        assert_eq!(frozen == adapted, same, "{}", method.name());
    }
}

#[test]
fn every_tensor_gets_a_gradient_by_the_second_step() {
    let encoder = encoder();
    for method in METHODS {
        let adapter = method.build(&method.paper_spec(), &encoder.model, 1).unwrap();
        let mut seen = vec![false; adapter.vars().len()];
        for _ in 0..2 {
            let hidden = encoder.model.forward(&batch(), adapter.as_ref()).unwrap();
            let pooled = encoder.model.pool(&hidden, &batch(), encoder.pooling).unwrap();
            let loss = Objective::Classification.loss(&pooled, &batch()).unwrap();
            let gradients = loss.backward().unwrap();
            for (named, seen) in adapter.vars().iter().zip(&mut seen) {
                let gradient = gradients.get(&named.var).unwrap_or_else(|| {
                    panic!(
                        "{}: no gradient for layer {} {}",
                        method.name(),
                        named.layer,
                        named.name
                    )
                });
                *seen |= values(gradient).iter().any(|g| *g != 0.0);
                let step = (named.var.as_tensor() - (gradient * 0.1).unwrap()).unwrap();
                named.var.set(&step).unwrap();
            }
        }
        for (named, seen) in adapter.vars().iter().zip(seen) {
            assert!(
                seen,
                "{}: layer {} {} has no gradient",
                method.name(),
                named.layer,
                named.name
            );
        }
    }
}

#[test]
fn the_embedding_is_as_wide_as_the_formula_says() {
    let encoder = encoder();
    let (h, layers) = (encoder.config().hidden_size, encoder.config().layers);
    for method in METHODS {
        let spec = method.paper_spec();
        let adapter = method.build(&spec, &encoder.model, 1).unwrap();
        let values: usize = adapter.vars().iter().map(|named| named.var.elem_count()).sum();
        assert_eq!(values, layers * method.embedding_width(&spec, encoder.config()));
    }
    // LoRA r=8 on query and value: A and B of each, r·H values apiece.
    assert_eq!(Lora.embedding_width(&Lora.paper_spec(), encoder.config()), 4 * 8 * h);
}

#[test]
fn initial_values_depend_on_the_seed_alone() {
    let encoder = encoder();
    let build = |method: &&dyn PeftMethod, seed| {
        let adapter = method.build(&method.paper_spec(), &encoder.model, seed).unwrap();
        adapter.vars().iter().flat_map(|n| values(n.var.as_tensor())).collect::<Vec<f32>>()
    };
    for method in METHODS {
        assert_eq!(build(method, 1), build(method, 1), "{}", method.name());
        // BitFit starts at the encoder's own biases.
        let drawn = method.name() != "bitfit";
        assert!((build(method, 1) != build(method, 2)) == drawn, "{}", method.name());
    }
}

#[test]
fn names_are_unique_and_lead_back() {
    for m in METHODS {
        assert_eq!(method(m.name()).unwrap().name(), m.name());
        assert_eq!(m.paper_spec().name(), m.name());
    }
    assert!(method("nonsense").is_none());
}

#[test]
fn modules_are_called_as_recipes_call_them() {
    assert_eq!(Module::ALL.map(Module::name), tupate_tasks::BIASES);
}
