//! Safetensors files with every key accounted for.

use crate::{Error, NamedTensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

/// An error about a file of the folder.
pub(super) fn bad(file: &str, what: impl Into<String>) -> Error {
    Error::Adapter { file: file.to_owned(), what: what.into() }
}

/// Reads a JSON file.
pub(super) fn json(file: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes)
        .map_err(|e| bad(file, format!("not JSON ({e}); copy the folder again")))
}

/// Reads every tensor of a file, in the order of the keys. What is allocated is
/// what the file holds, whatever its header claims: the reader has compared the
/// two.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Vec<(String, NamedTensor)>, Error> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| bad(file, format!("not a safetensors file ({e}); copy the folder again")))?;
    let mut keys = tensors.names();
    keys.sort_unstable();
    keys.into_iter()
        .map(|key| {
            let view = tensors.tensor(key).map_err(|e| bad(file, format!("{key}: {e}")))?;
            let tensor = NamedTensor {
                name: key.to_owned(),
                shape: view.shape().to_vec(),
                values: floats(file, key, &view)?,
            };
            Ok((key.to_owned(), tensor))
        })
        .collect()
}

fn floats(file: &str, key: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Error> {
    let data = view.data();
    let halves = |convert: fn([u8; 2]) -> f32| {
        data.as_chunks::<2>().0.iter().map(|bytes| convert(*bytes)).collect()
    };
    match view.dtype() {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(halves(|b| half::f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Ok(halves(|b| half::bf16::from_le_bytes(b).to_f32())),
        other => Err(bad(file, format!("{key} is {other:?}; F32, F16 and BF16 are supported"))),
    }
}

/// Writes tensors under these keys. The same tensors give the same bytes.
pub(super) fn write(file: &str, named: &[(String, &NamedTensor)]) -> Result<Vec<u8>, Error> {
    let bytes: Vec<Vec<u8>> = named
        .iter()
        .map(|(_, t)| t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = named
        .iter()
        .zip(&bytes)
        .map(|((key, t), bytes)| {
            TensorView::new(Dtype::F32, t.shape.clone(), bytes)
                .map(|view| (key.as_str(), view))
                .map_err(|e| bad(file, format!("{key}: {e}")))
        })
        .collect::<Result<_, _>>()?;
    // One entry: more would come in the order of a hash map.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata))
        .map_err(|e| bad(file, format!("cannot be written: {e}")))
}

/// Pretty JSON with a line's end.
pub(super) fn write_json(file: &str, value: &Value) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| bad(file, e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
