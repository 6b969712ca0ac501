//! The store in one SQLite file.

use super::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Version of the tables, in the file's `user_version`.
const SCHEMA: i64 = 2;

/// How long a write waits for another program to let go of the file.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE runs (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    spec       TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    starts     INTEGER NOT NULL DEFAULT 0,
    progress   TEXT,
    result     TEXT,
    last_event INTEGER NOT NULL DEFAULT 0,
    finishing  INTEGER NOT NULL DEFAULT 0,
    key        TEXT,
    UNIQUE (owner, key)
) STRICT;
CREATE INDEX runs_by_state ON runs (state) WHERE state NOT IN ('done', 'failed', 'cancelled');
CREATE TABLE events (
    run  INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    id   INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    id      TEXT NOT NULL,
    owner   TEXT NOT NULL,
    format  TEXT NOT NULL,
    name    TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    PRIMARY KEY (id, owner)
) STRICT;
CREATE TABLE zoos (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    file_name TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    tasks     INTEGER NOT NULL,
    owner     TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    sha256  TEXT NOT NULL UNIQUE,
    scopes  TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;
CREATE UNIQUE INDEX token_names ON tokens (name) WHERE revoked IS NULL;
";

/// From tables of version 1 to those of version 2: runs may be finished early, and of two
/// who sent the same file each has it.
const FROM_1: &str = "
ALTER TABLE runs ADD COLUMN finishing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads RENAME TO uploads_of_1;
CREATE TABLE uploads (
    id      TEXT NOT NULL,
    owner   TEXT NOT NULL,
    format  TEXT NOT NULL,
    name    TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    PRIMARY KEY (id, owner)
) STRICT;
INSERT INTO uploads SELECT id, owner, format, name, bytes, created, created FROM uploads_of_1;
DROP TABLE uploads_of_1;
";

/// The store in one SQLite file in write-ahead mode: one connection writes, one
/// reads, and neither waits for the other.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or is another program's or a later version's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let named = |e: StoreError| StoreError::Failed(format!("{}: {e}", path.display()));
        let mut writer = connect(path).map_err(named)?;
        prepare(&mut writer).map_err(named)?;
        let reader = connect(path).map_err(named)?;
        reader.pragma_update(None, "query_only", true).map_err(|e| named(e.into()))?;
        Ok(Self {
            path: path.to_owned(),
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(reader)),
        })
    }

    /// Lets the file grow to this many bytes and no further; what would need more
    /// is [`StoreError::Full`].
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn limit(&self, bytes: u64) -> Result<(), StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let page: i64 = writer.pragma_query_value(None, "page_size", |row| row.get(0))?;
        // None at all would mean "tell the limit".
        let pages = (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).max(1);
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        blocking(move || read(&reader.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Writes all or nothing, off the async threads.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            // Taking the lock at once, rather than at the first write, makes
            // waiting for it possible.
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Failed(format!("a query ended early: {error}"))))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // What was acknowledged is on the disk, whatever happens to the machine.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (version, tables) {
        (SCHEMA, _) => return Ok(()),
        (0, 0) => transaction.execute_batch(TABLES)?,
        (1, _) => transaction.execute_batch(FROM_1)?,
        (0, _) => return Err(StoreError::Failed("it is another program's database".into())),
        _ => {
            return Err(StoreError::Failed(format!(
                "it is of version {version}, this program knows {SCHEMA}: update it"
            )));
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(text),
            Some(ErrorCode::DiskFull) => Self::Full(text),
            // The index of the write-ahead log could not grow.
            Some(ErrorCode::SystemIoFailure)
                if error
                    .sqlite_error()
                    .is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) =>
            {
                Self::Full(text)
            }
            _ => Self::Failed(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!("a record cannot be read or written: {error}"))
    }
}
