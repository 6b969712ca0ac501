//! Tells cargo when the embedded page has changed.
//!
//! The files themselves are embedded by a derive macro, which notices changed
//! files but not new ones: trunk gives every build's files new names.

use std::path::Path;

fn main() {
    // Cargo looks through folders, and takes one that is missing for changed at
    // every build. Without a page its parent is watched, in which it appears.
    let watched = match Path::new("../../frontend/dist").is_dir() {
        true => "../../frontend/dist",
        false => "../../frontend",
    };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-changed=build.rs");
}
