//! Training on a tiny encoder: it learns, it repeats itself to the bit, it can
//! be stopped and resumed, and it says when it fails.

use super::golden::encoder;
use super::*;
use crate::data::{Dataset, Example, Input, Label, Objective};
use crate::peft::{self, METHODS, PeftMethod};
use crate::run::{Request, Run, RunRecord, tune};
use std::path::Path;
use tupate_tasks::{Checkpoint, Metric, TaskClass};

/// Two classes that differ by one letter somewhere in the text.
pub(crate) fn dataset(train: usize, dev: usize) -> Dataset {
    let example = |i: usize| Example {
        input: Input::Single(format!("{} {}", ["ab", "cab"][i % 2], i * 37 % 101)),
        label: Label::Class((i % 2) as u32),
    };
    Dataset {
        task: "letters".into(),
        name: "Letters".into(),
        class: TaskClass::ClassificationRegression,
        family: "own".into(),
        objective: Objective::Classification,
        metric: Metric::Accuracy,
        label_names: vec!["without".into(), "with".into()],
        train: (0..train).map(example).collect(),
        dev: (train..train + dev).map(example).collect(),
        train_available: train,
        licence: None,
        notes: vec![],
    }
}

fn settings(epochs: usize, learning_rates: &[f64]) -> Settings {
    settings_of(METHODS[0], epochs, learning_rates)
}

fn settings_of(method: &dyn PeftMethod, epochs: usize, learning_rates: &[f64]) -> Settings {
    let mut settings = Settings::paper(method, Objective::Classification);
    settings.training.epochs = epochs;
    settings.training.batch_size = 8;
    settings.learning_rates = learning_rates.to_vec();
    settings
}

/// Stops after so many steps; `usize::MAX` for never.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Step { .. }) {
            self.0 = self.0.saturating_sub(1);
        }
    }
    fn cancelled(&self) -> bool {
        self.0 == 0
    }
}

/// Has enough from one step on, and stops after another, if at all.
struct EnoughFrom(usize, StopAfter);

impl Observer for EnoughFrom {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step { done, total, .. } = event {
            if self.0 == 0 {
                assert!(total - done < 5, "{done} of {total}: five steps are an epoch");
            }
            self.0 = self.0.saturating_sub(1);
        }
        self.1.event(event);
    }
    fn enough(&self) -> bool {
        self.0 == 0
    }
    fn cancelled(&self) -> bool {
        self.1.cancelled()
    }
}

/// Dies when the epoch that was enough has been kept.
struct Killed(EnoughFrom);

impl Observer for Killed {
    fn event(&mut self, event: Event<'_>) {
        self.0.event(event);
    }
    fn enough(&self) -> bool {
        self.0.enough()
    }
    fn wants_tuned(&self) -> bool {
        true
    }
    fn tuned(&mut self, _: usize, _: f64, _: &AdapterState, _: &AdapterState) {
        assert!(!self.enough(), "killed");
    }
}

fn go(
    out: &Path,
    settings: &Settings,
    data: &Dataset,
    resume: bool,
    steps: usize,
) -> Result<RunRecord, Error> {
    watched(out, settings, data, resume, &mut StopAfter(steps))
}

fn watched(
    out: &Path,
    settings: &Settings,
    data: &Dataset,
    resume: bool,
    observer: &mut dyn Observer,
) -> Result<RunRecord, Error> {
    let encoder = encoder();
    let request = Request {
        encoder: &encoder,
        dataset: data,
        method: peft::method(settings.method.name()).unwrap(),
        settings,
        out,
        resume,
        probe: false,
    };
    tune(&request, observer)
}

/// What was learnt, at every checkpoint.
fn learnt(out: &Path) -> Vec<Vec<u32>> {
    let run = Run::open(out).unwrap();
    let checkpoints = [Checkpoint::Early, Checkpoint::Late];
    let states = checkpoints.iter().filter_map(|c| run.adapter(*c).ok());
    let values = states.map(|state| {
        let tensors = state.layers().iter().flat_map(|layer| &layer.tensors);
        tensors.flat_map(|tensor| tensor.values.iter().map(|v| v.to_bits())).collect()
    });
    values.collect()
}

