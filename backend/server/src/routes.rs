//! The one table of routes.

use crate::ZooCatalogue;
use crate::access::{Access, guard};
use crate::api::{NOT_STORED, docs, info, runs, uploads, zoos};
use crate::body::Pace;
use crate::metrics::{Metrics, metrics};
use crate::observe::observe;
use crate::page::{Page, page};
use crate::policy;
use crate::problem::Failure;
use crate::proxy::Network;
use crate::rates::Limiters;
use crate::runs::{Inner, Runs};
use crate::zoos::zoo;
use axum::Router;
use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use std::sync::Arc;
use tower_http::cors::{Any, CorsLayer};

/// Largest body of a request that takes none: some clients send an empty object.
const MAX_BODY: u64 = 1024;

/// What the routes share.
pub(crate) struct Shared {
    pub catalogue: Arc<dyn ZooCatalogue>,
    pub page: Page,
    pub runs: Option<Runs>,
    pub access: Access,
    pub trusted_proxies: Vec<Network>,
    pub rates: Limiters,
    pub pace: Pace,
    pub metrics: Metrics,
}

impl Shared {
    /// The runs, where the server keeps any.
    pub fn runs(&self) -> Result<&Arc<Inner>, Failure> {
        self.runs.as_ref().map(Runs::inner).ok_or(Failure::NoRuns)
    }
}

/// The routes with everything around them.
pub(crate) fn router(shared: Shared) -> Router {
    let headers = policy::headers(shared.page.index());
    let shared = Arc::new(shared);
    // What a layer wraps must be complete before: other methods are refused
    // inside it, so that it sees the questions browsers ask by OPTIONS.
    let for_any_origin = Router::new()
        .route("/zoos/{name}", get(zoo))
        .method_not_allowed_fallback(refuse_method)
        .layer(cross_origin());
    let without_body = Router::new()
        .merge(for_any_origin)
        .route("/api/v1/info", get(info::info))
        .route("/api/v1/offers", get(info::offers))
        .route("/api/v1/token", get(info::token))
        .route("/api/v1/runs/{id}", get(runs::read).delete(runs::remove))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/finish", post(runs::finish))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/runs/{id}/events", get(runs::events))
        .route("/api/v1/runs/{id}/zoo", get(runs::zoo))
        .route("/api/v1/uploads/{id}", get(uploads::read).delete(uploads::remove))
        .route("/api/v1/zoos/{name}", delete(zoos::remove))
        .route("/api/openapi.json", get(docs::json))
        .route("/api/docs", get(docs::page))
        .route("/api/docs.css", get(docs::style))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(page)
        .method_not_allowed_fallback(refuse_method)
        .layer(from_fn(refuse_bodies));
    // These count what they read.
    let with_body = Router::new()
        .route("/api/v1/runs", get(runs::list).post(runs::create))
        .route("/api/v1/uploads", get(uploads::list).post(uploads::create))
        .route("/api/v1/zoos", post(zoos::publish))
        .method_not_allowed_fallback(refuse_method)
        .layer(DefaultBodyLimit::disable());
    without_body
        .merge(with_body)
        .with_state(Arc::clone(&shared))
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .layer(map_response(move |mut response: Response| {
            response.headers_mut().extend(headers.clone());
            async { response }
        }))
        .layer(from_fn_with_state(shared, observe))
}

/// Zoos may be read by any page: that is how one is opened by its URL.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([
            header::AUTHORIZATION,
            header::RANGE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
        ])
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
        _ => Failure::BodyTooLarge(0).into_response(),
    }
}

/// The process lives.
async fn healthz() -> Response {
    ([NOT_STORED], "ok\n").into_response()
}

/// The stores answer too: requests may be sent here.
async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    shared.catalogue.list().await?;
    Ok(([NOT_STORED], "ready\n").into_response())
}
