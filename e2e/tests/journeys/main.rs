//! Journeys of visitors: a real browser, the real program, a real zoo.

mod access;
mod broken;
mod choices;
mod first;
mod foreign;
mod keeping;
mod lab;
mod large;
mod links;
mod looks;
mod map;
mod million;
mod parts;
mod ranking;
mod shards;
mod shifts;
mod site;
mod speed;
mod tabs;
mod truth;
mod tune;
mod work;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The bytes of the zoo under test.
fn zoo_bytes() -> Result<Vec<u8>> {
    let path = tupate_e2e::settings::zoo()?;
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A fragment of the page's address, escaped as links are.
fn fragment(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
