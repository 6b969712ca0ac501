//! What a run tells, on its way into the store.

use super::Inner;
use crate::ids::RunId;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tupate_api::Event;

/// Events between a run and the recorder; when they are full, the run waits.
pub(super) const BUFFER: usize = 256;
/// Between two attempts at what the store did not take.
const AGAIN: Duration = Duration::from_millis(500);
/// A run's progress is told at least this often in the time that it has taken, so
/// that the number of events grows with the logarithm of its length.
const SHARE: u32 = 1000;

/// Stores what comes until the run has ended. Progress between two stored ones
/// is dropped apart from the latest; all else is stored at once. What the store
/// does not take is tried again until it does or the server stops.
pub(super) async fn record(runs: Arc<Inner>, id: RunId, mut events: mpsc::Receiver<Event>) {
    let began = Instant::now();
    let mut due = began;
    let mut pending: Option<Event> = None;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = sleep_until(due), if pending.is_some() => {
                keep(&runs, &id, Vec::from_iter(pending.take())).await;
                due = Instant::now() + pause(&runs, began);
                continue;
            }
        };
        match event {
            Some(event @ Event::Progress(_)) => pending = Some(event),
            Some(event) => {
                let both = pending.take().into_iter().chain([event]).collect();
                keep(&runs, &id, both).await;
                due = Instant::now() + pause(&runs, began);
            }
            None => {
                keep(&runs, &id, Vec::from_iter(pending.take())).await;
                return;
            }
        }
    }
}

/// Time until the next progress is stored.
fn pause(runs: &Inner, began: Instant) -> Duration {
    runs.limits.progress.max(began.elapsed() / SHARE)
}

async fn keep(runs: &Inner, id: &RunId, events: Vec<Event>) {
    if events.is_empty() {
        return;
    }
    let stored = again_and_again(runs, || runs.store.append(id, events.clone())).await;
    if let Some(stored) = stored {
        runs.feeds.publish(id, &stored);
    }
}

/// Asks the store until it answers; `None` when the server stops before that.
pub(super) async fn again_and_again<T, F>(runs: &Inner, mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempt = 0_u32;
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                attempt += 1;
                if attempt.is_power_of_two() {
                    tracing::error!(%error, attempt, "the store does not take what a run tells");
                }
                // The next start takes the run up where the store has it.
                if runs.is_stopping() && attempt > 3 {
                    return None;
                }
                sleep(AGAIN).await;
            }
        }
    }
}
