//! Who is answering, what it offers, and what a token allows.

use super::NOT_STORED;
use crate::ZooSummary;
use crate::access::Caller;
use crate::problem::Failure;
use crate::routes::Shared;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tupate_api::{Info, Offers, Problem, Scope, TokenInfo, ZooFile};

/// Who is answering, and which zoos there are.
#[utoipa::path(get, path = "/api/v1/info", tag = "server", operation_id = "read_info", responses(
    (status = 200, body = Info),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn info(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let zoos = shared.catalogue.list().await?.into_iter().map(zoo_file).collect();
    let info = info_of(zoos, shared.runs.is_some());
    Ok(([NOT_STORED], Json(info)).into_response())
}

/// Who is answering, with these zoos.
pub(crate) fn info_of(zoos: Vec<ZooFile>, runs: bool) -> Info {
    let (server, version) = ("tupate".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Info { server, version, zoos, runs }
}

/// A zoo as it is listed.
pub(crate) fn zoo_file(zoo: ZooSummary) -> ZooFile {
    let url = format!("/zoos/{}", zoo.file_name);
    ZooFile { name: zoo.name, url, bytes: zoo.bytes, sha256: zoo.sha256, tasks: zoo.tasks }
}

/// What runs can be asked for.
#[utoipa::path(get, path = "/api/v1/offers", tag = "server", operation_id = "read_offers", responses(
    (status = 200, body = Offers),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn offers(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let service = Arc::clone(&runs.service);
    // Looks for files.
    let offered = tokio::task::spawn_blocking(move || service.offers())
        .await
        .map_err(|_| Failure::Panicked)?;
    let offers = Offers {
        tasks: offered.tasks,
        methods: offered.methods,
        encoders: offered.encoders,
        similarities: tupate_zoo::SIMILARITIES.iter().map(|s| s.name.to_owned()).collect(),
        upload_bytes: runs.limits.upload,
    };
    Ok(([NOT_STORED], Json(offers)).into_response())
}

/// What is known of the token that was sent.
#[utoipa::path(get, path = "/api/v1/token", tag = "server", operation_id = "read_token", security(("token" = [])), responses(
    (status = 200, body = TokenInfo),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn token(caller: Caller) -> Result<Response, Failure> {
    let token = match &caller.0 {
        Some(token) => token,
        // Says that there is none.
        None => caller.with(Scope::Read)?,
    };
    Ok(([NOT_STORED], Json(token)).into_response())
}
