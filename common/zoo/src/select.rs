//! Ranking the source tasks of a target.

use crate::ensemble::{self, Fusion, Member};
use crate::similarity::{Comparison, Scene, Similarity};
use crate::{EmbeddingSet, Error, Zoo, choose};
use serde::{Deserialize, Serialize};
use tupate_embedding::TaskEmbedding;
use tupate_metrics::descending;
use tupate_tasks::Recipe;

/// Whose sources are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A task of the zoo.
    Task(&'a str),
    /// Embeddings of one task from elsewhere, of one method or, for all of them together,
    /// one of each; compared only with those of their own recipe.
    Embeddings(&'a [TaskEmbedding]),
}

impl<'a> Target<'a> {
    /// The task's name.
    ///
    /// # Errors
    /// When the embeddings are of several tasks, or there is none.
    pub fn task(self) -> Result<&'a str, Error> {
        let embeddings = match self {
            Self::Task(task) => return Ok(task),
            Self::Embeddings(embeddings) => embeddings,
        };
        let Some(first) = embeddings.first() else {
            return Err(Error::Inconsistent("the target has no embedding".into()));
        };
        match embeddings.iter().find(|other| other.task != first.task) {
            None => Ok(&first.task),
            Some(other) => Err(Error::Inconsistent(format!(
                "the target's embeddings must be of one task, not of {} and {}",
                first.task, other.task
            ))),
        }
    }
}

/// What to rank by.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The target.
    pub target: Target<'a>,
    /// Method or key of an embedding set, or a name of [`FUSIONS`] for all
    /// methods together, with `.early` or `.late` behind it or not; `None` for
    /// the zoo's only method.
    ///
    /// [`FUSIONS`]: crate::FUSIONS
    pub method: Option<&'a str>,
    /// How embeddings are compared.
    pub similarity: &'a Similarity,
}

/// One source of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedSource {
    /// 1 for the closest.
    pub rank: usize,
    /// The source task's id.
    pub task: String,
    /// Its similarity to the target.
    pub score: f64,
}

/// The sources of a target, closest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The target task's id.
    pub target: String,
    /// The recipe that all compared embeddings share; of an ensemble, its first
    /// member's.
    pub recipe: Recipe,
    /// The members of an ensemble; empty for a ranking by one method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensemble: Vec<Member>,
    /// Name of the similarity.
    pub similarity: String,
    /// The sources; the target is never among them.
    pub sources: Vec<RankedSource>,
}

/// Ranks the zoo's tasks as sources for a target (paper, section 3.2): by
/// descending similarity, ties by task id, the target itself left out.
///
/// # Errors
/// When the target or method is not there, recipes differ, or the similarity
/// cannot be computed.
pub fn rank(zoo: &Zoo, query: &Query<'_>) -> Result<Ranking, Error> {
    let mut ranker = Ranker::new(zoo, query)?;
    while ranker.step() {}
    ranker.finish()
}

/// [`rank`], awaiting `pause` between pieces of a few milliseconds.
///
/// # Errors
/// As [`rank`].
pub async fn rank_in_pieces(
    zoo: &Zoo,
    query: &Query<'_>,
    pause: &impl AsyncFn(),
) -> Result<Ranking, Error> {
    let mut ranker = Ranker::new(zoo, query)?;
    while ranker.step() {
        pause().await;
    }
    ranker.finish()
}

/// A ranking on its way.
struct Ranker<'a> {
    /// One a set that is asked.
    parts: Vec<Part<'a>>,
    /// Parts that are done.
    done: usize,
    fusion: Option<&'static Fusion>,
}

struct Part<'a> {
    set: &'a EmbeddingSet,
    target: &'a str,
    own: Option<usize>,
    similarity: &'a Similarity,
    comparison: Comparison<'a>,
}

