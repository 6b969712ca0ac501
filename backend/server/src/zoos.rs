//! `/zoos/NAME.safetensors`: the bytes of a zoo.

use crate::problem::Failure;
use crate::range::single_range;
use crate::routes::Shared;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, ETag, HeaderMapExt, IfNoneMatch, IfRange};
use std::sync::Arc;

/// The content behind this URL may change: ask each time, at the price of a 304.
pub(crate) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// The URL names its content, which therefore never changes.
pub(crate) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// Answers with the zoo, a range of it, or the word that the client's copy is
/// still the right one.
pub(crate) async fn zoo(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Result<Response, Failure> {
    let Path(name) = name.map_err(|_| Failure::UnknownZoo("of such a name".into()))?;
    let Some(zoo) = shared.catalogue.open(&name).await? else {
        return Err(Failure::UnknownZoo(name));
    };
    let cache = match wanted_digest(query.as_deref()) {
        None => REVALIDATE,
        Some(wanted) if wanted.eq_ignore_ascii_case(&zoo.sha256) => IMMUTABLE,
        Some(wanted) => {
            return Err(Failure::OtherContent { name, wanted, found: zoo.sha256 });
        }
    };
    let etag = etag(&zoo.sha256);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.typed_insert(etag.clone());
    if unchanged(&request, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }

    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let length = zoo.content.len() as u64;
    let outdated = request
        .typed_get::<IfRange>()
        .is_some_and(|condition| condition.is_modified(Some(&etag), None));
    let asked = request.get(header::RANGE).filter(|_| !outdated);
    let Some(range) = single_range(asked.and_then(|value| value.to_str().ok()), length)? else {
        return Ok((headers, Body::from(zoo.content)).into_response());
    };
    if let Ok(position) = ContentRange::bytes(range.clone(), length) {
        headers.typed_insert(position);
    }
    // The range lies within a length that fits in memory.
    let part = zoo.content.slice(range.start as usize..range.end as usize);
    Ok((StatusCode::PARTIAL_CONTENT, headers, Body::from(part)).into_response())
}

/// The entity tag of content with this digest.
pub(crate) fn etag(digest: &str) -> ETag {
    format!("\"{digest}\"").parse().expect("hex in quotes is an entity tag")
}

/// Whether the client's copy has this tag.
pub(crate) fn unchanged(request: &HeaderMap, etag: &ETag) -> bool {
    request.typed_get::<IfNoneMatch>().is_some_and(|condition| !condition.precondition_passes(etag))
}

/// The `sha256` of the query; other keys are passed over.
fn wanted_digest(query: Option<&str>) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == "sha256")
        .map(|(_, value)| value.into_owned())
}
