//! One listener's stream of events.

use super::Inner;
use super::live::{Feed, Latest};
use axum::body::{Body, Bytes};
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";
/// A comment: the connection lives, and nothing happens.
const HEARTBEAT: &[u8] = b": alive\n\n";

/// One listener: a position in a run's events. It is read from only when its client
/// has taken what it was given.
pub(crate) struct EventStream {
    runs: Arc<Inner>,
    feed: Arc<Feed>,
    latest: watch::Receiver<Latest>,
    stopping: watch::Receiver<bool>,
    after: u64,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl EventStream {
    pub(super) fn new(
        runs: Arc<Inner>,
        feed: Arc<Feed>,
        after: u64,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (latest, stopping) = (feed.watch(), runs.stopping.subscribe());
        Self { runs, feed, latest, stopping, after, greeted: false, _permit: permit }
    }

    /// Whether there is nothing to send, now or later.
    pub fn is_over(&self) -> bool {
        let latest = *self.latest.borrow();
        latest.at_rest && self.after >= latest.id
    }

    /// The body of an answer.
    pub fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut listener| async {
            let frame = listener.next().await?;
            Some((Ok::<_, Infallible>(frame), listener))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            match self.feed.after(self.after, &*self.runs.store).await {
                Ok(Some(frame)) => {
                    self.after += 1;
                    return Some(frame);
                }
                Ok(None) if self.is_over() || *self.stopping.borrow() => return None,
                Ok(None) => {}
                Err(error) => {
                    // The client comes back with the id of its last event.
                    tracing::warn!(%error, "a stream of events ends early");
                    return None;
                }
            }
            tokio::select! {
                changed = timeout(self.runs.limits.heartbeat, self.latest.changed()) => {
                    match changed {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return None,
                        Err(_) => return Some(Bytes::from_static(HEARTBEAT)),
                    }
                }
                _ = self.stopping.changed() => {}
            }
        }
    }
}
