//! `tupate tune --rank-against`: the ranking after every epoch, and the end when it has
//! settled.

use crate::support::{command, err, fails, json, ok, reviews, tupate};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const TUNE: &str = "--encoder @tiny-bert --lr 5e-3 --batch-size 8 --threads 1";

/// A folder with some files and a zoo of runs on other tasks.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("films.csv"), reviews(60)).unwrap();
    let tasks = "sample_topic,sample_sentiment,sample_acceptability";
    ok(dir.path(), &format!("tune {tasks} --max-train 40 {TUNE} --epochs 2 --out zoo"));
    let runs = tasks.split(',').map(|task| format!("zoo/{task}")).collect::<Vec<_>>().join(" ");
    ok(dir.path(), &format!("zoo pack {runs} --out zoo.safetensors"));
    dir
}

fn rankings(dir: &Path, run: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join(run).join("rankings.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_ends_when_its_ranking_has_settled() {
    let dir = workplace();
    let dir = dir.path();
    let tune = format!("tune films.csv {TUNE} --epochs 9 --rank-against zoo.safetensors --top 2");
    let whole = json(dir, &format!("{tune} --out whole --json"));
    assert_eq!(whole["epochs"], 9);
    let told = rankings(dir, "whole");
    let epochs: Vec<u64> = told.iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (1..=9).collect::<Vec<_>>());
    assert!(told.iter().all(|line| line["sources"].as_array().unwrap().len() == 2));
    // The first epoch after which the closest two were what they had been twice before.
    let settled = |line: &&Value| line["settled"].as_u64().unwrap() >= 3;
    let end = told.iter().find(settled).expect("nine epochs settle")["epoch"].clone();
    let said = tupate(dir, &format!("{tune} --stop-settled 3 --out settled --json"));
    let lines = err(&said);
    assert!(lines.contains("closest: sample_") && lines.contains("has settled"), "{lines}");
    let run: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(run["epochs"], end);
    let both = (rankings(dir, "settled"), told);
    assert_eq!(both.0[..], both.1[..both.0.len()]);
    assert!(end.as_u64().unwrap() < 9, "it has not become shorter");
}

#[test]
fn a_killed_run_goes_on_with_what_it_had_told() {
    let dir = workplace();
    let dir = dir.path();
    let tune = format!(
        "tune films.csv {TUNE} --epochs 40 --rank-against zoo.safetensors --out run --resume"
    );
    let mut child = command(dir, &tune).stderr(std::process::Stdio::null()).spawn().unwrap();
    let file = dir.join("run/rankings.jsonl");
    let patience = Instant::now() + Duration::from_secs(60);
    while std::fs::read_to_string(&file).map_or(0, |text| text.lines().count()) < 3 {
        assert!(Instant::now() < patience, "no epoch was told");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // As if the kill had come in the middle of a line.
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"kind\":\"rank");
    std::fs::write(&file, text).unwrap();
    let run = json(dir, &format!("{tune} --json"));
    assert_eq!(run["epochs"], 40);
    let told = rankings(dir, "run");
    let epochs: Vec<u64> = told.iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (1..=40).collect::<Vec<_>>());
    // And as if nothing had been.
    ok(dir, &format!("{} --out whole", tune.replace("--out run --resume", "")));
    assert_eq!(rankings(dir, "whole"), told);
}

#[test]
fn what_cannot_be_ranked_is_said_before_anything_starts() {
    let dir = workplace();
    let dir = dir.path();
    let tune = format!("tune films.csv {TUNE} --epochs 2 --out run");
    let against = format!("{tune} --rank-against zoo.safetensors");
    fails(dir, &format!("{against} --method bitfit"), 2, &["lora.late"]);
    fails(dir, &format!("{tune} --rank-against films.csv"), 3, &["films.csv", "not a zoo"]);
    fails(dir, &format!("{tune} --stop-settled 3"), 2, &["--rank-against"]);
    fails(dir, &format!("{against} --stop-settled 1"), 2, &["1"]);
    assert!(!dir.join("run").exists());
}
