//! Tokens in SQLite.

use super::{NewToken, SqliteStore, StoreError, TokenStore, now, scopes_text};
use rusqlite::{OptionalExtension, Row, params};
use tupate_api::{Scope, TokenInfo};

fn token(row: &Row<'_>) -> rusqlite::Result<TokenInfo> {
    let scopes: String = row.get(2)?;
    Ok(TokenInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: scopes.split(' ').filter_map(Scope::named).collect(),
        created: row.get(3)?,
        expires: row.get(4)?,
    })
}

/// Those that may be used at the time `?1`.
const USABLE: &str = "SELECT id, name, scopes, created, expires FROM tokens \
                      WHERE revoked IS NULL AND (expires IS NULL OR expires > ?1)";

#[async_trait::async_trait]
impl TokenStore for SqliteStore {
    async fn add_token(&self, new: NewToken) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let NewToken { info, secret_sha256 } = &new;
            // One that has ended takes no name any more.
            transaction.execute(
                "UPDATE tokens SET revoked = expires \
                 WHERE name = ?1 AND revoked IS NULL AND expires <= ?2",
                params![info.name, now()],
            )?;
            let added = transaction.execute(
                "INSERT INTO tokens (id, name, sha256, scopes, created, expires) \
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6 \
                 WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE name = ?2 AND revoked IS NULL)",
                params![
                    info.id,
                    info.name,
                    secret_sha256,
                    scopes_text(&info.scopes),
                    info.created,
                    info.expires
                ],
            )?;
            Ok(added > 0)
        })
        .await
    }

    async fn token(&self, secret_sha256: &str) -> Result<Option<TokenInfo>, StoreError> {
        let sha256 = secret_sha256.to_owned();
        self.read(move |connection| {
            let query = format!("{USABLE} AND sha256 = ?2");
            let mut statement = connection.prepare_cached(&query)?;
            Ok(statement.query_row(params![now(), sha256], token).optional()?)
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!("{USABLE} ORDER BY seq"))?;
            let rows = statement.query_map([now()], token)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn revoke_token(&self, id_or_name: &str) -> Result<bool, StoreError> {
        let wanted = id_or_name.to_owned();
        self.write(move |transaction| {
            let revoked = transaction.execute(
                "UPDATE tokens SET revoked = ?1 WHERE revoked IS NULL AND (id = ?2 OR name = ?2)",
                params![now(), wanted],
            )?;
            Ok(revoked > 0)
        })
        .await
    }
}
