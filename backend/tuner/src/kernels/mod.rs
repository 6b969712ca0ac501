//! The hot operations of a frozen encoder, each with its backward pass.
//!
//! candle's own fused LayerNorm and softmax have no backward: gradients stop
//! there without a word. And its matrix product computes the gradient of a
//! frozen weight only to throw it away, a third of a tuning step. The
//! operations here do neither. On the CPU each is one pass over its rows,
//! vectorised for the processor it runs on; on other devices they fall back to
//! candle's differentiable primitives. Products with frozen weights are those of
//! [`product`] where the processor has them, and candle's elsewhere.
//!
//! Shapes: `B` batch, `S` sequence, `K` keys, `H` hidden, `N` heads.

mod attention;
mod bias;
mod coming;
mod descent;
mod device;
mod gelu;
#[cfg(any(test, feature = "cuda"))]
mod gpu;
mod layer;
mod linear;
mod low_rank;
mod math;
mod norm;
mod places;
mod product;
mod rows;

pub use attention::{Attention, MASKED, attention};
pub use bias::add_bias;
pub use coming::Coming;
pub use descent::{Moving, Squares, Step, descend};
pub use device::device;
pub use gelu::gelu;
pub use layer::{Content, FrozenLayer, LayerWeights, Standing, layers};
pub use linear::linear;
pub use low_rank::LowRank;
pub use norm::layer_norm;
pub use product::Precision;

#[cfg(test)]
mod tests;
