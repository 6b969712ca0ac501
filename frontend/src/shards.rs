//! Zoos in shards, and in large files: held in workers, asked there, and of all their
//! tasks the nearest ones shown, as a zoo of their own.

use crate::answer::{Answer, Loaded, Origin, Recent, choose_set, choose_similarity};
use crate::failure::{Failure, Trouble};
use crate::guest::Guest;
use crate::platform::{self, Blob, Bytes, Cancel, Engine};
use crate::source::Source;
use crate::state::Store;
use futures::future::{join_all, try_join_all};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use tupate_zoo::link::View;
use tupate_zoo::narrow::Facets;
use tupate_zoo::shards::{Closest, Index, Question, Reply, Wish, rank};
use tupate_zoo::{Error, Target, TaskEntry, Zoo, sha256_hex};

/// Sources that are shown of a target.
const MOST: usize = 200;
/// Tasks that are shown of those that match what was typed.
pub const MATCHES: usize = 100;

/// A zoo's shards, all of them in workers. Dropped, the workers end.
pub struct Shards {
    index: Index,
    engines: Vec<Rc<Engine>>,
    origin: Origin,
    sha256: String,
    /// It is one file, and when its host says that it was changed.
    file: Option<Option<String>>,
    facets: BTreeMap<String, Facets>,
}

/// What a zoo is of whose tasks only some are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharded {
    /// Its tasks in all.
    pub tasks: u64,
    /// Its files.
    pub files: usize,
    /// What all its tasks can be filtered by.
    pub facets: Facets,
    /// The ranking among all its tasks.
    pub answer: Result<Answer, Failure>,
}

/// Something that takes time.
pub type Soon<T> = Pin<Box<dyn Future<Output = T>>>;

/// An index of shards, or a file that is too large for the page's own program.
pub struct LargeFile {
    /// Where it is to be had.
    pub source: Source,
    /// Its bytes, if they were fetched.
    pub bytes: Option<Bytes>,
    /// When its host says that they were changed.
    pub modified: Option<String>,
}

/// What became of a large file.
pub enum Opened {
    /// Workers hold it, and what a view asked for is here.
    Workers(Box<Loaded>),
    /// They have no use for it: its bytes, and when they were changed.
    Bytes(Vec<u8>, Option<String>),
}

/// Has workers take a file, and ranks what a view asks for.
type Open = fn(Store, LargeFile, View, Cancel, u64) -> Soon<Result<Opened, Failure>>;

/// Ranks the sources of a view's target, or of an adapter.
type Ask = fn(Rc<Shards>, View, Option<Arc<Guest>>) -> Soon<Result<Loaded, Failure>>;

/// What the rest of the page calls.
#[derive(Clone, Copy, Debug)]
pub struct Handling {
    /// Has workers take a file, and ranks what a view asks for.
    pub open: Open,
    /// The sources nearest to the target of a view, or to an adapter.
    pub ask: Ask,
    /// Tasks whose names hold a text.
    pub search: fn(Rc<Shards>, View, String) -> Soon<Vec<TaskEntry>>,
}

/// What the rest of the page calls.
pub const HANDLING: Handling = Handling {
    open: |store, file, view, cancel, turn| {
        Box::pin(store.open_in_workers(file, view, cancel, turn))
    },
    ask: |shards, view, guest| Box::pin(async move { shards.ask(&view, guest.as_deref()).await }),
    search: |shards, view, text| Box::pin(async move { shards.search(&view, text).await }),
};

/// What an engine or the zoo crate says.
enum Fault {
    Zoo(Error),
    Engine(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Zoo(error)
    }
}

impl Fault {
    fn failure(self, name: &str) -> Failure {
        match self {
            Self::Zoo(error) => Failure::ranking(&error),
            Self::Engine(why) => Failure::engine(name, &why),
        }
    }
}

