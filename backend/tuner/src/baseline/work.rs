//! What all baselines do: task after task, batch after batch.

use super::{Load, Options};
use crate::Error;
use crate::batch::{self, Batch, Tokens};
use crate::data::{Dataset, Objective};
use crate::encoder::Encoder;
use crate::train::{Event, FineTuned, Observer, Training, fine_tune};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A baseline at work.
pub struct Work<'e, 'w> {
    pub encoder: &'e Encoder,
    pub options: &'w Options,
    /// The folder that keeps what is finished.
    pub folder: &'w Path,
    pub load: &'w mut Load<'w>,
    pub observer: &'w mut dyn Observer,
    /// The tasks whose notes the observer has heard.
    pub told: HashSet<String>,
}

/// A task that was loaded.
pub struct Task {
    pub dataset: Dataset,
    /// What makes results of its data results of the same: [`Dataset::identity`].
    pub identity: String,
}

/// What came of each task.
pub struct Made<T> {
    /// Of each name, the task's id and what came of it.
    by_name: HashMap<String, (String, T)>,
}

impl<T> Made<T> {
    /// What came of the task of this name.
    pub fn of(&self, name: &str) -> &T {
        &self.by_name[name].1
    }

    /// The tasks' ids.
    pub fn ids(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.by_name[name].0.clone()).collect()
    }
}

/// All names, each once, in order.
pub fn union(first: &[String], second: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in first.iter().chain(second) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

impl<'e> Work<'e, '_> {
    /// Loads every task and makes something of it, one after the other.
    pub fn each<T>(
        &mut self,
        names: &[String],
        max_train: Option<usize>,
        mut make: impl FnMut(&mut Self, &str, &Task) -> Result<T, Error>,
    ) -> Result<Made<T>, Error> {
        let mut by_name: HashMap<String, (String, T)> = HashMap::new();
        for (i, name) in names.iter().enumerate() {
            if self.observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let dataset = (self.load)(name, max_train)?;
            if let Some((other, _)) = by_name.iter().find(|(_, (id, _))| *id == dataset.task) {
                return Err(Error::Setting(format!(
                    "{other} and {name} are both called {}; rename one of the files, or name the \
                     task once",
                    dataset.task
                )));
            }
            self.observer.event(Event::Task {
                task: &dataset.task,
                number: i + 1,
                of: names.len(),
            });
            let id = dataset.task.clone();
            if self.told.insert(id.clone()) {
                dataset.notes.iter().for_each(|note| self.observer.event(Event::Note(note)));
            }
            let task = Task { identity: dataset.identity(), dataset };
            by_name.insert(name.clone(), (id, make(self, name, &task)?));
        }
        Ok(Made { by_name })
    }

    /// How a task is fine-tuned, and the learning rate at the start.
    pub fn training(&self, objective: Objective) -> Result<(Training, f64), Error> {
        self.options.training(objective, self.encoder.config().max_length())
    }

    /// The training examples as tokens; tells how many were cut.
    pub fn tokens(&mut self, dataset: &Dataset, training: &Training) -> Result<Vec<Tokens>, Error> {
        let tokenised = batch::tokenise(self.encoder, &dataset.train, training.limits())?;
        self.tell_cut(tokenised.truncated, tokenised.examples.len(), training);
        Ok(tokenised.sequences)
    }

    fn tell_cut(&mut self, cut: usize, all: usize, training: &Training) {
        if cut > 0 {
            self.observer.event(Event::Note(&format!(
                "{cut} of {all} training examples are longer than {} tokens and were cut \
                 (--max-length)",
                training.max_length
            )));
        }
    }

    /// Fine-tunes the encoder on a task.
    pub fn fine_tune(&mut self, dataset: &Dataset) -> Result<FineTuned<'e>, Error> {
        let (training, rate) = self.training(dataset.objective)?;
        let (encoder, start) = (self.encoder, &self.encoder.model);
        let tuned = fine_tune(encoder, start, dataset, &training, rate, self.observer)?;
        let ledger = &tuned.record.ledger;
        self.tell_cut(ledger.truncated_train, dataset.train.len(), &training);
        if !ledger.beats_majority {
            self.observer.event(Event::Note(
                "the fine-tuned encoder does not beat always guessing the majority class",
            ));
        }
        Ok(tuned)
    }

    /// What decides a step's results beside the data.
    pub fn settings(&self, options: &Options) -> Value {
        json!({
            "encoder_sha256": self.encoder.reference.weights_sha256,
            "pooling": self.encoder.pooling,
            "options": options,
        })
    }

    /// Gives every batch to `take`, with the indices of its sequences, and tells
    /// the observer.
    pub fn batches(
        &mut self,
        what: &str,
        sequences: &[Tokens],
        order: &[Vec<usize>],
        mut take: impl FnMut(&Batch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (i, indices) in order.iter().enumerate() {
            if self.observer.cancelled() {
                return Err(Error::Cancelled);
            }
            take(&Batch::new(sequences, indices, self.encoder.config().pad_token_id))?;
            self.observer.event(Event::Pass { what, done: i + 1, total: order.len() });
        }
        Ok(())
    }

    /// The same, in batches of like length.
    pub fn sorted(
        &mut self,
        what: &str,
        sequences: &[Tokens],
        batch_size: usize,
        take: impl FnMut(&Batch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.batches(what, sequences, &batch::sorted(sequences, batch_size), take)
    }
}
