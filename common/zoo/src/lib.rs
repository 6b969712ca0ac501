//! Zoo files, share links and the ranking of source tasks.
//!
//! A [`Zoo`] is a set of task embeddings with what must be known to compare
//! them. It is read from bytes and written to bytes ([`mod@format`]), ranked with
//! [`select`], and pointed to by a [`link`]. No files, no network, no clock:
//! the command line and the page bring those.

mod card;
pub mod choose;
mod diff;
mod ensemble;
mod error;
pub mod evaluate;
pub mod format;
mod import;
mod int8;
pub mod lab;
pub mod link;
mod manifest;
pub mod map;
mod mean;
mod merge;
pub mod narrow;
pub mod npy;
pub mod outline;
mod preferred;
mod rows;
mod scores;
pub mod select;
pub mod shards;
mod similarity;
pub mod transfer;
mod zoo;

pub use card::card;
pub use diff::{Difference, Move, diff};
pub use ensemble::{FUSIONS, Fusion, Member};
pub use error::Error;
pub use format::{Dtype, Hasher, sha256_hex};
pub use import::{Reduce, import};
pub use manifest::{
    EmbeddingSet, Facts, MAX_ID, MAX_SETS, MAX_TASKS, SCHEMA_MAJOR, SCHEMA_MINOR, TaskEntry,
};
pub use mean::mean;
pub use merge::{Repeated, merge};
pub use outline::Outline;
pub use preferred::Preferred;
pub use scores::ScoreTable;
pub use select::{Query, RankedSource, Ranking, Target, rank, rank_in_pieces};
pub use similarity::{SIMILARITIES, Similarity};
pub use transfer::TransferMatrix;
pub use zoo::{NewEmbedding, Zoo};
