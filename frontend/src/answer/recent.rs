//! Rankings that were computed last. What is shown is asked for more than once, and a large
//! zoo is ranked in pieces before.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tupate_embedding::TaskEmbedding;
use tupate_zoo::{Error, Query, Ranking, Target, Zoo, rank};

/// How many: by the target, by an adapter and by a second method.
const MOST: usize = 3;

/// Rankings of one zoo, with what they were asked for by.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Vec<(Key, Ranking)>>);

#[derive(Debug)]
struct Key {
    target: Sought,
    method: Option<String>,
    similarity: &'static str,
}

#[derive(Debug)]
enum Sought {
    Task(String),
    Embeddings(Vec<TaskEmbedding>),
}

impl Key {
    fn of(query: &Query<'_>) -> Self {
        Self {
            target: match query.target {
                Target::Task(task) => Sought::Task(task.to_owned()),
                Target::Embeddings(own) => Sought::Embeddings(own.to_vec()),
            },
            method: query.method.map(str::to_owned),
            similarity: query.similarity.name,
        }
    }

    fn is(&self, query: &Query<'_>) -> bool {
        let target = match (&self.target, query.target) {
            (Sought::Task(own), Target::Task(task)) => own == task,
            (Sought::Embeddings(own), Target::Embeddings(others)) => own == others,
            _ => false,
        };
        let method = self.method.as_deref() == query.method;
        target && method && self.similarity == query.similarity.name
    }
}

impl Recent {
    /// As [`rank`] of this zoo, which is always the same one.
    ///
    /// # Errors
    /// As [`rank`].
    pub fn rank(&self, zoo: &Zoo, query: &Query<'_>) -> Result<Ranking, Error> {
        let known = self.all().iter().find(|(key, _)| key.is(query)).map(|(_, r)| r.clone());
        known.map_or_else(|| rank(zoo, query).inspect(|ranking| self.keep(query, ranking)), Ok)
    }

    /// Whether a ranking is there.
    pub fn knows(&self, query: &Query<'_>) -> bool {
        self.all().iter().any(|(key, _)| key.is(query))
    }

    /// Has a ranking at hand.
    pub fn keep(&self, query: &Query<'_>, ranking: &Ranking) {
        let mut all = self.all();
        if all.len() == MOST {
            all.remove(0);
        }
        all.push((Key::of(query), ranking.clone()));
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Key, Ranking)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was computed from a zoo does not make it another one.
impl PartialEq for Recent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