#[test]
fn sixteen_examples_can_be_learnt_by_heart() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dataset(16, 0);
    data.dev.clone_from(&data.train);
    for method in METHODS {
        let out = dir.path().join(method.name());
        let settings = settings_of(*method, 60, &[1e-2]);
        let record = go(&out, &settings, &data, false, usize::MAX).unwrap();
        assert_eq!(record.score, 1.0, "{}: {:?}", method.name(), record.candidates[0].curve.last());
        assert!(record.ledger.ok && record.ledger.beats_majority);
        assert_eq!(record.ledger.frozen_sha256_before, record.ledger.frozen_sha256_after);
        assert_eq!(record.ledger.class_counts, [("without".into(), 8), ("with".into(), 8)]);
        // What was written is read back, and is as wide as the formula says.
        let late = Run::open(&out).unwrap().embedding(&record.recipe).unwrap();
        let width = method.embedding_width(&settings.method, encoder().config());
        assert_eq!(late.values.len(), width, "{}", method.name());
    }
}

#[test]
fn an_interrupted_run_ends_where_an_uninterrupted_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let (data, settings) = (dataset(40, 16), settings(4, &[5e-3, 1e-3]));
    let whole = dir.path().join("whole");
    let expected = go(&whole, &settings, &data, false, usize::MAX).unwrap();
    assert_eq!(expected.candidates.len(), 2);
    // Five steps an epoch, two learning rates: stop in the first epoch, before validation
    // and behind it, and in the second learning rate.
    for stops in [vec![3], vec![5, 6], vec![12, 25], vec![31]] {
        let out = dir.path().join(format!("{stops:?}"));
        for (i, steps) in stops.iter().enumerate() {
            let stopped = go(&out, &settings, &data, i > 0, *steps).unwrap_err();
            assert!(matches!(stopped, Error::Cancelled), "{stopped}");
            assert!(!Run::is_run(&out), "an unfinished run must not look finished");
        }
        let record = go(&out, &settings, &data, true, usize::MAX).unwrap();
        assert_eq!(record.ledger, expected.ledger);
        for checkpoint in [Checkpoint::Early, Checkpoint::Late] {
            let of = |root: &Path| Run::open(root).unwrap().adapter(checkpoint).unwrap();
            assert_eq!(of(&out), of(&whole), "{checkpoint:?} after {stops:?}");
        }
        assert!(!out.join("resume").exists(), "what was kept for resuming is dropped");
    }
}

/// Stops in the middle of the second validation.
struct StopValidating {
    steps: usize,
    looks: std::cell::Cell<usize>,
}

impl Observer for StopValidating {
    fn event(&mut self, event: Event<'_>) {
        assert!(!matches!(event, Event::Epoch { record, .. } if record.epoch == 2), "validated");
        self.steps += usize::from(matches!(event, Event::Step { .. }));
    }
    fn cancelled(&self) -> bool {
        self.looks.set(self.looks.get() + usize::from(self.steps == 10));
        self.looks.get() == 3
    }
}

#[test]
fn a_run_that_is_stopped_in_a_validation_ends_where_another_one_does() {
    let dir = tempfile::tempdir().unwrap();
    // Five steps an epoch, four batches of validation.
    let (data, settings) = (dataset(40, 32), settings(3, &[5e-3]));
    let [whole, out] = ["whole", "stopped"].map(|name| dir.path().join(name));
    let expected = go(&whole, &settings, &data, false, usize::MAX).unwrap();
    let mut stop = StopValidating { steps: 0, looks: 0.into() };
    let stopped = watched(&out, &settings, &data, false, &mut stop).unwrap_err();
    assert!(matches!(stopped, Error::Cancelled), "{stopped}");
    let record = go(&out, &settings, &data, true, usize::MAX).unwrap();
    assert_eq!((learnt(&out), record.ledger), (learnt(&whole), expected.ledger));
}

