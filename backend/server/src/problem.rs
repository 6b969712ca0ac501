//! The one table from what went wrong to what the client is told.

use crate::CatalogueError;
use crate::range::Unsatisfiable;
use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, HeaderMapExt};
use std::error::Error;
use std::io;
use std::time::Duration;
use tupate_api::{FieldProblem, Problem, Scope};

/// A request that is not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has this path.
    UnknownPath(String),
    /// No zoo has this name.
    UnknownZoo(String),
    /// No run has this id.
    UnknownRun(String),
    /// No upload has this id.
    UnknownUpload(String),
    /// A run, named by its id, is yet to be tuned on the upload.
    UploadInUse(String),
    /// The server keeps no runs.
    NoRuns,
    /// The zoo is there, with other content than was asked for.
    OtherContent { name: String, wanted: String, found: String },
    /// Another zoo has the name already.
    NameTaken(String),
    /// The zoo was given at start, and is not the server's to take back.
    NotPublished(String),
    /// The method is not one of the path's.
    Method,
    /// The path is one of the page's, which is only read.
    OnlyRead,
    /// The request carries more than its route reads.
    BodyTooLarge(u64),
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The body ended before its end.
    BodyBroken(String),
    /// The body is of a type that the route does not read.
    MediaType(&'static str),
    /// The body, the path or the query cannot be understood.
    Malformed(String),
    /// Fields of the request cannot be used.
    Fields(Vec<FieldProblem>),
    /// Runs that do not go together into one zoo.
    Unpackable(String),
    /// What is asked for does not go with the state that the run is in.
    State(String, &'static str),
    /// So many runs are there already.
    QueueFull(&'static str, usize),
    /// The server is about to stop.
    Stopping,
    /// So many listen already.
    TooManyListeners(usize),
    /// The key of this request was another request's.
    KeyUsed,
    /// There is no token, or one that is not known.
    Unauthorised(&'static str),
    /// The token does not allow it.
    Forbidden(Scope),
    /// The run or zoo is somebody else's.
    NotYours,
    /// Too many requests in too short a time.
    TooFast(Duration),
    /// The file is not the one that the client goes by.
    Precondition(String),
    /// The range lies outside the file.
    Range(Unsatisfiable),
    /// The catalogue of zoos does not answer.
    Catalogue(CatalogueError),
    /// The store does not answer.
    Store(StoreError),
    /// Files cannot be written or read.
    Files(io::Error),
    /// A part of the program panicked.
    Panicked,
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

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

/// Whether an error says that there is no room left.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Failure {
    /// The table: status and what to say.
    fn row(&self) -> (StatusCode, String) {
        use StatusCode as S;
        match self {
            Self::UnknownPath(path) => (
                S::NOT_FOUND,
                format!(
                    "There is nothing at {}. The page is at /, the list of zoos at /api/v1/info, \
                     the description of the API at /api/docs.",
                    shortened(path)
                ),
            ),
            Self::UnknownZoo(name) => (
                S::NOT_FOUND,
                format!(
                    "There is no zoo {}. /api/v1/info lists the zoos that are served.",
                    shortened(name)
                ),
            ),
            Self::UnknownRun(id) => (
                S::NOT_FOUND,
                format!("There is no run {}. /api/v1/runs lists those there are.", shortened(id)),
            ),
            Self::UnknownUpload(id) => (
                S::NOT_FOUND,
                format!("There is no upload {}; send the file again.", shortened(id)),
            ),
            Self::UploadInUse(run) => (
                S::CONFLICT,
                format!("The run {run} is tuned on this upload: cancel it, or wait for its end."),
            ),
            Self::NoRuns => (
                S::NOT_FOUND,
                "This server keeps no runs: it was started without --data DIR.".to_owned(),
            ),
            Self::OtherContent { name, wanted, found } => (
                S::NOT_FOUND,
                format!(
                    "The zoo {name} has sha256 {found}, not {}. Ask without sha256 for the zoo as \
                     it is now.",
                    shortened(wanted)
                ),
            ),
            Self::NameTaken(name) => (
                S::CONFLICT,
                format!(
                    "Another zoo is called {name}. Take another name, or remove that zoo first: \
                     what a URL names does not change."
                ),
            ),
            Self::NotPublished(name) => (
                S::CONFLICT,
                format!("The zoo {name} was given when the server was started: it stays."),
            ),
            Self::Method => (
                S::METHOD_NOT_ALLOWED,
                "This path has no such method; the header Allow names those that it has."
                    .to_owned(),
            ),
            Self::OnlyRead => {
                (S::METHOD_NOT_ALLOWED, "The page is only read: use GET or HEAD.".to_owned())
            }
            Self::BodyTooLarge(0) => (
                S::PAYLOAD_TOO_LARGE,
                "This request takes no body: send it without one.".to_owned(),
            ),
            Self::BodyTooLarge(most) => (
                S::PAYLOAD_TOO_LARGE,
                format!("The body is larger than the {most} bytes that are taken here."),
            ),
            Self::BodyTooSlow => (
                S::REQUEST_TIMEOUT,
                "The body came too slowly and was given up; nothing of it is kept.".to_owned(),
            ),
            Self::BodyBroken(why) => (
                S::BAD_REQUEST,
                format!("The body cannot be read: {}. Nothing of it is kept.", shortened(why)),
            ),
            Self::MediaType(takes) => {
                (S::UNSUPPORTED_MEDIA_TYPE, format!("This path takes {takes}."))
            }
            Self::Malformed(why) => (S::BAD_REQUEST, why.clone()),
            Self::Fields(_) => (
                S::UNPROCESSABLE_ENTITY,
                "Some fields cannot be used; `errors` says which, and why.".to_owned(),
            ),
            Self::Unpackable(why) => {
                (S::UNPROCESSABLE_ENTITY, format!("These runs do not make a zoo: {why}"))
            }
            Self::State(id, why) => (S::CONFLICT, format!("The run {id} {why}.")),
            Self::QueueFull(what, limit) => {
                (S::TOO_MANY_REQUESTS, format!("{limit} {what}: try again when one has ended."))
            }
            Self::Stopping => (
                S::SERVICE_UNAVAILABLE,
                "The server is about to stop: ask again when it is back.".to_owned(),
            ),
            Self::TooManyListeners(limit) => (
                S::SERVICE_UNAVAILABLE,
                format!("{limit} streams of events are open already: try again later."),
            ),
            Self::KeyUsed => (
                S::UNPROCESSABLE_ENTITY,
                "This Idempotency-Key came with another request before: use a new one.".to_owned(),
            ),
            Self::Unauthorised(why) => (S::UNAUTHORIZED, (*why).to_owned()),
            Self::Forbidden(scope) => (
                S::FORBIDDEN,
                format!("The token does not have the scope `{}`, which this needs.", scope.name()),
            ),
            Self::NotYours => (
                S::FORBIDDEN,
                "This belongs to another token; the scope `admin` is needed for it.".to_owned(),
            ),
            Self::TooFast(wait) => (
                S::TOO_MANY_REQUESTS,
                format!("Too many requests: try again in {} s.", seconds(*wait)),
            ),
            Self::Precondition(name) => (
                S::PRECONDITION_FAILED,
                format!("The zoo {} has other content than If-Match names.", shortened(name)),
            ),
            Self::Range(Unsatisfiable { length }) => (
                S::RANGE_NOT_SATISFIABLE,
                format!("The file has {length} bytes: ask for a range within them."),
            ),
            Self::Store(StoreError::Full(_)) => (
                S::INSUFFICIENT_STORAGE,
                "There is no room left on this server: nothing was kept.".to_owned(),
            ),
            Self::Files(error) if is_full(error) => (
                S::INSUFFICIENT_STORAGE,
                "There is no room left on this server: nothing was kept.".to_owned(),
            ),
            Self::Catalogue(_) | Self::Store(_) | Self::Files(_) => (
                S::SERVICE_UNAVAILABLE,
                "The store cannot be read or written at the moment. Try again later; the \
                 server's log has the reason."
                    .to_owned(),
            ),
            Self::Panicked => (
                S::INTERNAL_SERVER_ERROR,
                "The server failed in a way that it should not; its log has more.".to_owned(),
            ),
        }
    }

    fn log(&self) {
        match self {
            Self::Catalogue(error) => {
                tracing::error!(error = error as &dyn Error, "the zoo store does not answer");
            }
            Self::Store(error) => tracing::error!(%error, "the store does not answer"),
            Self::Files(error) => tracing::error!(%error, "files cannot be written or read"),
            Self::Panicked => tracing::error!("a part of the program panicked"),
            _ => {}
        }
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.log();
        let (status, detail) = self.row();
        let errors = match &self {
            Self::Fields(fields) => fields.clone(),
            _ => Vec::new(),
        };
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
            errors,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::OnlyRead => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::Range(Unsatisfiable { length }) => {
                headers.typed_insert(ContentRange::unsatisfied_bytes(length));
            }
            Self::Unauthorised(_) => {
                let scheme = HeaderValue::from_static("Bearer realm=\"tupate\"");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            Self::TooFast(wait) => {
                headers.insert(header::RETRY_AFTER, seconds(wait).into());
            }
            Self::Store(StoreError::Busy(_)) | Self::TooManyListeners(_) | Self::Stopping => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }
}

/// What a client sent, cut to a length worth sending back.
pub(crate) fn shortened(text: &str) -> String {
    const MAX: usize = 120;
    match text.char_indices().nth(MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
