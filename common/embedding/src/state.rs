//! The plain form of a tuned adapter.

use crate::Error;
use tupate_tasks::MethodSpec;

/// One tuned tensor of one layer, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name within the layer, such as `query.lora_A`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values; as many as the product of `shape`.
    pub values: Vec<f32>,
}

/// The tuned tensors of one Transformer layer, in the method's fixed order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct LayerState {
    /// The tensors, in order.
    pub tensors: Vec<NamedTensor>,
}

impl LayerState {
    fn signature(&self) -> String {
        let parts: Vec<String> =
            self.tensors.iter().map(|t| format!("{} {:?}", t.name, t.shape)).collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    }
}

/// Everything a method tuned, the task head excluded: `L` layers that hold the
/// same ordered names and shapes, all values finite. Holding one is the proof.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterState {
    method: MethodSpec,
    layers: Vec<LayerState>,
}

impl AdapterState {
    /// Checks and wraps the layers, lowest first.
    ///
    /// # Errors
    /// When there is nothing to embed, layers differ in names or shapes, a
    /// shape does not fit its values, or a value is not finite.
    pub fn new(method: MethodSpec, layers: Vec<LayerState>) -> Result<Self, Error> {
        let first = layers.first().filter(|l| !l.tensors.is_empty()).ok_or(Error::Empty)?;
        let same = |layer: &LayerState| {
            layer.tensors.len() == first.tensors.len()
                && layer
                    .tensors
                    .iter()
                    .zip(&first.tensors)
                    .all(|(a, b)| a.name == b.name && a.shape == b.shape)
        };
        for (i, layer) in layers.iter().enumerate() {
            if !same(layer) {
                return Err(Error::UnequalLayers {
                    layer: i,
                    expected: first.signature(),
                    found: layer.signature(),
                });
            }
            for tensor in &layer.tensors {
                let wanted = tensor.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
                if wanted != Some(tensor.values.len()) || tensor.values.is_empty() {
                    return Err(Error::Shape {
                        layer: i,
                        tensor: tensor.name.clone(),
                        shape: tensor.shape.clone(),
                        values: tensor.values.len(),
                    });
                }
                if let Some(&value) = tensor.values.iter().find(|v| !v.is_finite()) {
                    return Err(Error::NotFinite { layer: i, tensor: tensor.name.clone(), value });
                }
            }
        }
        Ok(Self { method, layers })
    }

    /// The method that tuned these parameters.
    pub fn method(&self) -> &MethodSpec {
        &self.method
    }

    /// The layers, lowest first; never empty.
    pub fn layers(&self) -> &[LayerState] {
        &self.layers
    }

    /// Number of tuned values in one layer: `D` of the layer mean.
    pub fn layer_width(&self) -> usize {
        self.layers[0].tensors.iter().map(|t| t.values.len()).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.into(), values: values.into() }
    }

    fn layers(tensors: Vec<Vec<NamedTensor>>) -> Result<AdapterState, Error> {
        AdapterState::new(
            MethodSpec::BitFit,
            tensors.into_iter().map(|tensors| LayerState { tensors }).collect(),
        )
    }

    #[test]
    fn nothing_is_no_adapter() {
        assert!(matches!(layers(vec![]), Err(Error::Empty)));
        assert!(matches!(layers(vec![vec![]]), Err(Error::Empty)));
    }

    #[test]
    fn layers_must_hold_the_same_tensors() {
        let a = || tensor("a", &[2], &[1.0, 2.0]);
        let b = || tensor("b", &[1], &[1.0]);
        let error = layers(vec![vec![a(), b()], vec![b(), a()]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer 1 holds b [1], a [2], but layer 0 holds a [2], b [1]; every layer must hold the same tensors"
        );
    }

    #[test]
    fn shapes_and_values_are_checked() {
        assert!(matches!(
            layers(vec![vec![tensor("a", &[2, 2], &[0.0; 3])]]),
            Err(Error::Shape { .. })
        ));
        assert!(matches!(
            layers(vec![vec![tensor("a", &[usize::MAX, 2], &[0.0; 3])]]),
            Err(Error::Shape { .. })
        ));
        let error = layers(vec![vec![tensor("a", &[2], &[0.0, f32::NAN])]]).unwrap_err();
        assert!(error.to_string().contains("diverged"), "{error}");
    }
}
