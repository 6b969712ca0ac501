//! `/api/v1/zoos`: runs become a zoo that others may read.

use super::info::zoo_file;
use super::{Id, NOT_STORED, text};
use crate::ZooSummary;
use crate::access::Caller;
use crate::body;
use crate::ids::{Digest, is_plain_name};
use crate::problem::{Failure, shortened};
use crate::routes::Shared;
use crate::runs::{Inner, off_thread};
use crate::store::{Owner, PublishedZoo};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use tupate_api::{FieldProblem, NewZoo, Problem, RunState, Scope, ZooFile};
use tupate_zoo::{Dtype, Zoo};

/// Publishes finished runs of one's own as a zoo. Asked again with the same runs, it is the same
/// zoo; what a name stands for does not change.
#[utoipa::path(post, path = "/api/v1/zoos", tag = "zoos", operation_id = "publish_zoo", security(("token" = [])), request_body = NewZoo, responses(
    (status = 201, body = ZooFile, description = "it is served from now on"),
    (status = 200, body = ZooFile, description = "it was published before"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn publish(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Publish)?;
    let new: NewZoo = body::json(request, shared.pace).await?;
    let folders = check(&shared, &caller, &new).await?;
    let (tasks, bytes) = pack(runs, new.name.clone(), new.description, folders, Dtype::F16).await?;
    let (zoo, new) = keep(&shared, owner, &new.name, tasks, bytes).await?;
    let location = HeaderValue::from_str(&zoo.url).map_err(|_| Failure::Panicked)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [NOT_STORED, (header::LOCATION, location)], Json(zoo)).into_response())
}

/// A zoo of finished runs, and how many tasks it has.
pub(super) async fn pack(
    runs: &Inner,
    name: String,
    description: String,
    folders: Vec<PathBuf>,
    dtype: Dtype,
) -> Result<(u64, Vec<u8>), Failure> {
    let service = Arc::clone(&runs.service);
    let packed = tokio::task::spawn_blocking(move || {
        let bytes = service.pack(&name, &description, &folders, dtype)?;
        // What is served opens: nothing else becomes a zoo.
        let zoo = Zoo::parse(&bytes).map_err(|e| e.to_string())?;
        Ok::<_, String>((zoo.tasks().len() as u64, bytes))
    });
    packed.await.map_err(|_| Failure::Panicked)?.map_err(Failure::Unpackable)
}

/// The folders of the runs, or what is wrong with the request.
async fn check(shared: &Shared, caller: &Caller, new: &NewZoo) -> Result<Vec<PathBuf>, Failure> {
    const MOST: usize = 1000;
    let runs = shared.runs()?;
    let mut wrong = Vec::new();
    if !is_plain_name(&new.name) {
        wrong.push(FieldProblem::new(
            "name",
            "must be 1 to 100 letters, digits, `_`, `-` and `.`, with a letter or digit in front",
        ));
    }
    if new.description.chars().count() > 2000 {
        wrong.push(FieldProblem::new("description", "must have at most 2000 characters"));
    }
    if new.runs.is_empty() || new.runs.len() > MOST {
        wrong.push(FieldProblem::new("runs", format!("must be 1 to {MOST} ids of runs")));
        return Err(Failure::Fields(wrong));
    }
    let mut folders = Vec::with_capacity(new.runs.len());
    let mut seen = HashSet::new();
    for (i, id) in new.runs.iter().enumerate() {
        let field = format!("runs[{i}]");
        match runs.run(id).await {
            Ok((_, owned)) if caller.may_change(Scope::Publish, &owned.owner).is_err() => {
                let detail = "belongs to another token; the scope `admin` is needed for it";
                wrong.push(FieldProblem::new(field, detail));
            }
            Ok((id, owned)) if owned.run.state == RunState::Done => {
                if seen.insert(id.clone()) {
                    let artefacts = Arc::clone(&runs.artefacts);
                    folders.push(off_thread(move || artefacts.open_run(&id)).await?.out());
                }
            }
            Ok((_, owned)) => {
                let detail = format!("is {}, not done", owned.run.state.name());
                wrong.push(FieldProblem::new(field, detail));
            }
            Err(Failure::UnknownRun(id)) => {
                let detail = format!("there is no run {}", shortened(&id));
                wrong.push(FieldProblem::new(field, detail));
            }
            Err(other) => return Err(other),
        }
    }
    match wrong.is_empty() {
        true => Ok(folders),
        false => Err(Failure::Fields(wrong)),
    }
}

/// Keeps the content, then its name: what has a name is whole.
async fn keep(
    shared: &Shared,
    owner: Owner,
    name: &str,
    tasks: u64,
    bytes: Vec<u8>,
) -> Result<(ZooFile, bool), Failure> {
    let runs = shared.runs()?;
    let _publishing = runs.publishing.lock().await;
    let file_name = format!("{name}.safetensors");
    let length = bytes.len() as u64;
    let digest = Digest::of(&bytes);
    let taken = shared.catalogue.list().await?.into_iter().find(|zoo| zoo.file_name == file_name);
    match taken {
        Some(zoo) if zoo.sha256 == digest.as_str() => return Ok((zoo_file(zoo), false)),
        Some(_) => return Err(Failure::NameTaken(name.to_owned())),
        None => {}
    }
    let artefacts = Arc::clone(&runs.artefacts);
    off_thread(move || artefacts.put_zoo(&bytes)).await?;
    let summary = ZooSummary {
        file_name,
        name: name.to_owned(),
        bytes: length,
        sha256: digest.as_str().to_owned(),
        tasks,
    };
    let zoo = PublishedZoo { summary: summary.clone(), owner: owner.id };
    match runs.store.add_zoo(zoo).await? {
        None => Ok((zoo_file(summary), true)),
        Some(before) if before.summary.sha256 == summary.sha256 => {
            Ok((zoo_file(before.summary), false))
        }
        Some(_) => Err(Failure::NameTaken(name.to_owned())),
    }
}

/// Takes a zoo back that was published here; `name` is the last part of its URL.
#[utoipa::path(delete, path = "/api/v1/zoos/{name}", tag = "zoos", operation_id = "delete_zoo", security(("token" = [])),
    params(("name" = String, Path)), responses(
    (status = 204, description = "it is served no more"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    name: Id,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    caller.with(Scope::Publish)?;
    let name = text(name, Failure::UnknownZoo)?;
    let _publishing = runs.publishing.lock().await;
    let Some(zoo) = runs.store.zoo(&name).await? else {
        return match shared.catalogue.open(&name).await? {
            Some(_) => Err(Failure::NotPublished(name)),
            None => Err(Failure::UnknownZoo(name)),
        };
    };
    caller.may_change(Scope::Publish, &zoo.owner)?;
    runs.store.remove_zoo(&name).await?;
    let sha256 = zoo.summary.sha256;
    let used = runs.store.zoos().await?.iter().any(|zoo| zoo.summary.sha256 == sha256);
    if let (false, Some(digest)) = (used, Digest::parse(&sha256)) {
        let artefacts = Arc::clone(&runs.artefacts);
        if let Err(error) = off_thread(move || artefacts.remove_zoo(&digest)).await {
            tracing::warn!(%error, "the file of a zoo that was taken back stays for now");
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
