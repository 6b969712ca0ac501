//! LogME: sources whose fine-tuned encoder makes the target's labels likely (You et
//! al. 2021).
//!
//! The features of a text are its pooled vector, those of a labelled word its token's
//! hidden state, both from the encoder that was fine-tuned on the source. A target's
//! score is the mean evidence over its classes, each against the rest, or that of its
//! numbers. A span has no label of its own to be explained: tasks of span extraction
//! are refused as targets, and may be sources.

use super::evidence::Features;
use super::kept::Kept;
use super::work::{Made, Task, Work, union};
use super::{Baseline, Matrix, tuned};
use crate::Error;
use crate::batch::{Batch, Tag, Target, Tokens};
use crate::data::Objective;
use crate::rng::Rng;
use crate::train::TaskModel;
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Most texts or words of a target, drawn with the seed: every source's encoder has
/// to read all of them.
const MOST: usize = 10_000;

/// A target's examples, ready for any encoder.
struct Prepared {
    id: String,
    identity: String,
    objective: Objective,
    sequences: Vec<Tokens>,
    batch_size: usize,
}

/// A source's scores, by target.
#[derive(Default, Serialize, Deserialize)]
struct Scores {
    by_target: BTreeMap<String, Score>,
}

#[derive(Serialize, Deserialize)]
struct Score {
    target_sha256: String,
    score: f64,
}

pub fn matrix(
    work: &mut Work<'_, '_>,
    sources: &[String],
    targets: &[String],
) -> Result<Matrix, Error> {
    let settings = json!({ "most": MOST, "tuned": work.settings(work.options) });
    let kept = Kept::open(work.folder, Baseline::LogMe.name(), "", settings)?;
    let encoders = tuned::open(work, work.options)?;
    let max_train = work.options.max_train;
    let prepared = work.each(targets, max_train, |work, _, task| prepare(work, task))?;
    let made = work.each(&union(sources, targets), max_train, |work, name, task| {
        let wanted = sources.iter().any(|source| source == name);
        wanted.then(|| scores(work, task, targets, &prepared, &kept, &encoders)).transpose()
    })?;
    let ids = made.ids(targets);
    Matrix::new(ids.clone(), made.ids(sources), |t, others| {
        let score = |&s: &usize| {
            let scores = made.of(&sources[s]).as_ref();
            scores.and_then(|all| Some(all.by_target.get(&ids[t])?.score)).unwrap_or(f64::NAN)
        };
        Ok(others.iter().map(score).collect())
    })
}

/// A target's texts or words, at most [`MOST`] of them.
fn prepare(work: &mut Work<'_, '_>, task: &Task) -> Result<Prepared, Error> {
    let dataset = &task.dataset;
    let (training, _) = work.training(dataset.objective)?;
    if dataset.objective == Objective::SpanExtraction {
        return Err(Error::Setting(format!(
            "{} cannot be a target of logme, which has no evidence of spans; leave it out of \
             --targets (it may stay among --sources)",
            dataset.task
        )));
    }
    let mut sequences = work.tokens(dataset, &training)?;
    let mut rng = Rng::new(training.seed, "examples of LogME");
    if dataset.objective == Objective::TokenClassification {
        let words = sequences
            .iter()
            .enumerate()
            .flat_map(|(i, s)| tags(s).iter().map(move |t| (i, t.token)));
        let chosen: BTreeSet<_> = drawn(words.collect(), &mut rng).into_iter().collect();
        for (i, sequence) in sequences.iter_mut().enumerate() {
            if let Target::Tags(tags) = &mut sequence.target {
                tags.retain(|tag| chosen.contains(&(i, tag.token)));
            }
        }
        sequences.retain(|sequence| !tags(sequence).is_empty());
    } else {
        sequences = drawn(sequences, &mut rng);
    }
    Ok(Prepared {
        id: dataset.task.clone(),
        identity: task.identity.clone(),
        objective: dataset.objective,
        sequences,
        batch_size: training.batch_size,
    })
}

