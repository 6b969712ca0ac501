//! Writes adapter folders of every kind from golden values, for
//! `tests/golden/check_folders.py` to load with the packages they are meant for.

use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use tupate_embedding::folder::{Layout, write};
use tupate_embedding::{AdapterState, LayerState, NamedTensor};
use tupate_tasks::MethodSpec;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("name the folder to write to")?);
    let lora = |targets: &[&str]| MethodSpec::Lora {
        rank: 8,
        alpha: 8.0,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
    };
    // What the golden files began with, whose hidden states they hold.
    let golden: [(&str, MethodSpec); 3] = [
        ("lora", lora(&["query", "value"])),
        ("ptuning-v2", MethodSpec::PTuningV2 { prefix_length: 4 }),
        ("bitfit", MethodSpec::BitFit),
    ];
    for (name, method) in golden {
        put(&out.join(name), &golden_state(name, method)?, Layout::Bert)?;
    }
    // Every map of every family, and of BERT the one whose name is another's end.
    let all = tupate_tasks::LORA_TARGETS;
    for (name, layout, targets) in [
        ("lora-bert", Layout::Bert, &all[..]),
        ("lora-bert-output", Layout::Bert, &["output"]),
        ("lora-distilbert", Layout::DistilBert, &all),
        ("lora-mpnet", Layout::MpNet, &all),
    ] {
        put(&out.join(name), &made_up(lora(targets), targets)?, layout)?;
    }
    Ok(())
}

fn put(folder: &Path, state: &AdapterState, layout: Layout) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let head =
        NamedTensor { name: "head.weight".into(), shape: vec![1, 2], values: vec![1.0, -1.0] };
    for (file, bytes) in write(state, &[head], layout, "tiny", None)? {
        std::fs::write(folder.join(file), bytes)?;
    }
    Ok(())
}

/// The parameters that training starts from in `METHOD.classification`.
fn golden_state(name: &str, method: MethodSpec) -> Result<AdapterState, Failure> {
    let file = format!("tests/golden/{name}.classification.safetensors");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensor = |layer: usize, name: &String| -> Result<NamedTensor, Failure> {
        let view = file.tensor(&format!("start.{layer}.{name}"))?;
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        Ok(NamedTensor {
            name: name.clone(),
            shape: view.shape().to_vec(),
            values: values.collect(),
        })
    };
    let names = method.tensor_names();
    let layers = (0..2)
        .map(|layer| {
            let tensors = names.iter().map(|name| tensor(layer, name)).collect::<Result<_, _>>()?;
            Ok(LayerState { tensors })
        })
        .collect::<Result<_, Failure>>()?;
    Ok(AdapterState::new(method, layers)?)
}

/// Factors of the tiny encoders' shapes whose values are all different.
fn made_up(method: MethodSpec, targets: &[&str]) -> Result<AdapterState, Failure> {
    let mut next = 0_u32;
    let mut tensor = |name: String, shape: [usize; 2]| {
        let values = (0..shape[0] * shape[1]).map(|_| {
            next += 1;
            (next as f32 * 0.37).sin() * 0.1
        });
        NamedTensor { name, shape: shape.into(), values: values.collect() }
    };
    let layers = (0..2).map(|_| {
        let factors = targets.iter().flat_map(|target| {
            let (inner, outer) = match *target {
                "intermediate" => (32, 64),
                "output" => (64, 32),
                _ => (32, 32),
            };
            [
                tensor(format!("{target}.lora_A"), [8, inner]),
                tensor(format!("{target}.lora_B"), [outer, 8]),
            ]
        });
        LayerState { tensors: factors.collect() }
    });
    let layers = layers.collect();
    Ok(AdapterState::new(method, layers)?)
}