/// Fetches the shards of an index; `told` is told of bytes that are there, and in all.
///
/// # Errors
/// When it is no index, or a shard cannot be had or is not what the index says.
pub async fn open(
    source: &Source,
    bytes: &[u8],
    cancel: &Cancel,
    told: impl Fn(u64, Option<u64>),
) -> Result<Shards, Failure> {
    let what = source.name();
    let index = Index::parse(bytes).map_err(|error| Failure::zoo(&what, bytes, &error))?;
    let address = source.address().ok_or_else(|| Failure::shards_elsewhere(&what))?;
    let origin = Origin::Url(address.href.clone());
    let count = platform::workers().min(index.shards.len()).max(1);
    let engines: Option<Vec<_>> = (0..count).map(|_| Engine::start().map(Rc::new)).collect();
    let engines = engines.ok_or_else(|| Failure::engine(&what, "there is no worker to be had"))?;
    let started = try_join_all(engines.iter().map(|engine| engine.index(bytes))).await;
    started.map_err(|why| Failure::engine(&what, &why))?;

    let total = index.bytes();
    let there = std::cell::RefCell::new(vec![0; index.shards.len()]);
    let next = std::cell::Cell::new(0);
    // Each worker checks one file while the next one comes: no more wait in memory.
    let work = async |engine: &Rc<Engine>| -> Result<(), Failure> {
        let mut checked: Option<Soon<Result<(), Failure>>> = None;
        while let Some(shard) = index.shards.get(next.get()) {
            let at = next.replace(next.get() + 1);
            let place = platform::beside(&address, &shard.file)
                .ok_or_else(|| Failure::no_address(&shard.file))?;
            let progress = |received, _| {
                there.borrow_mut()[at] = received;
                told(there.borrow().iter().sum(), Some(total));
            };
            let fetched = platform::fetch_blob(&place, shard.bytes, cancel, progress).await;
            let received = fetched.and_then(|(blob, _)| match blob.size() as u64 {
                received if received < shard.bytes => Err(Trouble::Broken { received }),
                _ => Ok(blob),
            });
            let blob = received.map_err(|trouble| match trouble {
                Trouble::TooLarge { size } => {
                    let size = size.map_or("more".to_owned(), |size| size.to_string());
                    let why = format!("it has {size} bytes, the index says {}", shard.bytes);
                    Failure::zoo(&place.href, &[], &Error::Damaged(why))
                }
                trouble => Failure::transport(&place.href, &place.host, &trouble),
            })?;
            if let Some(checked) = checked.take() {
                checked.await?;
            }
            let (engine, file) = (engine.clone(), shard.file.clone());
            checked = Some(Box::pin(async move {
                engine.open(&file, &blob).await.map_err(|why| Failure::engine(&file, &why))
            }));
        }
        match checked {
            Some(checked) => checked.await,
            None => Ok(()),
        }
    };
    try_join_all(engines.iter().map(&work)).await?;
    let sha256 = sha256_hex(bytes);
    let shards = Shards { index, engines, origin, sha256, file: None, facets: BTreeMap::new() };
    shards.with_facets().await.map_err(|fault| fault.failure(&what))
}

/// Has a worker take a file as the only shard of its zoo; `None` if it cannot, or has no
/// use for it.
pub async fn only(file: &Blob, origin: Origin, modified: Option<String>) -> Option<Shards> {
    let engine = Engine::start()?;
    let index = Index::parse(&engine.only(file).await.ok()??).ok()?;
    let (sha256, engines) = (index.shards.first()?.sha256.clone(), vec![Rc::new(engine)]);
    let (file, facets) = (Some(modified), BTreeMap::new());
    let shards = Shards { index, engines, origin, sha256, file, facets };
    shards.with_facets().await.ok()
}

impl Shards {
    /// Asks for what the tasks can be filtered by.
    async fn with_facets(mut self) -> Result<Self, Fault> {
        for set in self.index.sets() {
            if let Reply::Facets(facets) =
                self.answer(Question::Facets { set: set.key.clone() }).await?
            {
                self.facets.insert(set.key, facets);
            }
        }
        Ok(self)
    }

    /// Puts a question to all workers.
    async fn answer(&self, question: Question) -> Result<Reply, Fault> {
        let text = serde_json::to_string(&question).map_err(|e| Fault::Engine(e.to_string()))?;
        let mut replies = Vec::new();
        for reply in join_all(self.engines.iter().map(|engine| engine.ask(&text))).await {
            let reply = reply.map_err(Fault::Engine)?;
            let reply: Reply = serde_json::from_slice(reply.as_bytes())
                .map_err(|e| Fault::Engine(e.to_string()))?;
            replies.push(reply);
        }
        Ok(question.join(replies))
    }

