//! `tupate token`.

use super::{print, print_json};
use crate::cli::TokenCommand;
use crate::failure::Failure;
use crate::progress::say;
use crate::tuning::state;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tupate_api::{Scope, TokenInfo};
use tupate_server::{SqliteStore, StoreError, TokenStore, new_token};

pub fn run(command: TokenCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Run(format!("no runtime: {e}")))?;
    runtime.block_on(async {
        match command {
            TokenCommand::Create { data, name, scope, days } => {
                create(&data, &name, &scope, days).await
            }
            TokenCommand::List { data, output } => list(&data, output.json).await,
            TokenCommand::Revoke { token, data } => revoke(&data, &token).await,
        }
    })
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Run(error.to_string())
    }
}

async fn create(
    data: &Path,
    name: &str,
    scopes: &[Scope],
    days: Option<u32>,
) -> Result<(), Failure> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Failure::Usage("--name must be 1 to 100 characters on one line".into()));
    }
    let ends = days.map(|days| SystemTime::now() + Duration::from_secs(u64::from(days) * 86400));
    let ends = ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok());
    let expires = ends.and_then(|ends| u64::try_from(ends.as_millis()).ok());
    let store = state::open(data)?;
    let (token, secret) = new_token(name, scopes, expires);
    let id = token.info.id.clone();
    if !store.add_token(token).await? {
        return Err(Failure::Usage(format!(
            "there is a token called {name} already; take another --name, or revoke it first"
        )));
    }
    say(format_args!(
        "token {id} ({name}); its secret is printed this once, and sent as `Authorization: Bearer \
         SECRET`"
    ));
    print(&secret)
}

/// The store of a folder that has one: looking must make none.
fn existing(data: &Path) -> Result<SqliteStore, Failure> {
    match state::file(data).is_file() {
        true => Ok(state::open(data)?),
        false => Err(Failure::Usage(format!(
            "{} is no server's folder; `tupate token create` makes one",
            data.display()
        ))),
    }
}

async fn list(data: &Path, as_json: bool) -> Result<(), Failure> {
    let tokens = existing(data)?.tokens().await?;
    if as_json {
        return print_json(&tokens);
    }
    for TokenInfo { id, name, scopes, expires, .. } in tokens {
        let scopes: Vec<_> = scopes.into_iter().map(Scope::name).collect();
        let ends = match expires.and_then(days_left) {
            Some(days) => format!("ends in {days} days"),
            None => "does not end".to_owned(),
        };
        print(&format!("{id}  {:<28} {ends:<18} {name}", scopes.join(",")))?;
    }
    Ok(())
}

/// Whole days until a time in milliseconds since 1970.
fn days_left(time: u64) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_millis(time).saturating_sub(now).as_secs() / 86400)
}

async fn revoke(data: &Path, token: &str) -> Result<(), Failure> {
    match existing(data)?.revoke_token(token).await? {
        true => print(&format!("{token} is revoked")),
        false => Err(Failure::Usage(format!(
            "no token {token}; `tupate token list` lists those that may be used"
        ))),
    }
}
