//! Any manifest and any values, with right checksums: what lies behind them.
//!
//! The input is the manifest's JSON, a zero byte, and the tensors' bytes. The
//! tensors that the manifest lists take their bytes from there one after the
//! other, and get the sha256 of what they got.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tupate_zoo::{
    Dtype, Query, SIMILARITIES, Target, Zoo, card, diff, format, merge, rank, sha256_hex,
};

/// A whole file, or nothing where there is no room for what is listed.
fn seal(text: &str, mut data: &[u8]) -> Option<Vec<u8>> {
    let mut manifest: Value = serde_json::from_str(text).ok()?;
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    let mut body = Vec::new();
    for tensor in manifest.get_mut("tensors")?.as_array_mut()? {
        let name = tensor.get("name")?.as_str()?.to_owned();
        let shape = tensor.get("shape")?.clone();
        let dtype = tensor.get("dtype")?.clone();
        let size = match dtype.as_str()? {
            "F32" => 4,
            "F16" => 2,
            _ => 1,
        };
        let mut sizes = shape.as_array()?.iter().map(Value::as_u64);
        let length = sizes.try_fold(size, |n: u64, d| n.checked_mul(d?))?;
        let (own, rest) = data.split_at_checked(usize::try_from(length).ok()?)?;
        data = rest;
        tensor["sha256"] = sha256_hex(own).into();
        let end = offset + own.len();
        header
            .insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] }));
        offset = end;
        body.extend_from_slice(own);
    }
    let text = manifest.to_string();
    let digest = sha256_hex(text.as_bytes());
    header.insert(
        "__metadata__".into(),
        json!({ format::MANIFEST_KEY: text, format::DIGEST_KEY: digest }),
    );
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(body);
    Some(file)
}

fuzz_target!(|input: &[u8]| {
    let (text, data) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let Some(file) = std::str::from_utf8(text).ok().and_then(|text| seal(text, data)) else {
        return;
    };
    let Ok(zoo) = Zoo::parse(&file) else { return };
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
        if let Ok(written) = zoo.to_bytes(dtype) {
            let read = Zoo::parse(&written);
            // A row that f16 or one byte rounds to zeros is refused.
            assert!(dtype != Dtype::F32 || read.as_ref() == Ok(&zoo));
        }
    }
    let _ = card(&zoo, "z", "0");
    let _ = merge("m", "", [("a", &zoo), ("b", &zoo)]);
    for similarity in SIMILARITIES {
        let _ = diff(&zoo, &zoo, similarity);
        for task in zoo.tasks() {
            for method in [None, Some("ensemble"), Some("rrf")] {
                let _ = rank(&zoo, &Query { target: Target::Task(&task.id), method, similarity });
            }
        }
    }
});
