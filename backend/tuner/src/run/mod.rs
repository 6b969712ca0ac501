//! A tuning run and its folder.
//!
//! ```text
//! OUT/
//!   run.json     everything about the run; written last, so its presence says "finished"
//!   initial/     the untrained adapter ┐ each an adapter folder, as
//!   early/       after two epochs      │ docs/ADAPTER_FOLDERS.md describes
//!   late/        at the best score     ┘ them
//!   resume/      state after each epoch, and the lock of who tunes, while the run is
//!                unfinished
//! ```

mod folder;
mod record;

pub use folder::{Run, read_adapter};
pub use record::{CandidateRecord, RunRecord, TaskFacts};

use crate::Error;
use crate::batch::{Tokenised, tokenise};
use crate::data::Dataset;
use crate::encoder::{Encoder, Pooling, Precision, hex};
use crate::objective;
use crate::peft::PeftMethod;
use crate::train::{
    Event, Ledger, Observer, Place, Settings, TaskModel, Trainer, linear_probe, not_probed,
};
use folder::Folder;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use tupate_tasks::{Checkpoint, Recipe};

/// What to tune and where to put it.
pub struct Request<'a> {
    /// The frozen encoder.
    pub encoder: &'a Encoder,
    /// The task.
    pub dataset: &'a Dataset,
    /// The method.
    pub method: &'a dyn PeftMethod,
    /// How to tune.
    pub settings: &'a Settings,
    /// The folder for the run.
    pub out: &'a Path,
    /// Whether to go on with what is in the folder.
    pub resume: bool,
    /// Whether to score a linear head on the frozen encoder, too.
    pub probe: bool,
}

/// Splits of a task as tokens.
struct Splits<'a> {
    train: Tokenised<'a>,
    dev: Tokenised<'a>,
}

/// A learning rate that was trained to the end.
struct Candidate<'a> {
    trainer: Trainer<'a, 'a>,
    record: CandidateRecord,
}

/// Tunes a task. The folder holds a finished run afterwards, or what is needed
/// to resume it. An observer that has [`enough`](Observer::enough) of it has a finished
/// run of fewer epochs.
///
/// # Errors
/// When settings, folder or data are unusable, training diverges with every
/// learning rate, the observer stops the run, or the ledger finds a violation.
pub fn tune(request: &Request<'_>, observer: &mut dyn Observer) -> Result<RunRecord, Error> {
    let Request { encoder, dataset, settings, .. } = *request;
    let longest = encoder.config().max_length().saturating_sub(settings.prefix_length());
    settings.check(longest, dataset.objective)?;
    enough_steps(encoder, dataset, settings)?;
    if request.probe && !dataset.objective.is_pooled() {
        return Err(not_probed());
    }
    let data_sha256 = dataset.sha256();
    let fingerprint = fingerprint(encoder, settings, &dataset.identity())?;
    let folder = match Folder::prepare(request.out, request.resume, &fingerprint)? {
        folder::State::Finished(record) => {
            observer.event(Event::Note("this run is finished already"));
            if request.probe && record.probe.is_none() {
                observer.event(Event::Note(
                    "it was tuned without --probe; for one, choose another --out, or remove the \
                     folder",
                ));
            }
            return Ok(*record);
        }
        folder::State::Open(folder) => folder,
    };
    let splits = tokens(encoder, dataset, settings, observer)?;
    let before = encoder.model.frozen_sha256()?;
    let (best, candidates) = search(request, &splits, &folder, &fingerprint, observer)?;
    let probe = match request.probe {
        true => Some(linear_probe(
            encoder,
            dataset,
            &splits.train,
            &splits.dev,
            settings.training.batch_size,
        )?),
        false => None,
    };

    let progress = &best.trainer.progress;
    let late = progress.late.as_ref().expect("a finished trainer has a best epoch");
    let majority = objective::trivial(dataset)?;
    let score = best.record.best_score.expect("a finished trainer has a best epoch");
    let epochs = progress.curve.len();
    let trained = best.trainer.trained(late);
    let ledger = Ledger {
        ok: true,
        violations: Vec::new(),
        trainable_values: trained.iter().map(|t| t.values).sum(),
        trained,
        frozen_sha256_before: before,
        frozen_sha256_after: encoder.model.frozen_sha256()?,
        keys_loaded: encoder.keys.loaded,
        keys_unused: encoder.keys.unused.clone(),
        truncated_train: splits.train.truncated,
        truncated_dev: splits.dev.truncated,
        class_counts: dataset.class_counts(),
        beats_majority: score > majority,
    }
    .judge();
    if !ledger.ok {
        return Err(Error::Ledger(ledger.violations));
    }
    if !ledger.beats_majority {
        observer.event(Event::Note(
            "the score does not beat always guessing the majority class; more epochs, more data \
             or another learning rate may help",
        ));
    }
    let recipe = Recipe::paper(
        encoder.reference.clone(),
        settings.method.clone(),
        settings.init_seed,
        Checkpoint::Late,
    );
    let record = RunRecord {
        schema: record::SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        task: dataset.task.clone(),
        method: request.method.name().to_owned(),
        encoder: encoder.reference.name.clone(),
        recipe,
        metric: dataset.metric,
        score,
        details: progress.curve[best.record.best_epoch - 1].scores.details.clone(),
        majority,
        probe: probe.map(|scores| scores.score),
        train_examples: dataset.train.len() as u64,
        epochs,
        steps: epochs * settings.training.steps_an_epoch(splits.train.sequences.len()),
        seconds: candidates.iter().map(|c| c.seconds).sum(),
        peak_memory_bytes: peak_memory_bytes(),
        learning_rate: best.record.learning_rate,
        ledger,
        facts: TaskFacts::of(dataset),
        has_early: progress.early.is_some(),
        candidates,
        settings: settings.clone(),
        pooling: encoder.pooling,
        precision: encoder.model.precision(),
        data_sha256,
        fingerprint,
    };
    let write =
        |name, values| folder.write_adapter(name, &dataset.task, &best.trainer, settings, values);
    write("initial", best.trainer.initial())?;
    if let Some(early) = &progress.early {
        write("early", early)?;
    }
    write("late", late)?;
    folder.finish(&record)?;
    Ok(record)
}

