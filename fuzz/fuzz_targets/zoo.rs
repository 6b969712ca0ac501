//! Any bytes as a zoo file. What is read must survive being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tupate_zoo::{Dtype, Zoo};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(zoo) = Zoo::parse(bytes) {
        let written = zoo.to_bytes(Dtype::F32).expect("f32 holds every value");
        assert_eq!(Zoo::parse(&written).expect("what was written is read"), zoo);
    }
});
