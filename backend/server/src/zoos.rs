//! `/zoos/NAME.safetensors`: the bytes of a zoo.

use crate::problem::Failure;
use crate::range::single_range;
use crate::routes::Shared;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, ETag, HeaderMapExt, IfMatch, IfNoneMatch, IfRange};
use std::sync::Arc;

/// The content behind this URL may change: ask each time, at the price of a 304.
pub(crate) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// The URL names its content, which therefore never changes.
pub(crate) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// The same, where only those with a token may read it: no cache that others share.
const REVALIDATE_OWN: HeaderValue = HeaderValue::from_static("private, no-cache");
const IMMUTABLE_OWN: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Answers with the zoo, a range of it, or the word that the client's copy is
/// still the right one.
pub(crate) async fn zoo(
    State(shared): State<Arc<Shared>>,
    method: Method,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Result<Response, Failure> {
    let Path(name) = name.map_err(|_| Failure::UnknownZoo("of such a name".into()))?;
    let wanted = wanted_digest(query.as_deref());
    let named = match &wanted {
        None => None,
        Some(sha256) => shared.catalogue.open_content(&name, &sha256.to_ascii_lowercase()).await?,
    };
    let private = shared.access.private;
    let (zoo, cache) = match (named, wanted) {
        (Some(zoo), _) => (zoo, if private { IMMUTABLE_OWN } else { IMMUTABLE }),
        (None, wanted) => match (shared.catalogue.open(&name).await?, wanted) {
            (None, _) => return Err(Failure::UnknownZoo(name)),
            (Some(zoo), None) => (zoo, if private { REVALIDATE_OWN } else { REVALIDATE }),
            (Some(zoo), Some(wanted)) => {
                return Err(Failure::OtherContent { name, wanted, found: zoo.sha256 });
            }
        },
    };
    let etag = etag(&zoo.sha256);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.typed_insert(etag.clone());
    let goes_by = |condition: IfMatch| condition.precondition_passes(&etag);
    if request.contains_key(header::IF_MATCH) && !request.typed_get().is_some_and(goes_by) {
        return Err(Failure::Precondition(name));
    }
    if unchanged(&request, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }

    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let length = zoo.content.len() as u64;
    // What cannot be understood names no content that is here.
    let same = |condition: IfRange| !condition.is_modified(Some(&etag), None);
    let outdated = request.contains_key(header::IF_RANGE) && !request.typed_get().is_some_and(same);
    // Ranges are of what GET sends, and of nothing else.
    let asked = request.get(header::RANGE).filter(|_| method == Method::GET && !outdated);
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
