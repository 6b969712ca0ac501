//! The manifest: everything about a zoo but the numbers.

use crate::{Error, Preferred, ScoreTable, TransferMatrix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tupate_tasks::{Metric, Recipe, TaskClass};

/// Major version of the format. A file with a greater one is refused.
pub const SCHEMA_MAJOR: u32 = 1;
/// Minor version of the format. A file with a greater one is read; fields that
/// are not known are passed over.
///
/// 1.1 added embeddings in `I8`, transfer matrices and the method `imported`, 1.2 the
/// recipe's projection, 1.3 tables of scores, 1.4 means of several tunings and the
/// preferred ranking. A file states the least version that has what it uses, so that earlier
/// readers open what they can.
pub const SCHEMA_MINOR: u32 = 4;

/// Greatest number of tasks in a zoo.
pub const MAX_TASKS: usize = 1_000_000;
/// Greatest number of embedding sets, of transfer matrices, and of tables of scores.
pub const MAX_SETS: usize = 1_000;
/// Greatest length of a task's id in bytes.
pub const MAX_ID: usize = 200;

/// The manifest as it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub schema: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub tasks: Vec<TaskEntry>,
    pub embeddings: Vec<EmbeddingSet>,
    pub tensors: Vec<TensorDigest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfer: Vec<TransferMatrix>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<ScoreTable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<Preferred>,
}

/// What is known of one task of a zoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskEntry {
    /// The task's id, unique in the zoo.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// CR, QA or SL.
    pub class: TaskClass,
    /// The kind of decision, such as `sentiment`.
    pub family: String,
    /// Number of examples that were trained on.
    pub train_examples: u64,
    /// The score by which the task is judged.
    pub metric: Metric,
    /// Of how many tunings, which differ by their seed alone, embeddings and scores are the
    /// mean; at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tunings: u32,
    /// That score on the validation split after tuning, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The same score of always guessing the majority class, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<f64>,
    /// Licence of the data, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the data, adapter or model can be had, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl TaskEntry {
    /// Refuses another one that is not of the same task.
    pub(crate) fn same_as(&self, other: &Self) -> Result<(), Error> {
        let same = self.name == other.name
            && self.class == other.class
            && self.metric == other.metric
            && self.train_examples == other.train_examples;
        if same {
            return Ok(());
        }
        Err(Error::Inconsistent(format!(
            "task {} comes with two different descriptions (for example {} and {} training \
             examples)",
            self.id, self.train_examples, other.train_examples
        )))
    }

    /// Takes in what another embedding says of the same task.
    pub(crate) fn take_in(&mut self, other: &Self) -> Result<(), Error> {
        self.same_as(other)?;
        if self.tunings != other.tunings {
            return Err(Error::Inconsistent(format!(
                "embeddings of {} are means of {} and of {} tunings",
                self.id, self.tunings, other.tunings
            )));
        }
        // A task may be tuned by several methods: the zoo states the best score.
        if other.score > self.score {
            self.score = other.score;
        }
        Ok(())
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

/// What is to be said of a task, in place of what its run or file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// As [`TaskEntry::name`].
    pub name: Option<String>,
    /// As [`TaskEntry::family`].
    pub family: Option<String>,
    /// As [`TaskEntry::licence`].
    pub licence: Option<String>,
    /// As [`TaskEntry::link`].
    pub link: Option<String>,
}

/// The embeddings of one recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingSet {
    /// Name of the set within the zoo: `METHOD.CHECKPOINT`, with a suffix where
    /// that alone is not unique.
    pub key: String,
    /// The recipe that all of its embeddings share.
    pub recipe: Recipe,
    /// The tasks, one a row of the tensor, in order.
    pub tasks: Vec<String>,
    /// Length `D` of each embedding.
    pub dim: usize,
    /// Whether the zoo also holds the embedding of the untrained parameters.
    pub has_initial: bool,
}

/// What a tensor of the file must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TensorDigest {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<usize>,
    pub sha256: String,
}

impl EmbeddingSet {
    /// Name of the tensor `[tasks, D]` in the file.
    pub fn tensor(&self) -> String {
        format!("embeddings/{}", self.key)
    }

    /// Name of the tensor `[D]` with the mean of rows that are stored as `I8`.
    pub fn mean_tensor(&self) -> String {
        format!("mean/{}", self.key)
    }

    /// Name of the tensor `[tasks]` with the scales of rows stored as `I8`.
    pub fn scale_tensor(&self) -> String {
        format!("scale/{}", self.key)
    }

