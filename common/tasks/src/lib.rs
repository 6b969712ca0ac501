//! The vocabulary of Tupate: what a task is, how it was tuned, and what makes
//! two task embeddings comparable.
//!
//! This crate holds names and numbers only. It computes nothing beyond
//! comparing two [`Recipe`]s, and it compiles to native code and WebAssembly
//! alike.

pub mod columns;
mod named;
mod recipe;
mod task;

pub use recipe::{
    Aggregation, BIASES, Checkpoint, EncoderRef, FieldDifference, LORA_TARGETS, MethodSpec,
    NamedRecipe, ParameterSet, Projection, Recipe, Values,
};
pub use task::{InputShape, Metric, TASKS, TaskClass, TaskInfo, task};