#[test]
fn a_run_that_is_enough_is_one_of_so_many_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let (data, long) = (dataset(40, 16), settings(6, &[5e-3, 1e-3]));
    // Five steps an epoch: said before the first, within one, and at an epoch's last.
    for (from, epochs) in [(0, 1), (12, 3), (15, 3), (16, 4)] {
        let short = dir.path().join(format!("short-{from}"));
        let expected = go(&short, &settings(epochs, &[5e-3]), &data, false, usize::MAX).unwrap();
        let out = dir.path().join(format!("enough-{from}"));
        let never = StopAfter(usize::MAX);
        let record = watched(&out, &long, &data, false, &mut EnoughFrom(from, never)).unwrap();
        assert_eq!((record.epochs, record.steps), (epochs, 5 * epochs), "said at {from}");
        assert_eq!(record.steps, expected.steps);
        assert_eq!(record.candidates.len(), 1, "no further learning rate");
        assert_eq!(record.ledger, expected.ledger);
        assert_eq!(learnt(&out), learnt(&short), "said at {from}");
        // Taken up again, it is finished.
        assert_eq!(go(&out, &long, &data, true, usize::MAX).unwrap(), record);
    }
}

#[test]
fn enough_survives_an_interruption_and_keeps_the_best_so_far() {
    let dir = tempfile::tempdir().unwrap();
    let (data, long) = (dataset(40, 16), settings(4, &[5e-3, 1e-3]));
    let whole = dir.path().join("whole");
    // In the second epoch of the second learning rate.
    let never = StopAfter(usize::MAX);
    let expected = watched(&whole, &long, &data, false, &mut EnoughFrom(27, never)).unwrap();
    let curves: Vec<_> = expected.candidates.iter().map(|c| c.curve.len()).collect();
    assert_eq!(curves, [4, 2]);
    let best = expected.candidates.iter().filter_map(|c| c.best_score).fold(f64::MIN, f64::max);
    assert_eq!(expected.score, best);
    // Stopped before the epoch ends, whose steps are taken again: the wish is still there.
    let out = dir.path().join("stopped");
    watched(&out, &long, &data, false, &mut EnoughFrom(27, StopAfter(29))).unwrap_err();
    let never = StopAfter(usize::MAX);
    let record = watched(&out, &long, &data, true, &mut EnoughFrom(0, never)).unwrap();
    assert_eq!((learnt(&out), record.ledger), (learnt(&whole), expected.ledger.clone()));
    // Killed between the epoch and the run's record: nothing but what was kept with the
    // epoch says that it was the last.
    let out = dir.path().join("killed");
    let killed = std::panic::catch_unwind(|| {
        let never = StopAfter(usize::MAX);
        watched(&out, &long, &data, false, &mut Killed(EnoughFrom(27, never)))
    });
    assert!(killed.is_err() && !Run::is_run(&out));
    let record = go(&out, &long, &data, true, usize::MAX).unwrap();
    assert_eq!((learnt(&out), record.ledger), (learnt(&whole), expected.ledger));
}

#[test]
fn a_folder_in_use_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (out, data) = (dir.path().join("run"), dataset(16, 8));
    let three = settings(3, &[1e-3]);
    // Two steps an epoch.
    go(&out, &three, &data, false, 1).unwrap_err();
    let error = go(&out, &three, &data, false, 1).unwrap_err().to_string();
    assert!(error.contains("unfinished run; continue it with --resume"), "{error}");
    let error = go(&out, &settings(4, &[1e-3]), &data, true, 1).map(|_| ());
    // Nothing was saved before the first epoch ended: another setting is fine.
    assert!(matches!(error, Err(Error::Cancelled)));
    go(&out, &three, &data, true, 4).unwrap_err();
    let error = go(&out, &settings(4, &[1e-3]), &data, true, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("other settings, data or another encoder"), "{error}");

    let first = go(&out, &three, &data, true, usize::MAX).unwrap();
    let error = go(&out, &three, &data, false, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("holds a finished run"), "{error}");
    assert_eq!(go(&out, &three, &data, true, usize::MAX).unwrap(), first, "resumed when done");

    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "do not touch").unwrap();
    let error = go(&foreign, &three, &data, false, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("is not empty and not a run"), "{error}");
}

