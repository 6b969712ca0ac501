//! Runs: what is asked for, what becomes of it, and the data they are tuned on.

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waiting for a worker.
    Queued,
    /// Being tuned.
    Running,
    /// Told to stop, and about to.
    Cancelling,
    /// Stopped on request; it can be resumed.
    Cancelled,
    /// Stopped by an error; it can be resumed.
    Failed,
    /// Finished: it has an embedding.
    Done,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Cancelling, Self::Cancelled, Self::Failed, Self::Done];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a run may go from this state to `next`. A running run is queued
    /// again when the server stops or died under it; one that was told to stop
    /// may come to its end before it hears of it.
    pub fn may_become(self, next: Self) -> bool {
        use RunState::{Cancelled, Cancelling, Done, Failed, Queued, Running};
        matches!(
            (self, next),
            (Queued, Running | Cancelled)
                | (Running, Cancelling | Done | Failed | Queued)
                | (Cancelling, Cancelled | Done | Failed)
                | (Cancelled | Failed, Queued)
        )
    }

    /// Whether nothing happens to the run until somebody asks for it.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed | Self::Done)
    }
}

/// Body of `POST /api/v1/runs`. What is left out is as in `tupate tune`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// What to tune on.
    pub data: Data,
    /// The task's id in zoos; without it the registered task's own, or the
    /// uploaded file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    )]
    pub name: Option<String>,
    /// The tuning method, one of those in `GET /api/v1/offers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub method: Option<String>,
    /// The encoder, one of those in `GET /api/v1/offers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub encoder: Option<String>,
    /// Which columns hold what, as in `tupate tune --columns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub columns: Option<String>,
    /// Passes over the training examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub epochs: Option<u32>,
    /// Examples a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1024))]
    pub batch_size: Option<u32>,
    /// Learning rates to try; the best on validation is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 16))]
    pub learning_rates: Option<Vec<f64>>,
    /// Most training examples, drawn with `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub max_train: Option<u32>,
    /// Most tokens of a sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 8, maximum = 4096))]
    pub max_length: Option<u32>,
    /// Seed of the subset, the order of examples and the head.
    #[serde(default)]
    pub seed: u64,
    /// Seed of the method's initial parameters; one for all tasks of a zoo.
    #[serde(default)]
    pub init_seed: u64,
    /// A zoo to rank the embedding against after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<RankAgainst>,
}

/// What to tune on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Data {
    /// A registered task, one of those in `GET /api/v1/offers`.
    Task(String),
    /// The id of an uploaded file.
    Upload(String),
}

/// A zoo to rank against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RankAgainst {
    /// Last part of the zoo's URL, `NAME.safetensors`.
    #[cfg_attr(feature = "openapi", schema(max_length = 120))]
    pub zoo: String,
    /// The similarity; without it `cosine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub similarity: Option<String>,
    /// How many sources to show; without it 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub top: Option<u32>,
}

/// A run as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Name of the token that it was created with.
    pub owner: String,
    /// What was asked for.
    pub spec: NewRun,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed, was stopped or waits again.
    pub reason: Option<String>,
    /// When it was created, in milliseconds since 1970.
    pub created: u64,
    /// When its state last changed, in milliseconds since 1970.
    pub updated: u64,
    /// How often a worker has begun it: more than once when it was resumed.
    pub starts: u64,
    /// Whether it was told to end after the epoch that it is taking.
    #[serde(default)]
    pub finishing: bool,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// What came out, once it is done.
    pub result: Option<RunResult>,
    /// Id of its latest event.
    pub last_event: u64,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Optimiser steps taken, over all learning rates.
    pub step: u64,
    /// Steps that there will be.
    pub steps: u64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Loss of the latest batch.
    pub loss: f64,
    /// Training examples a second, lately.
    pub examples_per_second: Option<f64>,
    /// Memory that the tuning process holds, in bytes.
    pub memory_bytes: Option<u64>,
    /// Estimate of the time left, in seconds.
    pub seconds_left: Option<f64>,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunResult {
    /// The task's id, as zoos will have it.
    pub task: String,
    /// What the score is, such as `accuracy`.
    pub metric: String,
    /// Best score on the validation split.
    pub score: f64,
    /// The same score of what needs no model.
    pub majority: f64,
    /// Time spent training and evaluating, in seconds.
    pub seconds: f64,
    /// Epochs trained with the learning rate that was chosen: fewer than were asked for
    /// where the run was finished early.
    #[serde(default)]
    pub epochs: u64,
    /// sha256 over the values of the late embedding (little-endian f32),
    /// lower-case hex.
    pub embedding_sha256: String,
}

/// Answer of `GET /api/v1/runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Runs {
    /// Newest first.
    pub runs: Vec<Run>,
    /// Give it as `before` to get those that come after; `null` at the end.
    pub next: Option<String>,
}

/// Form of an uploaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadFormat {
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl UploadFormat {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Tsv, Self::Jsonl];

    /// The ending of a file's name, without a dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The form of a file with this ending.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ending().eq_ignore_ascii_case(ending))
    }

    /// The form of a body with this media type, without its parameters.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "text/csv" => Some(Self::Csv),
            "text/tab-separated-values" => Some(Self::Tsv),
            "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" => {
                Some(Self::Jsonl)
            }
            _ => None,
        }
    }
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// sha256 of its content in lower-case hex, a dot and the ending of its form, as in
    /// `SHA256.csv`: the same file has the same id.
    pub id: String,
    /// Its form.
    pub format: UploadFormat,
    /// The name it was sent with, without the ending; for people only.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was sent, in milliseconds since 1970.
    pub created: u64,
}

/// Answer of `GET /api/v1/uploads`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Uploads {
    /// One's own, newest first.
    pub uploads: Vec<Upload>,
    /// Give it as `before` to get those that come after; `null` at the end.
    pub next: Option<String>,
}

/// Answer of `GET /api/v1/offers`: what can be asked of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Offers {
    /// Tasks whose data is here.
    pub tasks: Vec<TaskOffer>,
    /// Tuning methods, the usual one first.
    pub methods: Vec<String>,
    /// Encoders that are here, the usual one first.
    pub encoders: Vec<String>,
    /// Similarities, the usual one first.
    pub similarities: Vec<String>,
    /// Largest upload in bytes.
    pub upload_bytes: u64,
}

/// A task whose data is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskOffer {
    /// Its id.
    pub id: String,
    /// The name shown to people.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for state in RunState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            assert_eq!(RunState::named(state.name()), Some(state));
        }
        for scope in crate::Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        for format in UploadFormat::ALL {
            assert_eq!(serde_json::to_value(format).unwrap(), format.ending());
        }
    }

    #[test]
    fn every_state_can_be_left_but_done_and_reached_but_none_by_itself() {
        for state in RunState::ALL {
            assert!(!state.may_become(state), "{state:?}");
            let left = RunState::ALL.into_iter().any(|next| state.may_become(next));
            assert_eq!(left, state != RunState::Done, "{state:?}");
            assert!(RunState::ALL.into_iter().any(|before| before.may_become(state)), "{state:?}");
        }
        // A worker has a run to itself: at rest or queued it has none to lose.
        for rest in RunState::ALL.into_iter().filter(|s| s.is_at_rest()) {
            assert!(!rest.may_become(RunState::Running));
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let json = r#"{"data": {"task": "sst2"}, "epoch": 3}"#;
        let error = serde_json::from_str::<NewRun>(json).unwrap_err().to_string();
        assert!(error.contains("unknown field `epoch`") && error.contains("`epochs`"), "{error}");
    }
}
