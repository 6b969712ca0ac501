//! Tuning: datasets, frozen encoders, parameter-efficient methods, training.
//!
//! The way through this crate: [`data`] reads a file into examples, [`batch`]
//! turns them into tokens, [`encoder`] runs the frozen model with a [`peft`]
//! adapter in it, [`train`] moves the adapter, and [`run`] writes what comes
//! out — as plain numbers, in the adapter format of Hugging Face PEFT. No
//! tensor leaves this crate, and it knows nothing of HTTP.

pub mod baseline;
pub mod batch;
pub mod data;
pub mod encoder;
mod error;
pub mod files;
mod kernels;
mod objective;
pub mod peft;
mod rng;
pub mod run;
pub mod train;
pub mod transfer;

pub use candle_core::Device;
pub use error::Error;
pub use kernels::device;
pub use objective::Scores;