#[test]
fn two_programs_do_not_tune_into_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (out, data, three) = (dir.path().join("run"), dataset(16, 8), settings(3, &[1e-3]));
    go(&out, &three, &data, false, 3).unwrap_err();
    let other = std::fs::File::open(out.join("resume/lock")).unwrap();
    other.lock().unwrap();
    // What the other one is about to put into place.
    std::fs::write(out.join(".run.json.1.2.partial"), "{").unwrap();
    let error = go(&out, &three, &data, true, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::Out(_)), "{error:?}");
    assert!(error.to_string().starts_with("another program tunes into"), "{error}");
    assert!(out.join(".run.json.1.2.partial").exists());
    // As if that other program had been killed.
    drop(other);
    go(&out, &three, &data, true, usize::MAX).unwrap();
    assert!(!out.join("resume").exists() && !out.join(".run.json.1.2.partial").exists());
}

#[test]
fn a_run_of_one_step_is_refused_where_nothing_could_come_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (out, data) = (dir.path().join("run"), dataset(8, 8));
    let error = go(&out, &settings(1, &[1e-3]), &data, false, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::Setting(_)), "{error:?}");
    assert!(error.to_string().contains("more --epochs") && !out.exists(), "{error}");
    for method in METHODS {
        let epochs = 1 + usize::from(method.name() == "lora");
        let out = dir.path().join(method.name());
        let settings = settings_of(*method, epochs, &[1e-3]);
        go(&out, &settings, &data, false, usize::MAX).unwrap();
    }
}

#[test]
fn enough_of_lora_is_no_less_than_two_steps() {
    let dir = tempfile::tempdir().unwrap();
    // One step an epoch, and enough from the first one on.
    let (out, data) = (dir.path().join("run"), dataset(8, 8));
    let mut enough = EnoughFrom(1, StopAfter(usize::MAX));
    let record = watched(&out, &settings(9, &[1e-3]), &data, false, &mut enough).unwrap();
    assert_eq!(record.candidates[0].curve.len(), 2);
}

#[test]
fn a_probe_that_cannot_be_is_refused_before_anything_is_tuned() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dataset(16, 8);
    data.objective = Objective::TokenClassification;
    let (out, encoder, settings) = (dir.path().join("run"), encoder(), settings(2, &[1e-3]));
    let request = Request {
        encoder: &encoder,
        dataset: &data,
        method: METHODS[0],
        settings: &settings,
        out: &out,
        resume: false,
        probe: true,
    };
    let error = tune(&request, &mut StopAfter(usize::MAX)).unwrap_err();
    assert!(error.to_string().starts_with("--probe is for tasks with one label"), "{error}");
    assert!(!out.exists());
}

/// Keeps the adapters that it is shown, with the epoch and the learning rate of each.
struct Shown(Vec<(usize, f64, AdapterState)>);

impl Observer for Shown {
    fn event(&mut self, _: Event<'_>) {}
    fn wants_tuned(&self) -> bool {
        true
    }
    fn tuned(&mut self, epoch: usize, learning_rate: f64, now: &AdapterState, _: &AdapterState) {
        self.0.push((epoch, learning_rate, now.clone()));
    }
}

#[test]
fn what_is_shown_is_what_would_be_kept() {
    let (dir, data) = (tempfile::tempdir().unwrap(), dataset(24, 8));
    let out = dir.path().join("run");
    // The second rate does hardly anything: it is never the better one.
    let mut shown = Shown(Vec::new());
    let settings = settings(2, &[1e-2, 1e-9]);
    let record = watched(&out, &settings, &data, false, &mut shown).unwrap();
    assert_eq!(record.learning_rate, 1e-2);
    let rates: Vec<f64> = shown.0.iter().map(|(_, rate, _)| *rate).collect();
    assert_eq!(rates, [1e-2, 1e-2, 1e-9, 1e-9]);
    let kept = Run::open(&out).unwrap().adapter(Checkpoint::Late).unwrap();
    for (epoch, rate, state) in &shown.0[1..] {
        assert_eq!(state.layers(), kept.layers(), "rate {rate}, epoch {epoch}");
    }
}

#[test]
fn a_run_gives_the_embedding_of_its_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let record = go(&out, &settings(3, &[1e-3]), &dataset(24, 8), false, usize::MAX).unwrap();
    let run = Run::open(&out).unwrap();
    assert_eq!(run.record, record);
    let late = run.embedding(&run.recipe(Checkpoint::Late)).unwrap();
    assert_eq!(late.values.len(), 4 * 8 * 32);
    // The mean over both layers, by hand from the adapter's first tensor.
    let state = run.adapter(Checkpoint::Late).unwrap();
    let first = |layer: usize| state.layers()[layer].tensors[0].values[0];
    assert!((late.values[0] - (first(0) + first(1)) / 2.0).abs() < 1e-7);
    assert_ne!(late.values, run.embedding(&run.recipe(Checkpoint::Early)).unwrap().values);

