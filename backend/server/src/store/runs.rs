//! Runs and events in SQLite.

use super::{Change, CreateRun, Created, OwnedRun, Owner, RunStore, SqliteStore, StoreError, now};
use crate::ids::RunId;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tupate_api::{Event, Run, RunState, StoredEvent};

const COLUMNS: &str = "seq, id, owner, owner_name, spec, state, reason, created, updated, starts, \
                       progress, result, last_event, finishing";

/// A row of `runs`.
struct Found {
    seq: i64,
    owned: OwnedRun,
}

/// The row as SQLite has it, whose texts are still to be understood.
type Raw = (
    (i64, String, String, String, String, String),
    (Option<String>, u64, u64, u64, Option<String>, Option<String>, u64, bool),
);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?),
        (
            row.get(6)?,
            row.get(7)?,
            row.get(8)?,
            row.get(9)?,
            row.get(10)?,
            row.get(11)?,
            row.get(12)?,
            row.get(13)?,
        ),
    ))
}

fn understood(raw: Raw) -> Result<Found, StoreError> {
    let (
        (seq, id, owner, owner_name, spec, state),
        (reason, created, updated, starts, progress, result, last_event, finishing),
    ) = raw;
    let run = Run {
        id,
        owner: owner_name,
        spec: serde_json::from_str(&spec)?,
        state: RunState::named(&state)
            .ok_or_else(|| StoreError::Failed(format!("there is no state {state}")))?,
        reason,
        created,
        updated,
        starts,
        finishing,
        progress: progress.as_deref().map(serde_json::from_str).transpose()?,
        result: result.as_deref().map(serde_json::from_str).transpose()?,
        last_event,
    };
    Ok(Found { seq, owned: OwnedRun { run, owner } })
}

fn find(connection: &Connection, id: &RunId) -> Result<Option<Found>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    let found = connection.prepare_cached(&query)?.query_row([id.as_str()], raw).optional()?;
    found.map(understood).transpose()
}

fn keyed(connection: &Connection, owner: &str, key: &str) -> Result<Option<Run>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM runs WHERE owner = ?1 AND key = ?2");
    let found = connection.prepare_cached(&query)?.query_row([owner, key], raw).optional()?;
    Ok(found.map(understood).transpose()?.map(|found| found.owned.run))
}

