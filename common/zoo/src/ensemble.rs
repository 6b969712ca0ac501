//! Rankings over all methods of a zoo together.

use crate::select::{Query, RankedSource, Ranking, Target, ranked};
use crate::{EmbeddingSet, Error, Zoo, choose};
use serde::{Deserialize, Serialize};
use tupate_embedding::TaskEmbedding;
use tupate_metrics::{mean_scores, reciprocal_rank_fusion};
use tupate_tasks::{Checkpoint, Recipe};

/// A way to make one ranking of those of several methods.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    /// The name on the command line and in links.
    pub name: &'static str,
    /// One sentence for people.
    pub describe: &'static str,
    /// Whether it is the mean of similarities, and so a similarity itself.
    pub(crate) is_mean: bool,
    fuse: Fuse,
}

/// From each method's similarities and ranks, `[methods, n]`, one score a source,
/// `[n]`.
type Fuse = fn(&[Vec<f64>], &[Vec<usize>]) -> Vec<f64>;

/// Every fusion.
pub const FUSIONS: &[Fusion] = &[
    Fusion {
        name: "ensemble",
        describe: "Mean of the methods' similarities, as in the paper (3E).",
        is_mean: true,
        fuse: |scores, _| mean_scores(scores),
    },
    Fusion {
        name: "rrf",
        describe: "Reciprocal rank fusion of the methods' rankings: the sum of 1/(60 + rank).",
        is_mean: false,
        fuse: |_, ranks| reciprocal_rank_fusion(ranks),
    },
];

/// One of the methods in an ensemble's ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Key of its embedding set.
    pub set: String,
    /// The set's recipe.
    pub recipe: Recipe,
}

impl Fusion {
    /// Whether there is a member of it for every method of these sets, alike in all else.
    pub fn is_possible<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a EmbeddingSet>,
        checkpoint: Option<Checkpoint>,
    ) -> bool {
        self.members(sets, checkpoint).is_ok()
    }

    /// The sets that it is made of: those of the checkpoint that is asked for, or else the late
    /// ones, unless only the early ones are there.
    ///
    /// # Errors
    /// When there is not one for every method, alike in all else.
    pub fn members<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a EmbeddingSet>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Vec<&'a EmbeddingSet>, Error> {
        members(sets, self, checkpoint)
    }

    /// Whether a method's name asks for a fusion.
    pub fn is_named(method: &str) -> bool {
        Self::named(method).is_some()
    }

    /// The fusion and the checkpoint that a method's name asks for.
    pub fn named(method: &str) -> Option<(&'static Self, Option<Checkpoint>)> {
        let (name, checkpoint) = match method.rsplit_once('.') {
            Some((name, "early")) => (name, Some(Checkpoint::Early)),
            Some((name, "late")) => (name, Some(Checkpoint::Late)),
            _ => (method, None),
        };
        let fusion = FUSIONS.iter().find(|fusion| fusion.name == name)?;
        Some((fusion, checkpoint))
    }
}

/// The sets of an ensemble that are asked for a target's sources: all methods of which the
/// zoo has the paper's recipe at one checkpoint (the late one, unless only the early one is
/// there); with each the embedding of a target from elsewhere.
pub(crate) fn asked<'a>(
    zoo: &'a Zoo,
    query: &Query<'a>,
    fusion: &Fusion,
    checkpoint: Option<Checkpoint>,
) -> Result<Vec<(&'a EmbeddingSet, Option<&'a TaskEmbedding>)>, Error> {
    let members = members(zoo.sets(), fusion, checkpoint)?;
    let Target::Embeddings(embeddings) = query.target else {
        return Ok(members.into_iter().map(|set| (set, None)).collect());
    };
    let with = |set: &'a EmbeddingSet| match choose::matching(&[set], Some(&set.key), embeddings) {
        Ok((set, own)) => Ok((set, Some(own))),
        Err(Error::Incomparable { differences }) if choose::is_of_method(&differences) => {
            Err(Error::Ambiguous(format!(
                "{} needs the target's embedding by every method: give that of {}, too, or choose \
                 one method",
                fusion.name,
                set.recipe.method.name()
            )))
        }
        Err(error) => Err(error),
    };
    members.into_iter().map(with).collect()
}

