//! A task's embeddings from several tunings as one.

use crate::{Error, NewEmbedding};
use std::collections::BTreeMap;

/// One embedding a task and recipe: the mean of those that are given, each weighted by how many
/// tunings it stands for. Tunings that differ by their seed alone agree on what the task asks
/// for and not on the rest, of which the mean has less.
///
/// # Errors
/// When two embeddings of a task and recipe differ in length, initial parameters or facts about
/// the task, or are the same one twice; or when a task's recipes have not equally many tunings.
pub fn mean(
    embeddings: impl IntoIterator<Item = NewEmbedding>,
) -> Result<Vec<NewEmbedding>, Error> {
    let mut tasks: BTreeMap<String, Vec<Vec<NewEmbedding>>> = BTreeMap::new();
    for embedding in embeddings {
        let groups = tasks.entry(embedding.task.id.clone()).or_default();
        let same = |group: &&mut Vec<NewEmbedding>| {
            group[0].recipe.differences(&embedding.recipe).is_empty()
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(embedding),
            None => groups.push(vec![embedding]),
        }
    }
    let mut means: Vec<NewEmbedding> = Vec::new();
    for (id, groups) in tasks {
        let first = means.len();
        for group in groups {
            means.push(mean_of(group)?);
        }
        let tunings = means[first].task.tunings;
        if let Some(other) = means[first..].iter().find(|other| other.task.tunings != tunings) {
            let name =
                |e: &NewEmbedding| format!("{} ({})", e.recipe.method, e.recipe.checkpoint.name());
            return Err(Error::Inconsistent(format!(
                "of {id} there are {tunings} by {} and {} by {}; give as many of each",
                name(&means[first]),
                other.task.tunings,
                name(other)
            )));
        }
    }
    Ok(means)
}

/// The mean of embeddings of one task by one recipe.
fn mean_of(group: Vec<NewEmbedding>) -> Result<NewEmbedding, Error> {
    let refused = |why: &str| {
        let NewEmbedding { task, recipe, .. } = &group[0];
        let checkpoint = recipe.checkpoint.name();
        Err(Error::Inconsistent(format!(
            "of {} by {} ({checkpoint}) there is no mean: {why}",
            task.id, recipe.method
        )))
    };
    for (at, one) in group.iter().enumerate() {
        group[0].task.same_as(&one.task)?;
        if one.values.len() != group[0].values.len() {
            return refused("they differ in length");
        }
        if one.initial != group[0].initial {
            return refused("tuning began at different initial values");
        }
        if group[..at].iter().any(|other| other.values == one.values) {
            return refused("one embedding is there twice");
        }
    }
    let sum = group.iter().try_fold(0_u32, |sum, one| sum.checked_add(one.task.tunings));
    let Some(tunings) = sum else { return refused("of more tunings than can be counted") };
    let share = |one: &NewEmbedding| f64::from(one.task.tunings) / f64::from(tunings);
    // Of a score that not all have there is no mean.
    let score = |of: fn(&NewEmbedding) -> Option<f64>| -> Option<f64> {
        group.iter().map(|one| Some(of(one)? * share(one))).sum()
    };
    let (scored, majority) = (score(|one| one.task.score), score(|one| one.task.majority));
    let mut sum = vec![0.0_f64; group[0].values.len()];
    for one in &group {
        let share = share(one);
        sum.iter_mut().zip(&one.values).for_each(|(sum, v)| *sum += f64::from(*v) * share);
    }
    let mut mean = group.into_iter().next().expect("a group has a first member");
    mean.values = sum.into_iter().map(|v| v as f32).collect();
    (mean.task.score, mean.task.majority, mean.task.tunings) = (scored, majority, tunings);
    Ok(mean)
}
