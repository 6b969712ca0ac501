//! Sweeps on the tiny encoder: whole, stopped anywhere, grown, and refused.

use super::*;
use crate::data::{Example, Input, Label};
use crate::train::golden::encoder;
use crate::train::tests::dataset as letters;
use std::collections::BTreeMap;
use tupate_tasks::TaskClass;

/// Three tasks; `numbers` is of another class.
fn tasks() -> Vec<Dataset> {
    let other = |name: &str, seed: usize| {
        let example = |i: usize| Example {
            input: Input::Single(format!("{} {name}", (i * seed) % 89)),
            label: Label::Class((i * seed).is_multiple_of(3).into()),
        };
        Dataset {
            task: name.into(),
            train: (0..24).map(example).collect(),
            dev: (24..36).map(example).collect(),
            ..letters(24, 12)
        }
    };
    let numbers = Dataset { class: TaskClass::QuestionAnswering, ..other("numbers", 7) };
    vec![letters(24, 12), other("thirds", 5), numbers]
}

fn plan(setting: Setting) -> Plan {
    Plan {
        setting,
        limited: 10,
        seeds: vec![0, 1],
        in_class: false,
        overrides: Overrides {
            epochs: Some(2),
            batch_size: Some(8),
            learning_rate: Some(1e-3),
            ..Overrides::default()
        },
        keep_sources: false,
    }
}

/// Counts steps and stops before one of them.
struct Stop {
    seen: usize,
    at: usize,
    most: usize,
}

impl Observer for Stop {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step { done, total, .. } = event {
            self.seen += 1;
            assert!(done <= total, "{done} of {total}");
            self.most = self.most.max(total);
        }
    }
    fn cancelled(&self) -> bool {
        self.seen >= self.at
    }
}

fn sweep(out: &Path, tasks: &[Dataset], plan: &Plan, resume: bool) -> Result<Matrix, Error> {
    stopped(out, tasks, plan, resume, usize::MAX).0
}

fn stopped(
    out: &Path,
    tasks: &[Dataset],
    plan: &Plan,
    resume: bool,
    at: usize,
) -> (Result<Matrix, Error>, Stop) {
    let encoder = encoder();
    let sweep = Sweep { encoder: &encoder, sources: tasks, targets: tasks, plan, out, resume };
    let mut stop = Stop { seen: 0, at, most: 0 };
    (sweep.run(&mut stop), stop)
}

/// Every file, without the times in it.
fn files(root: &Path) -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, all: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, all);
                continue;
            }
            // Weights are not text: their record has their checksum.
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines = text.lines().filter(|line| !line.contains("\"seconds\""));
            let name = path.strip_prefix(root).unwrap().display().to_string();
            all.insert(name, lines.collect::<Vec<_>>().join("\n"));
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}

#[test]
fn a_sweep_fills_every_cell_from_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let (matrix, watched) =
        stopped(&dir.path().join("a"), &tasks(), &plan(Setting::LimitedLimited), false, usize::MAX);
    let matrix = matrix.unwrap();
    assert_eq!(matrix.sources, ["letters", "thirds", "numbers"]);
    assert_eq!((matrix.setting.as_str(), &matrix.targets), ("limited-limited", &matrix.sources));
    for (i, row) in matrix.scores.iter().enumerate() {
        assert!(matrix.no_transfer[i].len() == 2 && mean(&matrix.no_transfer[i]).is_some());
        for (j, scores) in row.iter().enumerate() {
            assert_eq!((scores.len(), mean(scores).is_some()), (2, i != j));
        }
    }
    // Ten examples in batches of eight: two steps an epoch. Three targets alone,
    // three sources, six transfers, twice.
    assert_eq!((watched.seen, watched.most), (12 * 2 * 2 * 2, 12 * 2 * 2 * 2));
    let files = files(&dir.path().join("a"));
    assert!(files.keys().all(|name| !name.ends_with(".safetensors")), "{:?}", files.keys());
    let cell = |name: &str| serde_json::from_str::<serde_json::Value>(&files[name]).unwrap();
    let (from, alone) =
        (cell("cells/letters/thirds.1.json"), cell("cells/letters/no-transfer.1.json"));
    assert_eq!(from["fine_tuning"]["train_examples"], 10);
    let source = cell("sources/thirds.1.json");
    assert_eq!(from["fine_tuning"]["start_sha256"], source["end_sha256"]);
    assert_eq!(source["start_sha256"], alone["fine_tuning"]["start_sha256"]);
    assert_ne!(from["fine_tuning"]["losses"], alone["fine_tuning"]["losses"]);
    let csv: Vec<&str> = files["matrix.csv"].lines().collect();
    assert_eq!(csv[0], "target,letters,thirds,numbers,no-transfer");
    let cells: Vec<&str> = csv[1].split(',').collect();
    assert_eq!((cells[0], cells[1]), ("letters", ""));
    assert_eq!(cells[4], mean(&matrix.no_transfer[0]).unwrap().to_string());
}