/// One ranking of those of its members, `[members]` each.
pub(crate) fn fuse(
    fusion: &Fusion,
    members: &[&EmbeddingSet],
    mut rankings: Vec<Ranking>,
) -> Result<Ranking, Error> {
    for ranking in &mut rankings {
        ranking.sources.sort_by(|a, b| a.task.cmp(&b.task));
    }
    let ids =
        |ranking: &Ranking| ranking.sources.iter().map(|s| s.task.clone()).collect::<Vec<_>>();
    let tasks = ids(&rankings[0]);
    for (set, ranking) in members.iter().zip(&rankings) {
        let own = ids(ranking);
        // Both are in order.
        if let Some(task) = tasks.iter().find(|t| own.binary_search(t).is_err()) {
            return Err(lacks(set, task));
        }
        if let Some(task) = own.iter().find(|t| tasks.binary_search(t).is_err()) {
            return Err(lacks(members[0], task));
        }
    }
    let of = |value: fn(&RankedSource) -> f64| -> Vec<Vec<f64>> {
        rankings.iter().map(|r| r.sources.iter().map(value).collect()).collect()
    };
    let ranks: Vec<Vec<usize>> =
        rankings.iter().map(|r| r.sources.iter().map(|s| s.rank).collect()).collect();
    let scores = (fusion.fuse)(&of(|s| s.score), &ranks);
    Ok(Ranking {
        target: rankings[0].target.clone(),
        recipe: members[0].recipe.clone(),
        ensemble: members
            .iter()
            .map(|set| Member { set: set.key.clone(), recipe: set.recipe.clone() })
            .collect(),
        similarity: rankings[0].similarity.clone(),
        sources: ranked(&tasks, &scores),
    })
}

pub(crate) fn lacks(set: &EmbeddingSet, task: &str) -> Error {
    Error::Inconsistent(format!(
        "the embedding sets of an ensemble must hold the same tasks, and {} lacks {task}",
        set.key
    ))
}

/// The sets that are fused: one a method, alike in all but the method.
pub(crate) fn members<'a>(
    sets: impl IntoIterator<Item = &'a EmbeddingSet>,
    fusion: &Fusion,
    checkpoint: Option<Checkpoint>,
) -> Result<Vec<&'a EmbeddingSet>, Error> {
    members_of(&sets.into_iter().collect::<Vec<_>>(), fusion, checkpoint)
}

/// The same, of which one copy is enough whatever lists the sets.
fn members_of<'a>(
    sets: &[&'a EmbeddingSet],
    fusion: &Fusion,
    checkpoint: Option<Checkpoint>,
) -> Result<Vec<&'a EmbeddingSet>, Error> {
    let at = |checkpoint: Checkpoint| -> Vec<&'a EmbeddingSet> {
        let of = |s: &&EmbeddingSet| s.recipe.checkpoint == checkpoint && s.recipe.is_paper();
        sets.iter().copied().filter(of).collect()
    };
    let members = match checkpoint {
        Some(checkpoint) => at(checkpoint),
        None => Some(at(Checkpoint::Late)).filter(|l| l.len() > 1).unwrap_or(at(Checkpoint::Early)),
    };
    let known = || sets.iter().map(|set| set.key.clone()).collect::<Vec<_>>();
    let [first, rest @ ..] = members.as_slice() else {
        return Err(Error::UnknownSet { wanted: fusion.name.into(), known: known() });
    };
    if rest.is_empty() {
        return Err(Error::Ambiguous(format!(
            "{} needs embeddings of two methods or more by the paper's recipe; this zoo has {}",
            fusion.name,
            known().join(", ")
        )));
    }
    for (i, set) in members.iter().enumerate() {
        let mut differences = first.recipe.differences(&set.recipe);
        differences.retain(|difference| difference.field != "method");
        if !differences.is_empty() {
            return Err(Error::Incomparable { differences });
        }
        let name = set.recipe.method.name();
        if let Some(other) = members[..i].iter().find(|s| s.recipe.method.name() == name) {
            return Err(Error::Ambiguous(format!(
                "{} takes one recipe a method, and this zoo has {} and {}",
                fusion.name, other.key, set.key
            )));
        }
    }
    Ok(members)
}
