//! Vectors as NumPy files: version 1.0, little-endian `f8`, one dimension.

use crate::Error;
use std::path::Path;

/// What a file begins with, the version included.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// Bytes of the magic and the header's length.
const PREFIX: usize = 10;
/// Where the values begin is a multiple of this.
const ALIGNMENT: usize = 64;

/// The bytes of a file.
pub fn to_bytes(values: &[f64]) -> Vec<u8> {
    let header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    let length = (PREFIX + header.len() + 1).next_multiple_of(ALIGNMENT) - PREFIX;
    let mut bytes = MAGIC.to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The values of a file of [`to_bytes`].
///
/// # Errors
/// When it is none.
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<f64>, Error> {
    let values = || {
        let length = bytes.strip_prefix(MAGIC)?.first_chunk::<2>()?;
        let (values, rest) =
            bytes.get(PREFIX + usize::from(u16::from_le_bytes(*length))..)?.as_chunks();
        rest.is_empty().then(|| values.iter().map(|value| f64::from_le_bytes(*value)).collect())
    };
    let found: Option<Vec<f64>> = values();
    found.filter(|values| to_bytes(values) == bytes).ok_or_else(|| Error::Record {
        path: path.to_owned(),
        what: "not a vector that was kept here; remove it and the .json beside it".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;

    #[test]
    fn another_library_reads_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        for values in [vec![], vec![1.5, -2e-300, f64::MAX], vec![0.25; 1000]] {
            let bytes = to_bytes(&values);
            std::fs::write(&path, &bytes).unwrap();
            let read = Tensor::read_npy(&path).unwrap();
            assert_eq!(read.dims(), [values.len()]);
            assert_eq!(read.to_vec1::<f64>().unwrap(), values);
            assert_eq!((bytes.len() - 8 * values.len()) % ALIGNMENT, 0);
            assert_eq!(from_bytes(&path, &bytes).unwrap(), values);
            assert!(from_bytes(&path, &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(from_bytes(&path, b"\x93NUMPY\x01\x00\xff\xff").is_err());
        assert!(from_bytes(&path, b"").is_err());
    }
}
