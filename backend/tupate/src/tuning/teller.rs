//! What a run tells its server while it is tuned.

use super::order::Said;
use super::work::say;
use crate::failure::Failure;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tupate_api::{Event, Progress, RankAgainst, Scored};
use tupate_embedding::{AdapterState, TaskEmbedding, aggregate};
use tupate_tasks::Recipe;
use tupate_tuner::train::{self, Observer};
use tupate_zoo::{Query, SIMILARITIES, Similarity, Target, Zoo, rank};

/// Between two words about steps.
const PAUSE: Duration = Duration::from_millis(250);
/// Speed is measured over this much of the past.
const LATELY: Duration = Duration::from_secs(20);

/// Tells of everything, of steps now and then.
pub struct Teller {
    batch_size: usize,
    ranker: Option<Ranker>,
    stop: Arc<AtomicBool>,
    told: Option<Instant>,
    /// When how many steps were done, the oldest in front.
    past: VecDeque<(Instant, usize)>,
}

impl Teller {
    pub fn new(batch_size: usize, ranker: Option<Ranker>, stop: Arc<AtomicBool>) -> Self {
        Self { batch_size, ranker, stop, told: None, past: VecDeque::new() }
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
                    seconds_left: speed.map(|speed| (total - done) as f64 / speed),
                })
            }
            train::Event::Epoch { learning_rate, record } => Event::Epoch {
                epoch: record.epoch as u64,
                learning_rate,
                loss: record.loss,
                score: record.scores.score,
            },
            // Those of other commands.
            train::Event::Task { .. } | train::Event::Pass { .. } => return,
        };
        say(&Said::Event(event));
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
        let Some(ranker) = &mut self.ranker else { return };
        match ranker.rank(learning_rate, tuned, initial) {
            Ok((settled, sources)) => say(&Said::Event(Event::Ranking {
                epoch: epoch as u64,
                learning_rate,
                settled,
                sources,
            })),
            Err(why) => {
                // The same would be said after every epoch.
                self.ranker = None;
                let text = format!("the embedding is not ranked: {why}");
                say(&Said::Event(Event::Note { text }));
            }
        }
    }
}

/// The zoo that a run is ranked against, and how that went so far.
pub struct Ranker {
    zoo: Zoo,
    similarity: &'static Similarity,
    top: usize,
    task: String,
    recipe: Recipe,
    /// The learning rate and the closest sources of the last epoch, and for how many
    /// epochs these have been so.
    last: (f64, Vec<String>, u64),
}

/// Sources that are shown without a wish.
const TOP: u32 = 5;

impl Ranker {
    pub fn new(
        zoo: &[u8],
        against: &RankAgainst,
        task: &str,
        recipe: Recipe,
    ) -> Result<Self, Failure> {
        let similarity = match &against.similarity {
            Some(name) => Similarity::named(name)?,
            None => &SIMILARITIES[0],
        };
        Ok(Self {
            zoo: Zoo::parse(zoo)?,
            similarity,
            top: against.top.unwrap_or(TOP) as usize,
            task: task.to_owned(),
            recipe,
            last: (f64::NAN, Vec::new(), 0),
        })
    }

    fn rank(
        &mut self,
        learning_rate: f64,
        tuned: &AdapterState,
        initial: &AdapterState,
    ) -> Result<(u64, Vec<Scored>), String> {
        let values = aggregate(tuned, Some(initial), &self.recipe).map_err(|e| e.to_string())?;
        let (task, recipe) = (self.task.clone(), self.recipe.clone());
        let embedding = TaskEmbedding { task, recipe, values };
        let query = Query {
            target: Target::Embedding(&embedding),
            method: None,
            similarity: self.similarity,
        };
        let ranking = rank(&self.zoo, &query).map_err(|e| e.to_string())?;
        let sources: Vec<_> = ranking
            .sources
            .into_iter()
            .take(self.top)
            .map(|source| Scored { task: source.task, score: source.score })
            .collect();
        let names: Vec<_> = sources.iter().map(|source| source.task.clone()).collect();
        let same = self.last.0 == learning_rate && self.last.1 == names;
        let settled = if same { self.last.2 + 1 } else { 1 };
        self.last = (learning_rate, names, settled);
        Ok((settled, sources))
    }
}

/// Memory that this process holds, where the system tells.
fn memory_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
