//! Any bytes as a truth table. What is read is sound and survives JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tupate_zoo::TransferMatrix;

fuzz_target!(|bytes: &[u8]| {
    match TransferMatrix::from_csv(bytes, "setting", "metric") {
        Err(error) => assert!(error.line > 0, "{error}"),
        Ok(matrix) => {
            matrix.check().expect("what was read is sound");
            let json = serde_json::to_string(&matrix).expect("it has only finite numbers");
            let read: TransferMatrix = serde_json::from_str(&json).expect("what was written");
            assert_eq!(read, matrix);
            let twice = [matrix.clone(), matrix];
            let seeds = TransferMatrix::of_seeds(&twice).expect("two of them");
            seeds.check().expect("joined is sound");
        }
    }
});
