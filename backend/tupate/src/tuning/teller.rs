//! What a run tells its server while it is tuned.

use super::order::Said;
use super::work::say;
use crate::ranker::Ranker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tupate_api::{Event, Progress};
use tupate_embedding::AdapterState;
use tupate_tuner::run::RunRecord;
use tupate_tuner::train::{self, EpochRecord, Observer};

/// Between two words about steps.
const PAUSE: Duration = Duration::from_millis(250);
/// Speed is measured over this much of the past.
const LATELY: Duration = Duration::from_secs(20);

/// What the server wants of the run.
#[derive(Debug, Default)]
pub struct Wishes {
    /// That it stops after the step that it is taking.
    pub stop: AtomicBool,
    /// That it ends after the epoch that it is taking.
    pub finish: AtomicBool,
}

/// Tells of everything, of steps now and then.
pub struct Teller {
    batch_size: usize,
    ranker: Option<Ranker>,
    wishes: Arc<Wishes>,
    told: Option<Instant>,
    /// When how many steps were done, the oldest in front.
    past: VecDeque<(Instant, usize)>,
    /// Learning rates and epochs that were told of, at earlier starts and this one.
    epochs: Vec<(f64, u64)>,
}

impl Teller {
    /// For batches of this size; `told` is what earlier starts told of epochs.
    pub fn new(
        batch_size: usize,
        ranker: Option<Ranker>,
        wishes: Arc<Wishes>,
        told: &[Event],
    ) -> Self {
        let epochs = told.iter().filter_map(|event| match event {
            Event::Epoch { epoch, learning_rate, .. } => Some((*learning_rate, *epoch)),
            _ => None,
        });
        let epochs = epochs.collect();
        Self { batch_size, ranker, wishes, told: None, past: VecDeque::new(), epochs }
    }

    /// Tells what a finished run came to, of which the last part may have been done without
    /// being told: the server ended in between.
    pub fn done(&mut self, record: &RunRecord, late: &AdapterState, initial: &AdapterState) {
        let candidates = &record.candidates;
        candidates.iter().for_each(|c| self.curve(c.learning_rate, &c.curve));
        let steps_an_epoch = record.steps / record.epochs.max(1);
        let epochs: usize = candidates.iter().map(|c| c.curve.len()).sum();
        let steps = (epochs * steps_an_epoch) as u64;
        let last = candidates.iter().rev().find_map(|c| c.curve.last());
        if let Some(last) = last {
            say(&Said::Event(Event::Progress(Progress {
                step: steps,
                steps,
                epoch: last.epoch as u64,
                loss: last.loss,
                examples_per_second: None,
                memory_bytes: memory_bytes(),
                seconds_left: Some(0.0),
            })));
        }
        self.rank(record.epochs as u64, record.learning_rate, late, initial);
    }

    /// Tells those epochs of a curve that were not told.
    fn curve(&mut self, learning_rate: f64, curve: &[EpochRecord]) {
        for record in curve {
            let epoch = record.epoch as u64;
            if self.epochs.contains(&(learning_rate, epoch)) {
                continue;
            }
            self.epochs.push((learning_rate, epoch));
            let (loss, score) = (record.loss, record.scores.score);
            say(&Said::Event(Event::Epoch { epoch, learning_rate, loss, score }));
        }
    }

    fn rank(
        &mut self,
        epoch: u64,
        learning_rate: f64,
        tuned: &AdapterState,
        initial: &AdapterState,
    ) {
        let Some(ranker) = &mut self.ranker else { return };
        match ranker.rank(epoch, learning_rate, tuned, initial) {
            Ok(Some(ranking)) => say(&Said::Event(ranking)),
            Ok(None) => {}
            Err(why) => {
                // The same would be said after every epoch.
                self.ranker = None;
                let text = format!("the embedding is not ranked: {why}");
                say(&Said::Event(Event::Note { text }));
            }
        }
    }

    /// Steps a second, lately.
    fn speed(&mut self, done: usize) -> Option<f64> {
        let now = Instant::now();
        self.past.push_back((now, done));
        while self.past.len() > 2 && self.past.get(1).is_some_and(|(at, _)| now - *at > LATELY) {
            self.past.pop_front();
        }
        let (at, before) = *self.past.front()?;
        let seconds = (now - at).as_secs_f64();
        (done > before && seconds > 0.0).then(|| (done - before) as f64 / seconds)
    }
}

impl Observer for Teller {
    fn event(&mut self, event: train::Event<'_>) {
        let event = match event {
            train::Event::Note(text) => Event::Note { text: text.to_owned() },
            train::Event::Step { done, total, epoch, loss, .. } => {
                if self.told.is_some_and(|told| told.elapsed() < PAUSE) && done < total {
                    return;
                }
                self.told = Some(Instant::now());
                let speed = self.speed(done);
                Event::Progress(Progress {
                    step: done as u64,
                    steps: total as u64,
                    epoch: epoch as u64,
                    loss,
                    examples_per_second: speed.map(|speed| speed * self.batch_size as f64),
                    memory_bytes: memory_bytes(),
                    seconds_left: speed.map(|speed| total.saturating_sub(done) as f64 / speed),
                })
            }
            train::Event::Resumed { learning_rate, curve } => {
                let after = curve.len();
                let text =
                    format!("going on after epoch {after} with learning rate {learning_rate}");
                say(&Said::Event(Event::Note { text }));
                return self.curve(learning_rate, curve);
            }
            train::Event::Epoch { learning_rate, record } => {
                return self.curve(learning_rate, std::slice::from_ref(record));
            }
            // Those of other commands.
            train::Event::Task { .. } | train::Event::Pass { .. } => return,
        };
        say(&Said::Event(event));
    }

    fn cancelled(&self) -> bool {
        self.wishes.stop.load(Ordering::Relaxed)
    }

    fn enough(&self) -> bool {
        self.wishes.finish.load(Ordering::Relaxed)
    }

    fn wants_tuned(&self) -> bool {
        self.ranker.is_some()
    }

    fn tuned(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        tuned: &AdapterState,
        initial: &AdapterState,
    ) {
        self.rank(epoch as u64, learning_rate, tuned, initial);
    }
}

/// Memory that this process holds, where the system tells.
fn memory_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
