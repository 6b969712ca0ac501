//! Zoos in shards, as scripts meet them.

use crate::support::{fails, json, of_crate, ok};
use std::fs;
use std::path::Path;

/// Two zoos of the same recipe, with other tasks.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let npy = of_crate("common/zoo/tests/golden/npy");
    for (part, skip) in [("a", 0), ("b", 1)] {
        let to = folder.path().join(part);
        fs::create_dir(&to).unwrap();
        let mut files: Vec<_> = fs::read_dir(&npy).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files.iter().skip(skip).step_by(2) {
            fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    fs::create_dir(folder.path().join("all")).unwrap();
    for part in ["a", "b"] {
        for file in fs::read_dir(folder.path().join(part)).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, folder.path().join("all").join(file.file_name().unwrap())).unwrap();
        }
    }
    for part in ["a", "b", "all"] {
        let line = format!(
            "zoo import-npy {part} --source golden --reduce mean-rows --dtype f32 --out {part}.safetensors"
        );
        ok(folder.path(), &*line);
    }
    folder
}

fn sources(ranking: &serde_json::Value) -> Vec<(String, f64)> {
    let sources = ranking["sources"].as_array().unwrap();
    let one = |s: &serde_json::Value| {
        (s["task"].as_str().unwrap().to_owned(), s["score"].as_f64().unwrap())
    };
    sources.iter().map(one).collect()
}

#[test]
fn shards_are_cut_checked_shown_and_ranked_as_one_file_is() {
    let folder = workplace();
    let dir = folder.path();
    let made = ok(
        dir,
        "zoo shard a.safetensors b.safetensors --tasks 2 --dtype f32 --name both --out shards",
    );
    assert!(made.contains("shards/index.json: "), "{made}");
    let shown = json(dir, "zoo show shards/index.json --json");
    let all = json(dir, "zoo show all.safetensors --json");
    let tasks = all["tasks"].as_array().unwrap();
    assert_eq!(shown["tasks"].as_u64().unwrap() as usize, tasks.len());
    assert!(shown["shards"].as_array().unwrap().len() >= 3);
    assert!(ok(dir, "zoo show shards/index.json").contains("both"));
    let checked = json(dir, "zoo verify shards/index.json --json");
    assert_eq!((&checked["ok"], &checked["tasks"]), (&true.into(), &shown["tasks"]));
    assert_eq!(checked["sha256"], shown["sha256"]);

    let target = tasks[0]["id"].as_str().unwrap();
    for similarity in ["cosine", "centred"] {
        let ask = |zoo: &str| {
            json(
                dir,
                &*format!("rank --zoo {zoo} --target {target} --similarity {similarity} --json"),
            )
        };
        let (one, many) = (ask("all.safetensors"), ask("shards/index.json"));
        assert_eq!(one["recipe"], many["recipe"]);
        for ((a, x), (b, y)) in sources(&one).iter().zip(sources(&many)) {
            assert!(*a == b && (x - y).abs() < 1e-6, "{similarity}: {a} {x}, {b} {y}");
        }
    }
    let first =
        json(dir, &*format!("rank --zoo shards/index.json --target {target} --top 1 --json"));
    assert_eq!(sources(&first).len(), 1);
    let words = ok(dir, &*format!("rank --zoo shards/index.json --target {target} --top 2"));
    assert_eq!(words.lines().count(), 3, "{words}");
}

#[test]
fn what_is_wrong_with_shards_is_said() {
    let folder = workplace();
    let dir = folder.path();
    ok(dir, "zoo shard a.safetensors b.safetensors --tasks 2 --out shards");
    fails(dir, "zoo shard a.safetensors --out shards", 2, &["is not empty"]);
    fails(
        dir,
        "zoo shard a.safetensors all.safetensors --out twice",
        3,
        &["is in a.safetensors and in all.safetensors"],
    );
    assert!(!dir.join("twice").exists(), "nothing is left behind");
    fails(dir, "rank --zoo shards/index.json --target nobody", 2, &["no target nobody"]);
    for command in ["zoo card shards/index.json", "evaluate --zoo shards/index.json"] {
        fails(dir, command, 2, &["the index of a zoo in"]);
    }
    // One flipped byte, a missing file, an index that is none.
    let shard = first_shard(&dir.join("shards"));
    let sound = fs::read(&shard).unwrap();
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&shard, flipped).unwrap();
    fails(dir, "zoo verify shards/index.json", 3, &["shards/shard-0001-", "sha256"]);
    fs::remove_file(&shard).unwrap();
    fails(dir, "rank --zoo shards/index.json --target x", 3, &["cannot read shards/shard-0001-"]);
    fs::write(dir.join("other.json"), "{\"a\": 1}").unwrap();
    fails(dir, "zoo show other.json", 3, &["neither a zoo nor an index"]);
}

fn first_shard(folder: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "safetensors")).min().unwrap()
}
