//! Tuning that is killed at any moment, as often as it likes, ends where an
//! uninterrupted run ends.

use crate::support::{command, ok, reviews};
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

const TUNE: &str = "tune reviews.csv --encoder @tiny-bert --method METHOD --epochs 6 --lr 5e-3,1e-3 \
                    --batch-size 4 --threads 1";
/// Kills of each method.
const KILLS: usize = 12;

/// Every file of a finished run that says what was learnt.
fn learnt(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for checkpoint in ["initial", "early", "late"] {
        for entry in std::fs::read_dir(run.join(checkpoint)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_run_killed_again_and_again_ends_as_if_nothing_had_been() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("reviews.csv"), reviews(240)).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for method in ["lora", "bitfit", "ptuning-v2"] {
        let tune = TUNE.replace("METHOD", method);
        let started = Instant::now();
        ok(dir, &format!("{tune} --out whole"));
        let takes = started.elapsed();
        let mut kills = 0;
        while kills < KILLS {
            let mut child = command(dir, &format!("{tune} --out killed --resume"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // From the first millisecond on; more often early, since what is done
            // already is not done again.
            let part = (f64::from(random.next_u32()) / f64::from(u32::MAX)).powi(2);
            std::thread::sleep(takes.mul_f64(part));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            match ended {
                None => kills += 1,
                // Done before its time: the next kills meet a new run.
                Some(status) => {
                    assert!(status.success(), "{method}: a resumed run failed");
                    let same = learnt(&dir.join("whole")) == learnt(&dir.join("killed"));
                    assert!(same, "{method}: they differ");
                    std::fs::remove_dir_all(dir.join("killed")).unwrap();
                }
            }
        }
        ok(dir, &format!("{tune} --out killed --resume"));
        assert!(learnt(&dir.join("whole")) == learnt(&dir.join("killed")), "{method}: they differ");
        // Nothing half-written is left beside the run.
        let names = |run: &str| {
            let entries = std::fs::read_dir(dir.join(run)).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names("whole"), names("killed"), "{method}");
        std::fs::remove_dir_all(dir.join("whole")).unwrap();
        std::fs::remove_dir_all(dir.join("killed")).unwrap();
    }
}
