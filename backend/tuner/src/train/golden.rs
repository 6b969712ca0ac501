//! Against PyTorch, transformers and peft: forward, loss, every gradient, and
//! every parameter after ten AdamW steps. `tests/golden/make_golden.py` makes
//! the numbers.

use super::TaskModel;
use super::optimizer::AdamW;
use crate::batch::{Batch, Limits, Tag, Target, Window, tokenise};
use crate::data::{Dataset, Example, Input, Label, Objective};
use crate::encoder::{Encoder, Pooling, Precision};
use crate::kernels;
use crate::peft::{Frozen, METHODS};
use candle_core::{DType, Device, Tensor, Var, safetensors};
use std::collections::HashMap;
use std::iter;
use std::path::{Path, PathBuf};
use tupate_tasks::MethodSpec;

const LEARNING_RATE: f64 = 1e-2;
const STEPS: usize = 10;

pub(crate) fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Where these tests compute: on the CPU, or where the environment says, such as `cuda:0`.
fn device() -> Device {
    let name = std::env::var("TUPATE_TEST_DEVICE");
    kernels::device(name.as_deref().unwrap_or("cpu")).expect("the device of TUPATE_TEST_DEVICE")
}

pub(crate) fn encoder() -> Encoder {
    Encoder::load("tiny-bert", &here().join("fixtures/tiny-bert"), &device()).unwrap()
}

/// As a GPU has it, which this processor stands in for.
fn emulated(encoder: Encoder, precision: Precision) -> Encoder {
    Encoder { model: encoder.model.emulated(precision).unwrap(), ..encoder }
}

/// With its weights laid out for products of this precision, where there are such, and as a
/// GPU has it.
fn laid_out(load: impl Fn() -> Encoder, precision: Precision) -> Vec<Encoder> {
    let mut encoders = Vec::new();
    if precision.available(&device()) {
        encoders.push(load().with_precision(precision).unwrap());
    }
    if device().is_cpu() {
        encoders.push(emulated(load(), precision));
    }
    encoders
}

fn golden(file: &str) -> HashMap<String, Tensor> {
    let path = here().join(format!("golden/{file}.safetensors"));
    safetensors::load(path, &Device::Cpu).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn highest(tensor: &Tensor) -> f32 {
    floats(tensor).iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()))
}

pub(crate) fn assert_close(name: &str, own: &Tensor, golden: &Tensor, tolerance: f32) {
    assert_eq!(own.dims(), golden.dims(), "{name}");
    let scale = highest(golden);
    let (own, golden) = (floats(own), floats(golden));
    let worst = own.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance * scale, "{name}: off by {worst} where values reach {scale}");
}

/// The scripts' texts, tokenised here, which must give the tokens of the golden file.
fn batch(golden: &HashMap<String, Tensor>) -> Batch {
    let pair = |a: &str, b: &str| Input::Pair(a.into(), b.into());
    let inputs = [
        Input::Single("a plain line.".into()),
        pair("is it so?", "yes, it is so."),
        Input::Single("another one, somewhat longer than the rest!".into()),
    ];
    let examples: Vec<Example> =
        inputs.into_iter().map(|input| Example { input, label: Label::Class(0) }).collect();
    let limits = Limits { max_length: 128, doc_stride: 0 };
    let tokens = tokenise(&encoder(), &examples, limits).unwrap().sequences;
    let batch = Batch::new(&tokens, &[0, 1, 2], 0);
    let ids = |own: &[u32], name: &str| {
        let own: Vec<i64> = own.iter().map(|&id| id.into()).collect();
        assert_eq!(own, integers(&golden[name]), "{name}");
    };
    ids(&batch.input_ids, "input_ids");
    ids(&batch.token_type_ids, "token_type_ids");
    ids(&batch.attention_mask.iter().map(|&m| u32::from(m)).collect::<Vec<_>>(), "attention_mask");
    batch
}

