//! From tuned parameters to a task embedding.
//!
//! The tuning backend hands over an [`AdapterState`]: plain names, shapes and
//! `f32` values, no tensors of any framework. Everything from there on — which
//! parameters count, how layers are combined — happens here, once, for the
//! command line and the page alike. [`folder`] reads and writes adapter folders.

mod aggregate;
mod error;
pub mod folder;
mod projection;
mod state;

pub use aggregate::{TaskEmbedding, aggregate};
pub use error::Error;
pub use projection::project;
pub use state::{AdapterState, LayerState, NamedTensor};
