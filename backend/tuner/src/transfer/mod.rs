//! Intermediate-task transfer: fine-tune on a source, drop its head, fine-tune on
//! the target (Phang et al. 2018; paper, section 4), every source on every target.
//!
//! ```text
//! OUT/
//!   sweep.json                       what is swept; another sweep is refused
//!   sources/SOURCE.SEED.json         a source's fine-tuning
//!   sources/SOURCE.SEED.safetensors  its encoder, until its last cell is done
//!   cells/TARGET/SOURCE.SEED.json    a finished cell; `no-transfer` is no source
//!   matrix.csv                       mean over seeds: rows target, columns source
//!   transfer.json                    every seed's score, as a zoo carries it
//! ```
//!
//! Cells are computed one after the other and written whole or not at all: what is
//! there is never computed again, and what was under way when the program ended is
//! computed from its start, to the same result. Several programs may sweep in one
//! folder: each claims what it is at (`claims/`), by locks that end with the program.

mod cell;
mod folder;
mod matrix;
#[cfg(test)]
mod tests;

pub use cell::Cell;
pub use matrix::{Matrix, mean};

use crate::Error;
use crate::data::{Dataset, Objective};
use crate::encoder::{Bert, Encoder};
use crate::train::{Event, FineTuneRecord, FineTuned, Observer, Training, baseline, fine_tune};
use cell::Provenance;
use folder::{Claim, Folder};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How much of source and target is trained on (paper, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// All of both.
    FullFull,
    /// All of the source, a small part of the target.
    FullLimited,
    /// A small part of both.
    LimitedLimited,
}

/// Every setting with its name on the command line.
pub const SETTINGS: [(Setting, &str); 3] = [
    (Setting::FullFull, "full-full"),
    (Setting::FullLimited, "full-limited"),
    (Setting::LimitedLimited, "limited-limited"),
];

/// What stands for the source where there is none.
const NO_TRANSFER: &str = "no-transfer";

/// Training examples of a small part (Vu et al. 2020).
pub const LIMITED: usize = 1000;

/// What a task is in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Source,
    Target,
}

/// What replaces the settings of baseline fine-tuning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overrides {
    /// Passes over the training examples.
    pub epochs: Option<usize>,
    /// Learning rate at the start.
    pub learning_rate: Option<f64>,
    /// Sequences a step.
    pub batch_size: Option<usize>,
    /// Most tokens of a sequence.
    pub max_length: Option<usize>,
}

/// What is swept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How much is trained on.
    pub setting: Setting,
    /// Training examples of a small part.
    pub limited: usize,
    /// Seeds; each has its own heads, orders and small parts.
    pub seeds: Vec<u64>,
    /// Only sources of the target's own class.
    pub in_class: bool,
    /// Departures from the settings of baseline fine-tuning.
    pub overrides: Overrides,
    /// Whether to keep the fine-tuned source encoders.
    #[serde(skip)]
    pub keep_sources: bool,
}

/// A sweep and where it goes.
pub struct Sweep<'a> {
    /// The pretrained encoder.
    pub encoder: &'a Encoder,
    /// The sources, whole.
    pub sources: &'a [Dataset],
    /// The targets, whole.
    pub targets: &'a [Dataset],
    /// What is swept.
    pub plan: &'a Plan,
    /// The folder.
    pub out: &'a Path,
    /// Whether to go on with what is in the folder.
    pub resume: bool,
}

impl Plan {
    /// The most training examples of a source or target in this plan.
    fn most(&self, role: Role) -> Option<usize> {
        let limited = match self.setting {
            Setting::FullFull => false,
            Setting::FullLimited => role == Role::Target,
            Setting::LimitedLimited => true,
        };
        limited.then_some(self.limited)
    }

    /// The training part of a source or target in this plan.
    fn part(&self, dataset: &Dataset, role: Role, seed: u64) -> Dataset {
        let dataset = dataset.clone();
        match self.most(role) {
            Some(most) => dataset.limited(most, seed),
            None => dataset,
        }
    }

    fn training(&self, objective: Objective, seed: u64) -> (Training, f64) {
        let (mut training, learning_rate) = baseline(objective);
        let overrides = self.overrides;
        training.epochs = overrides.epochs.unwrap_or(training.epochs);
        training.batch_size = overrides.batch_size.unwrap_or(training.batch_size);
        training.set_lengths(objective, overrides.max_length, None);
        training.seed = seed;
        (training, overrides.learning_rate.unwrap_or(learning_rate))
    }

