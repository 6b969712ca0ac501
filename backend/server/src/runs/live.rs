//! Runs as they happen: one copy of a run's events, shared by all who listen.
//!
//! A listener is a position in a log that all share, not a queue of its own: one
//! that reads slowly has an old position and holds up nobody, and one that comes
//! back goes on where it was. The log is read from the store once, when somebody
//! begins to listen, and grows with what is published.

use crate::ids::RunId;
use crate::store::{Store, StoreError};
use axum::body::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use tokio::sync::watch;
use tupate_api::{Event, StoredEvent};

/// The runs that somebody listens to.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    feeds: Mutex<HashMap<RunId, Weak<Feed>>>,
    reads: Arc<AtomicU64>,
}

/// One run's events.
#[derive(Debug)]
pub(crate) struct Feed {
    run: RunId,
    /// Event `i + 1`, as the stream has it.
    log: RwLock<Vec<Bytes>>,
    /// What there is; the log may be behind.
    latest: watch::Sender<Latest>,
    /// How often the store was read, for the figures.
    reads: Arc<AtomicU64>,
    /// Held while the log catches up with the store, so that one does it for all.
    filling: tokio::sync::Mutex<()>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latest {
    /// Id of its latest event.
    pub id: u64,
    /// Whether no more are to come for now.
    pub at_rest: bool,
}

impl Feeds {
    /// The feed of a run, which all who ask for it at the same time share. It hears of
    /// what is published from now on; what was before, [`Feed::begin`] tells it.
    pub fn join(&self, run: &RunId) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(run).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed {
            run: run.clone(),
            log: RwLock::default(),
            latest: watch::Sender::new(Latest::default()),
            reads: Arc::clone(&self.reads),
            filling: tokio::sync::Mutex::default(),
        });
        feeds.insert(run.clone(), Arc::downgrade(&feed));
        feed
    }

    /// How often events were read from the store.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Tells those who listen of events that are in the store.
    pub fn publish(&self, run: &RunId, events: &[StoredEvent]) {
        let feed = self.feeds.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        let (Some(feed), Some(last)) = (feed.and_then(|feed| feed.upgrade()), events.last()) else {
            return;
        };
        feed.add(events);
        feed.at_least(Latest { id: last.id, at_rest: is_end(last) });
    }
}

fn is_end(event: &StoredEvent) -> bool {
    matches!(event.event, Event::State { state, .. } if state.is_at_rest())
}

impl Feed {
    /// Says how far the run had come when somebody joined. Where that was said before,
    /// what came since was published, or is about to be: looking for it in the store
    /// would read it twice.
    pub fn begin(&self, then: Latest) {
        if self.latest.borrow().id == 0 {
            self.at_least(then);
        }
    }

    /// Tells those who listen how far the run has come, if that is news.
    fn at_least(&self, now: Latest) {
        self.latest.send_if_modified(|latest| {
            let news = now.id > latest.id;
            if news {
                *latest = now;
            }
            news
        });
    }

    /// Told when there is more.
    pub fn watch(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }

    /// The event after the one with this id, if there is one.
    ///
    /// # Errors
    /// When it is not in the log yet and the store cannot be asked.
    pub async fn after(&self, id: u64, store: &dyn Store) -> Result<Option<Bytes>, StoreError> {
        let Ok(index) = usize::try_from(id) else { return Ok(None) };
        let here = || self.log.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned();
        if let Some(frame) = here() {
            return Ok(Some(frame));
        }
        if self.latest.borrow().id <= id {
            return Ok(None);
        }
        let _filling = self.filling.lock().await;
        if here().is_none() {
            let known = self.log.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.add(&store.events(&self.run, known).await?);
        }
        Ok(here())
    }

    /// Adds those that come next; the store has the others for later.
    fn add(&self, events: &[StoredEvent]) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if event.id == log.len() as u64 + 1 {
                log.push(frame(event));
            }
        }
    }
}

/// An event as the stream has it (HTML standard, section 9.2.6).
fn frame(event: &StoredEvent) -> Bytes {
    // JSON on one line: no line end in it could begin another field.
    let data = serde_json::to_string(event).unwrap_or_else(|_| "{}".to_owned());
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.event.kind()).into()
}
