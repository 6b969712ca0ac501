//! In the browser: what is read and ranked there is what is read and ranked
//! natively, and the browser's own parts do what the page takes them to do.

#![cfg(target_arch = "wasm32")]

mod reference;

use tupate_frontend::answer::{Loaded, Origin, complete};
use tupate_frontend::failure::Trouble;
use tupate_frontend::platform::{self, Bytes, Cancel, Database, Wanted};
use tupate_zoo::Dtype;
use tupate_zoo::link::{self, View};
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
    let bytes = reference::zoo().to_bytes(Dtype::F16).expect("bytes");
    let origin = Origin::Url("https://example.org/a b.safetensors".into());
    let sha256 = tupate_zoo::sha256_hex(&bytes);
    let zoo = tupate_zoo::Zoo::parse(&bytes).expect("the zoo");
    let loaded = Loaded::whole(zoo, &bytes, sha256, origin, None);
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
    let whole = Wanted::whole(1000);
    let trouble =
        platform::fetch(&nobody, &whole, &cancel, |_, _| ()).await.expect_err("nobody there");
    assert_eq!(trouble, Trouble::Unreachable);
    cancel.call_off();
    let trouble =
        platform::fetch(&nobody, &whole, &cancel, |_, _| ()).await.expect_err("called off");
    assert_eq!(trouble, Trouble::Cancelled);
}

#[wasm_bindgen_test]
async fn a_link_is_packed_and_unpacked_by_the_browser_as_by_the_program() {
    let bytes = reference::zoo().to_bytes(Dtype::F16).expect("bytes");
    let deflated = platform::deflate(&bytes).await.expect("deflated bytes");
    let text = link::text_of(&deflated).expect("a text");
    assert_eq!(link::unpack(&text).expect("by the program"), bytes);

    let text = link::pack(&bytes).expect("by the program");
    let deflated = link::deflated_of(&text).expect("deflated bytes");
    let most = bytes.len() as u64;
    assert_eq!(platform::inflate(&deflated, most).await.expect("by the browser"), bytes);
    let trouble = platform::inflate(&deflated, most - 1).await.expect_err("one byte too many");
    assert_eq!(trouble, Trouble::TooLarge { size: None });
    assert!(platform::inflate(b"no deflated bytes", most).await.is_err());
}

#[wasm_bindgen_test]
async fn a_file_is_kept_under_its_key_until_it_is_removed() {
    // Runs in the document, before the program.
    let opened = async || {
        js_sys::eval(include_str!("../kept.js")).expect("a script");
        Database::opened().await.expect("a database")
    };
    let first = opened().await;
    assert!(first.facts.is_empty() && first.file.is_none());
    assert!(Database::opened().await.is_none(), "it is taken once");
    let database = first.database;
    let small = Bytes::Here(b"bytes".to_vec());
    database.put("one", "first", small).await.expect("kept");
    // A large file is handed over and read in pieces, of which the last is a shorter one.
    let many: Vec<u8> = (0..(8 << 20) + 100_u32).map(|i| (i % 251) as u8).collect();
    database.put("two", "second", Bytes::Here(many.clone())).await.expect("kept");
    let one = database.file("one").await.expect("there");
    assert!(matches!(&one, Bytes::Here(bytes) if bytes == b"bytes"));
    assert!(database.put_facts("one", "changed").await.expect("kept"));
    // Of a file that was removed, nothing is said any more.
    assert!(!database.put_facts("gone", "anything").await.expect("looked up"));
    let mut facts = database.facts().await;
    facts.sort();
    assert_eq!(facts, ["changed", "second"]);
    database.remove("one").await.expect("removed");
    assert!(database.file("one").await.is_none());
    let two = database.file("two").await.expect("there");
    assert!(matches!(two, Bytes::Browser(_)) && two.len() == many.len() as u64);
    assert!(!two.is_empty() && two.head(3).await.expect("read") == [0, 1, 2]);
    assert!(two.here().await.expect("read") == many);
    database.remove("two").await.expect("removed");
    assert!(database.facts().await.is_empty());

    // What a page without a wish shows is read with it, of two the one that was opened last.
    for (key, from, time) in [("a", "own", 1), ("b", "own", 2), ("c", "url", 3)] {
        let facts = format!(r#"{{"sha256":"{key}","from":"{from}","opened":{time}}}"#);
        database.put(key, &facts, Bytes::Here(key.into())).await.expect("kept");
    }
    let (key, file) = opened().await.file.expect("a file");
    assert_eq!((&*key, file.here().await.expect("read")), ("b", b"b".to_vec()));
    // Of others the database is there at least.
    database.put("d", "of a later version", Bytes::Here(Vec::new())).await.expect("kept");
    let opened = opened().await;
    assert!(opened.file.is_none() && opened.facts.len() == 4);
    for key in ["a", "b", "c", "d"] {
        database.remove(key).await.expect("removed");
    }
}