/// Zeroes what stands at padding positions, which nobody reads.
fn real(hidden: &Tensor, batch: &Batch) -> Tensor {
    let mask: Vec<f32> = batch.attention_mask.iter().map(|&m| f32::from(u8::from(m))).collect();
    let mask = Tensor::from_vec(mask, (batch.size, batch.length, 1), &Device::Cpu).unwrap();
    hidden.broadcast_mul(&mask.to_device(hidden.device()).unwrap()).unwrap()
}

#[test]
fn the_frozen_encoder_is_berts() {
    let (encoder, golden) = (encoder(), golden("encoder.bert"));
    let batch = batch(&golden);
    let hidden = encoder.model.forward(&batch, &Frozen).unwrap();
    assert_close("hidden", &real(&hidden, &batch), &golden["hidden"], 1e-5);
    assert_eq!(encoder.pooling, Pooling::Pooler);
    let pooled = encoder.model.pool(&hidden, &batch, Pooling::Pooler).unwrap();
    assert_close("pooled", &pooled, &golden["pooled"], 1e-5);
    let mean = encoder.model.pool(&hidden, &batch, Pooling::Mean).unwrap();
    let counts: Vec<f32> = batch
        .attention_mask
        .chunks(batch.length)
        .map(|row| row.iter().filter(|m| **m).count() as f32)
        .collect();
    let counts = Tensor::from_vec(counts, (batch.size, 1), &Device::Cpu).unwrap();
    let wanted = golden["hidden"].sum(1).unwrap().broadcast_div(&counts).unwrap();
    assert_close("mean", &mean, &wanted, 1e-5);
}

/// How a golden file calls a parameter of ours.
fn spelled(name: &str) -> String {
    match name.strip_prefix("layer ") {
        Some(rest) => rest.replacen(' ', ".", 1),
        None => name.replacen("head ", "head.", 1),
    }
}

