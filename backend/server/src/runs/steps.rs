//! What users do to a run that is there: cancel, finish, resume, remove.

use super::{Inner, off_thread};
use crate::ids::RunId;
use crate::problem::Failure;
use crate::service::Signals;
use crate::store::{Change, OwnedRun};
use std::sync::{Arc, PoisonError};
use tupate_api::{Run, RunState};

/// What is to be done with a run in the state that it is in.
enum Step {
    Become(RunState),
    Stay,
    Refuse(&'static str),
}

impl Inner {
    /// Stops a run, or says that it has been told to. Told twice, it is the same.
    pub async fn cancel(&self, id: &RunId) -> Result<Run, Failure> {
        self.change_from(id, |state| match state {
            RunState::Queued => Step::Become(RunState::Cancelled),
            RunState::Running => Step::Become(RunState::Cancelling),
            RunState::Cancelling | RunState::Cancelled => Step::Stay,
            RunState::Failed | RunState::Done => {
                Step::Refuse("has come to its end: there is nothing to stop")
            }
        })
        .await
    }

    /// Queues a run again that was stopped or failed. Told twice, it is the same.
    pub async fn resume(&self, id: &RunId) -> Result<Run, Failure> {
        self.change_from(id, |state| match state {
            RunState::Cancelled | RunState::Failed => Step::Become(RunState::Queued),
            RunState::Queued | RunState::Running => Step::Stay,
            RunState::Cancelling => {
                Step::Refuse("is about to stop: resume it when it is cancelled")
            }
            RunState::Done => Step::Refuse("is done: there is nothing to resume"),
        })
        .await
    }

    /// Has a run end after the epoch that it is taking, or that it takes next, as a run of
    /// so many epochs. The wish is kept with the run: it outlives the server.
    pub async fn finish(&self, id: &RunId) -> Result<Run, Failure> {
        loop {
            let Some(OwnedRun { run, .. }) = self.store.run(id).await? else {
                return Err(Failure::UnknownRun(id.to_string()));
            };
            let why = match run.state {
                RunState::Queued | RunState::Running if run.finishing => return Ok(run),
                RunState::Done if run.finishing => return Ok(run),
                RunState::Queued | RunState::Running => {
                    if let Some((run, event)) = self.store.finish(id).await? {
                        self.feeds.publish(id, &[event]);
                        self.signal(id, |signals| signals.finish.give());
                        return Ok(run);
                    }
                    // Somebody was quicker.
                    continue;
                }
                RunState::Cancelling => "is about to stop: resume it when it is cancelled",
                RunState::Cancelled | RunState::Failed => "has stopped: resume it first",
                RunState::Done => "is done: there is nothing to finish",
            };
            return Err(Failure::State(id.to_string(), why));
        }
    }

    /// Takes the step that `decide` names for the state the run is in; where others
    /// are quicker, the one for the state that they put it in.
    async fn change_from(
        &self,
        id: &RunId,
        decide: impl Fn(RunState) -> Step,
    ) -> Result<Run, Failure> {
        loop {
            let Some(OwnedRun { run, .. }) = self.store.run(id).await? else {
                return Err(Failure::UnknownRun(id.to_string()));
            };
            let to = match decide(run.state) {
                Step::Stay => return Ok(run),
                Step::Refuse(why) => return Err(Failure::State(id.to_string(), why)),
                Step::Become(to) => to,
            };
            let reason = match to {
                RunState::Cancelled => Some("cancelled before it began".to_owned()),
                _ => None,
            };
            let change = Change { reason, ..Change::default() };
            if let Some((run, event)) = self.store.change(id, run.state, to, change).await? {
                self.feeds.publish(id, &[event]);
                match to {
                    RunState::Queued => self.queued.notify_waiters(),
                    RunState::Cancelling => self.signal(id, |signals| signals.stop.give()),
                    _ => {}
                }
                return Ok(run);
            }
        }
    }

    /// Tells the worker that has this run, if one has.
    fn signal(&self, id: &RunId, give: impl FnOnce(&Signals)) {
        if let Some(signals) = self.working.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            give(signals);
        }
    }

    /// Removes a run that is at rest, with its files.
    pub async fn remove(&self, id: &RunId) -> Result<(), Failure> {
        if !self.store.remove_run(id).await? {
            return match self.store.run(id).await? {
                None => Err(Failure::UnknownRun(id.to_string())),
                Some(_) => {
                    Err(Failure::State(id.to_string(), "waits or is tuned: cancel it first"))
                }
            };
        }
        let (artefacts, id) = (Arc::clone(&self.artefacts), id.clone());
        if let Err(error) = off_thread(move || artefacts.remove_run(&id)).await {
            // They are not referred to any more, and tidied up later.
            tracing::warn!(%error, "the files of a removed run stay for now");
        }
        Ok(())
    }
}
