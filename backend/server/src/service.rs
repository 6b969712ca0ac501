//! The seam between the server and whatever tunes.

use crate::artefacts::Workspace;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tupate_api::{Event, FieldProblem, NewRun, RunResult, TaskOffer};
use tupate_zoo::Dtype;

/// Tunes tasks. Everything here may block: it is called off the async threads.
pub trait TuneService: Send + Sync + 'static {
    /// What can be asked for.
    fn offers(&self) -> ServiceOffers;

    /// Looks at a request before it is queued, with the file to tune on where that
    /// was uploaded: it is read as data and nothing else. Told to stop, it ends soon, with
    /// whatever it likes: nobody waits for its answer.
    ///
    /// # Errors
    /// Every field that cannot be used, and why.
    fn check(
        &self,
        spec: &NewRun,
        data: Option<&Path>,
        stop: &Signal,
    ) -> Result<(), Vec<FieldProblem>>;

    /// Tunes one run to its end, or until it is told to stop. What the job's folder
    /// holds of an earlier start is gone on with, to the same result. Told to finish, it
    /// ends after the epoch that it is taking, as a run of so many epochs.
    ///
    /// # Errors
    /// When it was stopped, or failed.
    fn tune(&self, job: &Job, watch: &Watch) -> Result<RunResult, TuneError>;

    /// Packs finished runs into a zoo file whose values are of this type.
    ///
    /// # Errors
    /// Why they do not go together, for people.
    fn pack(
        &self,
        name: &str,
        description: &str,
        runs: &[PathBuf],
        dtype: Dtype,
    ) -> Result<Vec<u8>, String>;
}

/// What a service can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceOffers {
    /// Tasks whose data is here.
    pub tasks: Vec<TaskOffer>,
    /// Methods, the usual one first.
    pub methods: Vec<String>,
    /// Encoders that are here, the usual one first.
    pub encoders: Vec<String>,
}

/// One run to tune.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What was asked for.
    pub spec: NewRun,
    /// The device to tune on.
    pub device: String,
    /// Where the run's files are.
    pub workspace: Workspace,
    /// The uploaded file to tune on.
    pub data: Option<PathBuf>,
    /// The zoo file to rank against.
    pub ranking: Option<PathBuf>,
    /// The epochs and rankings that earlier starts told, in order. What was done and not
    /// told, because the server ended before it could be kept, is told by the next start.
    pub told: Vec<Event>,
}

/// Why a run came to no end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TuneError {
    /// It was told to stop; what was done so far is kept.
    #[error("stopped")]
    Stopped,
    /// It failed, for reasons that people are told.
    #[error("{0}")]
    Failed(String),
}

/// What a service tells of a run, and how it hears what is wanted of it.
#[derive(Clone, Debug)]
pub struct Watch {
    events: tokio::sync::mpsc::Sender<Event>,
    signals: Signals,
}

/// What a run is told while it is tuned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// To stop after the step that it is taking.
    pub stop: Arc<Signal>,
    /// To end after the epoch that it is taking.
    pub finish: Arc<Signal>,
}

impl Watch {
    pub(crate) fn new(events: tokio::sync::mpsc::Sender<Event>, signals: Signals) -> Self {
        Self { events, signals }
    }

    /// Tells of something. Waits while the server cannot keep it, so that nothing
    /// is lost; progress may come as often as it likes, and is thinned out.
    pub fn tell(&self, event: Event) {
        // The receiver lives until the service returns.
        let _ = self.events.blocking_send(event);
    }

    /// Whether, and when, the run should stop after the step that it is taking.
    pub fn stop(&self) -> &Signal {
        &self.signals.stop
    }

    /// Whether, and when, the run should end after the epoch that it is taking.
    pub fn finish(&self) -> &Signal {
        &self.signals.finish
    }
}

/// Tells a run something, once and for all.
#[derive(Debug, Default)]
pub struct Signal {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn give(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it was given.
    pub fn given(&self) -> bool {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it, at most this long; whether it was given.
    pub fn wait(&self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        while !*given {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            given =
                self.changed.wait_timeout(given, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *given
    }
}
