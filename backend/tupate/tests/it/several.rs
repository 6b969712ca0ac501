//! Several tasks by one `tupate tune`.

use crate::support::{err, fails, ok, out, reviews, tupate};
use serde_json::Value;
use std::path::Path;

const FAST: &str = "--encoder @tiny-bert --epochs 2 --lr 5e-3 --max-train 40";

fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, rows) in [("films.csv", 60), ("books.csv", 44)] {
        std::fs::write(dir.path().join(name), reviews(rows)).unwrap();
    }
    dir
}

fn embedding(dir: &Path, run: &str) -> Vec<f64> {
    ok(dir, &format!("embed {run} --out embedding.json"));
    let text = std::fs::read_to_string(dir.join("embedding.json")).unwrap();
    let embedding: Value = serde_json::from_str(&text).unwrap();
    embedding["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn several_tasks_at_once_are_tuned_as_each_alone() {
    let dir = workplace();
    let dir = dir.path();
    let tasks = "films.csv,sample_topic,books.csv";
    let said = ok(dir, &format!("tune {tasks} {FAST} --threads 2 --jobs 2 --json --out runs"));
    let mut told: Vec<Value> = said.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    told.sort_by_key(|run| run["task"].to_string());
    for (run, (name, task)) in told.iter().zip([
        ("books", "books.csv"),
        ("films", "films.csv"),
        ("sample_topic", "sample_topic"),
    ]) {
        assert_eq!(run["task"], name);
        assert_eq!(run["out"], format!("runs/{name}"));
        assert_eq!(run["ledger"]["ok"], true);
        ok(dir, &format!("tune {task} {FAST} --threads 1 --out alone/{name}"));
        let together = embedding(dir, &format!("runs/{name}"));
        let alone = embedding(dir, &format!("alone/{name}"));
        // Threads add the same numbers in another order.
        let greatest = alone.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let apart = alone.iter().zip(&together).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart <= 1e-3 * greatest, "{name}: {apart} where values reach {greatest}");
    }
    assert_eq!(told.len(), 3);
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let dir = workplace();
    let dir = dir.path();
    ok(dir, &format!("tune films.csv {FAST} --threads 1 --out runs/films"));
    let tune = format!("tune films.csv,books.csv {FAST} --threads 2 --out runs");
    for jobs in ["1", "2"] {
        let said = tupate(dir, &format!("{tune} --jobs {jobs}"));
        assert_eq!(said.status.code(), Some(2), "{}", err(&said));
        let lines = err(&said);
        assert!(lines.contains("films: ") && lines.contains("holds a finished run"), "{lines}");
        assert!(out(&said).contains("books: accuracy"), "{}", out(&said));
        assert!(dir.join("runs/books/run.json").is_file());
        std::fs::remove_dir_all(dir.join("runs/books")).unwrap();
    }
    let again = tupate(dir, &format!("{tune} --resume"));
    assert!(again.status.success() && err(&again).contains("finished already"), "{}", err(&again));
}

#[test]
fn several_methods_have_a_run_each() {
    let dir = workplace();
    let dir = dir.path();
    let methods = "--method lora,bitfit,ptuning-v2 --rank 2 --prefix-length 3";
    let tune =
        |tasks: &str, out: &str| format!("tune {tasks} {FAST} {methods} --threads 2 --out {out}");
    let said = ok(dir, &tune("films.csv", "films"));
    for method in ["lora", "bitfit", "ptuning-v2"] {
        assert!(said.contains(&format!("films by {method}: accuracy")), "{said}");
        assert!(said.contains(&format!("run: films/{method}\n")), "{said}");
        let alone = match method {
            "lora" => "--rank 2",
            "ptuning-v2" => "--prefix-length 3",
            _ => "",
        };
        ok(
            dir,
            &format!("tune films.csv {FAST} --method {method} {alone} --threads 1 --out {method}"),
        );
        assert_eq!(embedding(dir, &format!("films/{method}")), embedding(dir, method));
    }
    // Of several tasks, for a folder each in that of its task.
    ok(dir, &tune("films.csv,books.csv", "all"));
    for run in ["films/lora", "films/bitfit", "books/lora", "books/ptuning-v2"] {
        assert!(dir.join("all").join(run).join("run.json").is_file(), "{run}");
    }
    ok(dir, "zoo pack all/films all/books --out z");
    assert!(ok(dir, "zoo show z").contains("ptuning-v2.early"));
    let refused = |more: &str, part: &str| {
        fails(dir, &format!("tune films.csv {FAST} {more} --out no"), 2, &[part]);
        assert!(!dir.join("no").exists());
    };
    refused("--method lora,lora", "lora is there twice");
    refused("--method lora,unknown", "unknown");
    refused(
        "--method bitfit,ptuning-v2 --alpha 2",
        "--alpha is no option of the method bitfit, ptuning-v2",
    );
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    let dir = workplace();
    let dir = dir.path();
    let tune = |tasks: &str| format!("tune {tasks} {FAST} --threads 1 --out runs");
    fails(dir, &tune("films.csv,nowhere.csv"), 3, &["nowhere.csv"]);
    fails(dir, &tune("films.csv,"), 2, &[]);
    std::fs::create_dir(dir.join("more")).unwrap();
    std::fs::copy(dir.join("films.csv"), dir.join("more/films.csv")).unwrap();
    fails(dir, &tune("films.csv,more/films.csv"), 2, &["two of the tasks are called films"]);
    let dev = format!("{} --dev books.csv", tune("films.csv,books.csv"));
    fails(dir, &dev, 2, &["--dev is for one task"]);
    assert!(!dir.join("runs").exists());
    // A comma may be part of a file's name.
    std::fs::copy(dir.join("films.csv"), dir.join("films,old.csv")).unwrap();
    ok(dir, &tune("films,old.csv"));
    assert!(dir.join("runs/run.json").is_file());
}
