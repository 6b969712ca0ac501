//! Many layers, one vector.

use crate::{AdapterState, Error, NamedTensor, project};
use serde::{Deserialize, Serialize};
use tupate_tasks::{Aggregation, MethodSpec, ParameterSet, Recipe, Values};

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
/// order; that `[D]` vector is averaged over the `L` layers. The mean over
/// positions averages the `P` rows of each prefix and concatenates the layers,
/// lowest first, keys before values: `[L·2·H]`. A projection comes last.
///
/// # Errors
/// When the recipe's encoder has another shape, the recipe asks for a
/// combination that this adapter does not have, or `initial` is missing or of
/// another shape.
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
    state.check_encoder(&recipe.encoder)?;
    let prefix = matches!(recipe.method, MethodSpec::PTuningV2 { .. });
    if recipe.parameters == ParameterSet::KeysOnly && !prefix {
        return Err(Error::Recipe(format!(
            "{} has no keys-only parameters; only P-Tuning v2 has",
            recipe.method
        )));
    }
    let mut values = match recipe.aggregation {
        Aggregation::LayerMean => layer_mean(state, recipe.parameters),
        Aggregation::Flatten => flat_layers(state, recipe.parameters).flatten().copied().collect(),
        Aggregation::PositionMean if prefix => position_mean(state, recipe.parameters),
        Aggregation::PositionMean => {
            return Err(Error::Recipe(format!(
                "{} has no prefix positions to average; only P-Tuning v2 has",
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
        let absolute = Recipe { values: Values::Absolute, projection: None, ..recipe.clone() };
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
    match &recipe.projection {
        Some(projection) => project(&values, projection),
        None => Ok(values),
    }
}

/// The tensors of each layer that enter the embedding.
fn chosen(
    state: &AdapterState,
    parameters: ParameterSet,
) -> impl Iterator<Item = impl Iterator<Item = &NamedTensor>> {
    state.layers().iter().map(move |layer| {
        layer.tensors.iter().filter(move |tensor| match parameters {
            ParameterSet::All => true,
            ParameterSet::KeysOnly => tensor.name == "prefix.key",
        })
    })
}

fn flat_layers(
    state: &AdapterState,
    parameters: ParameterSet,
) -> impl Iterator<Item = impl Iterator<Item = &f32>> {
    chosen(state, parameters).map(|tensors| tensors.flat_map(|tensor| &tensor.values))
}

fn layer_mean(state: &AdapterState, parameters: ParameterSet) -> Vec<f32> {
    let mut sum: Vec<f64> = Vec::new();
    for layer in flat_layers(state, parameters) {
        for (i, &value) in layer.enumerate() {
            match sum.get_mut(i) {
                Some(sum) => *sum += f64::from(value),
                None => sum.push(f64::from(value)),
            }
        }
    }
    let layers = state.layers().len() as f64;
    sum.into_iter().map(|s| (s / layers) as f32).collect()
}

fn position_mean(state: &AdapterState, parameters: ParameterSet) -> Vec<f32> {
    let width = state.hidden_size();
    let mut means = Vec::new();
    for tensor in chosen(state, parameters).flatten() {
        let positions = tensor.values.len() / width;
        let column = |j| tensor.values.iter().skip(j).step_by(width).map(|v| f64::from(*v));
        means.extend((0..width).map(|j| (column(j).sum::<f64>() / positions as f64) as f32));
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerState;
    use crate::state::tests::tensor;
    use tupate_tasks::{Checkpoint, EncoderRef};

    fn lora() -> MethodSpec {
        MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] }
    }

    fn state(scale: f32) -> AdapterState {
        let layer = |x: f32| LayerState {
            tensors: vec![
                tensor("query.lora_A", &[1, 2], &[x * scale, 2.0 * x * scale]),
                tensor("query.lora_B", &[2, 1], &[-x * scale, 0.0]),
            ],
        };
        AdapterState::new(lora(), vec![layer(1.0), layer(3.0)]).unwrap()
    }

    fn prefix() -> AdapterState {
        let layer = |x: f32| LayerState {
            tensors: vec![
                tensor("prefix.key", &[2, 2], &[x, 2.0, 3.0, 4.0]),
                tensor("prefix.value", &[2, 2], &[-1.0, 0.0, x, 1.0]),
            ],
        };
        AdapterState::new(MethodSpec::PTuningV2 { prefix_length: 2 }, vec![layer(1.0), layer(5.0)])
            .unwrap()
    }

    fn recipe(method: MethodSpec) -> Recipe {
        let encoder = EncoderRef {
            name: "e".into(),
            weights_sha256: "0".repeat(64),
            layers: 2,
            hidden_size: 2,
        };
        Recipe::paper(encoder, method, 0, Checkpoint::Late)
    }

    #[test]
    fn the_layer_mean_keeps_the_order_of_tensors() {
        let mean = aggregate(&state(1.0), None, &recipe(lora())).unwrap();
        assert_eq!(mean, [2.0, 4.0, -2.0, 0.0]);
    }

    #[test]
    fn flattening_concatenates_layers_lowest_first() {
        let flat = Recipe { aggregation: Aggregation::Flatten, ..recipe(lora()) };
        assert_eq!(
            aggregate(&state(1.0), None, &flat).unwrap(),
            [1.0, 2.0, -1.0, 0.0, 3.0, 6.0, -3.0, 0.0]
        );
    }

    #[test]
    fn every_treatment_of_a_prefix() {
        use Aggregation::{Flatten, LayerMean, PositionMean};
        use ParameterSet::{All, KeysOnly};
        let cases: [(ParameterSet, Aggregation, &[f32]); 6] = [
            (All, LayerMean, &[3.0, 2.0, 3.0, 4.0, -1.0, 0.0, 3.0, 1.0]),
            (KeysOnly, LayerMean, &[3.0, 2.0, 3.0, 4.0]),
            (All, PositionMean, &[2.0, 3.0, 0.0, 0.5, 4.0, 3.0, 2.0, 0.5]),
            (KeysOnly, PositionMean, &[2.0, 3.0, 4.0, 3.0]),
            (KeysOnly, Flatten, &[1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0]),
            (All, Flatten, &[1., 2., 3., 4., -1., 0., 1., 1., 5., 2., 3., 4., -1., 0., 5., 1.]),
        ];
        for (parameters, aggregation, wanted) in cases {
            let recipe = Recipe { parameters, aggregation, ..recipe(prefix().method().clone()) };
            assert_eq!(aggregate(&prefix(), None, &recipe).unwrap(), wanted, "{recipe:?}");
        }
    }

    #[test]
    fn only_a_prefix_has_keys_and_positions() {
        for recipe in [
            Recipe { parameters: ParameterSet::KeysOnly, ..recipe(lora()) },
            Recipe { aggregation: Aggregation::PositionMean, ..recipe(lora()) },
        ] {
            let error = aggregate(&state(1.0), None, &recipe).unwrap_err().to_string();
            assert!(error.contains("only P-Tuning v2 has"), "{error}");
        }
    }

    #[test]
    fn delta_subtracts_the_initial_values_and_insists_on_them() {
        let delta = Recipe { values: Values::Delta, ..recipe(lora()) };
        assert_eq!(
            aggregate(&state(1.5), Some(&state(1.0)), &delta).unwrap(),
            [1.0, 2.0, -1.0, 0.0]
        );
        assert!(aggregate(&state(1.0), None, &delta).is_err());
    }

    #[test]
    fn a_recipe_for_another_method_or_encoder_is_refused() {
        let error = aggregate(&state(1.0), None, &recipe(MethodSpec::BitFit)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the recipe is for BitFit but the adapter was tuned with LoRA r=1 α=1 on query"
        );
        let mut other = recipe(lora());
        other.encoder.hidden_size = 768;
        let error = aggregate(&state(1.0), None, &other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the adapter belongs to another encoder: its hidden size is 2, that of e 768"
        );
    }
}
