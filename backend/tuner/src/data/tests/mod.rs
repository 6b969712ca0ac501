//! Data as it comes: good, odd and bad.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

mod bad;
mod bad_questions;
mod bad_words;
mod forms;
mod good;
mod own;
mod own_forms;
mod parquet_files;

/// A folder with these files; `/` in a name makes folders.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn request(task: &str) -> Request<'_> {
    Request {
        task,
        data_dir: None,
        train_file: None,
        dev_file: None,
        columns: None,
        max_train: None,
        seed: 0,
    }
}

/// Loads a task from `dir`.
fn from(dir: &TempDir, task: &str) -> Result<Dataset, Error> {
    load(&Request { data_dir: Some(dir.path()), ..request(task) })
}

/// Loads one own file of this name and content.
fn own(name: &str, content: &[u8]) -> Result<Dataset, String> {
    let dir = folder(&[(name, content)]);
    let path = dir.path().join(name);
    load(&request(path.to_str().unwrap())).map_err(|error| plain(&dir, &error))
}

/// The message with the folder's path left out.
fn plain(dir: &TempDir, error: &Error) -> String {
    let path = dir.path().display().to_string();
    error.to_string().replace(&format!("{path}/"), "").replace(&path, "DIR")
}

fn labels(examples: &[Example]) -> Vec<u32> {
    examples.iter().flat_map(|example| example.label.classes()).copied().collect()
}

/// `n` examples of two classes as CSV lines.
fn csv_lines(n: usize) -> String {
    (0..n).map(|i| format!("text {i},{}\n", if i % 3 == 0 { "yes" } else { "no" })).collect()
}

/// The message for a task whose training file has this name and content;
/// `columns` is empty where none are chosen.
fn message(task: &str, name: &str, content: &[u8], columns: &str) -> String {
    let dir = folder(&[(name, content)]);
    let path = dir.path().join(name);
    let columns = (!columns.is_empty()).then(|| columns.parse().unwrap());
    let base = Request { columns: columns.as_ref(), ..request(task) };
    let loaded = match task {
        "own" => load(&Request { task: path.to_str().unwrap(), ..base }),
        _ => load(&Request { train_file: Some(&path), ..base }),
    };
    loaded.map_err(|error| plain(&dir, &error)).expect_err(name)
}
