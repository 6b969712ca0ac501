//! Other programs' vectors as a zoo.

use crate::npy::Array;
use crate::{Error, NewEmbedding, TaskEntry, Zoo};
use tupate_tasks::{Aggregation, Checkpoint, EncoderRef, MethodSpec, ParameterSet, Recipe, Values};

/// How a matrix becomes one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The mean of the rows, `[rows, n]` → `[n]`.
    MeanRows,
    /// The rows one after the other, `[rows, n]` → `[rows · n]`.
    Flatten,
}

impl Reduce {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanRows => "mean-rows",
            Self::Flatten => "flatten",
        }
    }

    fn apply(self, array: &Array) -> Vec<f32> {
        let width = array.shape.last().copied().unwrap_or(1);
        let rows = array.values.chunks_exact(width);
        match self {
            Self::Flatten => array.values.iter().map(|&x| x as f32).collect(),
            Self::MeanRows => {
                let n = rows.len() as f64;
                let mut sum = vec![0.0_f64; width];
                for row in rows {
                    sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
                }
                sum.into_iter().map(|s| (s / n) as f32).collect()
            }
        }
    }
}

/// A zoo of one set, a task an array. `reduce` is needed for arrays of two
/// dimensions; a vector stays as it is. `source` says where the vectors come
/// from and `encoder` which encoder they are of, in words: with neither a hash
/// of the encoder nor a seed, such sets are only ever compared within.
///
/// # Errors
/// When the arrays do not fit together or no zoo allows them.
pub fn import(
    name: &str,
    source: &str,
    encoder: &str,
    arrays: Vec<(TaskEntry, Array)>,
    reduce: Option<Reduce>,
) -> Result<Zoo, Error> {
    let flat = arrays.iter().all(|(_, array)| array.shape.len() == 1);
    let aggregation = match reduce {
        Some(Reduce::MeanRows) if !flat => Aggregation::PositionMean,
        _ => Aggregation::Flatten,
    };
    let recipe = Recipe {
        encoder: EncoderRef {
            name: encoder.into(),
            weights_sha256: String::new(),
            layers: 0,
            hidden_size: 0,
        },
        method: MethodSpec::Imported { source: source.into() },
        parameters: ParameterSet::All,
        aggregation,
        values: Values::Absolute,
        init_seed: 0,
        checkpoint: Checkpoint::Late,
        projection: None,
    };
    let mut embeddings = Vec::with_capacity(arrays.len());
    for (task, array) in arrays {
        let reduce = match (array.shape.as_slice(), reduce) {
            ([_], _) => Reduce::Flatten,
            (_, Some(reduce)) => reduce,
            (shape, None) => {
                return Err(Error::Ambiguous(format!(
                    "the array of {} has shape {shape:?}; say how it becomes one vector: \
                     --reduce mean-rows or --reduce flatten",
                    task.id
                )));
            }
        };
        let values = reduce.apply(&array);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Inconsistent(format!(
                "value {at} of {} is beyond what f32 holds",
                task.id
            )));
        }
        embeddings.push(NewEmbedding { task, recipe: recipe.clone(), values, initial: None });
    }
    Zoo::pack(name, "", embeddings)
}