/// Adds an event behind the run's last one.
fn push(
    transaction: &Transaction<'_>,
    seq: i64,
    run: &mut Run,
    event: Event,
) -> Result<StoredEvent, StoreError> {
    let at = now();
    run.last_event += 1;
    let body = serde_json::to_string(&event)?;
    transaction
        .prepare_cached("INSERT INTO events (run, id, at, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, run.last_event, at, body])?;
    Ok(StoredEvent { id: run.last_event, at, event })
}

#[async_trait::async_trait]
impl RunStore for SqliteStore {
    async fn create(&self, new: CreateRun) -> Result<Created, StoreError> {
        self.write(move |transaction| {
            if let Some(key) = &new.key
                && let Some(run) = keyed(transaction, &new.owner.id, key)?
            {
                return Ok(Created::before(run, &new.spec));
            }
            let at = now();
            let mut run = Run {
                id: new.id.as_str().to_owned(),
                owner: new.owner.name.clone(),
                spec: new.spec,
                state: RunState::Queued,
                reason: None,
                created: at,
                updated: at,
                starts: 0,
                finishing: false,
                progress: None,
                result: None,
                last_event: 0,
            };
            transaction.execute(
                "INSERT INTO runs (id, owner, owner_name, spec, state, created, updated, key, \
                 last_event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, 1)",
                params![
                    run.id,
                    new.owner.id,
                    new.owner.name,
                    serde_json::to_string(&run.spec)?,
                    run.state.name(),
                    at,
                    new.key
                ],
            )?;
            let seq = transaction.last_insert_rowid();
            let event = Event::State { state: RunState::Queued, reason: None };
            let event = push(transaction, seq, &mut run, event)?;
            Ok(Created::New(Box::new(run), event))
        })
        .await
    }

    async fn created_with(&self, owner: &Owner, key: &str) -> Result<Option<Run>, StoreError> {
        let (owner, key) = (owner.id.clone(), key.to_owned());
        self.read(move |connection| keyed(connection, &owner, &key)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<OwnedRun>, StoreError> {
        let id = id.clone();
        self.read(move |connection| Ok(find(connection, &id)?.map(|found| found.owned))).await
    }

    async fn runs(&self, before: Option<&RunId>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let before = before.cloned();
        self.read(move |connection| {
            let older = match &before {
                None => i64::MAX,
                Some(id) => connection
                    .query_row("SELECT seq FROM runs WHERE id = ?1", [id.as_str()], |r| r.get(0))
                    .optional()?
                    .unwrap_or(0),
            };
            let query =
                format!("SELECT {COLUMNS} FROM runs WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(params![older, limit], raw)?;
            rows.map(|row| Ok(understood(row?)?.owned.run)).collect()
        })
        .await
    }

    async fn in_states(&self, states: &[RunState]) -> Result<Vec<OwnedRun>, StoreError> {
        let states = states.to_vec();
        self.read(move |connection| {
            // Names of states are our own words: nothing in them needs escaping.
            let names: Vec<_> = states.iter().map(|state| format!("'{}'", state.name())).collect();
            let query = format!(
                "SELECT {COLUMNS} FROM runs WHERE state IN ({}) ORDER BY seq",
                names.join(", ")
            );
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map([], raw)?;
            rows.map(|row| Ok(understood(row?)?.owned)).collect()
        })
        .await
    }

    async fn change(
        &self,
        id: &RunId,
        from: RunState,
        to: RunState,
        change: Change,
    ) -> Result<Option<(Run, StoredEvent)>, StoreError> {
        if !from.may_become(to) {
            return Err(StoreError::Failed(format!(
                "a run that is {} cannot become {}",
                from.name(),
                to.name()
            )));
        }
        let id = id.clone();
        self.write(move |transaction| {
            let Some(Found { seq, owned: OwnedRun { mut run, .. } }) = find(transaction, &id)?
            else {
                return Ok(None);
            };
            if run.state != from {
                return Ok(None);
            }
            run.state = to;
            run.reason = change.reason;
            run.result = change.result;
            run.starts += u64::from(to == RunState::Running);
            let event = Event::State { state: to, reason: run.reason.clone() };
            let event = push(transaction, seq, &mut run, event)?;
            run.updated = event.at;
            let result = run.result.as_ref().map(serde_json::to_string).transpose()?;
            transaction
                .prepare_cached(
                    "UPDATE runs SET state = ?2, reason = ?3, updated = ?4, starts = ?5, \
                     result = ?6, last_event = ?7 WHERE seq = ?1",
                )?
                .execute(params![
                    seq,
                    to.name(),
                    run.reason,
                    run.updated,
                    run.starts,
                    result,
                    run.last_event
                ])?;
            Ok(Some((run, event)))
        })
        .await
    }

    async fn finish(&self, id: &RunId) -> Result<Option<(Run, StoredEvent)>, StoreError> {
        let id = id.clone();
        self.write(move |transaction| {
            let Some(Found { seq, owned: OwnedRun { mut run, .. } }) = find(transaction, &id)?
            else {
                return Ok(None);
            };
            if run.finishing || !matches!(run.state, RunState::Queued | RunState::Running) {
                return Ok(None);
            }
            run.finishing = true;
            let event = push(transaction, seq, &mut run, Event::Finishing)?;
            transaction
                .prepare_cached("UPDATE runs SET finishing = 1, last_event = ?2 WHERE seq = ?1")?
                .execute(params![seq, run.last_event])?;
            Ok(Some((run, event)))
        })
        .await
    }

    async fn append(&self, id: &RunId, events: Vec<Event>) -> Result<Vec<StoredEvent>, StoreError> {
        let id = id.clone();
        self.write(move |transaction| {
            let Some(Found { seq, owned: OwnedRun { mut run, .. } }) = find(transaction, &id)?
            else {
                return Ok(Vec::new());
            };
            let mut stored = Vec::with_capacity(events.len());
            for event in events {
                if let Event::Progress(progress) = &event {
                    run.progress = Some(progress.clone());
                }
                stored.push(push(transaction, seq, &mut run, event)?);
            }
            let progress = run.progress.as_ref().map(serde_json::to_string).transpose()?;
            transaction
                .prepare_cached("UPDATE runs SET progress = ?2, last_event = ?3 WHERE seq = ?1")?
                .execute(params![seq, progress, run.last_event])?;
            Ok(stored)
        })
        .await
    }

    async fn events(&self, id: &RunId, after: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT events.id, at, body FROM events JOIN runs ON runs.seq = events.run \
                 WHERE runs.id = ?1 AND events.id > ?2 ORDER BY events.id",
            )?;
            let rows = statement.query_map(params![id.as_str(), after], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
            })?;
            rows.map(|row| {
                let (id, at, body) = row?;
                Ok(StoredEvent { id, at, event: serde_json::from_str(&body)? })
            })
            .collect()
        })
        .await
    }

    async fn remove_run(&self, id: &RunId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |transaction| {
            let removed = transaction.execute(
                "DELETE FROM runs WHERE id = ?1 AND state IN ('done', 'failed', 'cancelled')",
                [id.as_str()],
            )?;
            Ok(removed > 0)
        })
        .await
    }

    async fn run_ids(&self) -> Result<Vec<RunId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM runs")?;
            let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok(ids
                .collect::<rusqlite::Result<Vec<_>>>()?
                .iter()
                .filter_map(|id| RunId::parse(id))
                .collect())
        })
        .await
    }
}
