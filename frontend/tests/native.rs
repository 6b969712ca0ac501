//! The native half of a comparison; the browser's is in `wasm.rs`.

#![cfg(not(target_arch = "wasm32"))]

mod reference;

#[test]
fn a_zoo_is_what_it_must_be() {
    reference::check_file();
}

#[test]
fn a_ranking_is_what_it_must_be() {
    reference::check_rankings();
}