#[test]
fn settings_decide_whose_examples_are_few() {
    let dir = tempfile::tempdir().unwrap();
    for (setting, source, target) in [
        (Setting::FullFull, 24, 24),
        (Setting::FullLimited, 24, 10),
        (Setting::LimitedLimited, 10, 10),
    ] {
        let out = dir.path().join(format!("{setting:?}"));
        let plan = Plan { seeds: vec![0], in_class: true, ..plan(setting) };
        let matrix = sweep(&out, &tasks(), &plan, false).unwrap();
        // Nothing comes from, or goes to, the task of another class.
        let there = |row: usize| matrix.scores[row].iter().map(|s| s[0].is_some());
        assert!(there(2).all(|there| !there));
        assert_eq!(there(0).collect::<Vec<_>>(), [false, true, false]);
        let files = files(&out);
        let examples = |name: &str| {
            let value: serde_json::Value = serde_json::from_str(&files[name]).unwrap();
            value.get("fine_tuning").unwrap_or(&value)["train_examples"].as_u64().unwrap()
        };
        assert_eq!(examples("sources/thirds.0.json"), source, "{setting:?}");
        assert_eq!(examples("cells/letters/thirds.0.json"), target, "{setting:?}");
    }
}

#[test]
fn a_sweep_that_is_stopped_anywhere_ends_where_another_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan { seeds: vec![3], ..plan(Setting::LimitedLimited) };
    let whole = dir.path().join("whole");
    sweep(&whole, &tasks(), &plan, false).unwrap();
    let expected = files(&whole);
    // 48 steps in all: stop before each seventh of them, and go on.
    let out = dir.path().join("stopped");
    let mut steps = 0;
    for i in 0.. {
        let (result, watched) = stopped(&out, &tasks(), &plan, i > 0, 7);
        steps += watched.seen;
        match result {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, Error::Cancelled), "{error}"),
        }
        // A finished cell is never touched again.
        for (name, text) in files(&out).iter().filter(|(name, _)| name.starts_with("cells/")) {
            assert_eq!(Some(text), expected.get(name), "{name}");
        }
    }
    assert_eq!(files(&out), expected);
    assert!(steps > 48, "something was under way and done again");
    let (result, watched) = stopped(&out, &tasks(), &plan, true, usize::MAX);
    assert_eq!((result.is_ok(), watched.seen), (true, 0), "nothing is left to do");
}