    /// The sources nearest to the target of a view, or to an adapter.
    ///
    /// # Errors
    /// When the zoo cannot answer, or a worker has failed.
    pub async fn ask(&self, view: &View, guest: Option<&Guest>) -> Result<Loaded, Failure> {
        let failed = |fault: Fault| fault.failure(&self.index.name);
        let sets = self.index.sets();
        let set = choose_set(&sets, view.method.as_deref());
        let key = set.as_ref().map_or_else(|_| sets[0].key.clone(), |set| set.key.clone());
        let target = match &view.target {
            Some(target) => Some(target.clone()),
            // Somebody has to be the first.
            None => self.matches(&key, String::new(), 1).await.map_err(failed)?.pop().map(|t| t.id),
        };
        let answered = self.closest(view, target.as_deref(), guest).await;
        let mut tasks: Vec<String> = target.into_iter().collect();
        if let Ok(closest) = &answered {
            tasks.extend(closest.nearest.sources.iter().map(|found| found.task.id.clone()));
        }
        let mut zoo = self.gather(&tasks).await.map_err(failed)?;
        if zoo.tasks().is_empty() {
            // A link may ask for a target that is not there.
            let first = self.matches(&key, String::new(), 1).await.map_err(failed)?;
            let first: Vec<_> = first.into_iter().map(|task| task.id).collect();
            zoo = self.gather(&first).await.map_err(failed)?;
        }
        let answer = answered.map(|closest| {
            let similarity = choose_similarity(Some(&closest.ranking.similarity));
            Answer {
                method: closest.set,
                similarity: similarity.map_or("", |similarity| similarity.name),
                all: closest.nearest.all as usize,
                passing: closest.nearest.passing as usize,
                ranking: closest.ranking,
                beside: None,
                gains: None,
            }
        });
        let sharded = Sharded {
            tasks: self.index.tasks,
            files: self.index.shards.len(),
            facets: self.facets.get(&key).cloned().unwrap_or_default(),
            answer: answer.map_err(failed),
        };
        Ok(Loaded {
            sets: zoo.sets().cloned().collect(),
            zoo,
            origin: self.origin.clone(),
            bytes: self.index.bytes(),
            sha256: self.sha256.clone(),
            modified: self.file.clone().flatten(),
            whole: self.file.is_some(),
            small: None,
            sharded: Some(Box::new(sharded)),
            recent: Recent::default(),
        })
    }

    async fn closest(
        &self,
        view: &View,
        target: Option<&str>,
        guest: Option<&Guest>,
    ) -> Result<Closest, Fault> {
        let sets = self.index.sets();
        let similarity = choose_similarity(view.similarity.as_deref())?;
        let (target, method) = match guest {
            Some(guest) => (Target::Embeddings(&guest.embeddings[..1]), None),
            None => {
                let set = choose_set(&sets, view.method.as_deref())?;
                (Target::Task(target.unwrap_or_default()), Some(&*set.key))
            }
        };
        let wish = Wish { target, method, similarity, filters: &view.filters, most: MOST };
        rank(&self.index, &wish, &async |question| self.answer(question).await).await
    }

    /// The zoo of these tasks.
    async fn gather(&self, tasks: &[String]) -> Result<Zoo, Fault> {
        let text = serde_json::to_string(tasks).map_err(|e| Fault::Engine(e.to_string()))?;
        let mut parts = Vec::new();
        for file in join_all(self.engines.iter().map(|engine| engine.gather(&text))).await {
            if let Some(file) = file.map_err(Fault::Engine)? {
                parts.push(Zoo::parse(&file)?);
            }
        }
        Ok(Zoo::together(&self.index.name, &self.index.description, &parts)?)
    }

    async fn matches(&self, set: &str, text: String, most: usize) -> Result<Vec<TaskEntry>, Fault> {
        let question = Question::Search { set: set.to_owned(), text, most };
        match self.answer(question).await? {
            Reply::Search(tasks) => Ok(tasks),
            _ => Ok(Vec::new()),
        }
    }

    async fn search(&self, view: &View, text: String) -> Vec<TaskEntry> {
        let sets = self.index.sets();
        let Ok(set) = choose_set(&sets, view.method.as_deref()) else { return Vec::new() };
        self.matches(&set.key, text, MATCHES).await.unwrap_or_default()
    }
}
