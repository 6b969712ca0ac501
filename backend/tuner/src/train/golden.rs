//! Against PyTorch, transformers and peft: forward, loss, every gradient, and
//! every parameter after ten AdamW steps. `tests/golden/make_golden.py` makes
//! the numbers.

use super::optimizer::AdamW;
use crate::batch::{Batch, Tokens, tokenise};
use crate::data::{Example, Input, Label};
use crate::encoder::{Encoder, Pooling};
use crate::head::{Head, cross_entropy};
use crate::peft::{Adapter, Frozen, Lora, PeftMethod};
use candle_core::{DType, Device, Tensor, Var, safetensors};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const LEARNING_RATE: f64 = 1e-2;
const STEPS: usize = 10;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

pub(super) fn encoder() -> Encoder {
    Encoder::load("tiny-bert", &here().join("fixtures/tiny-bert"), &Device::Cpu).unwrap()
}

fn golden() -> HashMap<String, Tensor> {
    safetensors::load(here().join("golden/golden.safetensors"), &Device::Cpu).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(name: &str, own: &Tensor, golden: &Tensor, tolerance: f32) {
    assert_eq!(own.dims(), golden.dims(), "{name}");
    let (own, golden) = (floats(own), floats(golden));
    let scale = golden.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let worst = own.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance * scale, "{name}: off by {worst} where values reach {scale}");
}

/// The golden batch, tokenised here from the texts of the script.
fn batch(golden: &HashMap<String, Tensor>) -> Batch {
    let pair = |a: &str, b: &str| Input::Pair(a.into(), b.into());
    let inputs = [
        Input::Single("a plain line.".into()),
        pair("is it so?", "yes, it is so."),
        Input::Single("another one, somewhat longer than the rest!".into()),
    ];
    let examples: Vec<Example> = inputs
        .into_iter()
        .enumerate()
        .map(|(i, input)| Example { input, label: Label::Class(i as u32) })
        .collect();
    let tokens: Vec<Tokens> = tokenise(&encoder().tokenizer, &examples, 128).unwrap().examples;
    let batch = Batch::new(&tokens, &[0, 1, 2], 0);
    let ids = |own: &[u32], name: &str| {
        let wanted: Vec<f32> = floats(&golden[name]);
        assert_eq!(own.iter().map(|&i| i as f32).collect::<Vec<_>>(), wanted, "{name}");
    };
    ids(&batch.input_ids, "input_ids");
    ids(&batch.token_type_ids, "token_type_ids");
    ids(&batch.attention_mask.iter().map(|&m| u32::from(m)).collect::<Vec<_>>(), "attention_mask");
    ids(&batch.classes, "gold");
    batch
}

/// Zeroes what stands at padding positions, which nobody reads.
fn real(hidden: &Tensor, batch: &Batch) -> Tensor {
    let mask: Vec<f32> = batch.attention_mask.iter().map(|&m| f32::from(u8::from(m))).collect();
    let mask = Tensor::from_vec(mask, (batch.size, batch.length, 1), &Device::Cpu).unwrap();
    hidden.broadcast_mul(&mask).unwrap()
}

#[test]
fn the_frozen_encoder_is_berts() {
    let (encoder, golden) = (encoder(), golden());
    let batch = batch(&golden);
    let hidden = encoder.model.forward(&batch, &Frozen).unwrap();
    assert_close("hidden", &real(&hidden, &batch), &golden["frozen.hidden"], 1e-5);
    assert_eq!(encoder.pooling, Pooling::Pooler);
    let pooled = encoder.model.pool(&hidden, &batch, Pooling::Pooler).unwrap();
    assert_close("pooled", &pooled, &golden["frozen.pooled"], 1e-5);
    let mean = encoder.model.pool(&hidden, &batch, Pooling::Mean).unwrap();
    let counts: Vec<f32> = batch
        .attention_mask
        .chunks(batch.length)
        .map(|row| row.iter().filter(|m| **m).count() as f32)
        .collect();
    let counts = Tensor::from_vec(counts, (batch.size, 1), &Device::Cpu).unwrap();
    let wanted = golden["frozen.hidden"].sum(1).unwrap().broadcast_div(&counts).unwrap();
    assert_close("mean", &mean, &wanted, 1e-5);
}

#[test]
fn a_roberta_counts_its_positions_from_behind_the_padding_id() {
    let golden = golden();
    let roberta =
        Encoder::load("tiny-roberta", &here().join("fixtures/tiny-roberta"), &Device::Cpu).unwrap();
    assert_eq!((roberta.pooling, roberta.config().max_length()), (Pooling::First, 98));
    let mut batch = batch(&golden);
    for (id, real) in batch.input_ids.iter_mut().zip(&batch.attention_mask) {
        *id = if *real { *id } else { 1 };
    }
    let hidden = roberta.model.forward(&batch, &Frozen).unwrap();
    assert_close("hidden", &real(&hidden, &batch), &golden["roberta.hidden"], 1e-5);
}

#[test]
fn lora_learns_as_peft_does() {
    let (encoder, golden) = (encoder(), golden());
    let batch = batch(&golden);
    let adapter: Box<dyn Adapter> =
        Lora.build(&Lora.paper_spec(), encoder.config(), 0, &Device::Cpu).unwrap();
    let head = Head::new(3, 32, 0, &Device::Cpu).unwrap();
    let mut named: Vec<(String, Var)> =
        adapter.vars().iter().map(|n| (format!("{}.{}", n.layer, n.name), n.var.clone())).collect();
    named.push(("head.weight".into(), head.weight.clone()));
    named.push(("head.bias".into(), head.bias.clone()));
    for (name, var) in &named {
        var.set(&golden[&format!("start.{name}")]).unwrap();
    }
    let vars: Vec<Var> = named.iter().map(|(_, var)| var.clone()).collect();
    let mut optimizer = AdamW::new(&vars, 0.01).unwrap();
    let losses = floats(&golden["losses"]);
    for (step, wanted) in losses.iter().enumerate() {
        let hidden = encoder.model.forward(&batch, adapter.as_ref()).unwrap();
        let pooled = encoder.model.pool(&hidden, &batch, Pooling::Pooler).unwrap();
        let loss = cross_entropy(&head.forward(&pooled).unwrap(), &batch.classes).unwrap();
        let gradients = loss.backward().unwrap();
        if step == 0 {
            assert_close("hidden", &real(&hidden, &batch), &golden["lora.hidden"], 1e-5);
            for (name, var) in &named {
                let own = gradients.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
                assert_close(name, own, &golden[&format!("gradient.{name}")], 1e-5);
            }
        }
        let loss = loss.to_scalar::<f32>().unwrap();
        assert!(
            (loss - wanted).abs() <= 1e-5 * wanted.abs().max(1e-2),
            "step {step}: {loss}, {wanted}"
        );
        optimizer.step(&vars, &gradients, LEARNING_RATE, 1.0).unwrap();
    }
    assert_eq!(losses.len(), STEPS);
    for (name, var) in &named {
        assert_close(name, var.as_tensor(), &golden[&format!("end.{name}")], 1e-5);
    }
}
