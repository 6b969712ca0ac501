//! What can be wrong with a zoo or with a question put to it.

use tupate_tasks::FieldDifference;

/// Names in a message.
const MOST_NAMES: usize = 50;

/// Why a zoo could not be read, made or ranked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no zoo at all.
    #[error("not a zoo: {0}")]
    NotAZoo(String),
    /// The file ends early or has bytes too many.
    #[error("the zoo is damaged: {0}; download or copy it again")]
    Damaged(String),
    /// A checksum inside the file does not fit its content.
    #[error(
        "the zoo is damaged: {what} has sha256 {found}, but the file says {expected}; download or copy it again"
    )]
    Checksum {
        /// Which part.
        what: String,
        /// The checksum that the file states.
        expected: String,
        /// The checksum of what is there.
        found: String,
    },
    /// Written by a later, incompatible version.
    #[error(
        "this zoo has format version {found}; this program reads version {supported}.x: update it"
    )]
    TooNew {
        /// The file's version.
        found: String,
        /// The major version that this code reads.
        supported: u32,
    },
    /// The content contradicts itself.
    #[error("the zoo contradicts itself: {0}")]
    Inconsistent(String),
    /// A larger thing than the format allows.
    #[error("{what} is {found}, more than the {limit} that the format allows")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The greatest size.
        limit: u64,
    },
    /// No such task in this zoo.
    #[error("no task {task} in this zoo; it has {}", some(known))]
    UnknownTask {
        /// The task asked for.
        task: String,
        /// The tasks that are there.
        known: Vec<String>,
    },
    /// No embeddings of such a method or checkpoint in this zoo.
    #[error("no {wanted} embeddings in this zoo; it has {}", some(known))]
    UnknownSet {
        /// The set asked for.
        wanted: String,
        /// The sets that are there.
        known: Vec<String>,
    },
    /// The question needs a choice that was not made.
    #[error("{0}")]
    Ambiguous(String),
    /// Two different recipes were to be compared.
    #[error("these embeddings cannot be compared; they differ in {}", list(differences))]
    Incomparable {
        /// Every field that differs.
        differences: Vec<FieldDifference>,
    },
    /// A truth that says nothing about these embeddings.
    #[error("{0}")]
    Truth(String),
    /// A similarity that this zoo cannot give.
    #[error("{0}")]
    Similarity(String),
}

impl Error {
    /// Whether a size is one that the format allows.
    pub(crate) fn within(what: &'static str, found: u64, limit: u64) -> Result<(), Self> {
        match found <= limit {
            true => Ok(()),
            false => Err(Self::Limit { what, found, limit }),
        }
    }
}

fn list(differences: &[FieldDifference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Names, of very many the first ones.
fn some(names: &[String]) -> String {
    match names.get(..MOST_NAMES) {
        Some(first) if names.len() > MOST_NAMES => {
            format!("{} and {} more", first.join(", "), names.len() - MOST_NAMES)
        }
        _ => names.join(", "),
    }
}
