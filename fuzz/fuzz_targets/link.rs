//! Any text as a link's fragment. What is read must survive being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tupate_zoo::Zoo;
use tupate_zoo::link::{MAX_FRAGMENT, MAX_INLINE, View, pack, unpack};

fuzz_target!(|text: &str| {
    let view = View::from_fragment(text);
    let fragment = view.to_fragment();
    // Escaping may make a long text too long.
    if fragment.len() <= MAX_FRAGMENT {
        assert_eq!(View::from_fragment(&fragment), view);
    }
    for data in [view.data.as_deref(), Some(text)].into_iter().flatten() {
        if let Ok(bytes) = unpack(data) {
            assert!(bytes.len() <= MAX_INLINE);
            if let Ok(packed) = pack(&bytes) {
                assert!(unpack(&packed).expect("what was packed") == bytes);
            }
            let _ = Zoo::parse(&bytes);
        }
    }
});