/// Trains every learning rate and gives the best by validation score, the first
/// on a tie.
fn search<'a>(
    request: &Request<'a>,
    splits: &Splits<'_>,
    folder: &Folder,
    fingerprint: &str,
    observer: &mut dyn Observer,
) -> Result<(Candidate<'a>, Vec<CandidateRecord>), Error> {
    let Request { encoder, dataset, settings, method, .. } = *request;
    let training = &settings.training;
    let steps_an_epoch = training.steps_an_epoch(splits.train.sequences.len());
    let steps = training.epochs * steps_an_epoch;
    let total = steps * settings.learning_rates.len();
    let mut best: Option<Candidate<'a>> = None;
    let mut records = Vec::new();
    let mut failure = None;
    for (i, &learning_rate) in settings.learning_rates.iter().enumerate() {
        let seeds = (settings.init_seed, training.seed);
        let model = TaskModel::adapted(encoder, method, &settings.method, dataset, seeds)?;
        let mut trainer = Trainer::new(model, dataset, training, learning_rate)?;
        if let Some(bytes) = folder.saved(i)? {
            trainer.restore(&bytes, fingerprint)?;
            let curve = &trainer.progress.curve;
            observer.event(Event::Resumed { learning_rate, curve });
            // Of those that are done already, the next one has taken the place.
            if folder.saved(i + 1)?.is_none() {
                show(&trainer, best.as_ref(), settings, learning_rate, observer)?;
            }
        }
        let mut outcome = Ok(());
        while outcome.is_ok() && !trainer.finished() {
            let done = i * steps + trainer.progress.curve.len() * steps_an_epoch;
            let place = Place { done, total };
            outcome = trainer.epoch(&splits.train, &splits.dev, place, observer);
            if outcome.is_ok() {
                show(&trainer, best.as_ref(), settings, learning_rate, observer)?;
                // Kept with the epoch, so that it is the last one whatever comes between. After
                // fewer steps than the method needs there would be no valid run.
                let taken = trainer.progress.curve.len() * steps_an_epoch;
                trainer.progress.enough = observer.enough() && taken >= settings.least_steps();
                folder.save(i, &trainer.save(fingerprint)?)?;
            }
        }
        let diverged = match outcome {
            Ok(()) => None,
            Err(error @ Error::Diverged { .. }) => {
                observer.event(Event::Note(&error.to_string()));
                let text = error.to_string();
                failure = Some(error);
                Some(text)
            }
            Err(error) => return Err(error),
        };
        let record = CandidateRecord {
            learning_rate,
            best_epoch: trainer.progress.best_epoch,
            best_score: trainer.progress.best_score,
            seconds: trainer.progress.seconds,
            seconds_of: trainer.progress.seconds_of,
            curve: trainer.progress.curve.clone(),
            diverged: diverged.clone(),
        };
        records.push(record.clone());
        let enough = trainer.progress.enough;
        let better = best.as_ref().is_none_or(|b| record.best_score > b.record.best_score);
        if diverged.is_none() && better {
            best = Some(Candidate { trainer, record });
        }
        if enough {
            break;
        }
    }
    match (best, failure) {
        (Some(best), _) => Ok((best, records)),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::Setting("--lr must be one or more positive numbers".into())),
    }
}

