//! `tupate baseline` as a user runs it, with a tiny encoder.

use crate::support;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

#[track_caller]
fn ok(dir: &Path, line: &str) -> String {
    support::ok(dir, &format!("baseline {line}"))
}

#[track_caller]
fn fails(dir: &Path, line: &str, code: i32, part: &str) {
    support::fails(dir, &format!("baseline {line}"), code, &[part]);
}

/// Three files; `two.csv` has the texts of `one.csv`.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, words, rows) in [
        ("one.csv", ["fine", "poor"], 60),
        ("two.csv", ["fine", "poor"], 60),
        ("three.csv", ["quay 7", "jazz 9"], 40),
    ] {
        let mut csv = String::from("text,label\n");
        for i in 0..rows {
            let word = words[i % 2];
            writeln!(csv, "\"{word} {word} {}\",{word}", i % 5).unwrap();
        }
        std::fs::write(dir.path().join(name), csv).unwrap();
    }
    dir
}

const FILES: &str = "--tasks one.csv,two.csv,three.csv";

#[test]
fn every_baseline_gives_a_table_and_a_ranking() {
    let dir = workplace();
    let dir = dir.path();
    let encoder = "--encoder @tiny-bert --work work --threads 1";
    let training = "--epochs 4 --lr 3e-3 --batch-size 4";
    for (baseline, flags) in [
        ("datasize", String::new()),
        ("textemb", format!("{encoder} --max-train 40")),
        ("taskemb", format!("{encoder} {training} --max-train 40")),
        ("curvegrad", format!("{encoder} {training} --max-train 40")),
        ("logme", format!("{encoder} {training} --max-train 40")),
    ] {
        let line = format!("{baseline} {FILES} {flags} --out {baseline}.csv --json");
        let document: Value = serde_json::from_str(&ok(dir, &line)).unwrap();
        assert_eq!(document["baseline"], baseline);
        assert_eq!(document["out"], format!("{baseline}.csv"));
        if baseline != "datasize" {
            assert_eq!(document["encoder"], "tiny-bert");
            assert_eq!(document["options"]["max_train"], 40);
        }
        let table = std::fs::read_to_string(dir.join(format!("{baseline}.csv"))).unwrap();
        let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split(',').collect()).collect();
        assert_eq!(rows[0], ["target", "one", "two", "three"]);
        let targets = document["targets"].as_array().unwrap();
        for (i, row) in rows[1..].iter().enumerate() {
            assert_eq!((targets[i]["target"].as_str().unwrap(), row[i + 1]), (row[0], ""));
            for source in targets[i]["sources"].as_array().unwrap() {
                let column = rows[0].iter().position(|id| *id == source["task"]).unwrap();
                assert_eq!(row[column].parse::<f64>().unwrap(), source["score"]);
            }
        }
        if ["textemb", "taskemb"].contains(&baseline) {
            assert_eq!(targets[0]["sources"][0]["task"], "two", "{baseline}");
            assert!(dir.join(format!("work/{baseline}/one.npy")).exists());
        }
    }
    let shown = ok(dir, &format!("datasize {FILES}"));
    assert!(shown.starts_with("Sources for one, by datasize:\n   1  two"), "{shown}");
    // The same command again has nothing to train; another one is refused.
    ok(dir, &format!("taskemb {FILES} {encoder} {training} --max-train 40"));
    let other = format!("taskemb {FILES} {encoder} {training} --max-train 30");
    fails(dir, &other, 2, "max-train is 40 there and 30 here");
}

#[test]
fn sizes_of_the_paper_need_no_files() {
    let dir = workplace();
    let table = ok(
        dir.path(),
        "datasize --sources snli,rte,boolq --targets rte,cq --paper-sizes --out sizes.csv",
    );
    assert!(table.contains("Sources for cq"), "{table}");
    let csv = std::fs::read_to_string(dir.path().join("sizes.csv")).unwrap();
    assert_eq!(csv, "target,snli,rte,boolq\nrte,570000,,16000\ncq,570000,2500,16000\n");
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let dir = workplace();
    let dir = dir.path();
    let rest = "--encoder @tiny-bert --work work";
    fails(dir, &format!("textemb {rest}"), 2, "--tasks");
    fails(dir, &format!("textemb --sources one.csv {rest}"), 2, "--targets");
    fails(dir, &format!("textemb --tasks one.csv {rest}"), 2, "one has no source but itself");
    fails(dir, &format!("textemb --tasks one.csv,one.csv {rest}"), 2, "one.csv twice");
    fails(dir, "textemb --tasks one.csv,two.csv --encoder @tiny-bert", 2, "--work");
    fails(dir, &format!("textemb --tasks one.csv,none.csv {rest}"), 3, "none.csv");
    fails(dir, "datasize --tasks rte,sample_topic --paper-sizes", 2, "sample_topic");
    fails(dir, &format!("taskemb {FILES} {rest} --lr 0"), 2, "--lr");
    fails(dir, &format!("curvegrad {FILES} {rest} --epochs 1"), 1, "too few");
}
