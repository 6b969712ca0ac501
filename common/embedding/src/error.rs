//! What can be wrong with an adapter.

/// An adapter that cannot become an embedding, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No layers, or layers without tensors.
    #[error("the adapter holds no tuned parameters")]
    Empty,
    /// A layer's tensors are not those that the method tunes.
    #[error("layer {layer} holds {found}, but {method} tunes {expected}, in this order")]
    Tensors {
        /// The layer, counted from 0.
        layer: usize,
        /// The method.
        method: String,
        /// Names of the method's tensors.
        expected: String,
        /// Names of the layer's tensors.
        found: String,
    },
    /// A layer's tensors differ in shape from those of layer 0.
    #[error(
        "layer {layer} holds {found}, but layer 0 holds {expected}; every layer must hold the same tensors"
    )]
    UnequalLayers {
        /// The layer, counted from 0.
        layer: usize,
        /// Names and shapes of layer 0.
        expected: String,
        /// Names and shapes of this layer.
        found: String,
    },
    /// A tensor has a shape that the method does not give it.
    #[error("tensor {tensor} has shape {shape:?}; {wanted}")]
    MethodShape {
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What it should be.
        wanted: String,
    },
    /// The adapter belongs to an encoder of another shape or other weights.
    #[error("the adapter belongs to another encoder: {0}")]
    Encoder(String),
    /// The number of values is not the product of the shape.
    #[error("tensor {tensor} of layer {layer} has shape {shape:?} but {values} values")]
    Shape {
        /// The layer, counted from 0.
        layer: usize,
        /// The tensor's name.
        tensor: String,
        /// Its declared shape.
        shape: Vec<usize>,
        /// The number of values it holds.
        values: usize,
    },
    /// NaN or infinity among the values.
    #[error(
        "tensor {tensor} of layer {layer} holds a value that is not finite ({value}); the run that made it diverged"
    )]
    NotFinite {
        /// The layer, counted from 0.
        layer: usize,
        /// The tensor's name.
        tensor: String,
        /// The first such value.
        value: f32,
    },
    /// The recipe asks for something this state cannot give.
    #[error("{0}")]
    Recipe(String),
    /// An adapter folder that is not understood.
    #[error("{file}: {what}")]
    Adapter {
        /// The file in the folder.
        file: String,
        /// What is wrong, where, and what would mend it.
        what: String,
    },
}
