//! `tupate site`: a folder for file hosts, whole or not at all.

use crate::support::{fails, json, of_crate, ok};
use serde_json::Value;
use std::path::Path;

/// A place with a zoo in it.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let npy = of_crate("common/zoo/tests/golden/npy");
    let import = ["zoo", "import-npy", npy.to_str().unwrap(), "--reduce", "mean-rows", "--out"];
    ok(dir.path(), &[&import[..], &["own.safetensors"]].concat());
    dir
}

/// Whether the page is in the program: it was built before it.
fn has_page() -> bool {
    of_crate("frontend/dist/index.html").is_file()
}

fn entries(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_site_lists_its_zoos_for_the_page() {
    let dir = workplace();
    let dir = dir.path();
    if !has_page() {
        return fails(dir, "site --zoo own.safetensors --out site", 1, &["cargo xtask build"]);
    }
    let made = json(dir, "site --zoo own.safetensors --out pages/site --json");
    assert_eq!(made["out"], "pages/site");
    let site = dir.join("pages/site");
    let read = |path: &str| std::fs::read(site.join(path)).unwrap();
    let info: Value = serde_json::from_slice(&read("api/v1/info")).unwrap();
    assert_eq!(info["runs"], false);
    assert_eq!(info["zoos"], made["zoos"]);
    assert_eq!(info["zoos"][0]["url"], "zoos/own.safetensors");
    assert_eq!(read("zoos/own.safetensors"), std::fs::read(dir.join("own.safetensors")).unwrap());
    let page = String::from_utf8(read("index.html")).unwrap();
    // It may lie anywhere on its host: nothing is asked for at the host's root.
    for absolute in ["href=\"/", "src=\"/", "from \"/", "module_or_path: \"/", "[\"/"] {
        assert!(!page.contains(absolute), "{absolute} in {page}");
    }
    assert_eq!(entries(&dir.join("pages")), ["site"], "something is left behind");
}

#[test]
fn what_is_there_stays_and_what_is_no_zoo_makes_no_site() {
    let dir = workplace();
    let dir = dir.path();
    std::fs::create_dir(dir.join("full")).unwrap();
    std::fs::write(dir.join("full/mine"), "mine").unwrap();
    fails(dir, "site --zoo own.safetensors --out full", 2, &["full is not empty", "--out"]);
    fails(dir, "site --zoo own.safetensors --out own.safetensors", 2, &["is no folder"]);
    fails(dir, "site --out site", 2, &["--zoo"]);
    fails(dir, "site --zoo gone.safetensors --out site", 3, &["gone.safetensors"]);
    std::fs::write(dir.join("bad.safetensors"), "no zoo").unwrap();
    fails(dir, "site --zoo own.safetensors bad.safetensors --out site", 3, &["bad.safetensors"]);
    assert_eq!(entries(&dir.join("full")), ["mine"]);
    assert!(!entries(dir).iter().any(|name| name.contains("site")), "{:?}", entries(dir));
}
