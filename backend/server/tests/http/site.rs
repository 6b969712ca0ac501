//! A site of plain files: that they are what the page asks for.

use crate::support::{page_files, zoo_bytes};
use tupate_api::Info;
use tupate_server::{Site, ZooFiles};

#[test]
fn a_site_has_the_page_the_zoos_and_the_answer_that_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["b.safetensors", "a.safetensors"].map(|name| folder.path().join(name));
    for path in &paths {
        std::fs::write(path, zoo_bytes(path.file_stem().unwrap().to_str().unwrap())).unwrap();
    }
    let zoos = ZooFiles::read(&paths).unwrap();
    assert!(Site::of(std::iter::empty(), &zoos).is_none(), "a site without a page");

    let site = Site::of(page_files().into_iter(), &zoos).unwrap();
    let file = |path: &str| {
        let found = site.files.iter().find(|(name, _)| name == path);
        found.unwrap_or_else(|| panic!("no {path}")).1.clone()
    };
    for (name, content) in page_files() {
        assert_eq!(file(&name), content, "{name}");
    }
    let info: Info = serde_json::from_slice(&file("api/v1/info")).unwrap();
    assert!(!info.runs, "nobody is there who tunes");
    assert_eq!(info.zoos, site.zoos);
    // In the order in which they were given.
    let names: Vec<_> = info.zoos.iter().map(|zoo| &*zoo.url).collect();
    assert_eq!(names, ["zoos/b.safetensors", "zoos/a.safetensors"], "relative to the page");
    for (zoo, path) in info.zoos.iter().zip(&paths) {
        let content = std::fs::read(path).unwrap();
        assert_eq!(file(&zoo.url), content);
        assert_eq!(zoo.bytes, content.len() as u64);
        assert_eq!(zoo.sha256, tupate_zoo::sha256_hex(&content));
    }
    assert_eq!(site.files.len(), page_files().len() + 3);
}
