//! What happens to a run, as it is stored and streamed.

use crate::{Progress, RunState};
use serde::{Deserialize, Serialize};

/// An event with its place in the run's history. On the stream of
/// `GET /api/v1/runs/{id}/events` the id is the field `id`, the kind the field
/// `event`, and the whole object the field `data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredEvent {
    /// Counted from 1 within the run, without gaps.
    pub id: u64,
    /// When it happened, in milliseconds since 1970.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run is in another state.
    State {
        /// The state.
        state: RunState,
        /// Why, where there is more to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run was told to end after the epoch that it is taking.
    Finishing,
    /// Steps were taken.
    Progress(Progress),
    /// An epoch was trained and evaluated.
    Epoch {
        /// Counted from 1, for each learning rate.
        epoch: u64,
        /// The learning rate.
        learning_rate: f64,
        /// Mean training loss of the epoch.
        loss: f64,
        /// Score on the validation split; greater is better.
        score: f64,
    },
    /// The embedding as it is after an epoch, ranked against the chosen zoo.
    Ranking {
        /// The epoch, counted from 1.
        epoch: u64,
        /// The learning rate.
        learning_rate: f64,
        /// For how many epochs the sources shown have been the same, in the same
        /// order; 1 when they have just changed.
        settled: u64,
        /// The closest sources, the closest first.
        sources: Vec<Scored>,
    },
    /// Something worth telling once.
    Note {
        /// What.
        text: String,
    },
}

impl Event {
    /// The kind, as in `kind` and in the stream's field `event`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Finishing => "finishing",
            Self::Progress(_) => "progress",
            Self::Epoch { .. } => "epoch",
            Self::Ranking { .. } => "ranking",
            Self::Note { .. } => "note",
        }
    }
}

/// A source task with its similarity to the run's task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scored {
    /// The source's id in the zoo.
    pub task: String,
    /// Its similarity.
    pub score: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let event = StoredEvent {
            id: 3,
            at: 1_700_000_000_000,
            event: Event::State { state: RunState::Running, reason: None },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"id":3,"at":1700000000000,"kind":"state","state":"running"}"#);
        assert_eq!(serde_json::from_str::<StoredEvent>(&json).unwrap(), event);
    }

    #[test]
    fn the_kind_is_the_tag() {
        let progress = Progress {
            step: 1,
            steps: 2,
            epoch: 1,
            loss: 0.5,
            examples_per_second: None,
            memory_bytes: None,
            seconds_left: None,
        };
        for event in [
            Event::State { state: RunState::Done, reason: Some("why".into()) },
            Event::Finishing,
            Event::Progress(progress),
            Event::Epoch { epoch: 1, learning_rate: 1e-3, loss: 0.5, score: 0.75 },
            Event::Ranking { epoch: 1, learning_rate: 1e-3, settled: 1, sources: Vec::new() },
            Event::Note { text: "a".into() },
        ] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["kind"], event.kind());
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }
}