/// Shows the adapter as it would be kept now to an observer that asks for it: that of the
/// best learning rate until now, which need not be the one that is tuned with.
fn show(
    trainer: &Trainer<'_, '_>,
    best: Option<&Candidate<'_>>,
    settings: &Settings,
    learning_rate: f64,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let best = best.filter(|best| best.record.best_score >= trainer.progress.best_score);
    let kept = best.map_or(trainer, |best| &best.trainer);
    let Some(late) = kept.progress.late.as_ref().filter(|_| observer.wants_tuned()) else {
        return Ok(());
    };
    let (tuned, _) = kept.export(&settings.method, late)?;
    let (initial, _) = kept.export(&settings.method, kept.initial())?;
    observer.tuned(trainer.progress.curve.len(), learning_rate, &tuned, &initial);
    Ok(())
}

/// Refuses a run that would be over before all that the method tunes can move.
fn enough_steps(encoder: &Encoder, dataset: &Dataset, settings: &Settings) -> Result<(), Error> {
    let training = &settings.training;
    let enough =
        |sequences| settings.least_steps() <= training.epochs * training.steps_an_epoch(sequences);
    // Long contexts make more sequences than there are examples; few are soon counted.
    if enough(dataset.train.len())
        || enough(tokenise(encoder, &dataset.train, training.limits())?.sequences.len())
    {
        return Ok(());
    }
    Err(Error::Setting(
        "one step cannot tune LoRA: take more --epochs or a smaller --batch-size".into(),
    ))
}

fn tokens<'a>(
    encoder: &Encoder,
    dataset: &'a Dataset,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Splits<'a>, Error> {
    let limits = settings.training.limits();
    let train = tokenise(encoder, &dataset.train, limits)?;
    let dev = tokenise(encoder, &dataset.dev, limits)?;
    for (name, split) in [("training", &train), ("validation", &dev)] {
        let (cut, all, windows) = (split.truncated, split.examples.len(), split.sequences.len());
        if cut > 0 {
            observer.event(Event::Note(&format!(
                "{cut} of {all} {name} examples are longer than {} tokens and were cut \
                 (--max-length)",
                limits.max_length
            )));
        }
        let unmarked = split.unmarked();
        if unmarked > 0 {
            observer.event(Event::Note(&format!(
                "{unmarked} of {all} {name} questions have an answer that no window of up to {} \
                 tokens holds: they are learnt as if they had none",
                limits.max_length
            )));
        }
        if windows > all {
            observer.event(Event::Note(&format!(
                "{all} {name} questions make {windows} windows of up to {} tokens",
                limits.max_length
            )));
        }
    }
    Ok(Splits { train, dev })
}

/// What makes two runs the same run. A structure rather than a JSON value, whose
/// fields have an order that depends on which crates are built along.
#[derive(Serialize)]
struct Identity<'a> {
    schema: u32,
    encoder: &'a str,
    pooling: Pooling,
    /// Left out where it is f32, the only one when runs began to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
    settings: &'a Settings,
    data: &'a str,
}

fn fingerprint(encoder: &Encoder, settings: &Settings, data: &str) -> Result<String, Error> {
    let identity = Identity {
        schema: record::SCHEMA,
        encoder: &encoder.reference.weights_sha256,
        pooling: encoder.pooling,
        precision: Some(encoder.model.precision()).filter(|p| *p != Precision::F32),
        settings,
        data,
    };
    let json = serde_json::to_vec(&identity)
        .map_err(|e| Error::Setting(format!("the settings cannot be written down: {e}")))?;
    Ok(hex(&Sha256::digest(json)))
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
