//! Runs: asked for, waiting, tuned, watched, stopped and resumed.

mod fair;
mod live;
mod recorder;
mod steps;
mod stream;
mod tidy;
mod worker;

pub(crate) use stream::EventStream;

use crate::artefacts::ArtefactStore;
use crate::ids::{RunId, UploadId};
use crate::problem::Failure;
use crate::service::{Signal, Signals, TuneService};
use crate::store::{Change, CreateRun, Created, OwnedRun, Owner, Store, StoreError};
use crate::{Error, ZooCatalogue};
use live::{Feeds, Latest};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tupate_api::{Data, FieldProblem, NewRun, Run, RunState};

/// What runs may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Most runs that wait, of all.
    pub queued: usize,
    /// Most runs that wait or are tuned, of one token.
    pub of_one: usize,
    /// Largest upload in bytes.
    pub upload: u64,
    /// Shortest time between two progress events of a run; it grows with the time
    /// that the run takes, so that a long run has no more than a few thousand.
    pub progress: Duration,
    /// Time between two signs of life on a stream of events.
    pub heartbeat: Duration,
    /// Most streams of events at once.
    pub listeners: usize,
    /// How long uploads stay that no run was created with.
    pub upload_life: Duration,
    /// Time between two looks for what nobody needs any more.
    pub tidy: Duration,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            queued: 100,
            of_one: 20,
            upload: 64 << 20,
            progress: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            listeners: 2000,
            upload_life: Duration::from_secs(7 * 24 * 3600),
            tidy: Duration::from_secs(3600),
        }
    }
}

/// What runs are made with.
pub struct RunParts {
    /// Where runs are remembered.
    pub store: Arc<dyn Store>,
    /// Where their files are.
    pub artefacts: Arc<dyn ArtefactStore>,
    /// What tunes them.
    pub service: Arc<dyn TuneService>,
    /// The devices to tune on, one entry a worker.
    pub workers: Vec<String>,
    /// What they may take.
    pub limits: RunLimits,
}

/// The runs of a server. Clones are the same runs.
#[derive(Clone)]
pub struct Runs(Arc<Inner>);

pub(crate) struct Inner {
    pub store: Arc<dyn Store>,
    pub artefacts: Arc<dyn ArtefactStore>,
    pub service: Arc<dyn TuneService>,
    pub limits: RunLimits,
    feeds: Feeds,
    listeners: Arc<Semaphore>,
    /// Held while an upload is read for a check, which may take much memory.
    checking: Arc<Semaphore>,
    /// Runs on workers, with how to tell each what is wanted of it.
    working: Mutex<HashMap<RunId, Signals>>,
    /// Held while a worker chooses its next run, and while the queue is counted
    /// before a run is added to it.
    queue: tokio::sync::Mutex<HashMap<String, u64>>,
    queued: Notify,
    /// Held while an upload's content and what is known of it come or go together; taken
    /// before `queue`, and that before `publishing`, where one needs several.
    pub uploading: tokio::sync::Mutex<()>,
    /// Held while a zoo's content and what is known of it come or go together.
    pub publishing: tokio::sync::Mutex<()>,
    stopping: watch::Sender<bool>,
    workers: Vec<String>,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").field("workers", &self.0.workers).finish_non_exhaustive()
    }
}

/// The workers of a server, and who tidies up.
pub(crate) struct Workers(Vec<JoinHandle<()>>);

impl Runs {
    /// Takes up what is there: runs that were being tuned when an earlier server
    /// died wait again. Nothing is removed before the server is up.
    ///
    /// # Errors
    /// When the stores cannot be asked.
    pub async fn open(parts: RunParts) -> Result<Self, Error> {
        let RunParts { store, artefacts, service, workers, limits } = parts;
        let runs = Self(Arc::new(Inner {
            store,
            artefacts,
            service,
            limits,
            feeds: Feeds::default(),
            listeners: Arc::new(Semaphore::new(limits.listeners)),
            checking: Arc::new(Semaphore::new(1)),
            working: Mutex::default(),
            queue: tokio::sync::Mutex::default(),
            queued: Notify::new(),
            uploading: tokio::sync::Mutex::default(),
            publishing: tokio::sync::Mutex::default(),
            stopping: watch::Sender::new(false),
            workers,
        }));
        runs.recover().await.map_err(|e| Error::Store(e.to_string()))?;
        Ok(runs)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let store = &self.0.store;
        let reason = |text: &str| Change { reason: Some(text.into()), ..Change::default() };
        for OwnedRun { run, .. } in
            store.in_states(&[RunState::Running, RunState::Cancelling]).await?
        {
            let Some(id) = RunId::parse(&run.id) else { continue };
            let (to, why) = match run.state {
                RunState::Running => {
                    (RunState::Queued, "the server ended while the run was tuned; it goes on")
                }
                _ => (RunState::Cancelled, "the server ended before the run had stopped"),
            };
            store.change(&id, run.state, to, reason(why)).await?;
            tracing::info!(run = %id, state = to.name(), "taken up after an interruption");
        }
        Ok(())
    }

