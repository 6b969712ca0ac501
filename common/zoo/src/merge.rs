//! Several zoos as one.

use crate::{Error, NewEmbedding, ScoreTable, TransferMatrix, Zoo, mean};
use std::collections::BTreeMap;

/// What becomes of embeddings of a task by one recipe that several zoos hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// They must be the same in all.
    Same,
    /// They are of tunings by several seeds; the zoo gets their [`mean`].
    Mean,
}

/// Joins zoos that hold the same recipes: their tasks side by side in the same
/// sets, their transfer matrices and tables of scores next to each other.
///
/// # Errors
/// When the recipes differ (the fields that do are named), a task is not the
/// same everywhere or has no mean, or two matrices of one setting or two tables of one name
/// are not.
pub fn merge<'a>(
    name: &str,
    description: &str,
    zoos: impl IntoIterator<Item = (&'a str, &'a Zoo)>,
    repeated: Repeated,
) -> Result<Zoo, Error> {
    let zoos: Vec<_> = zoos.into_iter().collect();
    let Some((first, others)) = zoos.split_first() else {
        return Err(Error::Inconsistent("there are no zoos to merge".into()));
    };
    for other in others {
        same_recipes(*first, *other)?;
        same_recipes(*other, *first)?;
    }
    let mut embeddings: Vec<NewEmbedding> = Vec::new();
    // By task, because there may be very many of them.
    let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (_, zoo) in &zoos {
        let mut tasks = BTreeMap::new();
        for task in zoo.tasks() {
            tasks.insert(&task.id, task);
        }
        for set in zoo.sets() {
            for (id, row) in set.tasks.iter().zip(zoo.rows(set)) {
                let embedding = NewEmbedding {
                    // A zoo knows the tasks of its sets.
                    task: tasks[id].clone(),
                    recipe: set.recipe.clone(),
                    values: row,
                    initial: zoo.initial(set).map(<[f32]>::to_vec),
                };
                if repeated == Repeated::Mean {
                    embeddings.push(embedding);
                    continue;
                }
                let of_task = known.entry(id.clone()).or_default();
                let same = of_task.iter().map(|at| &embeddings[*at]);
                let mut same = same.filter(|e| e.recipe.differences(&set.recipe).is_empty());
                match same.next() {
                    None => {
                        of_task.push(embeddings.len());
                        embeddings.push(embedding);
                    }
                    Some(known) if known.values == embedding.values => {}
                    Some(_) => {
                        return Err(Error::Inconsistent(format!(
                            "two zoos have different {} embeddings of {id}; leave one out, or take \
                             their mean",
                            set.key
                        )));
                    }
                }
            }
        }
    }
    if repeated == Repeated::Mean {
        embeddings = mean(embeddings)?;
    }
    let mut transfer: Vec<TransferMatrix> = Vec::new();
    let mut scores: Vec<ScoreTable> = Vec::new();
    for (_, zoo) in &zoos {
        for matrix in zoo.transfer() {
            let setting = |matrix: &TransferMatrix| matrix.setting.clone();
            take_in(&mut transfer, matrix, setting, "transfer matrices of the setting")?;
        }
        for table in zoo.scores() {
            let name = |table: &ScoreTable| table.name.clone();
            take_in(&mut scores, table, name, "tables of scores called")?;
        }
    }
    let zoo = Zoo::pack(name, description, embeddings)?;
    let mut zoo = zoo.with_transfer(transfer)?.with_scores(scores)?;
    // Advice that not all give is of a part.
    let preferred = first.1.preferred();
    let agreed = others.iter().all(|(_, other)| other.preferred() == preferred);
    zoo.beside.preferred = preferred.filter(|_| agreed).cloned();
    Ok(zoo)
}

/// Adds what is not there yet; of the same name, it must be the same.
fn take_in<T: Clone + PartialEq>(
    all: &mut Vec<T>,
    new: &T,
    name: impl Fn(&T) -> String,
    what: &str,
) -> Result<(), Error> {
    let own = name(new);
    match all.iter().find(|known| name(known) == own) {
        None => all.push(new.clone()),
        Some(known) if known == new => {}
        Some(_) => {
            return Err(Error::Inconsistent(format!("two zoos have different {what} {own}")));
        }
    }
    Ok(())
}

/// Whether `other` has every recipe of `zoo`.
fn same_recipes((name, zoo): (&str, &Zoo), (other_name, other): (&str, &Zoo)) -> Result<(), Error> {
    for set in zoo.sets() {
        if set.recipe.encoder.weights_sha256.is_empty() {
            return Err(Error::Inconsistent(format!(
                "{} of {name} does not say by which encoder it was made, so nothing can be merged \
                 with it",
                set.key
            )));
        }
        let nearest = other
            .sets()
            .map(|theirs| set.recipe.differences(&theirs.recipe))
            .min_by_key(Vec::len)
            .ok_or_else(|| Error::Inconsistent(format!("{other_name} holds no embeddings")))?;
        if !nearest.is_empty() {
            return Err(Error::Incomparable { differences: nearest });
        }
    }
    Ok(())
}
