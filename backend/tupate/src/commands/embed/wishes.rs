//! What the user says about a recipe, as `KEY=VALUE` words.

use crate::failure::Failure;
use std::path::PathBuf;
use tupate_tasks::{
    Aggregation, Checkpoint, NamedRecipe, ParameterSet, Projection, Recipe, Values,
};

/// What the user said about the recipe.
#[derive(Debug, Default)]
pub struct Wishes {
    /// A published recipe; the keys beside it change it.
    pub name: Option<NamedRecipe>,
    pub checkpoint: Option<Checkpoint>,
    pub parameters: Option<ParameterSet>,
    pub aggregation: Option<Aggregation>,
    pub values: Option<Values>,
    /// Dimensions that a projection leaves, and its seed.
    pub projection: Option<usize>,
    pub projection_seed: Option<u64>,
    /// What an adapter folder from elsewhere does not say.
    pub task: Option<String>,
    pub encoder: Option<String>,
    pub init_seed: Option<u64>,
    /// The folder of its initial parameters, which delta values need.
    pub initial: Option<PathBuf>,
}

impl Wishes {
    /// Reads `KEY=VALUE` words. A key given twice is an error: one of them would
    /// be without effect.
    pub fn parse(words: &[String]) -> Result<Self, Failure> {
        let mut wishes = Self::default();
        for word in words {
            let wrong = |what: String| Failure::Usage(format!("--recipe {word}: {what}"));
            let (key, value) =
                word.split_once('=').ok_or_else(|| wrong("must be KEY=VALUE".into()))?;
            let twice = match key {
                "name" => {
                    let named = NamedRecipe::named(value).ok_or_else(|| {
                        let names = NamedRecipe::ALL.map(NamedRecipe::name);
                        wrong(format!("the names are {}", names.join(", ")))
                    })?;
                    wishes.name.replace(named).is_some()
                }
                "checkpoint" => wishes.checkpoint.replace(chosen(value).map_err(wrong)?).is_some(),
                "parameters" => wishes.parameters.replace(chosen(value).map_err(wrong)?).is_some(),
                "aggregation" => {
                    wishes.aggregation.replace(chosen(value).map_err(wrong)?).is_some()
                }
                "values" => wishes.values.replace(chosen(value).map_err(wrong)?).is_some(),
                "projection" => {
                    let dim = value.parse().map_err(|_| wrong("must be a whole number".into()))?;
                    wishes.projection.replace(dim).is_some()
                }
                "projection_seed" => {
                    let seed = value.parse().map_err(|_| wrong("must be a whole number".into()))?;
                    wishes.projection_seed.replace(seed).is_some()
                }
                "task" => wishes.task.replace(value.to_owned()).is_some(),
                "encoder" => wishes.encoder.replace(value.to_owned()).is_some(),
                "init_seed" => {
                    let seed = value.parse().map_err(|_| wrong("must be a whole number".into()))?;
                    wishes.init_seed.replace(seed).is_some()
                }
                "initial" => wishes.initial.replace(value.into()).is_some(),
                _ => {
                    return Err(wrong(
                        "the keys are name, checkpoint, parameters, aggregation, values, \
                         projection, projection_seed, task, encoder, init_seed, initial"
                            .into(),
                    ));
                }
            };
            if twice {
                return Err(wrong(format!("{key} is given twice")));
            }
        }
        if wishes.projection_seed.is_some() && wishes.projection.is_none() {
            return Err(Failure::Usage(
                "--recipe projection_seed=…: say to how many dimensions, with --recipe \
                 projection=DIM"
                    .into(),
            ));
        }
        Ok(wishes)
    }

    /// Puts the wishes into a recipe: a named one first, single keys after it.
    pub fn apply(&self, recipe: &mut Recipe) {
        if let Some(name) = self.name {
            name.apply(recipe);
        }
        recipe.checkpoint = self.checkpoint.unwrap_or(recipe.checkpoint);
        recipe.parameters = self.parameters.unwrap_or(recipe.parameters);
        recipe.aggregation = self.aggregation.unwrap_or(recipe.aggregation);
        recipe.values = self.values.unwrap_or(recipe.values);
        if let Some(dim) = self.projection {
            let seed = self.projection_seed.unwrap_or_default();
            recipe.projection = Some(Projection { dim, seed });
        }
    }
}

/// A value by its name in recipes; the error lists the names.
fn chosen<T: serde::de::DeserializeOwned>(value: &str) -> Result<T, String> {
    serde_json::from_value(value.into()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::{EncoderRef, MethodSpec};

    fn recipe(words: &[&str]) -> Result<Recipe, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let wishes = Wishes::parse(&words).map_err(|e| e.to_string())?;
        let encoder = EncoderRef {
            name: "tiny".into(),
            weights_sha256: "0".repeat(64),
            layers: 2,
            hidden_size: 32,
        };
        let method = MethodSpec::PTuningV2 { prefix_length: 20 };
        let mut recipe = Recipe::paper(encoder, method, 0, Checkpoint::Late);
        wishes.apply(&mut recipe);
        Ok(recipe)
    }

    #[test]
    fn every_key_of_a_recipe_can_be_said() {
        let said = recipe(&[
            "checkpoint=early",
            "parameters=keys-only",
            "aggregation=flatten",
            "values=delta",
            "projection=1024",
            "projection_seed=7",
        ])
        .unwrap();
        assert_eq!(said.projection, Some(Projection { dim: 1024, seed: 7 }));
        assert_eq!(said.checkpoint, Checkpoint::Early);
        assert_eq!(said.parameters, ParameterSet::KeysOnly);
        assert_eq!((said.aggregation, said.values), (Aggregation::Flatten, Values::Delta));
    }

    #[test]
    fn a_key_beside_a_name_changes_it_in_whatever_order() {
        assert_eq!(recipe(&["name=released"]).unwrap().aggregation, Aggregation::PositionMean);
        for words in [["name=released", "values=delta"], ["values=delta", "name=released"]] {
            let said = recipe(&words).unwrap();
            assert_eq!((said.aggregation, said.values), (Aggregation::PositionMean, Values::Delta));
        }
        assert_eq!(recipe(&["name=paper"]).unwrap(), recipe(&[]).unwrap());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, part) in [
            (&["layers=2"][..], "the keys are name, checkpoint,"),
            (&["values"], "must be KEY=VALUE"),
            (&["name=mine"], "the names are paper, released"),
            (&["aggregation=sum"], "layer-mean"),
            (&["init_seed=-1"], "whole number"),
            (&["projection=many"], "whole number"),
            (&["projection_seed=1"], "projection=DIM"),
            (&["values=delta", "values=absolute"], "values is given twice"),
        ] {
            let error = recipe(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
