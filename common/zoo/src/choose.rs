//! Choosing among the embedding sets of a zoo by what people call them.

use crate::{EmbeddingSet, Error};
use tupate_tasks::{Checkpoint, Recipe};

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

/// The set whose recipe an embedding from elsewhere shares, or the refusal that names
/// the fields in which the nearest one differs.
///
/// # Errors
/// When there is none.
pub fn matching<'a>(
    sets: impl IntoIterator<Item = &'a EmbeddingSet>,
    method: Option<&str>,
    recipe: &Recipe,
) -> Result<&'a EmbeddingSet, Error> {
    let sets: Vec<&EmbeddingSet> = sets.into_iter().collect();
    let method = method.unwrap_or(recipe.method.name());
    let mut candidates = sets.clone();
    candidates.retain(|set| set.key == method || set.recipe.method.name() == method);
    if candidates.is_empty() {
        return set(sets, Some(method));
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
