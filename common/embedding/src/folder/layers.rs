//! From keys in any order to layers in order.

use super::layout::{Layout, Layouts, Place};
use super::tensors::bad;
use crate::{Error, LayerState, NamedTensor};
use std::collections::{BTreeMap, BTreeSet};
use tupate_tasks::BIASES;

/// Tensors by the part of the layer that they belong to.
#[derive(Debug)]
pub(super) struct Layers {
    file: &'static str,
    layouts: Layouts,
    /// By layer, part and kind: `lora_A`, `lora_B`, `bias`.
    tensors: BTreeMap<(Place, &'static str), NamedTensor>,
}

impl Layers {
    pub fn new(file: &'static str) -> Self {
        Self { file, layouts: Layouts::default(), tensors: BTreeMap::new() }
    }

    /// Takes a tensor whose owner is at `path`, and gives its place. `None`, and
    /// nothing taken, when `path` names no part of a layer.
    pub fn take(
        &mut self,
        key: &str,
        path: &str,
        kind: &'static str,
        tensor: NamedTensor,
    ) -> Result<Option<Place>, Error> {
        let Some((place, layouts)) = Layout::place(path) else { return Ok(None) };
        if !self.layouts.meet(&layouts) {
            return Err(bad(
                self.file,
                format!("{key} is named as in another family of encoders than the keys before it"),
            ));
        }
        let name = format!("{}.{kind}", BIASES[place.part]);
        if self.tensors.insert((place, kind), NamedTensor { name, ..tensor }).is_some() {
            return Err(bad(self.file, format!("two tensors for the same place as {key}")));
        }
        Ok(Some(place))
    }

    /// The layout that all keys follow, where they tell.
    pub fn layout(&self) -> Option<Layout> {
        self.layouts.only()
    }

    /// All tensors with their places.
    pub fn tensors(&self) -> impl Iterator<Item = (Place, &'static str, &NamedTensor)> {
        self.tensors.iter().map(|((place, kind), tensor)| (*place, *kind, tensor))
    }

    /// The parts that hold tensors in any layer, in the order of the layer.
    pub fn parts(&self) -> Vec<&'static str> {
        let parts: BTreeSet<usize> = self.tensors.keys().map(|(place, _)| place.part).collect();
        parts.into_iter().map(|part| BIASES[part]).collect()
    }

    /// The layers, each with tensors of these parts and kinds in this order.
    pub fn into_states(
        mut self,
        parts: &[&str],
        kinds: &[&'static str],
    ) -> Result<Vec<LayerState>, Error> {
        // A key may claim any layer number: count the layers, never loop to a claim.
        let found: BTreeSet<usize> = self.tensors.keys().map(|(place, _)| place.layer).collect();
        let depth = found.len();
        if let Some(&highest) = found.last().filter(|&&highest| highest >= depth) {
            return Err(bad(
                self.file,
                format!(
                    "{depth} layers hold tuned tensors but the highest is number {highest}; \
                     layers in between are missing, and an embedding needs all of them alike"
                ),
            ));
        }
        (0..depth)
            .map(|layer| {
                let mut tensors = Vec::with_capacity(parts.len() * kinds.len());
                for name in parts {
                    let part = BIASES.iter().position(|p| p == name);
                    for kind in kinds {
                        let tensor = part
                            .and_then(|part| self.tensors.remove(&(Place { layer, part }, kind)));
                        tensors.push(tensor.ok_or_else(|| {
                            bad(self.file, format!("no {kind} for {name} in layer {layer}"))
                        })?);
                    }
                }
                Ok(LayerState { tensors })
            })
            .collect()
    }
}
