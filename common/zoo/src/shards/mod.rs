//! Zoos of more tasks than one file should hold: several zoo files, the *shards*, and an
//! [`Index`] that names them.
//!
//! Each shard is a zoo of its own, with the same recipes as the others and other tasks.
//! Whoever ranks holds as many of them as they like, where they like: a [`Shard`] answers
//! [`Question`]s, each answer is small, and answers of several shards are joined.
//!
//! 1. [`Question::Find`] gives the target's embedding, which one shard has.
//! 2. Where the similarity looks at all tasks ([`Similarity::of_all`]), [`Question::Total`]
//!    gives each shard's sum of rows. Their mean is what the rows of one file would have.
//! 3. [`Question::Nearest`] gives the closest sources of each shard, and [`Nearest::join`]
//!    the closest of all.
//!
//! [`rank`] goes that way, and knows nothing of where the shards are held.
//!
//! [`Similarity::of_all`]: crate::Similarity::of_all

mod index;
mod rank;
mod search;

pub use index::{Index, MAX_INDEX_BYTES, MAX_SHARD_BYTES, MAX_SHARDS, ShardFile, ShardedSet};
pub use rank::{Closest, Shards, Wish, rank};
pub use search::{Ask, Found, Nearest, Question, Reply, Shard, Total};
