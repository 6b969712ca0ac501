//! Against PyTorch and NumPy. `tests/golden/baselines.py` makes the numbers.

use super::super::evidence::Features;
use super::super::taskemb::Fisher;
use super::*;
use crate::batch::Batch;
use crate::train::TaskModel;
use crate::train::golden::{golden_batch, here};
use candle_core::{DType, Device, Tensor, safetensors};
use std::collections::HashMap;

fn read(name: &str) -> HashMap<String, Tensor> {
    let path = here().join(format!("golden/baseline.{name}.safetensors"));
    safetensors::load(path, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Some rows of a batch.
fn rows(batch: &Batch, rows: std::ops::Range<usize>) -> Batch {
    let cells = rows.start * batch.length..rows.end * batch.length;
    Batch {
        size: rows.len(),
        length: batch.length,
        input_ids: batch.input_ids[cells.clone()].to_vec(),
        token_type_ids: batch.token_type_ids[cells.clone()].to_vec(),
        attention_mask: batch.attention_mask[cells].to_vec(),
        targets: batch.targets[rows].to_vec(),
    }
}

#[test]
fn fisher_information_is_that_of_the_reference() {
    let (encoder, golden) = (encoder(), read("fisher"));
    let three = Dataset {
        label_names: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ..crate::train::tests::dataset(2, 2)
    };
    let model = TaskModel::whole(&encoder, &encoder.model, &three, 0).unwrap();
    model.head.weight.set(&golden["head.weight"]).unwrap();
    model.head.bias.set(&golden["head.bias"]).unwrap();
    let batch = golden_batch(&golden, Objective::Classification);
    for size in [1, 2] {
        let mut fisher = Fisher::new(&model);
        for first in (0..batch.size).step_by(size) {
            let rows = rows(&batch, first..(first + size).min(batch.size));
            fisher.add(&model, &rows).unwrap();
        }
        let parts = fisher.parts(batch.size);
        assert_eq!(parts.len(), 7);
        for (component, own) in parts {
            let wanted = numbers(&golden[&format!("{size}.{component}")]);
            assert_eq!(own.len(), wanted.len(), "{component}");
            let highest = wanted.iter().copied().fold(0.0, f64::max);
            for (own, wanted) in own.iter().zip(&wanted) {
                let close = (own - wanted).abs() <= 2e-5 * highest;
                assert!(close, "{component} in batches of {size}: {own}, {wanted}");
            }
        }
    }
}

#[test]
fn the_evidence_is_that_of_the_reference() {
    let golden = read("logme");
    for case in ["numbers", "noise", "classes", "wide", "twins"] {
        let of = |what: &str| numbers(&golden[&format!("{case}.{what}")]);
        let labels = of("y");
        let own = Features::new(labels.len(), &of("f")).unwrap().evidence(&labels);
        let wanted = of("evidence")[0];
        assert!((own - wanted).abs() < 1e-6 * wanted.abs(), "{case}: {own}, {wanted}");
    }
}
