//! Uploads and published zoos in SQLite.

use super::{FileStore, Owner, PublishedZoo, SqliteStore, StoreError, now};
use crate::ZooSummary;
use crate::ids::UploadId;
use rusqlite::{OptionalExtension, Row, params};
use tupate_api::{Upload, UploadFormat};

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let format: String = row.get(1)?;
    Ok(Upload {
        id: row.get(0)?,
        format: UploadFormat::of_ending(&format).ok_or(rusqlite::Error::InvalidQuery)?,
        name: row.get(2)?,
        bytes: row.get(3)?,
        created: row.get(4)?,
    })
}

const UPLOAD: &str = "SELECT id, format, name, bytes, created FROM uploads";

fn zoo(row: &Row<'_>) -> rusqlite::Result<PublishedZoo> {
    Ok(PublishedZoo {
        summary: ZooSummary {
            file_name: row.get(0)?,
            name: row.get(1)?,
            sha256: row.get(2)?,
            bytes: row.get(3)?,
            tasks: row.get(4)?,
        },
        owner: row.get(5)?,
    })
}

const ZOO: &str = "SELECT file_name, name, sha256, bytes, tasks, owner FROM zoos";

#[async_trait::async_trait]
impl FileStore for SqliteStore {
    async fn add_upload(&self, new: Upload, owner: &Owner) -> Result<Upload, StoreError> {
        let owner = owner.id.clone();
        self.write(move |transaction| {
            transaction.execute(
                "INSERT INTO uploads (id, owner, format, name, bytes, created, used) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (id, owner) DO UPDATE \
                 SET name = excluded.name, created = excluded.created, used = excluded.used",
                params![new.id, owner, new.format.ending(), new.name, new.bytes, new.created],
            )?;
            Ok(new)
        })
        .await
    }

    async fn upload(
        &self,
        id: &UploadId,
        owner: Option<&Owner>,
    ) -> Result<Option<Upload>, StoreError> {
        let (id, owner) = (id.to_string(), owner.map(|owner| owner.id.clone()));
        self.read(move |connection| {
            let query = format!(
                "{UPLOAD} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY created LIMIT 1"
            );
            Ok(connection
                .prepare_cached(&query)?
                .query_row(params![id, owner], upload)
                .optional()?)
        })
        .await
    }

    async fn uploads_of(
        &self,
        owner: &Owner,
        before: Option<&UploadId>,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError> {
        let (owner, before) = (owner.id.clone(), before.map(UploadId::to_string));
        self.read(move |connection| {
            let query = format!(
                "{UPLOAD} WHERE owner = ?1 AND (?2 IS NULL OR (created, id) < \
                 (SELECT created, id FROM uploads WHERE id = ?2 AND owner = ?1)) \
                 ORDER BY created DESC, id DESC LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(params![owner, before, limit], upload)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn use_upload(&self, id: &UploadId, owner: &Owner) -> Result<(), StoreError> {
        let (id, owner) = (id.to_string(), owner.id.clone());
        self.write(move |transaction| {
            transaction
                .prepare_cached("UPDATE uploads SET used = ?3 WHERE id = ?1 AND owner = ?2")?
                .execute(params![id, owner, now()])?;
            Ok(())
        })
        .await
    }

    async fn remove_upload(&self, id: &UploadId, owner: &Owner) -> Result<bool, StoreError> {
        let (id, owner) = (id.to_string(), owner.id.clone());
        self.write(move |transaction| {
            let removed = transaction
                .execute("DELETE FROM uploads WHERE id = ?1 AND owner = ?2", [id, owner])?;
            Ok(removed > 0)
        })
        .await
    }

    async fn forget_uploads(&self, unused_since: u64) -> Result<Vec<String>, StoreError> {
        self.write(move |transaction| {
            transaction.execute("DELETE FROM uploads WHERE used < ?1", [unused_since])?;
            let mut statement = transaction.prepare("SELECT DISTINCT id FROM uploads")?;
            let left = statement.query_map([], |row| row.get(0))?;
            Ok(left.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn add_zoo(&self, new: PublishedZoo) -> Result<Option<PublishedZoo>, StoreError> {
        self.write(move |transaction| {
            let s = &new.summary;
            let by_name = format!("{ZOO} WHERE file_name = ?1");
            let before = transaction.query_row(&by_name, [&s.file_name], zoo).optional()?;
            if before.is_none() {
                transaction.execute(
                    "INSERT INTO zoos (file_name, name, sha256, bytes, tasks, owner) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![s.file_name, s.name, s.sha256, s.bytes, s.tasks, new.owner],
                )?;
            }
            Ok(before)
        })
        .await
    }

    async fn zoos(&self) -> Result<Vec<PublishedZoo>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{ZOO} ORDER BY seq"))?;
            let rows = statement.query_map([], zoo)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn zoo(&self, file_name: &str) -> Result<Option<PublishedZoo>, StoreError> {
        let name = file_name.to_owned();
        self.read(move |connection| {
            let query = format!("{ZOO} WHERE file_name = ?1");
            Ok(connection.prepare_cached(&query)?.query_row([name], zoo).optional()?)
        })
        .await
    }

    async fn remove_zoo(&self, file_name: &str) -> Result<bool, StoreError> {
        let name = file_name.to_owned();
        self.write(move |transaction| {
            Ok(transaction.execute("DELETE FROM zoos WHERE file_name = ?1", [name])? > 0)
        })
        .await
    }
}
