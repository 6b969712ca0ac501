//! The folders, and how tests change them.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::collections::BTreeMap;
use tupate_embedding::folder::{AdapterFolder, read};
use tupate_embedding::{Error, NamedTensor};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Recipe};

macro_rules! folder {
    ($name:literal, $($file:literal),+) => {
        ($name, &[$(($file, include_bytes!(concat!("../folders/", $name, "/", $file)).as_slice())),+])
    };
}

type Files = &'static [(&'static str, &'static [u8])];

pub const PEFT: &str = "adapter_model.safetensors";
pub const HUB: &str = "adapter.safetensors";
pub const CONFIG: &str = "adapter_config.json";

pub const FOLDERS: &[(&str, Files)] = &[
    folder!("peft-lora-bert", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-lora-dense", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-lora-roberta-task", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-lora-distilbert", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-lora-mpnet", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-prefix-bert", "adapter_config.json", "adapter_model.safetensors"),
    folder!("peft-prefix-bert-task", "adapter_config.json", "adapter_model.safetensors"),
    folder!("adapterhub-lora-bert", "adapter_config.json", "adapter.safetensors"),
    folder!("adapterhub-prefix-bert", "adapter_config.json", "adapter.safetensors"),
    folder!("adapterhub-prefix-distilbert", "adapter_config.json", "adapter.safetensors"),
];

pub const BOTTLENECK: (&str, Files) =
    folder!("adapterhub-bottleneck", "adapter_config.json", "adapter.safetensors");

pub fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let (_, files) = FOLDERS.iter().find(|(n, _)| *n == name).unwrap();
    files.iter().map(|(n, bytes)| ((*n).to_owned(), bytes.to_vec())).collect()
}

pub fn read_files(files: &[(String, Vec<u8>)]) -> Result<AdapterFolder, Error> {
    read(&files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect::<Vec<_>>())
}

pub fn folder(name: &str) -> AdapterFolder {
    read_files(&files(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Reads a folder whose configuration was changed.
pub fn with_config(name: &str, change: impl FnOnce(&mut Value)) -> Result<AdapterFolder, Error> {
    let mut files = files(name);
    let mut config: Value = serde_json::from_slice(&files[0].1).unwrap();
    change(&mut config);
    files[0].1 = config.to_string().into_bytes();
    read_files(&files)
}

/// A weights file's tensors.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn tensors(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let read = |view: TensorView<'_>| {
        assert_eq!(view.dtype(), Dtype::F32);
        view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    file.tensors().into_iter().map(|(k, v)| (k, (v.shape().to_vec(), read(v)))).collect()
}

pub fn serialize(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((key, (shape, _)), bytes)| {
        (key.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
}

/// Reads a folder whose tensors were changed.
pub fn with_tensors(name: &str, change: impl FnOnce(&mut Tensors)) -> Result<AdapterFolder, Error> {
    let mut files = files(name);
    let mut all = tensors(&files[1].1);
    change(&mut all);
    files[1].1 = serialize(&all);
    read_files(&files)
}

pub fn recipe(method: &MethodSpec) -> Recipe {
    let encoder = EncoderRef {
        name: "tiny".into(),
        weights_sha256: "0".repeat(64),
        layers: 2,
        hidden_size: 32,
    };
    Recipe::paper(encoder, method.clone(), 0, Checkpoint::Late)
}

pub fn tensor(name: &str, shape: &[usize], values: Vec<f32>) -> NamedTensor {
    NamedTensor { name: name.into(), shape: shape.into(), values }
}