#[test]
fn a_sweep_may_grow_but_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let all = tasks();
    let small = Plan { seeds: vec![0], ..plan(Setting::LimitedLimited) };
    sweep(&out, &all[..2], &small, false).unwrap();
    let before = files(&out);
    let error = sweep(&out, &all[..2], &small, false).unwrap_err().to_string();
    assert!(error.contains("go on with --resume"), "{error}");
    let message =
        |tasks: &[Dataset], plan: &Plan| sweep(&out, tasks, plan, true).unwrap_err().to_string();
    let other = Plan { limited: 11, ..small.clone() };
    assert!(message(&all, &other).contains("another --limited;"), "{}", message(&all, &other));
    let longer = Overrides { epochs: Some(3), ..small.overrides };
    let other = Plan { overrides: longer, ..small.clone() };
    assert!(message(&all, &other).contains("another --epochs;"), "{}", message(&all, &other));
    let slower = Overrides { learning_rate: Some(1e-4), ..small.overrides };
    let other = Plan { overrides: slower, ..small.clone() };
    assert!(message(&all, &other).contains("another --lr;"), "{}", message(&all, &other));
    let mut changed = tasks();
    changed[1].train.pop();
    assert!(message(&changed, &small).contains("another data for thirds"));

    sweep(&out, &all, &Plan { seeds: vec![0, 1], ..small.clone() }, true).unwrap();
    let after = files(&out);
    for (name, text) in before.iter().filter(|(name, _)| name.starts_with("cells/")) {
        assert_eq!(Some(text), after.get(name), "{name}");
    }
    // What only the first call named is still held to what it was.
    assert!(message(&changed[1..2], &small).contains("another data for thirds"));

    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "do not touch").unwrap();
    let error = sweep(&foreign, &all, &small, false).unwrap_err().to_string();
    assert!(error.contains("is not empty and not a sweep"), "{error}");
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1, "nothing was left there");
}

#[test]
fn wrong_settings_claim_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let right = plan(Setting::LimitedLimited);
    let zero = Some(0);
    for (overrides, flag) in [
        (Overrides { epochs: zero, ..right.overrides }, "--epochs"),
        (Overrides { batch_size: zero, ..right.overrides }, "--batch-size"),
        (Overrides { max_length: Some(4000), ..right.overrides }, "--max-length is 4000"),
        (Overrides { learning_rate: Some(0.0), ..right.overrides }, "--lr"),
    ] {
        let error = sweep(&out, &tasks(), &Plan { overrides, ..right.clone() }, false);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(flag) && !out.exists(), "{error}");
    }
}

#[test]
fn several_programs_share_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(Setting::LimitedLimited);
    let whole = dir.path().join("whole");
    let alone = sweep(&whole, &tasks(), &plan, false).unwrap();
    let out = dir.path().join("shared");
    // A sweep that has just begun, so that all others go on with it.
    stopped(&out, &tasks(), &plan, false, 0).0.unwrap_err();
    let others: Vec<_> = std::thread::scope(|scope| {
        let start = || scope.spawn(|| stopped(&out, &tasks(), &plan, true, usize::MAX));
        [start(), start(), start()].map(|other| other.join().unwrap()).into()
    });
    let steps: usize = others.iter().map(|(_, watched)| watched.seen).sum();
    assert_eq!(steps, 96, "nothing was done twice");
    assert!(others.iter().filter(|(_, watched)| watched.seen > 0).count() > 1, "one did it all");
    for (matrix, _) in others {
        assert_eq!(matrix.unwrap(), alone);
    }
    assert_eq!(files(&out), files(&whole));
}

#[test]
fn what_another_program_left_undone_is_done_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let plan = Plan { seeds: vec![0], ..plan(Setting::LimitedLimited) };
    stopped(&out, &tasks(), &plan, false, 0).0.unwrap_err();
    let claimed = std::fs::File::create(out.join("claims/thirds.0")).unwrap();
    claimed.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sweep(&out, &tasks(), &plan, true));
        // Everything else is done before it is waited for.
        while !out.join("cells/letters/numbers.0.json").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!out.join("cells/letters/thirds.0.json").exists() && !waiting.is_finished());
        // As if that other program had been killed.
        drop(claimed);
        waiting.join().unwrap().unwrap();
    });
    assert!(out.join("cells/letters/thirds.0.json").exists());
    let claimed = std::fs::File::create(out.join("claims/thirds.0")).unwrap();
    claimed.lock().unwrap();
    std::fs::remove_file(out.join("cells/letters/thirds.0.json")).unwrap();
    let (result, watched) = stopped(&out, &tasks(), &plan, true, 0);
    assert!(matches!(result, Err(Error::Cancelled)) && watched.seen == 0, "waits for ever");
}

