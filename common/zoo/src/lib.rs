//! Zoo files, share links and the ranking of source tasks.
//!
//! A [`Zoo`] is a set of task embeddings with what must be known to compare
//! them. It is read from bytes and written to bytes ([`mod@format`]), ranked with
//! [`select`], and pointed to by a [`link`]. No files, no network, no clock:
//! the command line and the page bring those.

mod error;
pub mod format;
pub mod link;
mod manifest;
pub mod select;
mod zoo;

pub use error::Error;
pub use format::{Dtype, sha256_hex};
pub use manifest::{EmbeddingSet, SCHEMA_MAJOR, SCHEMA_MINOR, TaskEntry};
pub use select::{Query, RankedSource, Ranking, SIMILARITIES, Similarity, Target, rank};
pub use zoo::{NewEmbedding, Zoo};
