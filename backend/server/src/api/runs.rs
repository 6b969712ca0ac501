//! `/api/v1/runs`.

use super::{Id, NOT_STORED, fields, page_size, text};
use crate::access::Caller;
use crate::body;
use crate::ids::RunId;
use crate::problem::{Failure, shortened};
use crate::routes::Shared;
use crate::runs::{Inner, off_thread};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use tupate_api::{FieldProblem, NewRun, Problem, Run, Runs, Scope, StoredEvent};
use tupate_zoo::Dtype;

/// Which runs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Those older than the run with this id.
    before: Option<String>,
    /// At most this many.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", operation_id = "list_runs", params(Page), responses(
    (status = 200, body = Runs),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let Page { before, limit } = fields(query)?;
    let limit = page_size(limit)?;
    let before = match before {
        None => None,
        Some(id) => Some(runs.run(&id).await?.0),
    };
    let mut found = runs.store.runs(before.as_ref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|run| run.id.clone());
    Ok(([NOT_STORED], Json(Runs { runs: found, next })).into_response())
}

/// Asks for a run. With a header `Idempotency-Key`, asking again is the same run.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", operation_id = "create_run", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "a key of one's own for this request")),
    request_body = NewRun, responses(
    (status = 201, body = Run, description = "the run waits", headers(("location" = String)),
        links(
            ("read_run" = (operation_id = "read_run", parameters(("id" = "$response.body#/id")))),
            ("watch_run" = (operation_id = "watch_run", parameters(("id" = "$response.body#/id")))),
            ("cancel_run" = (operation_id = "cancel_run", parameters(("id" = "$response.body#/id")))),
            ("finish_run" = (operation_id = "finish_run", parameters(("id" = "$response.body#/id")))),
            ("resume_run" = (operation_id = "resume_run", parameters(("id" = "$response.body#/id")))),
            ("delete_run" = (operation_id = "delete_run", parameters(("id" = "$response.body#/id")))),
        )),
    (status = 200, body = Run, description = "this key was answered with this run before"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Tune)?;
    let key = key(request.headers())?;
    let spec: NewRun = body::json(request, shared.pace).await?;
    if let Some(run) = runs.answered(&owner, &spec, key.as_deref()).await? {
        return answer(run, StatusCode::OK);
    }
    check(&spec)?;
    if let Some(ranking) = &spec.ranking
        && shared.catalogue.open(&ranking.zoo).await?.is_none()
    {
        let detail = format!("there is no zoo {}", shortened(&ranking.zoo));
        return Err(Failure::Fields(vec![FieldProblem::new("ranking.zoo", detail)]));
    }
    let (run, new) = runs.create(owner, spec, key).await?;
    answer(run, if new { StatusCode::CREATED } else { StatusCode::OK })
}

/// A run that was asked for, and where it is.
fn answer(run: Run, status: StatusCode) -> Result<Response, Failure> {
    let location = HeaderValue::from_str(&format!("/api/v1/runs/{}", run.id))
        .map_err(|_| Failure::Panicked)?;
    Ok((status, [NOT_STORED, (header::LOCATION, location)], Json(run)).into_response())
}

/// What the server itself can say of a request; the service says the rest.
fn check(spec: &NewRun) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    if spec.name.as_ref().is_some_and(|name| !crate::ids::is_plain_name(name)) {
        wrong.push(FieldProblem::new(
            "name",
            "must be 1 to 100 letters, digits, `_`, `-` and `.`, with a letter or digit in front",
        ));
    }
    if spec.columns.as_ref().is_some_and(|columns| columns.chars().count() > 1000) {
        wrong.push(FieldProblem::new("columns", "must have at most 1000 characters"));
    }
    if let Some(ranking) = &spec.ranking {
        if ranking.top.is_some_and(|top| !(1..=100).contains(&top)) {
            wrong.push(FieldProblem::new("ranking.top", "must be from 1 to 100"));
        }
        if let Some(Err(error)) = ranking.similarity.as_deref().map(tupate_zoo::Similarity::named) {
            wrong.push(FieldProblem::new("ranking.similarity", error.to_string()));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::Fields(wrong)),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    const NAME: &str = "idempotency-key";
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) => Ok(Some(text.to_owned())),
        _ => Err(Failure::Malformed(
            "The header Idempotency-Key must be 1 to 255 printable ASCII characters.".into(),
        )),
    }
}