fn integers(tensor: &Tensor) -> Vec<i64> {
    tensor.to_dtype(DType::I64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The batch of a golden file.
pub(crate) fn golden_batch(golden: &HashMap<String, Tensor>, objective: Objective) -> Batch {
    let ids = |name: &str| integers(&golden[name]);
    let (size, length) = golden["input_ids"].dims2().unwrap();
    let row = |values: &[i64], i: usize| values[i * length..][..length].to_vec();
    let target = |i: usize| match objective {
        Objective::Classification => Target::Class(ids("classes")[i] as u32),
        Objective::Regression => Target::Score(floats(&golden["scores"])[i]),
        Objective::SpanExtraction => {
            let candidates = row(&ids("candidates"), i);
            let first = 1 + candidates[1..].iter().position(|c| *c != 0).unwrap();
            let end = 1 + candidates.iter().rposition(|c| *c != 0).unwrap();
            Target::Span(Window {
                gold: (ids("starts")[i] as usize, ids("ends")[i] as usize),
                context: first..end,
                offsets: vec![(0, 0); end - first],
            })
        }
        Objective::TokenClassification => {
            let tags = row(&ids("tags"), i).into_iter().enumerate().filter(|(_, tag)| *tag >= 0);
            let tag = |(word, (token, class)): (usize, (usize, i64))| Tag {
                token,
                word,
                class: class as u32,
            };
            Target::Tags(tags.enumerate().map(tag).collect())
        }
    };
    let unsigned = |name: &str| ids(name).into_iter().map(|id| id as u32).collect();
    Batch {
        size,
        length,
        input_ids: unsigned("input_ids"),
        token_type_ids: unsigned("token_type_ids"),
        attention_mask: ids("attention_mask").into_iter().map(|m| m != 0).collect(),
        targets: (0..size).map(target).collect(),
    }
}

/// Some gradients are zero by the mathematics: the softmax takes no notice of a number
/// added to all scores, so that neither a key's bias nor the bias of a span's start or end
/// has one. What is computed for them is rounding, which AdamW makes steps of: it must be
/// tiny, and where it ends says nothing. This is what is tiny in a golden file.
fn tiny(golden: &HashMap<String, Tensor>) -> f32 {
    let gradients = golden.iter().filter(|(key, _)| key.starts_with("gradient."));
    1e-7 * gradients.map(|(_, gradient)| highest(gradient)).fold(0.0, f32::max)
}

/// Whether the gradient of a parameter is zero by the mathematics.
fn vanishes(golden: &HashMap<String, Tensor>, name: &str) -> bool {
    let gradient = golden.get(&format!("gradient.{}", spelled(name)));
    gradient.is_some_and(|gradient| highest(gradient) < tiny(golden))
}

/// Gives a model the parameters that a golden file starts from.
fn start(file: &str, golden: &HashMap<String, Tensor>, model: &TaskModel<'_>) {
    let named = model.parameters();
    for (name, var) in &named {
        // Of large models a golden file holds a selection of the tensors.
        if let Some(start) = golden.get(&format!("start.{}", spelled(name))) {
            let start = start.to_device(var.device()).unwrap();
            var.set(&start).unwrap_or_else(|e| panic!("{file} {name}: {e}"));
        }
    }
    let known = golden.keys().filter(|key| key.starts_with("start.")).count();
    let own = |name: &str| golden.contains_key(&format!("start.{}", spelled(name)));
    let matched = named.iter().filter(|(name, _)| own(name)).count();
    assert_eq!(matched, known, "{file}: every golden tensor is one of ours");
}

/// Hidden states and every gradient of a model that was just given its start, within
/// `tolerance` of the greatest value of a tensor; what vanishes, within `rounding` of the
/// greatest gradient.
fn check_start(
    file: &str,
    golden: &HashMap<String, Tensor>,
    batch: &Batch,
    model: &TaskModel<'_>,
    (tolerance, rounding): (f32, f32),
) {
    let hidden = model.bert().forward(batch, model.adapter.as_ref()).unwrap();
    assert_close(file, &real(&hidden, batch), &golden["hidden"], tolerance);
    let gradients = model.loss(batch).unwrap().backward().unwrap();
    let mut compared = 0;
    for (name, var) in &model.parameters() {
        let own = gradients.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
        if let Some(wanted) = golden.get(&format!("gradient.{}", spelled(name))) {
            compared += 1;
            if vanishes(golden, name) {
                let most = rounding * 1e7 * tiny(golden);
                assert!(highest(own) < most, "{file} {name}: {}", highest(own));
                continue;
            }
            assert_close(&format!("{file} {name}"), own, wanted, tolerance);
        }
    }
    assert_eq!(compared, golden.keys().filter(|k| k.starts_with("gradient.")).count());
}

/// Loss, gradients and ten steps of a model against a golden file.
///
/// `epsilon` is what the script's optimiser has.
fn check(file: &str, objective: Objective, model: &TaskModel<'_>, epsilon: f64) {
    let golden = golden(file);
    let batch = golden_batch(&golden, objective);
    start(file, &golden, model);
    check_start(file, &golden, &batch, model, (1e-5, 1e-6));
    let named = model.parameters();
    let vars: Vec<Var> = named.iter().map(|(_, var)| var.clone()).collect();
    let mut optimizer = AdamW::new(&vars, 0.01).unwrap();
    optimizer.epsilon = epsilon;
    let losses = floats(&golden["losses"]);
    assert_eq!(losses.len(), STEPS);
    for (step, wanted) in losses.iter().enumerate() {
        let loss = model.loss(&batch).unwrap();
        let gradients = loss.backward().unwrap();
        let loss = loss.to_scalar::<f32>().unwrap();
        let close = (loss - wanted).abs() <= 1e-5 * wanted.abs().max(1e-2);
        assert!(close, "{file} step {step}: {loss}, {wanted}");
        optimizer.step(&vars, &gradients, LEARNING_RATE, f64::INFINITY).unwrap();
    }
    for (name, var) in named.iter().filter(|(name, _)| !vanishes(&golden, name)) {
        if let Some(end) = golden.get(&format!("end.{}", spelled(name))) {
            assert_close(&format!("{file} {name}"), var.as_tensor(), end, 1e-5);
        }
    }
}

const OBJECTIVES: [(Objective, &str, usize); 4] = [
    (Objective::Classification, "classification", 3),
    (Objective::Regression, "regression", 0),
    (Objective::SpanExtraction, "span-extraction", 0),
    (Objective::TokenClassification, "token-classification", 4),
];

fn dataset(objective: Objective, labels: usize) -> Dataset {
    Dataset {
        objective,
        label_names: (0..labels).map(|label| label.to_string()).collect(),
        ..super::tests::dataset(2, 2)
    }
}

/// Calls `check` for every method on every objective.
fn for_methods(encoder: &Encoder, check: impl Fn(&str, Objective, &TaskModel<'_>)) {
    for method in METHODS {
        for (objective, name, labels) in OBJECTIVES {
            let dataset = dataset(objective, labels);
            let spec = match method.paper_spec() {
                // Short, to keep the golden files small.
                MethodSpec::PTuningV2 { .. } => MethodSpec::PTuningV2 { prefix_length: 4 },
                spec => spec,
            };
            let model = TaskModel::adapted(encoder, *method, &spec, &dataset, (0, 0)).unwrap();
            check(&format!("{}.{name}", method.name()), objective, &model);
        }
    }
}

#[test]
fn every_method_learns_as_its_reference_does_on_every_objective() {
    for encoder in iter::once(encoder()).chain(laid_out(encoder, Precision::F32)) {
        for_methods(&encoder, |file, objective, model| check(file, objective, model, 1e-8));
    }
}

/// Eight bits of precision in two layers: a few per cent of the greatest value.
#[test]
fn gradients_in_bf16_are_those_of_the_reference_but_for_rounding() {
    for encoder in laid_out(encoder, Precision::Bf16) {
        for_methods(&encoder, |file, objective, model| {
            let golden = golden(file);
            start(file, &golden, model);
            let batch = golden_batch(&golden, objective);
            check_start(file, &golden, &batch, model, (6e-2, 1e-3));
        });
    }
}

#[test]
fn the_whole_encoder_learns_as_its_reference_does_on_every_objective() {
    let encoder = encoder();
    for (objective, name, labels) in OBJECTIVES {
        let dataset = dataset(objective, labels);
        let model = TaskModel::whole(&encoder, &encoder.model, &dataset, 0).unwrap();
        check(&format!("full.{name}"), objective, &model, 1e-4);
    }
}

#[test]
fn other_families_differ_where_they_should() {
    for family in ["bert", "roberta", "distilbert", "mpnet"] {
        let folder = here().join(format!("fixtures/tiny-{family}"));
        let load = || Encoder::load(family, &folder, &device()).unwrap();
        let encoder = load();
        let golden = golden(&format!("encoder.{family}"));
        let mut golden_with_gold = golden.clone();
        let size = golden["input_ids"].dim(0).unwrap();
        let classes = Tensor::zeros(size, DType::I64, &Device::Cpu).unwrap();
        golden_with_gold.insert("classes".into(), classes);
        if !golden.contains_key("token_type_ids") {
            let types = golden["input_ids"].zeros_like().unwrap();
            golden_with_gold.insert("token_type_ids".into(), types);
        }
        let batch = golden_batch(&golden_with_gold, Objective::Classification);
        let hidden = |encoder: &Encoder| encoder.model.forward(&batch, &Frozen).unwrap();
        assert_close(family, &real(&hidden(&encoder), &batch), &golden["hidden"], 1e-5);
        for encoder in laid_out(load, Precision::F32) {
            assert_close(family, &real(&hidden(&encoder), &batch), &golden["hidden"], 1e-5);
        }
        let pools = if golden.contains_key("pooled") { Pooling::Pooler } else { Pooling::First };
        assert_eq!(encoder.pooling, pools, "{family}");
        if family == "roberta" {
            // Of its 100 positions two lie before the first token's.
            assert_eq!(encoder.config().max_length(), 98);
        }
    }
}
