//! The embedding so far, ranked against a zoo.

mod settling;

pub use settling::Settling;

use crate::failure::Failure;
use tupate_api::{Event, RankAgainst, Scored};
use tupate_embedding::{AdapterState, TaskEmbedding, aggregate};
use tupate_tasks::Recipe;
use tupate_zoo::{Query, SIMILARITIES, Similarity, Target, Zoo, rank};

/// The zoo that a run is ranked against, and how that went so far.
pub struct Ranker {
    zoo: Zoo,
    similarity: &'static Similarity,
    top: usize,
    task: String,
    recipe: Recipe,
    last: Option<Last>,
}

/// The latest ranking.
struct Last {
    epoch: u64,
    learning_rate: f64,
    /// The closest sources.
    names: Vec<String>,
    /// For how many epochs these have been so.
    settled: u64,
}

/// Sources that are shown without a wish.
const TOP: u32 = 5;

fn names(sources: &[Scored]) -> Vec<String> {
    sources.iter().map(|source| source.task.clone()).collect()
}

impl Ranker {
    /// Ranks against `zoo`; `told` are events of earlier starts, the latest first.
    pub fn new<'a>(
        zoo: &[u8],
        against: &RankAgainst,
        task: &str,
        recipe: Recipe,
        mut told: impl Iterator<Item = &'a Event>,
    ) -> Result<Self, Failure> {
        let similarity = match &against.similarity {
            Some(name) => Similarity::named(name)?,
            None => &SIMILARITIES[0],
        };
        let last = told.find_map(|event| match event {
            Event::Ranking { epoch, learning_rate, settled, sources } => Some(Last {
                epoch: *epoch,
                learning_rate: *learning_rate,
                names: names(sources),
                settled: *settled,
            }),
            _ => None,
        });
        Ok(Self {
            zoo: Zoo::parse(zoo)?,
            similarity,
            top: against.top.unwrap_or(TOP) as usize,
            task: task.to_owned(),
            recipe,
            last,
        })
    }

    /// Whether an embedding `width` wide can be ranked at all.
    pub fn check(&self, width: usize) -> Result<(), Failure> {
        self.ranked(vec![1.0; width])?;
        Ok(())
    }

    /// For how many epochs the closest sources have been the same.
    pub fn settled(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.settled)
    }

    fn ranked(&self, values: Vec<f32>) -> Result<Vec<Scored>, tupate_zoo::Error> {
        let (task, recipe) = (self.task.clone(), self.recipe.clone());
        let embedding = TaskEmbedding { task, recipe, values };
        let query = Query {
            target: Target::Embeddings(std::slice::from_ref(&embedding)),
            method: None,
            similarity: self.similarity,
        };
        let closest = rank(&self.zoo, &query)?.sources.into_iter().take(self.top);
        Ok(closest.map(|source| Scored { task: source.task, score: source.score }).collect())
    }

    /// The ranking after an epoch; nothing where it was told already: a run that is killed
    /// between telling and keeping an epoch trains it once more.
    pub fn rank(
        &mut self,
        epoch: u64,
        learning_rate: f64,
        tuned: &AdapterState,
        initial: &AdapterState,
    ) -> Result<Option<Event>, String> {
        let before = self.last.as_ref().filter(|last| last.learning_rate == learning_rate);
        if before.is_some_and(|last| last.epoch >= epoch) {
            return Ok(None);
        }
        let values = aggregate(tuned, Some(initial), &self.recipe).map_err(|e| e.to_string())?;
        let sources = self.ranked(values).map_err(|e| e.to_string())?;
        let names = names(&sources);
        let settled = match before {
            Some(last) if last.names == names => last.settled + 1,
            _ => 1,
        };
        self.last = Some(Last { epoch, learning_rate, names, settled });
        Ok(Some(Event::Ranking { epoch, learning_rate, settled, sources }))
    }
}
