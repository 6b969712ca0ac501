//! Where stdout and stderr lead, and what happens where they lead nowhere.

use crate::support::{command, ok, reviews};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A file on a full disk.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[track_caller]
fn code(mut command: Command) -> Option<i32> {
    command.status().unwrap().code()
}

#[test]
fn what_cannot_be_said_on_stderr_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("reviews.csv"), reviews(40)).unwrap();
    let tune = "tune reviews.csv --encoder @tiny-bert --epochs 2 --lr 5e-3 --threads 1";
    for (out, stderr) in [("closed", closed as fn() -> Stdio), ("full", full)] {
        let with = |words: &str| {
            let mut command = command(dir, words);
            command.stdout(Stdio::null()).stderr(stderr());
            code(command)
        };
        assert_eq!(with(&format!("{tune} --out {out}")), Some(0), "{out}");
        assert!(dir.join(out).join("run.json").is_file());
        // A failure has its own exit code.
        assert_eq!(with(&format!("{tune} --out {out}")), Some(2), "{out}");
        assert_eq!(with("task check reviews.csv"), Some(0), "{out}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let dir = Path::new(".");
    for words in ["completions bash", "man", "task list"] {
        let with = |stdout: Stdio| {
            let mut command = command(dir, words);
            command.stdout(stdout).stderr(Stdio::null());
            code(command)
        };
        assert_eq!(with(closed()), Some(0), "{words}");
        assert_eq!(with(full()), Some(1), "{words}");
    }
}

#[test]
fn the_man_page_holds_every_command_with_its_options() {
    let page = ok(Path::new("."), "man");
    for part in [
        ".TH tupate 1",
        ".SH \"tupate tune\"",
        ".SH \"tupate zoo import-npy\"",
        // As roff writes two hyphens.
        r"\-\-epochs",
        r"\-\-keep\-sources",
        "tupate tune reviews.csv",
        "Exit codes: 0 done",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("tupate work") && !page.contains("tupate help"));
}

#[test]
fn a_link_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let size = "baseline datasize --tasks snli,mnli,rte --paper-sizes --out";
    std::fs::create_dir(dir.join("far")).unwrap();
    std::os::unix::fs::symlink("far/size.csv", dir.join("size.csv")).unwrap();
    for _ in 0..2 {
        ok(dir, &format!("{size} size.csv"));
        assert!(dir.join("size.csv").is_symlink());
        assert!(dir.join("far/size.csv").is_file());
    }
}
