//! `tupate embed` and adapter folders: its own, PEFT's and AdapterHub's.

use crate::support::{fails, ok};
use serde_json::Value;
use std::path::Path;

#[track_caller]
fn embedded(dir: &Path, line: &str) -> Value {
    ok(dir, &format!("embed {line} --out embedded.json"));
    serde_json::from_slice(&std::fs::read(dir.join("embedded.json")).unwrap()).unwrap()
}

#[track_caller]
fn refused(dir: &Path, line: &str, code: i32, parts: &[&str]) {
    fails(dir, &format!("embed {line} --out refused.json"), code, parts);
    assert!(!dir.join("refused.json").exists(), "{line}");
}

#[test]
fn folders_of_peft_and_adapterhub_are_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let said = "--recipe encoder=@tiny-bert --recipe init_seed=0";
    for (folder, method, values) in [
        ("%peft-lora-bert", "lora", 2 * 2 * 4 * 32),
        ("%peft-prefix-bert", "ptuning-v2", 2 * 4 * 32),
        ("%adapterhub-lora-bert", "lora", 2 * 2 * 4 * 32 + 4 * (32 + 64)),
        ("%adapterhub-prefix-bert", "ptuning-v2", 2 * 4 * 32),
    ] {
        let read = embedded(dir, &format!("{folder} {said}"));
        assert_eq!(read["values"].as_array().unwrap().len(), values, "{folder}");
        assert_eq!(read["recipe"]["method"]["name"], method, "{folder}");
        assert_eq!(read["task"], folder[1..], "{folder}");
    }
    let released = embedded(dir, &format!("%peft-prefix-bert {said} --recipe name=released"));
    assert_eq!(released["recipe"]["aggregation"], "position-mean");
    assert_eq!(released["values"].as_array().unwrap().len(), 2 * 2 * 32);
    let keys = format!("%peft-prefix-bert {said} --recipe parameters=keys-only");
    assert_eq!(embedded(dir, &keys)["values"].as_array().unwrap().len(), 4 * 32);
    // The change from itself is nothing.
    let delta = "--recipe values=delta --recipe initial=%peft-lora-bert";
    let delta = embedded(dir, &format!("%peft-lora-bert {said} {delta}"));
    assert!(delta["values"].as_array().unwrap().iter().all(|v| v == 0.0));
}

#[test]
fn what_a_foreign_folder_leaves_open_must_be_said_and_fit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, "%peft-lora-bert --recipe init_seed=0", 2, &["--recipe encoder=", "tiny-bert"]);
    refused(dir, "%peft-lora-bert --recipe encoder=@tiny-bert", 2, &["--recipe init_seed="]);
    let said = "--recipe encoder=@tiny-bert --recipe init_seed=0";
    for (line, code, parts) in [
        ("%peft-lora-bert --recipe parameters=keys-only", 2, &["no keys-only parameters"][..]),
        ("%peft-lora-bert --recipe values=delta", 2, &["--recipe initial=DIR"]),
        ("%adapterhub-bottleneck", 3, &["bottleneck adapter"]),
    ] {
        refused(dir, &format!("{line} {said}"), code, parts);
    }
    let other = "%peft-lora-bert --recipe encoder=@tiny-mpnet --recipe init_seed=0";
    refused(dir, other, 3, &["its keys are named as in BERT and RoBERTa, and"]);
    std::fs::create_dir(dir.join("pickled")).unwrap();
    std::fs::write(dir.join("pickled/adapter_model.bin"), b"").unwrap();
    refused(dir, "pickled", 3, &["adapter_model.bin: is a pickle", "python3 -c"]);
    std::fs::create_dir(dir.join("empty")).unwrap();
    refused(dir, "empty", 3, &["there is no run in this folder"]);
}

#[test]
fn a_folder_written_here_knows_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = (0..24).map(|i| format!("a {} line {i},{}\n", ["fine", "poor"][i % 2], i % 2));
    std::fs::write(dir.join("lines.csv"), format!("text,label\n{}", rows.collect::<String>()))
        .unwrap();
    ok(
        dir,
        "tune lines.csv --method lora --encoder @tiny-bert --epochs 3 --batch-size 8 --lr 1e-2 \
         --init-seed 5 --out run",
    );
    let late = embedded(dir, "run/late --recipe task=lines");
    assert_eq!(late["recipe"]["init_seed"], 5);
    assert_eq!(late, embedded(dir, "run"));
    let early = embedded(dir, "run/early --recipe task=lines --recipe encoder=@tiny-bert");
    assert_eq!(early, embedded(dir, "run --recipe checkpoint=early"));
    let delta = "run/late --recipe task=lines --recipe values=delta --recipe initial=run/initial";
    assert_eq!(embedded(dir, delta), embedded(dir, "run --recipe values=delta"));
    let flat = embedded(dir, "run --recipe name=released");
    assert_eq!(flat["values"].as_array().unwrap().len(), 2 * 4 * 8 * 32);
    for (line, code, parts) in [
        // Of the same shape, with other weights.
        (
            "run/late --recipe encoder=@tiny-roberta",
            3,
            &["sha256", "belongs to another encoder"][..],
        ),
        ("run/late --recipe init_seed=6", 2, &["says that it is 5"]),
        ("run/late --recipe checkpoint=early", 2, &["holds late parameters"]),
        (
            "run/late --recipe values=delta --recipe initial=run/early",
            3,
            &["initial=run/early: it holds early parameters, and not those before training"],
        ),
        ("run/initial", 2, &["before training"]),
        ("run --recipe init_seed=5", 2, &["a run knows its own"]),
    ] {
        refused(dir, line, code, parts);
    }
}