#[test]
fn damaged_files_are_named_and_never_taken_for_results() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let plan = Plan { seeds: vec![0], keep_sources: true, ..plan(Setting::LimitedLimited) };
    sweep(&out, &tasks(), &plan, false).unwrap();
    let weights = out.join("sources/letters.0.safetensors");
    let cell = out.join("cells/thirds/letters.0.json");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    std::fs::remove_file(&cell).unwrap();
    let error = sweep(&out, &tasks(), &plan, true).unwrap_err().to_string();
    assert!(error.contains("not the weights that were written"), "{error}");
    std::fs::remove_file(&weights).unwrap();
    sweep(&out, &tasks(), &plan, true).unwrap();
    std::fs::write(&cell, "{\"schema\": 1").unwrap();
    let error = sweep(&out, &tasks(), &plan, true).unwrap_err().to_string();
    assert!(error.contains("letters.0.json") && error.contains("remove it"), "{error}");
}

#[test]
fn kept_sources_stay_and_cells_of_earlier_seeds_are_told() {
    struct Told(Vec<String>);
    impl Observer for Told {
        fn event(&mut self, event: Event<'_>) {
            if let Event::Note(note) = event {
                self.0.push(note.to_owned());
            }
        }
    }
    let (dir, tasks) = (tempfile::tempdir().unwrap(), tasks());
    let (encoder, out) = (encoder(), dir.path().join("sweep"));
    let sweep = |seed: u64, keep_sources: bool, resume: bool| {
        let seeds = vec![seed];
        let plan = Plan { seeds, keep_sources, ..plan(Setting::LimitedLimited) };
        let (sources, targets) = (&tasks[..2], &tasks[..2]);
        let sweep = Sweep { encoder: &encoder, sources, targets, plan: &plan, out: &out, resume };
        let mut told = Told(Vec::new());
        (sweep.run(&mut told).unwrap(), told.0)
    };
    let further = |notes: &[String]| {
        notes.iter().find_map(|note| Some(note.split_once("folder holds ")?.1.to_owned()))
    };
    let (_, notes) = sweep(0, true, false);
    assert_eq!(further(&notes), None, "{notes:?}");
    let (matrix, notes) = sweep(1, false, true);
    assert_eq!(matrix.seeds, [1]);
    // Two transfers and two without.
    assert!(further(&notes).unwrap().starts_with("4 cells of others"), "{notes:?}");
    for seed in [0, 1] {
        assert!(out.join(format!("sources/letters.{seed}.safetensors")).exists(), "{seed}");
    }
}

#[test]
fn what_fails_says_which_cell_it_is() {
    let (dir, mut tasks) = (tempfile::tempdir().unwrap(), tasks());
    let mut plan = plan(Setting::LimitedLimited);
    plan.overrides.learning_rate = Some(1e30);
    let error = sweep(&dir.path().join("a"), &tasks, &plan, false).unwrap_err().to_string();
    let start = "letters ← no transfer, seed 0: training diverged at step ";
    assert!(error.starts_with(start), "{error}");
    tasks[1].task = NO_TRANSFER.to_owned();
    let error = sweep(&dir.path().join("b"), &tasks, &plan, false).unwrap_err().to_string();
    assert!(error.starts_with("a task is called no-transfer"), "{error}");
}

#[test]
fn a_source_that_was_never_loaded_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let plan = Plan { seeds: vec![0], ..plan(Setting::LimitedLimited) };
    sweep(&out, &tasks(), &plan, false).unwrap();
    let text = std::fs::read_to_string(out.join("cells/letters/thirds.0.json")).unwrap();
    let cell: Cell = serde_json::from_str(&text).unwrap();
    let pretrained = encoder().model.sha256().unwrap();
    cell.check(&pretrained).unwrap();
    let mut unloaded = cell.clone();
    unloaded.fine_tuning.start_sha256.clone_from(&pretrained);
    let error = unloaded.check(&pretrained).unwrap_err().to_string();
    assert!(error.contains("did not start from the source's weights"), "{error}");
    unloaded.provenance.source_sha256 = Some(pretrained.clone());
    let error = unloaded.check(&pretrained).unwrap_err().to_string();
    assert!(error.contains("are those of the pretrained encoder"), "{error}");
}
