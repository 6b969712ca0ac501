//! The one table from what went wrong to what the client is told.

use crate::CatalogueError;
use crate::range::Unsatisfiable;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, HeaderMapExt};
use std::error::Error;
use tupate_api::Problem;

/// A request that is not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has this path.
    UnknownPath(String),
    /// No zoo has this name.
    UnknownZoo(String),
    /// The zoo is there, with other content than was asked for.
    OtherContent { name: String, wanted: String, found: String },
    /// The method is not one of the path's.
    Method,
    /// The request carries more than any route reads.
    BodyTooLarge,
    /// The range lies outside the file.
    Range(Unsatisfiable),
    /// The store does not answer.
    Catalogue(CatalogueError),
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        Self::Catalogue(error)
    }
}

impl From<Unsatisfiable> for Failure {
    fn from(error: Unsatisfiable) -> Self {
        Self::Range(error)
    }
}

impl Failure {
    /// The table: status and what to say.
    fn row(&self) -> (StatusCode, String) {
        match self {
            Self::UnknownPath(path) => (
                StatusCode::NOT_FOUND,
                format!(
                    "There is nothing at {}. The page is at /, the list of zoos at /api/v1/info.",
                    shortened(path)
                ),
            ),
            Self::UnknownZoo(name) => (
                StatusCode::NOT_FOUND,
                format!(
                    "There is no zoo {}. /api/v1/info lists the zoos that are served.",
                    shortened(name)
                ),
            ),
            Self::OtherContent { name, wanted, found } => (
                StatusCode::NOT_FOUND,
                format!(
                    "The zoo {name} has sha256 {found}, not {}. Ask without sha256 for the zoo as \
                     it is now.",
                    shortened(wanted)
                ),
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This server only reads: use GET or HEAD.".to_owned(),
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "No route of this server takes a body: send the request without one.".to_owned(),
            ),
            Self::Range(Unsatisfiable { length }) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("The file has {length} bytes: ask for a range within them."),
            ),
            Self::Catalogue(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The zoos cannot be read at the moment. Try again later; the server's log has \
                 the reason."
                    .to_owned(),
            ),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Self::Catalogue(error) = &self {
            tracing::error!(error = error as &dyn Error, "the zoo store does not answer");
        }
        let (status, detail) = self.row();
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
            errors: Vec::new(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::Method = self {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if let Self::Range(Unsatisfiable { length }) = self {
            headers.typed_insert(ContentRange::unsatisfied_bytes(length));
        }
        response
    }
}

/// What a client sent, cut to a length worth sending back.
fn shortened(text: &str) -> String {
    const MAX: usize = 120;
    match text.char_indices().nth(MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
