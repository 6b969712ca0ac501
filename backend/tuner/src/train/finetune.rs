//! Full fine-tuning: every weight of the encoder learns, as the baselines and
//! intermediate-task transfer need it.

use super::{
    EpochRecord, Event, Ledger, Observer, Place, Schedule, Snapshot, TaskModel, Trainer, Training,
};
use crate::Error;
use crate::batch::{Tokenised, tokenise};
use crate::data::{Dataset, Objective};
use crate::encoder::{Bert, Encoder};
use crate::objective::{self, Scores};
use serde::{Deserialize, Serialize};

/// The settings of baseline fine-tuning (Vu et al. 2020): 3 epochs with a linearly
/// falling learning rate, 2e-5 in batches of 32, for span extraction 3e-5 in
/// batches of 12.
pub fn baseline(objective: Objective) -> (Training, f64) {
    let mut training = Training::new(objective, 3, Schedule::Linear);
    match objective {
        Objective::SpanExtraction => {
            training.batch_size = 12;
            (training, 3e-5)
        }
        _ => (training, 2e-5),
    }
}

/// What is known of a finished fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FineTuneRecord {
    /// How it was trained.
    pub training: Training,
    /// The learning rate at the start.
    pub learning_rate: f64,
    /// The scores after the last epoch.
    #[serde(flatten)]
    pub scores: Scores,
    /// Score of what needs no model.
    pub majority: f64,
    /// Every epoch.
    pub curve: Vec<EpochRecord>,
    /// The loss of every step.
    pub losses: Vec<f64>,
    /// Training examples used.
    pub train_examples: usize,
    /// Validation examples.
    pub dev_examples: usize,
    /// Time spent training and evaluating.
    pub seconds: f64,
    /// sha256 of the weights it started from.
    pub start_sha256: String,
    /// sha256 of the weights it ended with.
    pub end_sha256: String,
    /// The ledger.
    pub ledger: Ledger,
}

/// A fine-tuned encoder with its head.
pub(crate) struct FineTuned<'a> {
    pub record: FineTuneRecord,
    pub model: TaskModel<'a>,
}

/// Passes events on and keeps the losses.
struct Losses<'a> {
    to: &'a mut dyn Observer,
    losses: Vec<f64>,
}

impl Observer for Losses<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step { loss, .. } = event {
            self.losses.push(loss);
        }
        self.to.event(event);
    }

    fn cancelled(&self) -> bool {
        self.to.cancelled()
    }
}

/// Fine-tunes `start`, a model of `encoder`'s shape, on a task.
///
/// # Errors
/// When settings or data are unusable, training diverges, the observer stops it,
/// or the ledger finds a violation.
pub(crate) fn fine_tune<'a>(
    encoder: &'a Encoder,
    start: &Bert,
    dataset: &Dataset,
    training: &Training,
    learning_rate: f64,
    observer: &mut dyn Observer,
) -> Result<FineTuned<'a>, Error> {
    training.check(encoder.config().max_length(), dataset.objective)?;
    let train = tokenise(encoder, &dataset.train, training.limits())?;
    let dev = tokenise(encoder, &dataset.dev, training.limits())?;
    let start_sha256 = start.sha256()?;
    let model = TaskModel::whole(encoder, start, dataset, training.seed)?;
    let frozen_before = model.bert().frozen_sha256()?;
    let mut trainer = Trainer::new(model, dataset, training, learning_rate)?;
    let steps = train.sequences.len().div_ceil(training.batch_size);
    let mut watch = Losses { to: observer, losses: Vec::with_capacity(steps * training.epochs) };
    while !trainer.finished() {
        let done = trainer.progress.curve.len() * steps;
        let place = Place { done, total: steps * training.epochs };
        trainer.epoch(&train, &dev, place, &mut watch)?;
    }
    let losses = watch.losses;
    let end = trainer.now()?;
    let ledger = ledger(encoder, dataset, &trainer, &end, (&train, &dev), frozen_before)?;
    if !ledger.ok {
        return Err(Error::Ledger(ledger.violations));
    }
    let curve = trainer.progress.curve.clone();
    let seconds = trainer.progress.seconds;
    let model = trainer.into_model();
    let record = FineTuneRecord {
        training: training.clone(),
        learning_rate,
        scores: curve.last().map(|epoch| epoch.scores.clone()).unwrap_or_default(),
        majority: objective::trivial(dataset)?,
        curve,
        losses,
        train_examples: dataset.train.len(),
        dev_examples: dataset.dev.len(),
        seconds,
        start_sha256,
        end_sha256: model.bert().sha256()?,
        ledger,
    };
    Ok(FineTuned { record, model })
}

fn ledger(
    encoder: &Encoder,
    dataset: &Dataset,
    trainer: &Trainer<'_, '_>,
    end: &Snapshot,
    (train, dev): (&Tokenised<'_>, &Tokenised<'_>),
    frozen_before: String,
) -> Result<Ledger, Error> {
    let trained = trainer.trained(end);
    let score = trainer.progress.curve.last().map_or(f64::MIN, |epoch| epoch.scores.score);
    Ok(Ledger {
        ok: true,
        violations: Vec::new(),
        trainable_values: trained.iter().map(|t| t.values).sum(),
        trained,
        frozen_sha256_before: frozen_before,
        frozen_sha256_after: trainer.model().bert().frozen_sha256()?,
        keys_loaded: encoder.keys.loaded,
        keys_unused: encoder.keys.unused.clone(),
        truncated_train: train.truncated,
        truncated_dev: dev.truncated,
        class_counts: dataset.class_counts(),
        beats_majority: score > objective::trivial(dataset)?,
    }
    .judge())
}