    /// Starts the workers; `zoos` are those that runs are ranked against.
    pub(crate) fn start(&self, zoos: &Arc<dyn ZooCatalogue>) -> Workers {
        let of = |(number, device): (usize, &String)| {
            let worker = worker::Worker {
                runs: Arc::clone(&self.0),
                zoos: Arc::clone(zoos),
                device: device.clone(),
            };
            tracing::info!(number, %device, "a worker begins");
            tokio::spawn(worker.work())
        };
        let mut workers: Vec<_> = self.0.workers.iter().enumerate().map(of).collect();
        workers.push(tokio::spawn(tidy::now_and_then(Arc::clone(&self.0))));
        Workers(workers)
    }

    /// Tells streams to end, workers to begin nothing new, and runs on them to
    /// stop where they can go on.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
        for signals in self.0.working.lock().unwrap_or_else(PoisonError::into_inner).values() {
            signals.stop.give();
        }
    }
}

impl Workers {
    /// Waits until every worker has ended.
    pub async fn ended(self) {
        for worker in self.0 {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a worker ended early");
            }
        }
    }
}

impl Inner {
    /// The run that this request was answered with before: it is answered again, whatever
    /// has changed since.
    pub async fn answered(
        &self,
        owner: &Owner,
        spec: &NewRun,
        key: Option<&str>,
    ) -> Result<Option<Run>, Failure> {
        let Some(key) = key else { return Ok(None) };
        let Some(run) = self.store.created_with(owner, key).await? else { return Ok(None) };
        Ok(Some(created(Created::before(run, spec))?.0))
    }

    /// Checks a request and queues it; whether the run is new.
    pub async fn create(
        &self,
        owner: Owner,
        mut spec: NewRun,
        key: Option<String>,
    ) -> Result<(Run, bool), Failure> {
        let upload = self.upload_of(&owner, &mut spec).await?;
        // Nothing is read for a run that there is no place for.
        self.has_place_for(&owner).await?;
        self.check(&spec, upload.as_ref()).await?;

        // Held, so that two requests cannot both take the last place.
        let _queue = self.queue.lock().await;
        self.has_place_for(&owner).await?;
        let id = RunId::random();
        let artefacts = Arc::clone(&self.artefacts);
        let folder = id.clone();
        let made = off_thread(move || artefacts.make_run(&folder, upload.as_ref())).await;
        made.map_err(|error| match (&spec.data, error.kind()) {
            // Removed since it was looked at.
            (Data::Upload(id), io::ErrorKind::NotFound) => no_upload(id),
            _ => error.into(),
        })?;
        let outcome = self.store.create(CreateRun { id: id.clone(), owner, spec, key }).await;
        if let Ok(Created::New(_, event)) = &outcome {
            self.feeds.publish(&id, std::slice::from_ref(event));
            self.queued.notify_waiters();
        } else {
            let artefacts = Arc::clone(&self.artefacts);
            if let Err(error) = off_thread(move || artefacts.remove_run(&id)).await {
                tracing::warn!(%error, "the folder of a run that was not created stays");
            }
        }
        created(outcome?)
    }

