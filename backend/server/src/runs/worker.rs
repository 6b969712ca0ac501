//! A worker: one run after another, on one device.

use super::recorder::{BUFFER, again_and_again, record};
use super::{Inner, fair, off_thread};
use crate::ZooCatalogue;
use crate::ids::{RunId, UploadId};
use crate::service::{Job, Signals, TuneError, Watch};
use crate::store::{Change, OwnedRun};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tupate_api::{Data, Event, Run, RunResult, RunState};

/// One after another, on one device.
pub(super) struct Worker {
    pub runs: Arc<Inner>,
    pub zoos: Arc<dyn ZooCatalogue>,
    pub device: String,
}

/// Between two looks at the queue where the store does not answer.
const AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    pub async fn work(self) {
        let mut stopping = self.runs.stopping.subscribe();
        while !*stopping.borrow_and_update() {
            // Asked to be told before looking, so that nothing slips in between.
            let queued = self.runs.queued.notified();
            match self.claim().await {
                Ok(Some((id, run))) => self.tune(id, run).await,
                Ok(None) => tokio::select! {
                    () = queued => {}
                    _ = stopping.changed() => {}
                },
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    sleep(AGAIN).await;
                }
            }
        }
    }

    /// Takes the run whose turn it is.
    async fn claim(&self) -> Result<Option<(RunId, Run)>, crate::StoreError> {
        let runs = &self.runs;
        let mut served = runs.queue.lock().await;
        loop {
            let queued = runs.store.in_states(&[RunState::Queued]).await?;
            let tuned = runs.store.in_states(&[RunState::Running, RunState::Cancelling]).await?;
            let Some(OwnedRun { run, owner }) = fair::next(&queued, &tuned, &served) else {
                return Ok(None);
            };
            let Some(id) = RunId::parse(&run.id) else {
                return Err(crate::StoreError::Failed(format!("{} is no run's id", run.id)));
            };
            let turn = served.values().max().copied().unwrap_or_default() + 1;
            served.insert(owner.clone(), turn);
            // Known as working before it is: who cancels it from now on reaches it.
            let signals = Signals::default();
            runs.working.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), signals);
            let to = RunState::Running;
            let taken = runs.store.change(&id, RunState::Queued, to, Change::default()).await;
            if !matches!(taken, Ok(Some(_))) {
                runs.working.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
            // Cancelled a moment ago: the next look finds another, or none.
            let Some((run, event)) = taken? else { continue };
            runs.feeds.publish(&id, &[event]);
            return Ok(Some((id, run)));
        }
    }

    async fn tune(&self, id: RunId, run: Run) {
        let runs = &self.runs;
        let signals = {
            let working = runs.working.lock().unwrap_or_else(PoisonError::into_inner);
            working.get(&id).cloned().unwrap_or_default()
        };
        if runs.is_stopping() {
            signals.stop.give();
        }
        if run.finishing {
            signals.finish.give();
        }
        tracing::info!(run = %id, device = %self.device, starts = run.starts, "tuning begins");
        let (sender, receiver) = mpsc::channel(BUFFER);
        let recorder = tokio::spawn(record(Arc::clone(runs), id.clone(), receiver));
        let outcome = match self.job(&id, &run).await {
            Ok(job) => {
                let (service, watch) = (Arc::clone(&runs.service), Watch::new(sender, signals));
                tokio::task::spawn_blocking(move || service.tune(&job, &watch))
                    .await
                    .unwrap_or_else(|_| Err(TuneError::Failed("the tuner panicked".into())))
            }
            Err(why) => {
                drop(sender);
                Err(TuneError::Failed(why))
            }
        };
        if let Err(error) = recorder.await {
            tracing::error!(run = %id, %error, "a recorder ended early");
        }
        let (artefacts, kept) = (Arc::clone(&runs.artefacts), id.clone());
        let kept = off_thread(move || artefacts.keep_run(&kept)).await;
        let outcome = match (outcome, kept) {
            (Ok(_), Err(error)) => {
                Err(TuneError::Failed(format!("the run's files cannot be kept: {error}")))
            }
            (outcome, _) => outcome,
        };
        // Before others may take the run up, whose signal must stay.
        runs.working.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.finish(&id, outcome).await;
    }

    /// What the service needs for a run.
    async fn job(&self, id: &RunId, run: &Run) -> Result<Job, String> {
        let told = match run.starts {
            0 | 1 => Vec::new(),
            _ => self.told(id).await?,
        };
        let (artefacts, id) = (Arc::clone(&self.runs.artefacts), id.clone());
        let failed = |e: io::Error| format!("the run's folder cannot be used: {e}");
        let workspace = off_thread(move || artefacts.open_run(&id)).await.map_err(failed)?;
        let data = match &run.spec.data {
            Data::Task(_) => None,
            Data::Upload(id) => UploadId::parse(id).map(|id| workspace.data(id.format())),
        };
        let ranking = run.spec.ranking.as_ref().map(|_| workspace.ranking());
        if let (Some(path), Some(against)) = (&ranking, &run.spec.ranking)
            // An earlier start's copy: the zoo may be another by now, or served no more.
            && !path.is_file()
        {
            let opened = self.zoos.open(&against.zoo).await.map_err(|e| e.to_string())?;
            let zoo =
                opened.ok_or_else(|| format!("the zoo {} to rank against is gone", against.zoo))?;
            let workspace = workspace.clone();
            off_thread(move || workspace.put_ranking(&zoo.content)).await.map_err(failed)?;
        }
        let (spec, device) = (run.spec.clone(), self.device.clone());
        Ok(Job { spec, device, workspace, data, ranking, told })
    }

    /// What earlier starts told of epochs.
    async fn told(&self, id: &RunId) -> Result<Vec<Event>, String> {
        let ask = || self.runs.store.events(id, 0);
        let events = again_and_again(&self.runs, ask).await.ok_or("the server stops")?;
        let of_epochs =
            |event: &Event| matches!(event, Event::Epoch { .. } | Event::Ranking { .. });
        Ok(events.into_iter().map(|stored| stored.event).filter(of_epochs).collect())
    }

    /// Puts the run where it belongs after tuning.
    async fn finish(&self, id: &RunId, outcome: Result<RunResult, TuneError>) {
        let runs = &self.runs;
        let mut change = Change::default();
        // What becomes of it, and what if it was told to stop.
        let (to, if_cancelling) = match outcome {
            Ok(result) => {
                change.result = Some(result);
                (RunState::Done, RunState::Done)
            }
            Err(TuneError::Failed(why)) => {
                tracing::warn!(run = %id, %why, "a run failed");
                change.reason = Some(why);
                (RunState::Failed, RunState::Failed)
            }
            Err(TuneError::Stopped) => (RunState::Queued, RunState::Cancelled),
        };
        for (from, to) in [(RunState::Running, to), (RunState::Cancelling, if_cancelling)] {
            if to == RunState::Queued {
                change.reason = Some("the server stopped; it goes on at the next start".into());
            } else if to == RunState::Cancelled {
                change.reason = None;
            }
            let ask = || runs.store.change(id, from, to, change.clone());
            if let Some(Some((_, event))) = again_and_again(runs, ask).await {
                tracing::info!(run = %id, state = to.name(), "tuning ends");
                runs.feeds.publish(id, &[event]);
                return;
            }
        }
        tracing::error!(run = %id, "what became of a run could not be stored");
    }
}
