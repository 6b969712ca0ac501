//! Zoos of which no file is made, as no reader would give back what they hold.

mod common;

use common::{embedding, zoo};
use tupate_tasks::Checkpoint;
use tupate_zoo::outline::MAX_HEADER;
use tupate_zoo::{Dtype, Zoo};

#[test]
fn a_value_beyond_f16_asks_for_f32() {
    let zoo = Zoo::pack("z", "", [embedding("a", Checkpoint::Late, &[1e6, 1.0])]).unwrap();
    let error = zoo.to_bytes(Dtype::F16).unwrap_err().to_string();
    assert!(error.contains("store it as f32"), "{error}");
    assert_eq!(Zoo::parse(&zoo.to_bytes(Dtype::F32).unwrap()).unwrap(), zoo);
}

#[test]
fn values_below_f16_ask_for_f32() {
    let rows = |values: [f32; 2]| {
        let rows = [("a", [1.0, 2.0]), ("b", values)];
        let rows = rows.map(|(id, values)| embedding(id, Checkpoint::Late, &values));
        Zoo::pack("z", "", rows).unwrap()
    };
    for lost in [[1e-9, 2e-9], [1e-7, 3e-7]] {
        let error = rows(lost).to_bytes(Dtype::F16).unwrap_err().to_string();
        assert!(error.contains("the lora.late embedding of b are so small"), "{error}");
        assert!(rows(lost).to_bytes(Dtype::F32).is_ok());
    }
    // A small one beside large ones is lost among them.
    for kept in [[1e-9, 2.0], [1e-4, 3e-4]] {
        assert!(rows(kept).to_bytes(Dtype::F16).is_ok());
    }
}

#[test]
fn a_header_that_no_reader_takes_is_not_written() {
    let large = zoo().described(&"x".repeat(MAX_HEADER as usize));
    let error = large.to_bytes(Dtype::F32).unwrap_err().to_string();
    assert!(error.contains("100000000 are allowed; make shards of it"), "{error}");
}
