//! The JSON API, one module a kind of thing.

pub(crate) mod docs;
pub(crate) mod info;
pub(crate) mod runs;
pub(crate) mod uploads;
pub(crate) mod zoos;

use crate::problem::Failure;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use tupate_api::FieldProblem;

/// Answers that are another one the next time.
pub(crate) const NOT_STORED: (header::HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// The one parameter of a path.
type Id = Result<Path<String>, PathRejection>;

/// A path's parameter that is no text is the name of nothing.
fn text(id: Id, unknown: fn(String) -> Failure) -> Result<String, Failure> {
    id.map(|Path(id)| id).map_err(|_| unknown("of such a name".into()))
}

/// How many things an answer lists.
fn page_size(wanted: Option<u32>) -> Result<u32, Failure> {
    const MOST: u32 = 200;
    const USUAL: u32 = 50;
    match wanted.unwrap_or(USUAL) {
        size @ 1..=MOST => Ok(size),
        _ => {
            let detail = format!("must be from 1 to {MOST}");
            Err(Failure::Fields(vec![FieldProblem::new("limit", detail)]))
        }
    }
}

/// A query's fields, or which of them cannot be used.
fn fields<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(fields)| fields).map_err(|error| {
        Failure::Malformed(format!("The query cannot be used: {}.", error.body_text()))
    })
}
