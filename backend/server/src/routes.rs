//! The one table of routes.

use crate::page::{Page, page};
use crate::policy;
use crate::problem::Failure;
use crate::zoos::zoo;
use crate::{ZooCatalogue, ZooSummary};
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use tower_http::cors::{Any, CorsLayer};
use tower_http::trace::TraceLayer;
use tupate_api::{Info, ZooFile};

/// Largest request body that is let in, though no route reads one.
const MAX_BODY: u64 = 1024;

/// What the routes share.
pub(crate) struct Shared {
    pub catalogue: Arc<dyn ZooCatalogue>,
    pub page: Page,
}

/// The routes with everything around them.
pub(crate) fn router(catalogue: Arc<dyn ZooCatalogue>, page_files: Page) -> Router {
    let headers = policy::headers(page_files.index());
    let shared = Arc::new(Shared { catalogue, page: page_files });
    // What a layer wraps must be complete before: other methods are refused
    // inside it, so that it sees the questions browsers ask by OPTIONS.
    let for_any_origin = Router::new()
        .route("/zoos/{name}", get(zoo))
        .method_not_allowed_fallback(refuse_method)
        .layer(cross_origin());
    Router::new()
        .merge(for_any_origin)
        .route("/api/v1/info", get(info))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(page)
        .method_not_allowed_fallback(refuse_method)
        .with_state(shared)
        .layer(from_fn(refuse_bodies))
        .layer(map_response(move |mut response: Response| {
            response.headers_mut().extend(headers.clone());
            async { response }
        }))
        .layer(TraceLayer::new_for_http())
}

/// Zoos may be read by any page: that is how one is opened by its URL.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE, header::IF_NONE_MATCH, header::IF_RANGE])
        .expose_headers([header::ETAG, header::CONTENT_LENGTH, header::CONTENT_RANGE])
        // The answer is the same for every origin.
        .vary([])
}

async fn refuse_method() -> Failure {
    Failure::Method
}

async fn refuse_bodies(request: Request, next: Next) -> Response {
    match request.body().size_hint().upper() {
        Some(size) if size <= MAX_BODY => next.run(request).await,
        _ => Failure::BodyTooLarge.into_response(),
    }
}

async fn info(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let zoos = shared.catalogue.list().await?.into_iter().map(zoo_file).collect();
    let info = Info {
        server: "tupate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        zoos,
        runs: false,
    };
    Ok(([NOT_STORED], Json(info)).into_response())
}

fn zoo_file(zoo: ZooSummary) -> ZooFile {
    let url = format!("/zoos/{}", zoo.file_name);
    ZooFile { name: zoo.name, url, bytes: zoo.bytes, sha256: zoo.sha256, tasks: zoo.tasks }
}

/// The process lives.
async fn healthz() -> Response {
    ([NOT_STORED], "ok\n").into_response()
}

/// The store answers too: requests may be sent here.
async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    shared.catalogue.list().await?;
    Ok(([NOT_STORED], "ready\n").into_response())
}

const NOT_STORED: (header::HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
