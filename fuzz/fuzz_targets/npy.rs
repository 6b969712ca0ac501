//! Any bytes as a NumPy array, and as a zoo of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tupate_zoo::npy::Array;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = Array::parse(bytes) {
        assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
        assert!(array.values.iter().all(|value| value.is_finite()));
        assert!(array.values.len() <= bytes.len() / 4);
    }
});