    /// Has the service look at a request, at one upload at a time.
    async fn check(&self, spec: &NewRun, upload: Option<&UploadId>) -> Result<(), Failure> {
        let turn = match upload {
            None => None,
            Some(_) => tokio::select! {
                turn = Arc::clone(&self.checking).acquire_owned() => turn.ok(),
                () = self.stopped() => return Err(Failure::Stopping),
            },
        };
        let data = upload.map(|id| self.artefacts.upload(id));
        let (service, spec) = (Arc::clone(&self.service), spec.clone());
        let waited_for = WaitedFor::default();
        let stop = Arc::clone(&waited_for.0);
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            service.check(&spec, data.as_deref(), &stop)
        });
        tokio::select! {
            checked = checked => checked.map_err(|_| Failure::Panicked)?.map_err(Failure::Fields),
            () = self.stopped() => Err(Failure::Stopping),
        }
    }

    async fn has_place_for(&self, owner: &Owner) -> Result<(), Failure> {
        let waiting = self.store.in_states(&[RunState::Queued]).await?;
        if waiting.len() >= self.limits.queued {
            return Err(Failure::QueueFull("runs wait already", self.limits.queued));
        }
        let tuned = self.store.in_states(&[RunState::Running, RunState::Cancelling]).await?;
        let theirs = waiting.iter().chain(&tuned).filter(|run| run.owner == owner.id).count();
        match theirs >= self.limits.of_one {
            true => {
                let what = "runs of this token wait or are tuned already";
                Err(Failure::QueueFull(what, self.limits.of_one))
            }
            false => Ok(()),
        }
    }

    /// The upload that a run is to be tuned on, whose name it takes if it has none.
    async fn upload_of(
        &self,
        owner: &Owner,
        spec: &mut NewRun,
    ) -> Result<Option<UploadId>, Failure> {
        let Data::Upload(text) = &spec.data else { return Ok(None) };
        let id = UploadId::parse(text).ok_or_else(|| no_upload(text))?;
        let upload = self.store.upload(&id, Some(owner)).await?.ok_or_else(|| no_upload(text))?;
        self.store.use_upload(&id, owner).await?;
        spec.name.get_or_insert(upload.name);
        Ok(Some(id))
    }

    /// A run of this id.
    pub async fn run(&self, id: &str) -> Result<(RunId, OwnedRun), Failure> {
        let unknown = || Failure::UnknownRun(id.to_owned());
        let id = RunId::parse(id).ok_or_else(unknown)?;
        let run = self.store.run(&id).await?.ok_or_else(unknown)?;
        Ok((id, run))
    }

    /// The stream of a run's events after the one with the id `after`.
    pub async fn listen(self: &Arc<Self>, id: &str, after: u64) -> Result<EventStream, Failure> {
        let id = RunId::parse(id).ok_or_else(|| Failure::UnknownRun(id.to_owned()))?;
        let permit = Arc::clone(&self.listeners)
            .try_acquire_owned()
            .map_err(|_| Failure::TooManyListeners(self.limits.listeners))?;
        // Joined before looking, so that nothing happens unheard between the two.
        let feed = self.feeds.join(&id);
        let Some(OwnedRun { run, .. }) = self.store.run(&id).await? else {
            return Err(Failure::UnknownRun(id.to_string()));
        };
        feed.begin(Latest { id: run.last_event, at_rest: run.state.is_at_rest() });
        Ok(EventStream::new(Arc::clone(self), feed, after.min(run.last_event), permit))
    }

    /// Streams of events that are open.
    pub fn listening(&self) -> usize {
        self.limits.listeners - self.listeners.available_permits()
    }

    /// How often events were read from the store for those who listen.
    pub fn event_reads(&self) -> u64 {
        self.feeds.reads()
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the server is told to stop.
    async fn stopped(&self) {
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// Tells who works for a request to stop as soon as nobody waits for it any more: the
/// server stops, or the client is gone.
#[derive(Default)]
struct WaitedFor(Arc<Signal>);

impl Drop for WaitedFor {
    fn drop(&mut self) {
        self.0.give();
    }
}

fn no_upload(id: &str) -> Failure {
    let detail = format!(
        "there is no upload {}; send the file to /api/v1/uploads first",
        crate::problem::shortened(id)
    );
    Failure::Fields(vec![FieldProblem::new("data.upload", detail)])
}

fn created(created: Created) -> Result<(Run, bool), Failure> {
    match created {
        Created::New(run, _) => Ok((*run, true)),
        Created::Before(run) => Ok((*run, false)),
        Created::OtherRequest => Err(Failure::KeyUsed),
    }
}

/// Does what blocks off the async threads.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
