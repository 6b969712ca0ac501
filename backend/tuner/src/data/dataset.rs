//! What can be done with a data set once it is loaded.

use super::draw::{Draw, Purpose};
use super::{Dataset, Objective, grouped, present};
use crate::batch::WINDOWS;
use crate::encoder::hex;
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

impl Dataset {
    /// Training examples of each class, words where each has a label.
    pub fn class_counts(&self) -> Vec<(String, usize)> {
        let mut counts = vec![0; self.label_names.len()];
        for class in self.train.iter().flat_map(|example| example.label.classes()) {
            counts[*class as usize] += 1;
        }
        self.label_names.iter().cloned().zip(counts).collect()
    }

    /// Keeps at most `max` training examples, drawn with `seed`.
    #[must_use]
    pub fn limited(mut self, max: usize, seed: u64) -> Self {
        if max >= self.train.len() {
            return self;
        }
        Draw::new(seed, Purpose::MaxTrain).shuffle(&mut self.train);
        self.train.truncate(max);
        self.notes.push(format!(
            "training on {} of {} examples, drawn with seed {seed}",
            grouped(max),
            grouped(self.train_available),
        ));
        let left = present(&self.train, self.label_names.len());
        if left.contains(&false) && self.objective == Objective::Classification {
            let lost = self.label_names.iter().zip(left).filter(|(_, there)| !there);
            let lost: Vec<_> = lost.map(|(name, _)| name.as_str()).collect();
            self.notes.push(format!("none of them has the label {}", lost.join(", ")));
        }
        self
    }

    /// Keeps at most `max` development examples, drawn with `seed`: a large split
    /// takes longer to score than an epoch to train.
    #[must_use]
    pub fn limited_dev(mut self, max: NonZeroUsize, seed: u64) -> Self {
        let available = self.dev.len();
        if max.get() >= available {
            return self;
        }
        Draw::new(seed, Purpose::MaxDev).shuffle(&mut self.dev);
        self.dev.truncate(max.get());
        self.notes.push(format!(
            "scored on {} of {} dev examples, drawn with seed {seed}: not the score on the whole \
             split",
            grouped(max.get()),
            grouped(available),
        ));
        self
    }

    /// What makes results of this data set results of the same one: its sha256 and, of
    /// questions, how windows are made of their contexts.
    pub(crate) fn identity(&self) -> String {
        match self.objective {
            Objective::SpanExtraction => format!("{}, windows {WINDOWS}", self.sha256()),
            _ => self.sha256(),
        }
    }

    /// sha256 over labels, texts and targets of both splits, in order.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let mut text = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for name in &self.label_names {
            text(name);
        }
        for split in [&self.train, &self.dev] {
            text(&split.len().to_string());
            for example in split {
                text(&format!("{:?}", example.label));
                let texts = example.input.texts();
                text(&texts.len().to_string());
                texts.into_iter().for_each(&mut text);
            }
        }
        hex(&hasher.finalize())
    }
}