/// A run as it stands.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "read_run", params(("id" = String, Path)), responses(
    (status = 200, body = Run),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn read(State(shared): State<Arc<Shared>>, id: Id) -> Result<Response, Failure> {
    let (_, owned) = shared.runs()?.run(&text(id, Failure::UnknownRun)?).await?;
    Ok(([NOT_STORED], Json(owned.run)).into_response())
}

/// A run that the caller may change.
async fn own<'a>(
    shared: &'a Shared,
    caller: &Caller,
    id: Id,
) -> Result<(&'a Arc<Inner>, RunId, Run), Failure> {
    let runs = shared.runs()?;
    // Who may do nothing here is not told which runs there are.
    caller.with(Scope::Tune)?;
    let (id, owned) = runs.run(&text(id, Failure::UnknownRun)?).await?;
    caller.may_change(Scope::Tune, &owned.owner)?;
    Ok((runs, id, owned.run))
}

/// Stops a run: at once where it waits, else after the step that it is taking.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", operation_id = "cancel_run", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = Run, description = "the run, cancelled or about to be"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let (runs, id, _) = own(&shared, &caller, id).await?;
    Ok(([NOT_STORED], Json(runs.cancel(&id).await?)).into_response())
}

/// Has a run end after the epoch that it is taking, or that it takes next: it is done then,
/// as a run of so many epochs would be, and may be published. Further learning rates are not
/// tried; the best so far is kept.
#[utoipa::path(post, path = "/api/v1/runs/{id}/finish", tag = "runs", operation_id = "finish_run", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = Run, description = "the run, about to be done or done"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn finish(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let (runs, id, _) = own(&shared, &caller, id).await?;
    Ok(([NOT_STORED], Json(runs.finish(&id).await?)).into_response())
}

/// Queues a run again that was cancelled or failed; it goes on where it was.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", operation_id = "resume_run", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = Run, description = "the run, waiting or tuned already"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn resume(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let (runs, id, _) = own(&shared, &caller, id).await?;
    Ok(([NOT_STORED], Json(runs.resume(&id).await?)).into_response())
}

/// The zoo that a finished run makes, with its early and its late embedding as they were tuned
/// (F32): for whoever may change the run, who ranks by it before or without publishing it.
#[utoipa::path(get, path = "/api/v1/runs/{id}/zoo", tag = "runs", operation_id = "read_zoo_of_run", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, description = "a zoo file", content_type = "application/octet-stream"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn zoo(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let (runs, id, run) = own(&shared, &caller, id).await?;
    let Some(result) = run.result else {
        return Err(Failure::State(id.to_string(), "is not done: it has no embedding yet"));
    };
    let artefacts = Arc::clone(&runs.artefacts);
    let folder = off_thread(move || artefacts.open_run(&id)).await?.out();
    let (_, bytes) =
        super::zoos::pack(runs, result.task, String::new(), vec![folder], Dtype::F32).await?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(([NOT_STORED, kind], bytes).into_response())
}

/// Removes a run that is done, failed or cancelled, with its files. Zoos that it was
/// published in stay.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "delete_run", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 204, description = "it is gone"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let (runs, id, _) = own(&shared, &caller, id).await?;
    runs.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// From where to tell what happened.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// After the event with this id; the header `Last-Event-ID` goes before.
    after: Option<u64>,
}

/// What happens to a run, as server-sent events: those after `Last-Event-ID`, then
/// each as it happens. The stream ends when the run is at rest; 204 when there is
/// nothing more to tell.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs", operation_id = "watch_run",
    params(("id" = String, Path), From,
        ("Last-Event-ID" = Option<u64>, Header, description = "id of the last event that is known")),
    responses(
    (status = 200, body = StoredEvent, content_type = "text/event-stream"),
    (status = 204, description = "nothing more is to come"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    id: Id,
    query: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let From { after } = fields(query)?;
    let after = match headers.get("last-event-id") {
        None => after.unwrap_or_default(),
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            Failure::Malformed("The header Last-Event-ID must be the id of an event.".into())
        })?,
    };
    let stream = runs.listen(&text(id, Failure::UnknownRun)?, after).await?;
    if stream.is_over() {
        // Browsers stop coming back.
        return Ok((StatusCode::NO_CONTENT, [NOT_STORED]).into_response());
    }
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(([NOT_STORED, kind], stream.into_body()).into_response())
}