impl<'a> Ranker<'a> {
    fn new(zoo: &'a Zoo, query: &Query<'a>) -> Result<Self, Error> {
        // A set of that very name goes before.
        let fusion = query.method.and_then(Fusion::named);
        let fusion = fusion.filter(|_| zoo.sets().all(|s| Some(s.key.as_str()) != query.method));
        let target = query.target.task()?;
        // With what is compared of a target from elsewhere.
        let sets = match (fusion, query.target) {
            (Some((fusion, checkpoint)), _) => ensemble::asked(zoo, query, fusion, checkpoint)?,
            (None, Target::Task(_)) => vec![(zoo.set(query.method)?, None)],
            (None, Target::Embeddings(embeddings)) => {
                let (set, own) =
                    choose::matching(&zoo.sets().collect::<Vec<_>>(), query.method, embeddings)?;
                vec![(set, Some(own))]
            }
        };
        let parts = sets
            .into_iter()
            .map(|(set, embedding)| Part::new(zoo, set, target, embedding, query.similarity));
        let parts = parts.collect::<Result<_, _>>()?;
        Ok(Self { parts, done: 0, fusion: fusion.map(|(fusion, _)| fusion) })
    }

    /// Does a piece; whether there is more to do.
    fn step(&mut self) -> bool {
        if let Some(part) = self.parts.get_mut(self.done)
            && !part.comparison.step()
        {
            self.done += 1;
        }
        self.done < self.parts.len()
    }

    /// The ranking, when there is nothing more to do.
    fn finish(self) -> Result<Ranking, Error> {
        let sets: Vec<_> = self.parts.iter().map(|part| part.set).collect();
        let rankings = self.parts.into_iter().map(Part::finish).collect::<Result<Vec<_>, _>>()?;
        match self.fusion {
            Some(fusion) => ensemble::fuse(fusion, &sets, rankings),
            None => Ok(rankings.into_iter().next().expect("one set was asked")),
        }
    }
}

impl<'a> Part<'a> {
    fn new(
        zoo: &'a Zoo,
        set: &'a EmbeddingSet,
        target: &'a str,
        embedding: Option<&TaskEmbedding>,
        similarity: &'a Similarity,
    ) -> Result<Self, Error> {
        // A task is never a source of its own.
        let own = set.tasks.iter().position(|task| task == target);
        let rows = &zoo.values(set).rows;
        let vector = match embedding {
            None => own.map(|row| rows.row(row)).ok_or_else(|| Error::UnknownTask {
                task: target.to_owned(),
                known: set.tasks.clone(),
            })?,
            Some(embedding) => embedding.values.clone(),
        };
        if vector.len() != set.dim {
            return Err(Error::Inconsistent(format!(
                "the target's embedding has {} values, the zoo's have {}",
                vector.len(),
                set.dim
            )));
        }
        let scene = Scene { zoo, set, rows, own, target: &vector, mean: None };
        let comparison = similarity.compare(&scene)?;
        Ok(Self { set, target, own, similarity, comparison })
    }

    fn finish(self) -> Result<Ranking, Error> {
        let Self { set, target, own, similarity, comparison } = self;
        let (mut ids, mut scores) = (Vec::new(), Vec::new());
        for (row, (id, score)) in set.tasks.iter().zip(comparison.scores()).enumerate() {
            if Some(row) == own {
                continue;
            }
            scores.push(score.ok_or_else(|| similarity.undefined(target, id))?);
            ids.push(id);
        }
        Ok(Ranking {
            target: target.to_owned(),
            recipe: set.recipe.clone(),
            ensemble: Vec::new(),
            similarity: similarity.name.to_owned(),
            sources: ranked(&ids, &scores),
        })
    }
}

/// Sources in their order: descending score, ties by id.
pub(crate) fn ranked<S: AsRef<str>>(ids: &[S], scores: &[f64]) -> Vec<RankedSource> {
    descending(scores, ids)
        .into_iter()
        .enumerate()
        .map(|(i, at)| RankedSource {
            rank: i + 1,
            task: ids[at].as_ref().to_owned(),
            score: scores[at],
        })
        .collect()
}