    let short = dir.path().join("short");
    go(&short, &settings(1, &[1e-3]), &dataset(24, 8), false, usize::MAX).unwrap();
    let error = Run::open(&short).unwrap().adapter(Checkpoint::Early).unwrap_err().to_string();
    assert!(error.contains("no early parameters"), "{error}");
}

#[test]
fn divergence_is_an_error_only_when_no_learning_rate_survives() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(16, 8);
    let error =
        go(&dir.path().join("a"), &settings(3, &[1e30]), &data, false, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("try a smaller --lr"), "{error}");
    // After the very last step there is no further loss, only what is predicted.
    let bitfit = METHODS.iter().find(|method| method.name() == "bitfit").unwrap();
    let mut once = settings_of(*bitfit, 1, &[1e30]);
    once.training.batch_size = 16;
    let error = go(&dir.path().join("last"), &once, &data, false, usize::MAX).unwrap_err();
    assert!(error.to_string().starts_with("training diverged at step 1 "), "{error}");
    let both = settings(3, &[1e30, 1e-3]);
    let record = go(&dir.path().join("b"), &both, &data, false, usize::MAX).unwrap();
    assert_eq!(record.learning_rate, 1e-3);
    assert!(record.candidates[0].diverged.is_some() && record.candidates[1].diverged.is_none());
    // A score that was never there is none, in records of before, too.
    let json = serde_json::to_value(&record).unwrap();
    let of_before = format!("{:e}", f64::MIN).parse::<serde_json::Value>().unwrap();
    for said in [serde_json::Value::Null, of_before] {
        let mut json = json.clone();
        assert!(json["candidates"][0]["best_score"].is_null(), "{json}");
        json["candidates"][0]["best_score"] = said;
        assert_eq!(serde_json::from_value::<RunRecord>(json).unwrap(), record);
    }
}

#[test]
fn long_texts_are_cut_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dataset(16, 8);
    data.train[3].input = Input::Single("a word ".repeat(50));
    data.dev[0].input = Input::Pair("b ".repeat(9), "c ".repeat(9));
    let mut short = settings(1, &[1e-3]);
    short.training.max_length = 16;
    let record = go(&dir.path().join("run"), &short, &data, false, usize::MAX).unwrap();
    assert_eq!((record.ledger.truncated_train, record.ledger.truncated_dev), (1, 1));
}

#[test]
fn senseless_settings_are_refused_by_flag() {
    let check = |change: fn(&mut Settings)| {
        let mut settings = settings(1, &[1e-3]);
        change(&mut settings);
        settings.check(160, Objective::Classification).unwrap_err().to_string()
    };
    assert!(check(|s| s.training.epochs = 0).starts_with("--epochs"));
    assert!(check(|s| s.training.batch_size = 0).starts_with("--batch-size"));
    assert!(check(|s| s.training.max_length = 161).starts_with("--max-length is 161"));
    assert!(check(|s| s.learning_rates = vec![0.0]).starts_with("--lr"));
    assert!(check(|s| s.learning_rates = vec![f64::NAN]).starts_with("--lr"));
}

#[test]
fn a_probe_learns_what_is_linear() {
    let encoder = encoder();
    let data = dataset(64, 32);
    let limits = batch::Limits { max_length: 64, doc_stride: 0 };
    let tokens = |examples| batch::tokenise(&encoder, examples, limits).unwrap();
    let (train, dev) = (tokens(&data.train), tokens(&data.dev));
    let scores = linear_probe(&encoder, &data, &train, &dev, 8).unwrap();
    assert!(scores.score > 0.9, "{scores:?}");
}
