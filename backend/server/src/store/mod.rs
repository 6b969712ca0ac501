//! What the server remembers: runs with their events, uploads, published zoos and
//! tokens. [`SqliteStore`] is the one built in; another database is another
//! implementation of these traits.

mod files;
mod runs;
mod sqlite;
mod tokens;

pub use sqlite::SqliteStore;

use crate::ids::{RunId, UploadId};
use std::time::{SystemTime, UNIX_EPOCH};
use tupate_api::{Event, NewRun, Run, RunResult, RunState, Scope, StoredEvent, TokenInfo, Upload};

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why the store did not do what it was asked for. Its causes are logged; clients
/// are told only what they can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds it: the same may work in a moment.
    #[error("the store is locked by another program: {0}")]
    Busy(String),
    /// There is no room left.
    #[error("the store has no room left: {0}")]
    Full(String),
    /// Anything else.
    #[error("the store does not answer: {0}")]
    Failed(String),
}

/// A run to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRun {
    /// Its id.
    pub id: RunId,
    /// Who asks for it.
    pub owner: Owner,
    /// What is asked for.
    pub spec: NewRun,
    /// The client's own key for this request: asked again, the same run is meant.
    pub key: Option<String>,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The token's id.
    pub id: String,
    /// The token's name, which people are shown.
    pub name: String,
}

/// What became of a request for a new run.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// The run is there now, with its first event.
    New(Box<Run>, StoredEvent),
    /// The same request was answered with this run before.
    Before(Box<Run>),
    /// The same key came with another request before.
    OtherRequest,
}

impl Created {
    /// What it means that a run was created with the same key.
    pub(crate) fn before(run: Run, spec: &NewRun) -> Self {
        // A name that was not given was filled in.
        let name = spec.name.as_ref().or(run.spec.name.as_ref()).cloned();
        match run.spec == (NewRun { name, ..spec.clone() }) {
            true => Self::Before(Box::new(run)),
            false => Self::OtherRequest,
        }
    }
}

/// A run with the id of its owner, for the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedRun {
    /// The run.
    pub run: Run,
    /// Its owner's id.
    pub owner: String,
}

/// A change of a run's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Why, where there is more to say.
    pub reason: Option<String>,
    /// What came out.
    pub result: Option<RunResult>,
}

/// Runs and their events.
#[async_trait::async_trait]
pub trait RunStore: Send + Sync + 'static {
    /// Keeps a new run, queued, with the event that says so; all of it or nothing.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn create(&self, new: CreateRun) -> Result<Created, StoreError>;
    /// The run that this owner created with this key, if there is one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn created_with(&self, owner: &Owner, key: &str) -> Result<Option<Run>, StoreError>;
    /// A run; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn run(&self, id: &RunId) -> Result<Option<OwnedRun>, StoreError>;
    /// Runs, newest first: those older than `before`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn runs(&self, before: Option<&RunId>, limit: u32) -> Result<Vec<Run>, StoreError>;
    /// Every run in one of these states, oldest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn in_states(&self, states: &[RunState]) -> Result<Vec<OwnedRun>, StoreError>;
    /// Puts a run from one state into another, with the event that says so; `None`
    /// when it is not in the state `from` any more. Into [`RunState::Running`]
    /// counts as a start.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn change(
        &self,
        id: &RunId,
        from: RunState,
        to: RunState,
        change: Change,
    ) -> Result<Option<(Run, StoredEvent)>, StoreError>;
    /// Marks a run that waits or is tuned as one that is to end after the epoch that it is
    /// taking, with the event that says so; `None` when it is not in such a state any more,
    /// or is marked already.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn finish(&self, id: &RunId) -> Result<Option<(Run, StoredEvent)>, StoreError>;
    /// Adds events to a run and keeps its latest progress, all of it or nothing;
    /// nothing for a run that is gone.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn append(&self, id: &RunId, events: Vec<Event>) -> Result<Vec<StoredEvent>, StoreError>;
    /// The events of a run after the one with the id `after`, in order.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn events(&self, id: &RunId, after: u64) -> Result<Vec<StoredEvent>, StoreError>;
    /// Removes a run that is at rest; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn remove_run(&self, id: &RunId) -> Result<bool, StoreError>;
    /// The ids of all runs.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn run_ids(&self) -> Result<Vec<RunId>, StoreError>;
}

/// A zoo that was published here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedZoo {
    /// What the catalogue says of it.
    pub summary: crate::ZooSummary,
    /// The id of the token that it was published with.
    pub owner: String,
}

/// Uploads and published zoos; their contents are kept by the
/// [`ArtefactStore`](crate::ArtefactStore).
#[async_trait::async_trait]
pub trait FileStore: Send + Sync + 'static {
    /// Keeps an upload; one that this owner sent before is as new again.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn add_upload(&self, upload: Upload, owner: &Owner) -> Result<Upload, StoreError>;
    /// An upload of this owner, or, where none is named, of anybody; `None` when there is
    /// none.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn upload(
        &self,
        id: &UploadId,
        owner: Option<&Owner>,
    ) -> Result<Option<Upload>, StoreError>;
    /// What an owner has sent, newest first: that older than `before`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn uploads_of(
        &self,
        owner: &Owner,
        before: Option<&UploadId>,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError>;
    /// Remembers that an owner's upload is used now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn use_upload(&self, id: &UploadId, owner: &Owner) -> Result<(), StoreError>;
    /// Removes an owner's upload; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn remove_upload(&self, id: &UploadId, owner: &Owner) -> Result<bool, StoreError>;
    /// Removes the uploads that were not used since then, in milliseconds since 1970; gives
    /// the ids of those that stay.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn forget_uploads(&self, unused_since: u64) -> Result<Vec<String>, StoreError>;
    /// Keeps a published zoo; gives the one of this name that there is already.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn add_zoo(&self, zoo: PublishedZoo) -> Result<Option<PublishedZoo>, StoreError>;
    /// Every published zoo, oldest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn zoos(&self) -> Result<Vec<PublishedZoo>, StoreError>;
    /// A published zoo by its file name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn zoo(&self, file_name: &str) -> Result<Option<PublishedZoo>, StoreError>;
    /// Takes a published zoo back; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn remove_zoo(&self, file_name: &str) -> Result<bool, StoreError>;
}

/// A token that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What is shown of it.
    pub info: TokenInfo,
    /// sha256 of the secret, lower-case hex: all that is kept of it.
    pub secret_sha256: String,
}

/// Tokens.
#[async_trait::async_trait]
pub trait TokenStore: Send + Sync + 'static {
    /// Keeps a token; `false` when its name is taken by one that may be used.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn add_token(&self, token: NewToken) -> Result<bool, StoreError>;
    /// The token whose secret has this sha256, unless it was revoked or has ended.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn token(&self, secret_sha256: &str) -> Result<Option<TokenInfo>, StoreError>;
    /// Every token that may be used, oldest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError>;
    /// Revokes a token by its id or name; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn revoke_token(&self, id_or_name: &str) -> Result<bool, StoreError>;
}

/// All that the server remembers, in one place.
pub trait Store: RunStore + FileStore + TokenStore {}

impl<T: RunStore + FileStore + TokenStore> Store for T {}

/// Scopes as one column.
fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}
