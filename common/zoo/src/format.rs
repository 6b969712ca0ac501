//! The zoo file: one `.safetensors` file that carries its own manifest.
//!
//! ```text
//! u64  length of the header, little-endian
//! JSON header:
//!        __metadata__.tupate_zoo         the manifest, JSON as text
//!        __metadata__.tupate_zoo_sha256  sha256 of that text, hex
//!        embeddings/KEY                  [tasks, D]  F16, F32 or I8
//!        initial/KEY                     [D]         F32
//!        mean/KEY, scale/KEY             [D], [tasks]  F32, beside I8
//! data
//! ```
//!
//! `docs/ZOO_FORMAT.md` is the specification. In short:
//!
//! The manifest states name, type, shape and sha256 of every tensor, and its own
//! sha256 stands beside it, so that one flipped byte anywhere is noticed. Keys
//! are sorted and there is no time stamp: equal zoos are equal files.

use crate::manifest::TensorDigest;
use crate::outline::MAX_HEADER;
use crate::{EmbeddingSet, Error, Zoo, int8};
use half::f16;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Metadata key of the manifest.
pub const MANIFEST_KEY: &str = "tupate_zoo";
/// Metadata key of the manifest's sha256.
pub const DIGEST_KEY: &str = "tupate_zoo_sha256";

/// How embeddings are stored. `F16` halves the file; on the vectors that the
/// paper's authors released it changes no ranking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// 2 bytes a value.
    #[default]
    F16,
    /// 4 bytes a value, exact.
    F32,
    /// 1 byte a value: the difference from the set's mean, scaled row by row.
    /// What tasks share is most of a vector and is stored once, exactly.
    Int8,
}

/// sha256 as lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.hex()
}

/// [`sha256_hex`] of bytes that come piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sha256 of all of them.
    pub fn hex(self) -> String {
        use std::fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in self.0.finalize() {
            write!(hex, "{byte:02x}").expect("writing to a string");
        }
        hex
    }
}

struct Blob {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// One entry of the header. Typed, because the order of a generic JSON object's
/// keys is a build option that any other crate may turn on.
#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(BTreeMap<&'a str, &'a str>),
    Tensor { data_offsets: [usize; 2], dtype: &'a str, shape: &'a [usize] },
}

pub(crate) fn write(zoo: &Zoo, dtype: Dtype) -> Result<Vec<u8>, Error> {
    let mut blobs = Vec::new();
    let f32s = |name: String, shape: Vec<usize>, values: &[f32]| Blob {
        name,
        dtype: "F32",
        shape,
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    for set in zoo.sets() {
        let rows: Vec<f32> = zoo.rows(set).flatten().collect();
        let shape = vec![set.tasks.len(), set.dim];
        match dtype {
            Dtype::F32 => blobs.push(f32s(set.tensor(), shape, &rows)),
            Dtype::F16 => {
                let bytes = to_f16(set, &rows)?;
                blobs.push(Blob { name: set.tensor(), dtype: "F16", shape, bytes });
            }
            Dtype::Int8 => {
                let coded = int8::encode(&rows, set.dim);
                let bytes = coded.codes.iter().map(|code| code.to_le_bytes()[0]).collect();
                blobs.push(Blob { name: set.tensor(), dtype: "I8", shape, bytes });
                blobs.push(f32s(set.mean_tensor(), vec![set.dim], &coded.mean));
                blobs.push(f32s(set.scale_tensor(), vec![set.tasks.len()], &coded.scales));
            }
        }
        if let Some(initial) = zoo.initial(set) {
            blobs.push(f32s(set.initial_tensor(), vec![set.dim], initial));
        }
    }
    blobs.sort_by(|a, b| a.name.cmp(&b.name));
    let digests = blobs
        .iter()
        .map(|b| TensorDigest {
            name: b.name.clone(),
            dtype: b.dtype.to_owned(),
            shape: b.shape.clone(),
            sha256: sha256_hex(&b.bytes),
        })
        .collect();
    let manifest = serde_json::to_string(&zoo.manifest(digests))
        .map_err(|e| Error::Inconsistent(format!("the manifest cannot be written: {e}")))?;
    let digest = sha256_hex(manifest.as_bytes());

    // Written here and not by the safetensors crate, whose metadata is a hash
    // map: its order, and with it the file's bytes, would change from run to run.
    let mut header: BTreeMap<&str, HeaderEntry<'_>> = BTreeMap::new();
    let metadata = [(MANIFEST_KEY, manifest.as_str()), (DIGEST_KEY, digest.as_str())];
    header.insert("__metadata__", HeaderEntry::Metadata(metadata.into()));
    let mut offset = 0;
    for blob in &blobs {
        let end = offset + blob.bytes.len();
        let entry = HeaderEntry::Tensor {
            data_offsets: [offset, end],
            dtype: blob.dtype,
            shape: &blob.shape,
        };
        header.insert(&blob.name, entry);
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)
        .map_err(|e| Error::Inconsistent(format!("the header cannot be written: {e}")))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() as u64 > MAX_HEADER {
        return Err(Error::Inconsistent(format!(
            "what the zoo says of its {} tasks takes {} bytes, and {MAX_HEADER} are allowed; make \
             shards of it",
            zoo.tasks().len(),
            header.len()
        )));
    }
    let mut file = Vec::with_capacity(8 + header.len() + offset);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(&header);
    for blob in blobs {
        file.extend_from_slice(&blob.bytes);
    }
    Ok(file)
}

/// Greatest share of its squared length that an embedding may lose to rounding: of values that
/// f16 holds to all its digits it is some 10⁻⁷.
const MOST_LOST: f64 = 1e-5;

fn to_f16(set: &EmbeddingSet, rows: &[f32]) -> Result<Vec<u8>, Error> {
    let key = &set.key;
    let mut bytes = Vec::with_capacity(2 * rows.len());
    for (task, row) in set.tasks.iter().zip(rows.chunks(set.dim)) {
        let (mut length, mut lost) = (0.0, 0.0);
        for &value in row {
            let half = f16::from_f32(value);
            if !half.is_finite() {
                return Err(Error::Inconsistent(format!(
                    "a value of {key} is {value}, beyond what f16 holds (65504); store it as f32"
                )));
            }
            bytes.extend_from_slice(&half.to_le_bytes());
            length += f64::from(value).powi(2);
            lost += f64::from(value - half.to_f32()).powi(2);
        }
        if lost > MOST_LOST * length {
            return Err(Error::Inconsistent(format!(
                "values of the {key} embedding of {task} are so small that f16 does not hold them \
                 (they should exceed 0.00006); store it as f32"
            )));
        }
    }
    Ok(bytes)
}
