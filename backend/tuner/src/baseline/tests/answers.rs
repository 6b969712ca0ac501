//! Tasks whose nearest neighbours are known.

use super::*;
use crate::batch::{Batch, tokenise};
use crate::encoder::Pooling;
use crate::peft::Frozen;

#[test]
fn textemb_finds_the_task_of_the_same_letters() {
    let dir = tempfile::tempdir().unwrap();
    let tasks = [
        task("ab one", &letters("abc", 24, 0)),
        task("xy one", &letters("xyz", 24, 0)),
        task("ab two", &letters("abc", 24, 1)),
        task("xy two", &letters("xyz", 24, 1)),
    ];
    let matrix = all(Baseline::TextEmb, &tasks, &options(), dir.path());
    let wanted =
        [("ab one", "ab two"), ("xy one", "xy two"), ("ab two", "ab one"), ("xy two", "xy one")];
    assert_eq!(first(&matrix), wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    // What is kept is the mean over sequences of each one's mean over tokens.
    let encoder = encoder();
    let (training, _) = options().training(Objective::Classification, 160).unwrap();
    let sequences = tokenise(&encoder, &tasks[0].train, training.limits()).unwrap().sequences;
    let mut wanted = vec![0.0; 32];
    for i in 0..24 {
        let batch = Batch::new(&sequences, &[i], 0);
        let hidden = encoder.model.forward(&batch, &Frozen).unwrap();
        let mean = encoder.model.pool(&hidden, &batch, Pooling::Mean).unwrap();
        let mean: Vec<Vec<f32>> = mean.to_vec2().unwrap();
        wanted.iter_mut().zip(&mean[0]).for_each(|(w, m)| *w += f64::from(*m) / 24.0);
    }
    let path = dir.path().join("textemb/ab one.npy");
    let own: Vec<f64> = candle_core::Tensor::read_npy(path).unwrap().to_vec1().unwrap();
    for (own, wanted) in own.iter().zip(&wanted) {
        assert!((own - wanted).abs() < 1e-6, "{own}, {wanted}");
    }
}

#[test]
fn taskemb_finds_the_same_task_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let same = letters("abcd", 24, 0);
    let tasks = [
        task("one", &same),
        task("another", &letters("wxyz", 24, 2)),
        task("two", &same),
        task("scrambled", &scrambled(&same)),
    ];
    let matrix = all(Baseline::TaskEmb, &tasks, &options(), dir.path());
    let neighbours = first(&matrix);
    assert_eq!(neighbours[0].1, "two");
    assert_eq!(neighbours[2].1, "one");
    // First in each of the seven components.
    assert!((matrix.scores()[0][2].unwrap() - 7.0 / 61.0).abs() < 1e-12);
}

#[test]
fn curvegrad_prefers_what_is_still_learnt() {
    let dir = tempfile::tempdir().unwrap();
    // All numbers far from zero are learnt step by step; of signs that the texts say
    // nothing of, nothing is, and their squared distance from zero stays one.
    let texts = letters("abcdef", 40, 0);
    let numbers = |id: &str, number: fn(usize) -> f32| {
        let mut task = task(id, &texts);
        (task.objective, task.metric) = (Objective::Regression, Metric::PearsonSpearman);
        for split in [&mut task.train, &mut task.dev] {
            let labels = split.iter_mut().enumerate();
            labels.for_each(|(i, example)| example.label = Label::Score(number(i)));
        }
        task
    };
    let falling = numbers("falling", |i| 4.0 + i as f32 / 100.0);
    let flat = numbers("flat", |i| if i * i / 3 % 2 == 0 { 1.0 } else { -1.0 });
    let tasks = [falling, flat, task("target", &texts)];
    let names = ids(&tasks);
    let slow = Options { learning_rate: Some(2e-4), ..options() };
    let mut watch = Watch::stopping_after(usize::MAX);
    let request = (&names[..2], &names[2..]);
    let matrix =
        watched(Baseline::CurveGrad, &tasks, request, &slow, dir.path(), &mut watch).unwrap();
    assert_eq!(first(&matrix), [("target".to_owned(), "falling".to_owned())]);
    let best = 5.0 / 61.0;
    assert!((matrix.scores()[0][0].unwrap() - best).abs() < 1e-12, "first at every moment");
    assert_eq!(watch.steps, 2 * 6 * 10, "the target is not trained");
    let short = Options { epochs: Some(1), ..slow };
    let other = tempfile::tempdir().unwrap();
    let error = watched(Baseline::CurveGrad, &tasks, request, &short, other.path(), &mut watch);
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("falling: 10 steps of fine-tuning are too few"), "{error}");
}

#[test]
fn logme_prefers_the_encoder_that_knows_the_labels() {
    let dir = tempfile::tempdir().unwrap();
    let same = letters("abcd", 32, 0);
    let tasks = [task("one", &same), task("scrambled", &scrambled(&same)), task("two", &same)];
    let matrix = all(Baseline::LogMe, &tasks, &options(), dir.path());
    let neighbours = first(&matrix);
    assert_eq!((&*neighbours[0].1, &*neighbours[2].1), ("two", "one"));
}

#[test]
fn every_objective_has_its_baselines() {
    let dir = tempfile::tempdir().unwrap();
    let mut tasks = vec![task("classes", &letters("abc", 20, 0))];
    tasks.extend(others());
    let names = ids(&tasks);
    for baseline in [Baseline::TextEmb, Baseline::TaskEmb, Baseline::CurveGrad] {
        let matrix = all(baseline, &tasks, &options(), dir.path());
        assert!(matrix.scores().iter().all(|row| row.iter().flatten().count() == 3));
    }
    // The pooler learns for two of them only.
    let mut watch = Watch::stopping_after(usize::MAX);
    let both = (&names[..], &names[..]);
    watched(Baseline::TaskEmb, &tasks, both, &options(), dir.path(), &mut watch).unwrap();
    assert!(watch.notes.iter().any(|note| note.ends_with("not every task tunes it: pooler")));

    let error = watched(Baseline::LogMe, &tasks, both, &options(), dir.path(), &mut watch);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Setting(_)));
    assert!(error.to_string().starts_with("questions cannot be a target of logme"), "{error}");
    let targets = [names[0].clone(), names[1].clone(), names[3].clone()];
    let some = (&names[..], &targets[..]);
    let matrix =
        watched(Baseline::LogMe, &tasks, some, &options(), dir.path(), &mut watch).unwrap();
    assert_eq!(matrix.sources(), names);
    assert_eq!(matrix.targets(), targets);
}

#[test]
fn two_tasks_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let encoder = encoder();
    let options = options();
    let names = ["a/reviews.csv", "b/reviews.csv"].map(str::to_owned);
    let request = Request {
        baseline: Baseline::TextEmb,
        encoder: &encoder,
        sources: &names,
        targets: &names,
        options: &options,
        work: dir.path(),
    };
    let mut load = |_: &str, _: Option<usize>| Ok(task("reviews", &letters("ab", 8, 0)));
    let mut watch = Watch::stopping_after(usize::MAX);
    let error = run(&request, &mut load, &mut watch).unwrap_err().to_string();
    assert!(
        error.starts_with("a/reviews.csv and b/reviews.csv are both called reviews"),
        "{error}"
    );
}
