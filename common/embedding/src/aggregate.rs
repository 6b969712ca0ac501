//! Many layers, one vector.

use crate::{AdapterState, Error};
use serde::{Deserialize, Serialize};
use tupate_tasks::{Aggregation, ParameterSet, Recipe, Values};

/// A task as a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskEmbedding {
    /// The task's id.
    pub task: String,
    /// How the vector came about.
    pub recipe: Recipe,
    /// The vector, `[D]`.
    pub values: Vec<f32>,
}

/// Combines the layers of `state` as the recipe says. `initial` is the same
/// adapter before training; only [`Values::Delta`] needs it.
///
/// The mean over layers follows the paper, section 3.2: within a layer, the
/// tuned tensors are flattened row-major and concatenated in the method's
/// order; that `[D]` vector is averaged over the `L` layers.
///
/// # Errors
/// When the recipe asks for a combination that this adapter does not have, or
/// `initial` is missing or of another shape.
pub fn aggregate(
    state: &AdapterState,
    initial: Option<&AdapterState>,
    recipe: &Recipe,
) -> Result<Vec<f32>, Error> {
    if recipe.method != *state.method() {
        return Err(Error::Recipe(format!(
            "the recipe is for {} but the adapter was tuned with {}",
            recipe.method,
            state.method()
        )));
    }
    if recipe.parameters != ParameterSet::All {
        return Err(Error::Recipe(format!("{} has no keys-only parameters", recipe.method)));
    }
    let mut values = match recipe.aggregation {
        Aggregation::LayerMean => layer_mean(state),
        Aggregation::Flatten => flat_layers(state).flatten().collect(),
        Aggregation::PositionMean => {
            return Err(Error::Recipe(format!(
                "{} has no prefix positions to average",
                recipe.method
            )));
        }
    };
    if recipe.values == Values::Delta {
        let initial = initial.ok_or_else(|| {
            Error::Recipe(
                "delta values need the adapter's initial parameters, which are missing".into(),
            )
        })?;
        let absolute = Recipe { values: Values::Absolute, ..recipe.clone() };
        let before = aggregate(initial, None, &absolute)?;
        if before.len() != values.len() {
            return Err(Error::Recipe(format!(
                "the initial parameters give {} values, the tuned ones {}",
                before.len(),
                values.len()
            )));
        }
        for (value, start) in values.iter_mut().zip(before) {
            *value -= start;
        }
    }
    Ok(values)
}

fn flat_layers(state: &AdapterState) -> impl Iterator<Item = impl Iterator<Item = f32> + '_> + '_ {
    state.layers().iter().map(|layer| layer.tensors.iter().flat_map(|t| t.values.iter().copied()))
}

fn layer_mean(state: &AdapterState) -> Vec<f32> {
    let mut sum = vec![0.0_f64; state.layer_width()];
    for layer in flat_layers(state) {
        for (s, value) in sum.iter_mut().zip(layer) {
            *s += f64::from(value);
        }
    }
    let layers = state.layers().len() as f64;
    sum.into_iter().map(|s| (s / layers) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerState;
    use crate::state::tests::tensor;
    use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec};

    fn lora() -> MethodSpec {
        MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] }
    }

    fn state(scale: f32) -> AdapterState {
        let layer = |x: f32| LayerState {
            tensors: vec![
                tensor("a", &[1, 2], &[x * scale, 2.0 * x * scale]),
                tensor("b", &[1], &[-x * scale]),
            ],
        };
        AdapterState::new(lora(), vec![layer(1.0), layer(3.0)]).unwrap()
    }

    fn recipe() -> Recipe {
        let encoder = EncoderRef {
            name: "e".into(),
            weights_sha256: "0".repeat(64),
            layers: 2,
            hidden_size: 2,
        };
        Recipe::paper(encoder, lora(), 0, Checkpoint::Late)
    }

    #[test]
    fn the_layer_mean_keeps_the_order_of_tensors() {
        assert_eq!(aggregate(&state(1.0), None, &recipe()).unwrap(), [2.0, 4.0, -2.0]);
    }

    #[test]
    fn flattening_concatenates_layers_lowest_first() {
        let flat = Recipe { aggregation: Aggregation::Flatten, ..recipe() };
        assert_eq!(aggregate(&state(1.0), None, &flat).unwrap(), [1.0, 2.0, -1.0, 3.0, 6.0, -3.0]);
    }

    #[test]
    fn delta_subtracts_the_initial_values_and_insists_on_them() {
        let delta = Recipe { values: Values::Delta, ..recipe() };
        assert_eq!(aggregate(&state(1.5), Some(&state(1.0)), &delta).unwrap(), [1.0, 2.0, -1.0]);
        assert!(aggregate(&state(1.0), None, &delta).is_err());
    }

    #[test]
    fn a_recipe_for_another_method_is_refused() {
        let other = Recipe { method: MethodSpec::BitFit, ..recipe() };
        let error = aggregate(&state(1.0), None, &other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the recipe is for BitFit but the adapter was tuned with LoRA r=1 α=1 on query"
        );
    }
}