    /// Refuses what makes no sense, before anything is written.
    fn check(&self, sweep: &Sweep<'_>) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Setting(what.into()));
        if self.seeds.is_empty() {
            return wrong("--seeds must name at least one seed");
        }
        if self.limited == 0 {
            return wrong("--limited must be at least 1");
        }
        if self.overrides.learning_rate.is_some_and(|lr| !(lr.is_finite() && lr > 0.0)) {
            return wrong("--lr must be a positive number");
        }
        let mut tasks = sweep.sources.iter().chain(sweep.targets);
        if tasks.any(|dataset| dataset.task == NO_TRANSFER) {
            return wrong(&format!(
                "a task is called {NO_TRANSFER}, as scores without transfer are; rename it"
            ));
        }
        let longest = sweep.encoder.config().max_length();
        sweep.sources.iter().chain(sweep.targets).try_for_each(|dataset| {
            self.training(dataset.objective, 0).0.check(longest, dataset.objective)
        })
    }
}

impl Sweep<'_> {
    /// Computes every cell that is not there yet. Gives all of them, those that
    /// were there included.
    ///
    /// # Errors
    /// When the folder holds another sweep, data or settings are unusable, a
    /// fine-tuning fails, or the observer stops it; finished cells are kept.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Matrix, Error> {
        self.plan.check(self)?;
        let folder = Folder::open(self)?;
        let mut progress = Progress { clock: Clock { done: 0, total: 0 }, observer };
        // First what no other program is at. What another one was at is then looked
        // at again: it may have been stopped.
        for wait in [false, true] {
            for &seed in &self.plan.seeds {
                for target in self.targets {
                    self.alone(&folder, target, seed, wait, &mut progress)?;
                }
                for source in self.sources {
                    self.source(&folder, source, seed, wait, &mut progress)?;
                }
            }
        }
        let matrix = Matrix::gather(self, &folder)?;
        folder.write_matrix(&matrix)?;
        let further = folder.cells()?.saturating_sub(matrix.cells());
        if further > 0 {
            observer.event(Event::Note(&format!(
                "the matrix is of the tasks and seeds of this command; the folder holds {further} \
                 cells of others, which a command that names all of them gathers"
            )));
        }
        Ok(matrix)
    }

    /// Whether a cell is part of the sweep.
    fn wanted(&self, source: &Dataset, target: &Dataset) -> bool {
        source.task != target.task && (!self.plan.in_class || source.class == target.class)
    }

    /// A target without transfer.
    fn alone(
        &self,
        folder: &Folder,
        target: &Dataset,
        seed: u64,
        wait: bool,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let there = || folder.has(&target.task, None, seed);
        if there() {
            return Ok(());
        }
        let what = format!("{NO_TRANSFER}.{}", target.task);
        let Some(_claim) = progress.claim(folder, &what, seed, wait)? else { return Ok(()) };
        // Another program may have done it meanwhile.
        if there() {
            return Ok(());
        }
        progress.clock.look(self, folder);
        self.cell(folder, target, None, &self.encoder.model, seed, progress)
    }

    /// All cells of a source with one seed.
    fn source(
        &self,
        folder: &Folder,
        source: &Dataset,
        seed: u64,
        wait: bool,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let missing = || {
            let wanted = self.targets.iter().filter(|target| self.wanted(source, target));
            wanted.filter(|t| !folder.has(&t.task, Some(&source.task), seed)).collect::<Vec<_>>()
        };
        // What is done needs no claim, unless there are weights to be removed.
        if missing().is_empty() && (folder.keep_sources || !folder.keeps(&source.task, seed)) {
            return Ok(());
        }
        let claim = progress.claim(folder, &source.task, seed, wait)?;
        let Some(_claim) = claim else { return Ok(()) };
        let missing = missing();
        if !missing.is_empty() {
            progress.clock.look(self, folder);
            let (record, model) = match folder.source(self.encoder, &source.task, seed)? {
                Some(there) => there,
                None => self.train_source(folder, source, seed, progress)?,
            };
            for target in missing {
                let from = Some((source, &record));
                self.cell(folder, target, from, &model, seed, progress)?;
            }
        }
        if !folder.keep_sources {
            folder.drop_source(&source.task, seed)?;
        }
        Ok(())
    }

    fn train_source(
        &self,
        folder: &Folder,
        source: &Dataset,
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(FineTuneRecord, Bert), Error> {
        let part = self.plan.part(source, Role::Source, seed);
        let what = || format!("source {}, seed {seed}", source.task);
        let tuned = self.tune(&self.encoder.model, &part, seed, what, progress)?;
        let model = tuned.model.bert().frozen()?;
        folder.save_source(&source.task, seed, &tuned.record, &model)?;
        progress.observer.event(Event::Note(&format!(
            "source {}, seed {seed}: {} {:.4}",
            source.task,
            source.metric.name(),
            tuned.record.scores.score
        )));
        Ok((tuned.record, model))
    }

    /// One cell; `start` are the weights of `source`, the pretrained ones for none.
    fn cell(
        &self,
        folder: &Folder,
        target: &Dataset,
        source: Option<(&Dataset, &FineTuneRecord)>,
        start: &Bert,
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let part = self.plan.part(target, Role::Target, seed);
        let from = source.map_or("no transfer", |(source, _)| &source.task);
        let what = || format!("{} ← {from}, seed {seed}", target.task);
        let tuned = self.tune(start, &part, seed, what, progress)?;
        let cell = Cell {
            schema: cell::SCHEMA,
            target: target.task.clone(),
            source: source.map(|(source, _)| source.task.clone()),
            seed,
            setting: self.plan.setting,
            metric: target.metric,
            provenance: Provenance {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                encoder: self.encoder.reference.clone(),
                target_sha256: part.sha256(),
                source_sha256: source.map(|(_, record)| record.end_sha256.clone()),
            },
            fine_tuning: tuned.record,
        };
        cell.check(&self.encoder.model.sha256()?)?;
        folder.save_cell(&cell)?;
        progress.observer.event(Event::Note(&format!(
            "{}: {} {:.4}",
            what(),
            cell.metric.name(),
            cell.fine_tuning.scores.score
        )));
        Ok(())
    }

    /// Fine-tunes `start` on a part of a task; `what` says for which cells.
    fn tune(
        &self,
        start: &Bert,
        part: &Dataset,
        seed: u64,
        what: impl Fn() -> String,
        progress: &mut Progress<'_>,
    ) -> Result<FineTuned<'_>, Error> {
        let (training, learning_rate) = self.plan.training(part.objective, seed);
        let mut watch = progress.watch();
        let tuned = fine_tune(self.encoder, start, part, &training, learning_rate, &mut watch);
        let tuned = tuned.map_err(|error| match error {
            Error::Cancelled => error,
            error => Error::While { what: what(), source: Box::new(error) },
        })?;
        progress.clock.count(&tuned.record);
        Ok(tuned)
    }
}

