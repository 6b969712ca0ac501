//! Runs the binary and reads what it says.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the tests of another crate keep their files.
pub fn of_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The words of a command: a line, or a list where a word may hold a space.
///
/// `@NAME` stands for one of the tests' encoders, `%NAME` for a foreign adapter
/// folder, alone or behind `KEY=`.
pub trait Words {
    fn words(&self) -> Vec<String>;
}

impl Words for str {
    fn words(&self) -> Vec<String> {
        self.split_whitespace().map(expanded).collect()
    }
}

impl Words for String {
    fn words(&self) -> Vec<String> {
        self.as_str().words()
    }
}

impl Words for [&str] {
    fn words(&self) -> Vec<String> {
        self.iter().map(|word| expanded(word)).collect()
    }
}

impl<const N: usize> Words for [&str; N] {
    fn words(&self) -> Vec<String> {
        self[..].words()
    }
}

impl Words for Vec<&str> {
    fn words(&self) -> Vec<String> {
        self[..].words()
    }
}

fn expanded(word: &str) -> String {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (format!("{key}="), value),
        None => (String::new(), word),
    };
    let folder = match value.chars().next() {
        Some('@') => "backend/tuner/tests/fixtures",
        Some('%') => "common/embedding/tests/folders",
        _ => return word.to_owned(),
    };
    format!("{key}{}", of_crate(folder).join(&value[1..]).display())
}

/// The command, run in `dir` with a cache of its own.
pub fn command(dir: &Path, words: &(impl Words + ?Sized)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tupate"));
    command.args(words.words()).current_dir(dir).env("XDG_CACHE_HOME", dir.join("cache"));
    command
}

pub fn tupate(dir: &Path, words: &(impl Words + ?Sized)) -> Output {
    command(dir, words).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
pub fn ok(dir: &Path, words: &(impl Words + ?Sized)) -> String {
    let output = tupate(dir, words);
    assert!(output.status.success(), "{:?}: {}", words.words(), err(&output));
    out(&output)
}

#[track_caller]
pub fn json(dir: &Path, words: &(impl Words + ?Sized)) -> Value {
    serde_json::from_str(&ok(dir, words)).unwrap()
}

/// Expects a failure with this exit code whose message has all these parts.
#[track_caller]
pub fn fails(dir: &Path, words: &(impl Words + ?Sized), code: i32, parts: &[&str]) {
    let output = tupate(dir, words);
    let words = words.words();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
    for part in parts {
        assert!(err(&output).contains(part), "{words:?}: {part:?} not in {}", err(&output));
    }
    assert_eq!(out(&output), "", "a failure prints no result");
}

/// A file of `text,label` rows, told apart by one word.
pub fn reviews(rows: usize) -> String {
    let row =
        |i| format!("\"a {word} thing, number {i}\",{word}\n", word = ["fine", "poor"][i % 2]);
    std::iter::once("text,label\n".to_owned()).chain((0..rows).map(row)).collect()
}
