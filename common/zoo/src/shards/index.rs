//! The index of a zoo in shards: one small JSON file.

use crate::link::is_sha256;
use crate::outline::FIRST;
use crate::{EmbeddingSet, Error, MAX_SETS, MAX_TASKS, Zoo, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tupate_tasks::Recipe;

/// Greatest number of shards.
pub const MAX_SHARDS: usize = 10_000;
/// Greatest length of a shard in bytes: what a browser can hold twice while it checks it.
pub const MAX_SHARD_BYTES: u64 = 512 << 20;
/// Greatest length of an index in bytes.
pub const MAX_INDEX_BYTES: usize = 4 << 20;
/// Major version of the index. One with a greater one is refused.
const MAJOR: u32 = 1;
/// Version that is written.
const VERSION: &str = "1.0";
/// Greatest length of a shard's name in bytes.
const MAX_NAME: usize = 200;

/// What the shards of a zoo are, and what they have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// The index's version, `MAJOR.MINOR`. No other JSON file has this field.
    #[serde(rename = "tupate_shards")]
    version: String,
    /// The zoo's name.
    pub name: String,
    /// What the zoo is, in words; may be empty.
    #[serde(default)]
    pub description: String,
    /// The number of tasks in all shards.
    pub tasks: u64,
    /// The embedding sets that every shard has.
    pub embeddings: Vec<ShardedSet>,
    /// The shards, in order.
    pub shards: Vec<ShardFile>,
}

/// An embedding set that lies in several files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardedSet {
    /// Its name in every shard.
    pub key: String,
    /// Its recipe in every shard.
    pub recipe: Recipe,
    /// Length `D` of each embedding.
    pub dim: usize,
    /// Whether the shards also hold the embedding of the untrained parameters.
    pub has_initial: bool,
    /// sha256 of its values, lower-case hex over little-endian f32: they are the same in every
    /// shard. Indices that say nothing of it are older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_sha256: Option<String>,
}

/// One shard's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// Its name, beside the index.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its sha256, lower-case hex.
    pub sha256: String,
    /// The number of its tasks.
    pub tasks: u64,
}

impl ShardedSet {
    fn all(zoo: &Zoo) -> Vec<Self> {
        let digest = |values: &[f32]| {
            sha256_hex(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
        };
        let of = |set: &EmbeddingSet| Self {
            key: set.key.clone(),
            recipe: set.recipe.clone(),
            dim: set.dim,
            has_initial: set.has_initial,
            initial_sha256: zoo.initial(set).map(digest),
        };
        zoo.sets().map(of).collect()
    }

    fn set(&self) -> EmbeddingSet {
        EmbeddingSet {
            key: self.key.clone(),
            recipe: self.recipe.clone(),
            tasks: Vec::new(),
            dim: self.dim,
            has_initial: self.has_initial,
        }
    }
}

impl Index {
    /// An index of no shards yet.
    pub fn new(name: &str, description: &str) -> Self {
        Self {
            version: VERSION.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            tasks: 0,
            embeddings: Vec::new(),
            shards: Vec::new(),
        }
    }

    /// The length of all shards together.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }

    /// The embedding sets, without any tasks: those are in the shards.
    pub fn sets(&self) -> Vec<EmbeddingSet> {
        self.embeddings.iter().map(ShardedSet::set).collect()
    }

    /// Whether a file begins as an index does, and not as a zoo.
    pub fn is_begun_by(file: &[u8]) -> bool {
        // A header of 31,520 bytes makes a zoo begin with ` {`, too; but the upper bytes of
        // its length are 0, as no byte of JSON is.
        let zoo = file.iter().take(FIRST).any(|byte| *byte == 0);
        !zoo && file.trim_ascii_start().first() == Some(&b'{')
    }

    /// Adds a shard, whose file's bytes and name these are.
    ///
    /// # Errors
    /// When its recipes or initial values are not those of the shards before, or a limit
    /// is passed. That no task is in two shards is for the caller to see to.
    pub fn add(&mut self, file: &str, bytes: &[u8], zoo: &Zoo) -> Result<(), Error> {
        let sets = ShardedSet::all(zoo);
        match self.shards.first() {
            None => self.embeddings = sets,
            Some(first) => self.same_sets(file, &first.file, &sets)?,
        }
        let tasks = zoo.tasks().len() as u64;
        self.tasks += tasks;
        let (file, sha256) = (file.to_owned(), sha256_hex(bytes));
        self.shards.push(ShardFile { file, bytes: bytes.len() as u64, sha256, tasks });
        self.check()
    }

    /// The index's file.
    ///
    /// # Errors
    /// When it would be longer than an index may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Inconsistent(format!("the index cannot be written: {e}")))?;
        bytes.push(b'\n');
        Error::within("the index's length in bytes", bytes.len() as u64, MAX_INDEX_BYTES as u64)?;
        Ok(bytes)
    }