/// At most [`MOST`] of `items`.
fn drawn<T>(mut items: Vec<T>, rng: &mut Rng) -> Vec<T> {
    if items.len() > MOST {
        rng.shuffle(&mut items);
        items.truncate(MOST);
    }
    items
}

fn tags(sequence: &Tokens) -> &[Tag] {
    match &sequence.target {
        Target::Tags(tags) => tags,
        _ => &[],
    }
}

/// A source's scores for all targets but itself.
fn scores(
    work: &mut Work<'_, '_>,
    task: &Task,
    targets: &[String],
    prepared: &Made<Prepared>,
    kept: &Kept,
    encoders: &Kept,
) -> Result<Scores, Error> {
    let id = &task.dataset.task;
    let mut scores = kept.result::<Scores>(id, &task.identity)?.unwrap_or_default();
    let mut model = None;
    for target in targets.iter().map(|target| prepared.of(target)).filter(|t| t.id != *id) {
        if let Some(there) = scores.by_target.get(&target.id) {
            if there.target_sha256 == target.identity {
                continue;
            }
            return Err(Error::Resume(format!(
                "the score of {id} for {} was made from other data than {} has now; choose another \
                 --work",
                target.id, target.id
            )));
        }
        let model = match &mut model {
            Some(model) => model,
            none => none.insert(tuned::tuned(work, task, encoders)?),
        };
        let score = score(work, id, model, target)?;
        let target_sha256 = target.identity.clone();
        scores.by_target.insert(target.id.clone(), Score { target_sha256, score });
        kept.keep(id, &task.identity, &scores, None)?;
    }
    Ok(scores)
}

fn score(
    work: &mut Work<'_, '_>,
    source: &str,
    model: &TaskModel<'_>,
    target: &Prepared,
) -> Result<f64, Error> {
    let (mut features, mut gold) = (Vec::new(), Vec::new());
    let what = format!("features of {}", target.id);
    work.sorted(&what, &target.sequences, target.batch_size, |batch| {
        let (rows, labels) = rows(model, batch)?;
        features.extend(rows.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?);
        gold.extend(labels);
        Ok(())
    })?;
    if features.iter().any(|value| !value.is_finite()) {
        let what = format!("its encoder gives {} features that are not numbers", target.id);
        return Err(Error::Baseline { task: source.to_owned(), what });
    }
    Ok(log_evidence(&Features::new(gold.len(), &features)?, &gold, target.objective))
}

/// The features of a batch `[n, H]`, and a class or number for each.
fn rows(model: &TaskModel<'_>, batch: &Batch) -> Result<(Tensor, Vec<f64>), Error> {
    let hidden = model.bert().forward(batch, model.adapter.as_ref())?.detach();
    let (mut places, mut gold) = (Vec::new(), Vec::new());
    for (i, target) in batch.targets.iter().enumerate() {
        match target {
            Target::Class(class) => gold.push(f64::from(*class)),
            Target::Score(score) => gold.push(f64::from(*score)),
            Target::Tags(tags) => {
                places.extend(tags.iter().map(|tag| (i * batch.length + tag.token) as u32));
                gold.extend(tags.iter().map(|tag| f64::from(tag.class)));
            }
            // `prepare` has refused these.
            Target::Span(_) => {}
        }
    }
    let rows = if places.is_empty() {
        model.bert().pool(&hidden, batch, model.encoder.pooling)?.detach()
    } else {
        let places = Tensor::new(places, hidden.device())?;
        hidden.flatten(0, 1)?.index_select(&places, 0)?
    };
    Ok((rows, gold))
}

/// The evidence of numbers, or its mean over the classes that occur.
fn log_evidence(features: &Features, gold: &[f64], objective: Objective) -> f64 {
    if objective == Objective::Regression {
        return features.evidence(gold);
    }
    let classes: BTreeSet<u32> = gold.iter().map(|class| *class as u32).collect();
    let against_the_rest = |class: &u32| {
        let is = |gold: &f64| if *gold as u32 == *class { 1.0 } else { 0.0 };
        features.evidence(&gold.iter().map(is).collect::<Vec<_>>())
    };
    classes.iter().map(against_the_rest).sum::<f64>() / classes.len() as f64
}
