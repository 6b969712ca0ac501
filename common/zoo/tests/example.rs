//! The Python reader of the specification says what this crate says.
//!
//! `fixtures/plane-*.txt` is what `python docs/read_zoo.py FIXTURE` prints.
//! Python itself is not needed here; whoever changes the script runs it again.

use tupate_zoo::{Query, Similarity, Target, Zoo, format, rank};

const SCRIPT: &str = include_str!("../../../docs/read_zoo.py");
const SPECIFICATION: &str = include_str!("../../../docs/ZOO_FORMAT.md");

fn lines(zoo: &Zoo) -> Vec<String> {
    let similarity = Similarity::named("cosine").unwrap();
    let mut lines = Vec::new();
    for set in zoo.sets() {
        let target = &set.tasks[0];
        let query = Query { target: Target::Task(target), method: Some(&set.key), similarity };
        for s in rank(zoo, &query).unwrap().sources {
            lines.push(format!("{} {target} {} {} {:.6}", set.key, s.rank, s.task, s.score));
        }
    }
    lines
}

#[test]
fn what_the_script_printed_is_what_is_ranked_here() {
    for (file, printed) in [
        (
            include_bytes!("fixtures/plane-1.0.safetensors") as &[u8],
            include_str!("fixtures/plane-1.0.txt"),
        ),
        (include_bytes!("fixtures/plane-1.1.safetensors"), include_str!("fixtures/plane-1.1.txt")),
    ] {
        let printed: Vec<&str> = printed.lines().collect();
        assert_eq!(lines(&Zoo::parse(file).unwrap()), printed);
    }
}

#[test]
fn script_and_specification_spell_what_the_code_spells() {
    for key in [format::MANIFEST_KEY, format::DIGEST_KEY] {
        assert!(SCRIPT.contains(&format!("[\"{key}\"]")), "{key}");
        assert!(SPECIFICATION.contains(&format!("`{key}`")), "{key}");
    }
    let zoo = Zoo::parse(include_bytes!("fixtures/plane-1.1.safetensors")).unwrap();
    let set = zoo.sets().next().unwrap();
    for tensor in [set.tensor(), set.mean_tensor(), set.scale_tensor()] {
        let prefix = tensor.strip_suffix(&set.key).unwrap();
        assert!(SCRIPT.contains(&format!("\"{prefix}\"")), "{prefix}");
        assert!(SPECIFICATION.contains(&format!("`{prefix}KEY`")), "{prefix}");
    }
    assert!(
        SPECIFICATION.contains(&format!("`{}`", set.initial_tensor().replace(&set.key, "KEY")))
    );
    assert_eq!(tupate_zoo::SCHEMA_MAJOR, 1);
    assert!(SCRIPT.contains("split(\".\")[0] == \"1\""));
    let version = format!("{}.{}", tupate_zoo::SCHEMA_MAJOR, tupate_zoo::SCHEMA_MINOR);
    assert!(SPECIFICATION.starts_with(&format!("# The zoo format, version {version}\n")));
}

#[test]
fn limits_are_written_down() {
    for (limit, words) in [
        (tupate_zoo::MAX_TASKS, "tasks in a zoo"),
        (tupate_zoo::MAX_SETS, "embedding sets; transfer matrices; tables of scores"),
        (tupate_zoo::MAX_ID, "bytes of a task's id"),
        (tupate_zoo::outline::MAX_HEADER as usize, "bytes of the header"),
        (tupate_zoo::transfer::MAX_CELLS, "cells of a transfer matrix, of a table of scores"),
        (tupate_zoo::link::MAX_FRAGMENT, "bytes of a link's fragment"),
        (tupate_zoo::link::MAX_INLINE, "bytes of a zoo inside a link, unpacked"),
        (tupate_zoo::npy::MAX_HEADER, "bytes of an .npy header"),
        (tupate_zoo::shards::MAX_SHARDS, "shards of a zoo in shards"),
        (tupate_zoo::shards::MAX_SHARD_BYTES as usize, "bytes of a shard"),
        (tupate_zoo::shards::MAX_INDEX_BYTES, "bytes of an index of shards"),
    ] {
        let row = format!("| {limit} | {words} |");
        assert!(SPECIFICATION.contains(&row), "{row}");
    }
}
