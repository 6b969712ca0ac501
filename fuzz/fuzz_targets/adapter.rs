//! Any files as an adapter folder. What is read must survive being written.
//!
//! The input is the kind of weights file, one byte; the configuration's JSON; a zero
//! byte; and the weights: either a safetensors file as it is, or, so that mutations
//! get behind its header, a line `NAME SHAPE` for each tensor, the shape with commas.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, json};
use tupate_embedding::folder::{
    ADAPTERHUB_WEIGHTS_FILE, BITFIT_CONFIG_FILE, BITFIT_WEIGHTS_FILE, CONFIG_FILE, Layout,
    PEFT_WEIGHTS_FILE, read, write,
};

/// Room for the values of listed tensors.
const VALUES: usize = 1 << 12;

/// A safetensors file of the listed tensors, their values all different.
fn listed(text: &str) -> Option<Vec<u8>> {
    let (mut header, mut offset) = (Map::new(), 0);
    for line in text.lines() {
        let (name, shape) = line.rsplit_once(' ')?;
        let shape: Vec<usize> =
            shape.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        let values = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))?;
        let end = values.checked_mul(4).and_then(|n| n.checked_add(offset))?;
        if end > 4 * VALUES {
            return None;
        }
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, end] });
        header.insert(name.to_owned(), entry);
        offset = end;
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend((0..offset / 4).flat_map(|i| (i as f32 + 0.5).to_le_bytes()));
    Some(file)
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let Some(end) = rest.iter().position(|byte| *byte == 0) else { return };
    let (config, weights) = (&rest[..end], &rest[end + 1..]);
    let (config_name, weights_name) = match kind & 3 {
        0 => (CONFIG_FILE, ADAPTERHUB_WEIGHTS_FILE),
        1 => (BITFIT_CONFIG_FILE, BITFIT_WEIGHTS_FILE),
        _ => (CONFIG_FILE, PEFT_WEIGHTS_FILE),
    };
    let made = std::str::from_utf8(weights).ok().and_then(listed);
    let weights = made.as_deref().unwrap_or(weights);
    let Ok(folder) = read(&[(config_name, config), (weights_name, weights)]) else { return };
    let layout = folder.layout.unwrap_or(Layout::Bert);
    // Targets that a layout does not have are refused.
    let Ok(files) = write(&folder.state, &[], layout, "base", None) else { return };
    let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    assert_eq!(read(&files).expect("what was written is read").state, folder.state);
});
