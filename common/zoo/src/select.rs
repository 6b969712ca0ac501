//! Ranking the source tasks of a target.

use crate::{EmbeddingSet, Error, Zoo};
use serde::{Deserialize, Serialize};
use tupate_embedding::TaskEmbedding;
use tupate_metrics::{centre, cosine, descending, subtract};
use tupate_tasks::Recipe;

/// A way to compare two task embeddings. Greater is closer.
#[derive(Clone, Copy, Debug)]
pub struct Similarity {
    /// The name on the command line and in links.
    pub name: &'static str,
    /// One sentence for people.
    pub describe: &'static str,
    prepare: Prepare,
}

/// Turns the rows to compare, `[n, D]`, into those whose cosine is taken.
type Prepare = fn(&Zoo, &EmbeddingSet, Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, Error>;

/// Every similarity. The first is the paper's and the default.
pub const SIMILARITIES: &[Similarity] = &[
    Similarity {
        name: "cosine",
        describe: "Cosine of the raw vectors, as in the paper.",
        prepare: |_, _, rows| Ok(rows),
    },
    Similarity {
        name: "centred",
        describe: "Cosine after subtracting the zoo's mean: what a task has of its own.",
        prepare: |_, _, rows| {
            let borrowed: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            centre(&borrowed).ok_or_else(|| Error::Similarity("nothing to centre".into()))
        },
    },
    Similarity {
        name: "delta",
        describe: "Cosine of the change from the untrained parameters.",
        prepare: |zoo, set, rows| {
            let initial = zoo.initial(set).ok_or_else(|| {
                Error::Similarity(format!(
                    "{} carries no initial parameters, which delta needs; use cosine or centred",
                    set.key
                ))
            })?;
            Ok(rows.iter().map(|row| subtract(row, initial)).collect())
        },
    },
];

impl Similarity {
    /// The similarity of this name.
    ///
    /// # Errors
    /// When there is none; the error lists them.
    pub fn named(name: &str) -> Result<&'static Self, Error> {
        SIMILARITIES.iter().find(|s| s.name == name).ok_or_else(|| {
            let known: Vec<_> = SIMILARITIES.iter().map(|s| s.name).collect();
            Error::Similarity(format!("no similarity {name}; there are {}", known.join(", ")))
        })
    }
}

/// Whose sources are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A task of the zoo.
    Task(&'a str),
    /// An embedding from elsewhere, compared only if its recipe is the zoo's.
    Embedding(&'a TaskEmbedding),
}

/// What to rank by.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The target.
    pub target: Target<'a>,
    /// Method or key of an embedding set; `None` for the zoo's only method.
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
    /// The recipe that all compared embeddings share.
    pub recipe: Recipe,
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
    let set = match query.target {
        Target::Task(_) => zoo.set(query.method)?,
        Target::Embedding(embedding) => matching_set(zoo, query.method, &embedding.recipe)?,
    };
    let target = match query.target {
        Target::Task(task) => task,
        Target::Embedding(embedding) => embedding.task.as_str(),
    };
    let own = match query.target {
        Target::Task(task) => zoo.row(set, task).ok_or_else(|| Error::UnknownTask {
            task: task.to_owned(),
            known: set.tasks.clone(),
        })?,
        Target::Embedding(embedding) => &embedding.values,
    };
    if own.len() != set.dim {
        return Err(Error::Inconsistent(format!(
            "the target's embedding has {} values, the zoo's have {}",
            own.len(),
            set.dim
        )));
    }
    let (ids, mut rows): (Vec<&str>, Vec<Vec<f32>>) = set
        .tasks
        .iter()
        .zip(zoo.rows(set))
        .filter(|(task, _)| *task != target)
        .map(|(task, row)| (task.as_str(), row.to_vec()))
        .unzip();
    // The target stands among the rows, so that centring sees all tasks alike.
    rows.push(own.to_vec());
    let mut rows = (query.similarity.prepare)(zoo, set, rows)?;
    let own = rows.pop().expect("the target was pushed");
    let scores = ids
        .iter()
        .zip(&rows)
        .map(|(id, row)| {
            cosine(&own, row).ok_or_else(|| {
                Error::Similarity(format!(
                    "the {} similarity of {target} and {id} is undefined: one of the vectors is zero",
                    query.similarity.name
                ))
            })
        })
        .collect::<Result<Vec<f64>, Error>>()?;
    let sources = descending(&scores, &ids)
        .into_iter()
        .enumerate()
        .map(|(i, at)| RankedSource { rank: i + 1, task: ids[at].to_owned(), score: scores[at] })
        .collect();
    Ok(Ranking {
        target: target.to_owned(),
        recipe: set.recipe.clone(),
        similarity: query.similarity.name.to_owned(),
        sources,
    })
}

/// The set whose recipe an outside embedding shares, or the refusal that names
/// the fields in which the nearest one differs.
fn matching_set<'a>(
    zoo: &'a Zoo,
    method: Option<&str>,
    recipe: &Recipe,
) -> Result<&'a EmbeddingSet, Error> {
    let method = method.unwrap_or(recipe.method.name());
    let candidates: Vec<_> =
        zoo.sets().filter(|set| set.key == method || set.recipe.method.name() == method).collect();
    if candidates.is_empty() {
        return zoo.set(Some(method));
    }
    let mut nearest: Option<Vec<_>> = None;
    for set in candidates {
        let differences = recipe.differences(&set.recipe);
        if differences.is_empty() {
            return Ok(set);
        }
        if nearest.as_ref().is_none_or(|n| differences.len() < n.len()) {
            nearest = Some(differences);
        }
    }
    Err(Error::Incomparable { differences: nearest.unwrap_or_default() })
}