/// How far a sweep is, and who wants to know.
struct Progress<'a> {
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Progress<'_> {
    /// See [`Folder::claim`].
    fn claim(
        &self,
        folder: &Folder,
        what: &str,
        seed: u64,
        wait: bool,
    ) -> Result<Option<Claim>, Error> {
        let cancelled = || self.observer.cancelled();
        folder.claim(what, seed, wait.then_some(&cancelled as &dyn Fn() -> bool))
    }

    fn watch(&mut self) -> Shifted<'_> {
        Shifted { to: self.observer, done: self.clock.done, total: self.clock.total }
    }
}

/// Steps done and to do over the whole sweep, for the time left.
struct Clock {
    done: usize,
    total: usize,
}

impl Clock {
    /// Estimates the steps that are left from the examples: windows of long contexts
    /// come on top as they are met. Other programs may have done some of it.
    fn look(&mut self, sweep: &Sweep<'_>, folder: &Folder) {
        let plan = sweep.plan;
        let steps = |dataset: &Dataset, role| {
            let (training, _) = plan.training(dataset.objective, 0);
            let all = dataset.train.len();
            let examples = plan.most(role).map_or(all, |most| most.min(all));
            examples.div_ceil(training.batch_size.max(1)) * training.epochs
        };
        let mut total = 0;
        for &seed in &plan.seeds {
            for target in sweep.targets {
                if !folder.has(&target.task, None, seed) {
                    total += steps(target, Role::Target);
                }
            }
            for source in sweep.sources {
                let cells: usize = sweep
                    .targets
                    .iter()
                    .filter(|target| sweep.wanted(source, target))
                    .filter(|target| !folder.has(&target.task, Some(&source.task), seed))
                    .map(|target| steps(target, Role::Target))
                    .sum();
                if cells > 0 {
                    total += cells + steps(source, Role::Source);
                }
            }
        }
        self.total = self.done + total;
    }

    fn count(&mut self, record: &FineTuneRecord) {
        self.done += record.losses.len();
        self.total = self.total.max(self.done);
    }
}

/// Passes a fine-tuning's steps on as steps of the sweep, and not its epochs.
struct Shifted<'a> {
    to: &'a mut dyn Observer,
    done: usize,
    total: usize,
}

impl Observer for Shifted<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Step { done, learning_rate, epoch, loss, .. } => {
                let done = self.done + done;
                let total = self.total.max(done);
                self.to.event(Event::Step { done, total, learning_rate, epoch, loss });
            }
            Event::Epoch { .. } => {}
            other => self.to.event(other),
        }
    }

    fn cancelled(&self) -> bool {
        self.to.cancelled()
    }
}
