//! In the browser: what is read and ranked there is what is read and ranked
//! natively, and the browser's own parts do what the page takes them to do.

#![cfg(target_arch = "wasm32")]

mod reference;

use tupate_frontend::answer::{Loaded, Origin, complete};
use tupate_frontend::failure::Trouble;
use tupate_frontend::platform::{self, Cancel};
use tupate_zoo::link::View;
use tupate_zoo::{Dtype, sha256_hex};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
fn a_zoo_is_the_same_here_as_natively() {
    reference::check_file();
}

#[wasm_bindgen_test]
fn a_ranking_is_the_same_here_as_natively() {
    reference::check_rankings();
}

#[wasm_bindgen_test]
fn the_link_of_a_zoo_opens_to_the_same_view() {
    let zoo = reference::zoo();
    let bytes = zoo.to_bytes(Dtype::F16).expect("bytes");
    let loaded = Loaded {
        zoo,
        origin: Origin::Url("https://example.org/a b.safetensors".into()),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
    };
    let view = complete(&loaded, &View::default());
    let link = platform::link(&view.to_fragment());
    let fragment = link.split_once('#').expect("a fragment").1;
    assert_eq!(View::from_fragment(fragment), view);
}

#[wasm_bindgen_test]
fn addresses_are_taken_apart_by_the_browser() {
    let own = platform::address("/zoos/a.safetensors").expect("an address");
    assert!(own.own && own.check().is_ok());
    let other = platform::address(" https://example.org/z ").expect("an address");
    assert_eq!((&*other.host, &*other.scheme, other.own), ("example.org", "https:", false));
    assert!(platform::address("javascript:alert(1)").is_none_or(|a| a.check().is_err()));
    assert!(platform::address("https://").is_none());
}

#[wasm_bindgen_test]
async fn a_host_that_is_not_there_is_told_from_one_that_was_called_off() {
    // Port 9 is the discard service, which browsers refuse to talk to.
    let nobody = platform::address("http://127.0.0.1:9/zoo").expect("an address");
    let cancel = Cancel::new().expect("an abort controller");
    let trouble = platform::fetch(&nobody, &cancel, |_, _| ()).await.expect_err("nobody there");
    assert_eq!(trouble, Trouble::Unreachable);
    cancel.call_off();
    let trouble = platform::fetch(&nobody, &cancel, |_, _| ()).await.expect_err("called off");
    assert_eq!(trouble, Trouble::Cancelled);
}
