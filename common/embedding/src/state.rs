//! The plain form of a tuned adapter.

use crate::Error;
use tupate_tasks::{EncoderRef, MethodSpec};

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
        parts.join(", ")
    }
}

/// Everything a method tuned, the task head excluded: `L` layers that hold the
/// method's tensors in its order, in equal shapes, all values finite. Holding one
/// is the proof.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterState {
    method: MethodSpec,
    layers: Vec<LayerState>,
    hidden_size: usize,
}

impl AdapterState {
    /// Checks and wraps the layers, lowest first.
    ///
    /// # Errors
    /// When there is nothing to embed, a layer's tensors are not
    /// [`MethodSpec::tensor_names`], layers differ in shapes, a shape fits neither
    /// its values nor the method, or a value is not finite.
    pub fn new(method: MethodSpec, layers: Vec<LayerState>) -> Result<Self, Error> {
        let first = layers.first().filter(|l| !l.tensors.is_empty()).ok_or(Error::Empty)?;
        let names = method.tensor_names();
        for (i, layer) in layers.iter().enumerate() {
            if !layer.tensors.iter().map(|t| &t.name).eq(&names) {
                let found: Vec<_> = layer.tensors.iter().map(|t| t.name.as_str()).collect();
                return Err(Error::Tensors {
                    layer: i,
                    method: method.to_string(),
                    expected: names.join(", "),
                    found: if found.is_empty() { "nothing".into() } else { found.join(", ") },
                });
            }
            if !layer.tensors.iter().map(|t| &t.shape).eq(first.tensors.iter().map(|t| &t.shape)) {
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
        let hidden_size = hidden_size(&method, first)?;
        Ok(Self { method, layers, hidden_size })
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

    /// Hidden size `H` of the encoder that the adapter fits.
    pub fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Whether an encoder has the adapter's shape.
    ///
    /// # Errors
    /// When it has not, with both numbers.
    pub fn check_encoder(&self, encoder: &EncoderRef) -> Result<(), Error> {
        let other = |what: String| Err(Error::Encoder(what));
        let (own, name) = (self.layers.len(), &encoder.name);
        if own != encoder.layers {
            return other(format!("it adapts {own} layers, {name} has {}", encoder.layers));
        }
        if self.hidden_size != encoder.hidden_size {
            return other(format!(
                "its hidden size is {}, that of {name} {}",
                self.hidden_size, encoder.hidden_size
            ));
        }
        Ok(())
    }
}

/// The one `H` that all tensors of a layer imply.
fn hidden_size(method: &MethodSpec, layer: &LayerState) -> Result<usize, Error> {
    let mut hidden: Option<(usize, &str)> = None;
    for tensor in &layer.tensors {
        let wrong = |wanted: String| Error::MethodShape {
            tensor: tensor.name.clone(),
            shape: tensor.shape.clone(),
            wanted,
        };
        let own = own_hidden_size(method, tensor).map_err(wrong)?;
        match (hidden, own) {
            (Some((h, other)), Some(own)) if h != own => {
                return Err(wrong(format!("{other} says that the hidden size is {h}")));
            }
            (None, Some(own)) => hidden = Some((own, &tensor.name)),
            _ => {}
        }
    }
    hidden.map(|(h, _)| h).ok_or(Error::Empty)
}

/// The `H` that a tensor's shape implies; `None` where it has another width.
fn own_hidden_size(method: &MethodSpec, tensor: &NamedTensor) -> Result<Option<usize>, String> {
    let part = tensor.name.split('.').next().unwrap_or_default();
    match (method, tensor.shape.as_slice()) {
        (MethodSpec::Lora { rank, .. }, &[rows, columns]) => {
            let is_a = tensor.name.ends_with("lora_A");
            let (own, width) = if is_a { (rows, columns) } else { (columns, rows) };
            if own != *rank {
                return Err(format!("its rank is {own} and should be {rank}"));
            }
            // The feed-forward block's inner side has a width of its own.
            let inner = if is_a { "output" } else { "intermediate" };
            Ok((part != inner).then_some(width))
        }
        (MethodSpec::Lora { .. }, _) => Err("a factor of LoRA has two dimensions".into()),
        (MethodSpec::BitFit, &[width]) => Ok((part != "intermediate").then_some(width)),
        (MethodSpec::BitFit, _) => Err("a bias has one dimension".into()),
        (MethodSpec::PTuningV2 { prefix_length }, &[length, width]) if length == *prefix_length => {
            Ok(Some(width))
        }
        (MethodSpec::PTuningV2 { prefix_length }, _) => {
            Err(format!("a prefix of {prefix_length} positions has {prefix_length} rows"))
        }
        (MethodSpec::Imported { .. }, _) => Err("imported vectors have no tensors".into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.into(), values: values.into() }
    }

    fn prefix(layers: Vec<Vec<NamedTensor>>) -> Result<AdapterState, Error> {
        AdapterState::new(
            MethodSpec::PTuningV2 { prefix_length: 1 },
            layers.into_iter().map(|tensors| LayerState { tensors }).collect(),
        )
    }

    fn key(values: &[f32]) -> NamedTensor {
        tensor("prefix.key", &[1, values.len()], values)
    }

    fn value(values: &[f32]) -> NamedTensor {
        tensor("prefix.value", &[1, values.len()], values)
    }

    #[test]
    fn nothing_is_no_adapter() {
        assert!(matches!(prefix(vec![]), Err(Error::Empty)));
        assert!(matches!(prefix(vec![vec![]]), Err(Error::Empty)));
    }

    #[test]
    fn layers_hold_the_methods_tensors_in_its_order() {
        let layer = || vec![key(&[1.0]), value(&[2.0])];
        assert_eq!(prefix(vec![layer(), layer()]).unwrap().hidden_size(), 1);
        let error = prefix(vec![layer(), vec![value(&[2.0]), key(&[1.0])]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer 1 holds prefix.value, prefix.key, but P-Tuning v2 P=1 tunes prefix.key, \
             prefix.value, in this order"
        );
        let error = prefix(vec![layer(), vec![key(&[1.0, 2.0]), value(&[2.0, 1.0])]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer 1 holds prefix.key [1, 2], prefix.value [1, 2], but layer 0 holds prefix.key \
             [1, 1], prefix.value [1, 1]; every layer must hold the same tensors"
        );
    }

    #[test]
    fn shapes_and_values_are_checked() {
        let with = |shape: &[usize], values: &[f32]| {
            prefix(vec![vec![tensor("prefix.key", shape, values), value(&[1.0, 2.0])]])
        };
        assert!(matches!(with(&[2, 2], &[0.0; 3]), Err(Error::Shape { .. })));
        assert!(matches!(with(&[usize::MAX, 2], &[0.0; 3]), Err(Error::Shape { .. })));
        let error = with(&[1, 2], &[0.0, f32::NAN]).unwrap_err();
        assert!(error.to_string().contains("diverged"), "{error}");
        let error = with(&[2, 1], &[0.0; 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor prefix.key has shape [2, 1]; a prefix of 1 positions has 1 rows"
        );
        let error = with(&[1, 3], &[0.0; 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor prefix.value has shape [1, 2]; prefix.key says that the hidden size is 3"
        );
    }

    #[test]
    fn the_inner_width_of_the_feed_forward_block_is_not_the_hidden_size() {
        let spec = MethodSpec::Lora {
            rank: 1,
            alpha: 1.0,
            targets: vec!["intermediate".into(), "output".into()],
        };
        let layer = LayerState {
            tensors: vec![
                tensor("intermediate.lora_A", &[1, 2], &[0.0; 2]),
                tensor("intermediate.lora_B", &[5, 1], &[0.0; 5]),
                tensor("output.lora_A", &[1, 5], &[0.0; 5]),
                tensor("output.lora_B", &[2, 1], &[0.0; 2]),
            ],
        };
        let state = AdapterState::new(spec, vec![layer]).unwrap();
        assert_eq!(state.hidden_size(), 2);
        let encoder = |layers, hidden_size| EncoderRef {
            name: "tiny".into(),
            weights_sha256: "0".repeat(64),
            layers,
            hidden_size,
        };
        assert!(state.check_encoder(&encoder(1, 2)).is_ok());
        assert_eq!(
            state.check_encoder(&encoder(2, 2)).unwrap_err().to_string(),
            "the adapter belongs to another encoder: it adapts 1 layers, tiny has 2"
        );
        assert!(state.check_encoder(&encoder(1, 3)).is_err());
    }
}
