//! A baseline that is stopped anywhere ends where an uninterrupted one does.

use super::*;
use std::collections::BTreeMap;

const EVERY: [Baseline; 4] =
    [Baseline::TextEmb, Baseline::TaskEmb, Baseline::CurveGrad, Baseline::LogMe];

fn tasks() -> [Dataset; 3] {
    let same = letters("abcd", 24, 0);
    let other = letters("wxyz", 24, 2);
    [task("one", &same), task("two", &scrambled(&same)), task("three", &other)]
}

/// Everything kept, but the records of fine-tuning, which hold the time it took.
fn kept(work: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for step in std::fs::read_dir(work).unwrap() {
        for file in std::fs::read_dir(step.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(work).unwrap().to_str().unwrap().to_owned();
            assert!(!name.contains("partial"), "{name}");
            if !(name.starts_with("tuned") && name.ends_with(".json")) {
                all.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn stopped_anywhere_it_ends_in_the_same_bytes() {
    let tasks = tasks();
    let names = ids(&tasks);
    for baseline in EVERY {
        // A curve needs more steps than the others, which this saves time on.
        let epochs = if baseline == Baseline::CurveGrad { 5 } else { 2 };
        let options = Options { epochs: Some(epochs), ..options() };
        let whole = tempfile::tempdir().unwrap();
        let mut watch = Watch::stopping_after(usize::MAX);
        let both = (&names[..], &names[..]);
        let wanted = watched(baseline, &tasks, both, &options, whole.path(), &mut watch).unwrap();
        let work = watch.steps + watch.passes;

        // A second command has nothing left to do.
        let mut idle = Watch::stopping_after(usize::MAX);
        let again = watched(baseline, &tasks, both, &options, whole.path(), &mut idle).unwrap();
        assert_eq!((again, idle.steps + idle.passes), (wanted.clone(), 0));

        // Three tasks: stops in the first, between and in the others, and at the end.
        let third = work / 3;
        for stops in [vec![1], vec![third - 1, third + 1], vec![2 * third + 2], vec![work - 1]] {
            let dir = tempfile::tempdir().unwrap();
            let mut trained = 0;
            for stop in &stops {
                let mut watch = Watch::stopping_after(*stop);
                let stopped = watched(baseline, &tasks, both, &options, dir.path(), &mut watch);
                assert!(matches!(stopped, Err(Error::Cancelled)), "{baseline:?} after {stop}");
                trained += watch.steps;
            }
            let mut watch = Watch::stopping_after(usize::MAX);
            let matrix = watched(baseline, &tasks, both, &options, dir.path(), &mut watch).unwrap();
            assert_eq!(matrix.to_csv(), wanted.to_csv(), "{baseline:?} after {stops:?}");
            assert_eq!(kept(dir.path()), kept(whole.path()), "{baseline:?} after {stops:?}");
            // Only tasks that were not finished are trained again.
            let per_task = 6 * epochs;
            assert!(trained + watch.steps < 3 * per_task + stops.len() * per_task);
        }
    }
}

#[test]
fn an_encoder_is_tuned_once_for_all_baselines() {
    let (tasks, dir) = (tasks(), tempfile::tempdir().unwrap());
    let names = ids(&tasks);
    let options = Options { max_train: Some(24), ..options() };
    let steps = [Baseline::TaskEmb, Baseline::LogMe, Baseline::CurveGrad].map(|baseline| {
        let mut watch = Watch::stopping_after(usize::MAX);
        let both = (&names[..], &names[..]);
        watched(baseline, &tasks, both, &options, dir.path(), &mut watch).unwrap();
        watch.steps
    });
    assert_eq!(steps, [3 * 6 * 6, 0, 0]);
}

#[test]
fn other_settings_or_data_are_refused_by_name() {
    let (mut tasks, dir) = (tasks(), tempfile::tempdir().unwrap());
    let names = ids(&tasks);
    let both = (&names[..], &names[..]);
    let mut watch = Watch::stopping_after(usize::MAX);
    for baseline in EVERY {
        all(baseline, &tasks, &options(), dir.path());
        for (changed, part) in [
            (Options { seed: 1, ..options() }, "seed is 0 there and 1 here"),
            (Options { max_train: Some(9), ..options() }, "there and 9 here"),
            (Options { max_length: Some(64), ..options() }, "max-length is 128 there and 64 here"),
        ] {
            let error = watched(baseline, &tasks, both, &changed, dir.path(), &mut watch);
            let error = error.unwrap_err();
            assert!(matches!(error, Error::Resume(_)), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    let slower = Options { learning_rate: Some(1e-4), ..options() };
    watched(Baseline::TextEmb, &tasks, both, &slower, dir.path(), &mut watch).unwrap();
    let error = watched(Baseline::TaskEmb, &tasks, both, &slower, dir.path(), &mut watch);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("lr is 0.003 there and 0.0001 here"), "{error}");

    tasks[1].train[0].label = Label::Class(1 - tasks[1].train[0].label.classes()[0]);
    for baseline in EVERY {
        let error = watched(baseline, &tasks, both, &options(), dir.path(), &mut watch);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("other data than two has now"), "{baseline:?}: {error}");
    }
}
