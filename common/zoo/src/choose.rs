//! Choosing among the embedding sets of a zoo by what people call them.

use crate::{EmbeddingSet, Error};
use tupate_embedding::TaskEmbedding;
use tupate_tasks::{Checkpoint, FieldDifference};

/// The names of the methods, without repetition, in the order of the sets.
pub fn methods<'a>(sets: impl IntoIterator<Item = &'a EmbeddingSet>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for set in sets {
        let name = set.recipe.method.name();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The set with this key, or the one set of this method, the late one before the early
/// one and the paper's recipe before others. `None` takes the only method.
///
/// # Errors
/// When there is none, or more than one fits.
pub fn set<'a>(
    sets: impl IntoIterator<Item = &'a EmbeddingSet>,
    wanted: Option<&str>,
) -> Result<&'a EmbeddingSet, Error> {
    let sets: Vec<&EmbeddingSet> = sets.into_iter().collect();
    let known = || sets.iter().map(|set| set.key.clone()).collect::<Vec<_>>();
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => match methods(sets.iter().copied())[..] {
            [only] => only,
            [] => return Err(Error::UnknownSet { wanted: "task".into(), known: known() }),
            ref several => {
                return Err(Error::Ambiguous(format!(
                    "this zoo has embeddings of several methods; choose one of {}",
                    several.join(", ")
                )));
            }
        },
    };
    if let Some(set) = sets.iter().find(|set| set.key == wanted) {
        return Ok(set);
    }
    let mut of_method = sets.clone();
    of_method.retain(|set| set.recipe.method.name() == wanted);
    if of_method.iter().any(|set| set.recipe.checkpoint == Checkpoint::Late) {
        of_method.retain(|set| set.recipe.checkpoint == Checkpoint::Late);
    }
    if of_method.iter().any(|set| set.recipe.is_paper()) {
        of_method.retain(|set| set.recipe.is_paper());
    }
    match of_method[..] {
        [only] => Ok(only),
        [] => Err(Error::UnknownSet { wanted: wanted.to_owned(), known: known() }),
        _ => Err(Error::Ambiguous(format!(
            "this zoo has several {wanted} recipes; choose one of {}",
            of_method.iter().map(|set| set.key.as_str()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The set whose recipe one of a target's embeddings from elsewhere shares, and that
/// embedding; or the refusal that names the fields in which the nearest two differ.
///
/// # Errors
/// When there is none, or more than one could be meant.
pub fn matching<'a, 'e>(
    sets: &[&'a EmbeddingSet],
    method: Option<&str>,
    embeddings: &'e [TaskEmbedding],
) -> Result<(&'a EmbeddingSet, &'e TaskEmbedding), Error> {
    let own = |embedding: &'e TaskEmbedding| embedding.recipe.method.name();
    if let (None, [_, _, ..]) = (method, embeddings) {
        let names: Vec<_> = embeddings.iter().map(own).collect();
        return Err(Error::Ambiguous(format!(
            "the target has embeddings of several methods; choose one of {}, or all by ensemble",
            names.join(", ")
        )));
    }
    let mut nearest = Vec::new();
    for embedding in embeddings {
        let method = method.unwrap_or(own(embedding));
        let asked = |set: &&&EmbeddingSet| set.key == method || set.recipe.method.name() == method;
        for set in sets.iter().filter(asked) {
            let differences = embedding.recipe.differences(&set.recipe);
            if differences.is_empty() {
                return Ok((set, embedding));
            }
            // Nothing is farther away than another method.
            let far = |d: &[FieldDifference]| d.len() + 100 * usize::from(is_of_method(d));
            if nearest.is_empty() || far(&differences) < far(&nearest) {
                nearest = differences;
            }
        }
    }
    Err(if nearest.is_empty() {
        Error::UnknownSet {
            wanted: method.or(embeddings.first().map(own)).unwrap_or("task").to_owned(),
            known: sets.iter().map(|set| set.key.clone()).collect(),
        }
    } else {
        Error::Incomparable { differences: nearest }
    })
}

/// Whether the method is among what differs.
pub(crate) fn is_of_method(differences: &[FieldDifference]) -> bool {
    differences.iter().any(|difference| difference.field == "method")
}
