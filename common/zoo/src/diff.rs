//! In what two zoos differ.

use crate::{Error, Query, Similarity, Target, Zoo, rank};
use serde::Serialize;
use std::collections::BTreeMap;
use tupate_tasks::FieldDifference;

/// The differences between an old and a new zoo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Tasks that only the new one has.
    pub added: Vec<String>,
    /// Tasks that only the old one has.
    pub removed: Vec<String>,
    /// Tasks of both whose facts differ.
    pub changed: Vec<String>,
    /// Embedding sets that only the new one has.
    pub sets_added: Vec<String>,
    /// Embedding sets that only the old one has.
    pub sets_removed: Vec<String>,
    /// Sets of both that are made otherwise, and in what: they cannot be compared.
    pub sets_changed: BTreeMap<String, Vec<FieldDifference>>,
    /// Sources that moved, over the sets and tasks of both.
    pub moved: Vec<Move>,
    /// Sets of both that could not be ranked by this similarity, and why.
    pub not_ranked: BTreeMap<String, String>,
}

/// A source that stands at another rank for a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Key of the embedding set.
    pub set: String,
    /// The target.
    pub target: String,
    /// The source.
    pub source: String,
    /// Its rank in the old zoo, from 1, among the tasks of both.
    pub from: usize,
    /// Its rank in the new zoo.
    pub to: usize,
}

impl Difference {
    /// Whether the zoos say the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.sets_added.is_empty()
            && self.sets_removed.is_empty()
            && self.sets_changed.is_empty()
            && self.moved.is_empty()
            && self.not_ranked.is_empty()
    }
}

/// Compares two zoos. Sets are matched by key; ranks are taken among the tasks
/// that both sets have, so that a new task alone moves nothing.
/// Sets that the similarity does not fit are listed with the reason.
pub fn diff(old: &Zoo, new: &Zoo, similarity: &Similarity) -> Difference {
    let only = |a: &Zoo, b: &Zoo| -> Vec<String> {
        a.tasks().iter().filter(|t| b.task(&t.id).is_none()).map(|t| t.id.clone()).collect()
    };
    let sets_only = |a: &Zoo, b: &Zoo| -> Vec<String> {
        let known = |key: &str| b.sets().any(|set| set.key == key);
        a.sets().filter(|set| !known(&set.key)).map(|set| set.key.clone()).collect()
    };
    let changed = old.tasks().iter().filter(|t| new.task(&t.id).is_some_and(|n| n != *t));
    let (mut moved, mut not_ranked) = (Vec::new(), BTreeMap::new());
    let mut sets_changed = BTreeMap::new();
    for set in old.sets() {
        let Some(theirs) = new.sets().find(|s| s.key == set.key) else { continue };
        let mut differences = set.recipe.differences(&theirs.recipe);
        if set.dim != theirs.dim {
            let [left, right] = [set.dim, theirs.dim].map(|dim| dim.to_string());
            differences.push(FieldDifference { field: "dim".into(), left, right });
        }
        if !differences.is_empty() {
            sets_changed.insert(set.key.clone(), differences);
        }
        let both = |id: &&String| set.tasks.contains(id) && theirs.tasks.contains(id);
        let tasks = old.tasks().iter().chain(new.tasks()).map(|t| &t.id);
        let rest: Vec<String> = tasks.filter(|id| !both(id)).cloned().collect();
        let (old, new) = (old.without(&rest), new.without(&rest));
        for target in set.tasks.iter().filter(both) {
            let ranks = |zoo: &Zoo| -> Result<BTreeMap<String, usize>, Error> {
                let target = Target::Task(target);
                let ranking = rank(zoo, &Query { target, method: Some(&set.key), similarity })?;
                Ok(ranking.sources.into_iter().map(|s| (s.task, s.rank)).collect())
            };
            match (ranks(&old), ranks(&new)) {
                (Ok(before), Ok(after)) => {
                    moved.extend(before.into_iter().filter_map(|(source, from)| {
                        let to = *after.get(&source)?;
                        let (set, target) = (set.key.clone(), target.clone());
                        (from != to).then_some(Move { set, target, source, from, to })
                    }));
                }
                (Err(error), _) | (_, Err(error)) => {
                    not_ranked.insert(set.key.clone(), error.to_string());
                }
            }
        }
    }
    Difference {
        added: only(new, old),
        removed: only(old, new),
        changed: changed.map(|t| t.id.clone()).collect(),
        sets_added: sets_only(new, old),
        sets_removed: sets_only(old, new),
        sets_changed,
        moved,
        not_ranked,
    }
}