    /// Name of the tensor `[D]` with the untrained parameters' embedding.
    pub fn initial_tensor(&self) -> String {
        format!("initial/{}", self.key)
    }
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn parse(json: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            schema: String,
        }
        // As bytes, like the header that it stands in: one reader of JSON will do.
        let version: Version = serde_json::from_slice(json.as_bytes())
            .map_err(|e| Error::NotAZoo(format!("its manifest is not what a zoo's is ({e})")))?;
        let (major, minor) = parse_version(&version.schema).ok_or_else(|| {
            Error::NotAZoo(format!("its manifest names no version (schema {:?})", version.schema))
        })?;
        if major != SCHEMA_MAJOR {
            return Err(Error::TooNew { found: version.schema, supported: SCHEMA_MAJOR });
        }
        let manifest: Self = serde_json::from_slice(json.as_bytes()).map_err(|e| {
            let newer = match minor > SCHEMA_MINOR {
                true => format!(
                    "; it is of version {}, this program knows {SCHEMA_MAJOR}.{SCHEMA_MINOR}: update it",
                    version.schema
                ),
                false => String::new(),
            };
            Error::Inconsistent(format!("the manifest cannot be read ({e}){newer}"))
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The least version that has what this manifest uses.
    pub fn least_schema(&self) -> String {
        let of_1_1 = !self.transfer.is_empty()
            || self.tensors.iter().any(|tensor| tensor.dtype == "I8")
            || self.embeddings.iter().any(|set| set.recipe.method.name() == "imported");
        let of_1_2 = self.embeddings.iter().any(|set| set.recipe.projection.is_some());
        let of_1_4 = self.preferred.is_some() || self.tasks.iter().any(|task| task.tunings > 1);
        let minor = match () {
            () if of_1_4 => 4,
            () if !self.scores.is_empty() => 3,
            () if of_1_2 => 2,
            () => u32::from(of_1_1),
        };
        format!("{SCHEMA_MAJOR}.{minor}")
    }

    pub fn check(&self) -> Result<(), Error> {
        for (what, found, limit) in [
            ("the number of tasks", self.tasks.len(), MAX_TASKS),
            ("the number of embedding sets", self.embeddings.len(), MAX_SETS),
            ("the number of transfer matrices", self.transfer.len(), MAX_SETS),
            ("the number of tables of scores", self.scores.len(), MAX_SETS),
        ] {
            Error::within(what, found as u64, limit as u64)?;
        }
        check_text(&self.name)?;
        // Paragraphs it may have.
        self.description.lines().try_for_each(check_text)?;
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            check_id(&task.id)?;
            let facts = [Some(&task.name), Some(&task.family)].into_iter();
            let facts = facts.chain([task.licence.as_ref(), task.link.as_ref()]);
            facts.flatten().try_for_each(|text| check_text(text))?;
            if !ids.insert(task.id.as_str()) {
                return Err(Error::Inconsistent(format!("task {} is listed twice", task.id)));
            }
            if task.tunings == 0 {
                let id = &task.id;
                return Err(Error::Inconsistent(format!("{id} is said to be tuned 0 times")));
            }
            for (what, score) in [("score", task.score), ("majority score", task.majority)] {
                if score.is_some_and(|s| !s.is_finite()) {
                    return Err(Error::Inconsistent(format!(
                        "the {what} of {} is not a number",
                        task.id
                    )));
                }
            }
        }
        let mut keys = BTreeSet::new();
        for set in &self.embeddings {
            if !keys.insert(set.key.as_str()) {
                return Err(Error::Inconsistent(format!(
                    "embedding set {} is listed twice",
                    set.key
                )));
            }
            check_text(&set.key)?;
            check_text(&set.recipe.encoder.name)?;
            check_text(&set.recipe.method.to_string())?;
            if set.tasks.is_empty() || set.dim == 0 {
                return Err(Error::Inconsistent(format!("embedding set {} is empty", set.key)));
            }
            let mut rows = BTreeSet::new();
            for task in &set.tasks {
                if !ids.contains(task.as_str()) {
                    return Err(Error::Inconsistent(format!(
                        "embedding set {} has a row for {task}, which is not among the tasks",
                        set.key
                    )));
                }
                if !rows.insert(task.as_str()) {
                    return Err(Error::Inconsistent(format!(
                        "embedding set {} has two rows for {task}",
                        set.key
                    )));
                }
            }
        }
        if let Some(Preferred { method, similarity }) = &self.preferred {
            check_name("the preferred method", method)?;
            check_name("the preferred similarity", similarity)?;
        }
        let mut settings = BTreeSet::new();
        for matrix in &self.transfer {
            check_text(&matrix.setting)?;
            check_text(&matrix.metric)?;
            matrix.check()?;
            if !settings.insert(matrix.setting.as_str()) {
                return Err(Error::Inconsistent(format!(
                    "two transfer matrices are of the setting {}",
                    matrix.setting
                )));
            }
        }
        for (at, table) in self.scores.iter().enumerate() {
            table.check(&self.embeddings, &self.scores[..at])?;
        }
        Ok(())
    }
}

pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    check_name("a task's id", id)
}

fn check_name(what: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_ID || name.chars().any(char::is_control) {
        return Err(Error::Inconsistent(format!(
            "{what} must have 1 to {MAX_ID} bytes and no control characters, not {name:?}"
        )));
    }
    Ok(())
}

/// Refuses what would move a terminal's cursor, or more, where it is printed.
fn check_text(text: &str) -> Result<(), Error> {
    match text.chars().any(char::is_control) {
        true => Err(Error::Inconsistent(format!("{text:?} has control characters"))),
        false => Ok(()),
    }
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_minor_versions_open_and_newer_major_ones_say_so() {
        let json = |schema: &str| {
            format!(
                r#"{{"schema":"{schema}","name":"z","later":true,"tasks":[],"embeddings":[],"tensors":[]}}"#
            )
        };
        assert!(Manifest::parse(&json("1.0")).is_ok());
        assert!(Manifest::parse(&json("1.7")).is_ok());
        assert_eq!(
            Manifest::parse(&json("2.0")).unwrap_err().to_string(),
            "this zoo has format version 2.0; this program reads version 1.x: update it"
        );
        assert!(matches!(Manifest::parse(&json("new")), Err(Error::NotAZoo(_))));
        assert!(matches!(Manifest::parse("{}"), Err(Error::NotAZoo(_))));
    }
}