    /// Reads an index.
    ///
    /// # Errors
    /// When it is none, contradicts itself, or is of a later major version.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            tupate_shards: String,
        }
        Error::within("the index's length in bytes", file.len() as u64, MAX_INDEX_BYTES as u64)?;
        let version: Version = serde_json::from_slice(file)
            .map_err(|e| Error::NotAZoo(format!("neither a zoo nor an index of shards ({e})")))?;
        let found = version.tupate_shards;
        let major = found.split_once('.').and_then(|(major, _)| major.parse::<u32>().ok());
        match major {
            Some(MAJOR) => {}
            Some(_) => return Err(Error::TooNew { found, supported: MAJOR }),
            None => {
                return Err(Error::NotAZoo(format!("its index names no version ({found:?})")));
            }
        }
        let index: Self = serde_json::from_slice(file)
            .map_err(|e| Error::Inconsistent(format!("the index cannot be read ({e})")))?;
        index.check()?;
        Ok(index)
    }

    /// The zoo of a shard's file, if it is the one that the index means.
    ///
    /// # Errors
    /// As [`Zoo::parse`], and when it is another file than the index says.
    pub fn open(&self, shard: &ShardFile, bytes: &[u8]) -> Result<Zoo, Error> {
        let found = sha256_hex(bytes);
        if found != shard.sha256 {
            let (what, expected) = (shard.file.clone(), shard.sha256.clone());
            return Err(Error::Checksum { what, expected, found });
        }
        let zoo = Zoo::parse(bytes)?;
        let sets = ShardedSet::all(&zoo);
        self.same_sets(&shard.file, "the index", &sets)?;
        if zoo.tasks().len() as u64 != shard.tasks {
            return Err(Error::Inconsistent(format!(
                "{} holds {} tasks, the index says {}",
                shard.file,
                zoo.tasks().len(),
                shard.tasks
            )));
        }
        Ok(zoo)
    }

    /// Whether a shard's sets are those of all.
    fn same_sets(&self, file: &str, other: &str, sets: &[ShardedSet]) -> Result<(), Error> {
        for set in sets {
            let known = self.embeddings.iter().find(|known| known.key == set.key);
            let Some(known) = known else {
                return Err(Error::Inconsistent(format!(
                    "{file} has {} embeddings, and {other} has none",
                    set.key
                )));
            };
            let differences = set.recipe.differences(&known.recipe);
            if !differences.is_empty() {
                return Err(Error::Incomparable { differences });
            }
            let told = known.initial_sha256.is_some();
            if (set.dim, set.has_initial) != (known.dim, known.has_initial)
                || told && set.initial_sha256 != known.initial_sha256
            {
                return Err(Error::Inconsistent(format!(
                    "{} of {file} is not what it is in {other}: of another length, or tuned from \
                     other initial parameters",
                    set.key
                )));
            }
        }
        match self.embeddings.iter().find(|known| sets.iter().all(|set| set.key != known.key)) {
            None => Ok(()),
            Some(missing) => Err(Error::Inconsistent(format!(
                "{file} has no {} embeddings, and {other} has",
                missing.key
            ))),
        }
    }

    fn check(&self) -> Result<(), Error> {
        Error::within("the number of shards", self.shards.len() as u64, MAX_SHARDS as u64)?;
        Error::within(
            "the number of embedding sets",
            self.embeddings.len() as u64,
            MAX_SETS as u64,
        )?;
        let mut keys = BTreeSet::new();
        for set in &self.embeddings {
            if !keys.insert(&set.key) || set.dim == 0 {
                let key = &set.key;
                return Err(Error::Inconsistent(format!("the index lists {key} twice or empty")));
            }
        }
        let (mut files, mut tasks) = (BTreeSet::new(), 0_u64);
        for shard in &self.shards {
            check_name(&shard.file)?;
            Error::within("a shard's length in bytes", shard.bytes, MAX_SHARD_BYTES)?;
            Error::within("the number of tasks of a shard", shard.tasks, MAX_TASKS as u64)?;
            if !is_sha256(&shard.sha256) {
                return Err(Error::Inconsistent(format!(
                    "the index states no sha256 of {}",
                    shard.file
                )));
            }
            if !files.insert(&shard.file) {
                let file = &shard.file;
                return Err(Error::Inconsistent(format!("the index lists {file} twice")));
            }
            // At most 10,000 shards of a million tasks.
            tasks += shard.tasks;
        }
        if tasks != self.tasks {
            return Err(Error::Inconsistent(format!(
                "the index states {} tasks, its shards hold {tasks}",
                self.tasks
            )));
        }
        Ok(())
    }
}

/// Whether a name is that of a file beside the index, and of none elsewhere.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let fine = name.len() <= MAX_NAME && name.chars().all(plain) && !name.starts_with('.');
    if fine && name.ends_with(".safetensors") {
        return Ok(());
    }
    Err(Error::Inconsistent(format!(
        "a shard's name must be that of a .safetensors file beside the index, of letters, digits \
         and -_.+, not {name:?}"
    )))
}
