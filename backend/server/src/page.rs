//! The page: its files, embedded when the server was built.

use crate::encoding::{CODINGS, Coding, accepts};
use crate::problem::Failure;
use crate::routes::Shared;
use crate::zoos::{IMMUTABLE, REVALIDATE, etag, unchanged};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt};
use rust_embed::RustEmbed;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tupate_zoo::sha256_hex;

/// The file that is the page itself.
pub(crate) const INDEX: &str = "index.html";

const NOT_BUILT: &str = "\
This server was built without its page. Build both with

    cargo xtask build

The API answers: /api/v1/info lists the zoos that are served.
";

#[derive(RustEmbed)]
#[folder = "../../frontend/dist"]
#[allow_missing = true]
struct Dist;

/// The files of the page, with their compressed forms.
#[derive(Clone, Debug, Default)]
pub struct Page {
    files: HashMap<String, File>,
}

/// A file in memory, with its compressed forms.
#[derive(Clone, Debug)]
pub(crate) struct File {
    content_type: &'static str,
    cache: HeaderValue,
    etag: ETag,
    content: Bytes,
    compressed: Vec<(Coding, ETag, Bytes)>,
}

impl Page {
    /// The page that was built into this program; empty when there was none.
    pub fn embedded() -> Self {
        Self::from_files(Self::embedded_files())
    }

    /// The files of that page, by their paths relative to `index.html`.
    pub fn embedded_files() -> impl Iterator<Item = (String, Bytes)> {
        Dist::iter().filter_map(|name| {
            let content = match Dist::get(&name)?.data {
                Cow::Borrowed(content) => Bytes::from_static(content),
                Cow::Owned(content) => Bytes::from(content),
            };
            Some((name.into_owned(), content))
        })
    }

    /// A page of these files, by their paths relative to `index.html`. A file
    /// `NAME.br` or `NAME.gz` is the compressed form of `NAME`; what has none
    /// is compressed here.
    pub fn from_files(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let mut given: HashMap<String, Bytes> = files.into_iter().collect();
        let mut twins = HashMap::new();
        for name in given.keys().cloned().collect::<Vec<_>>() {
            for coding in CODINGS {
                let twin = format!("{name}{}", coding.ending());
                twins.extend(given.remove(&twin).map(|content| (twin, content)));
            }
        }
        let file = |(name, content): (String, Bytes)| {
            let twin = |coding: Coding| twins.remove(&format!("{name}{}", coding.ending()));
            let file = File::with_twins(&name, content, twin);
            (name, file)
        };
        Self { files: given.into_iter().map(file).collect() }
    }

    /// `index.html`, if there is a page at all.
    pub(crate) fn index(&self) -> Option<&[u8]> {
        self.files.get(INDEX).map(|file| &*file.content)
    }
}

/// Answers every path that no other route has.
pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, Failure> {
    let name = match uri.path() {
        "/" => INDEX,
        path => path.strip_prefix('/').unwrap_or(path),
    };
    let file = shared.page.files.get(name);
    if file.is_none() && uri.path() != "/" {
        return Err(Failure::UnknownPath(uri.path().to_owned()));
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(Failure::OnlyRead);
    }
    Ok(file.map_or_else(not_built, |file| file.answer(&request)))
}

fn not_built() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, NOT_BUILT).into_response()
}

impl File {
    /// A file of this name and content.
    pub fn new(name: &str, content: Bytes) -> Self {
        Self::with_twins(name, content, |_| None)
    }

    /// With the compressed forms that there are; others are made where they pay.
    fn with_twins(
        name: &str,
        content: Bytes,
        mut twin: impl FnMut(Coding) -> Option<Bytes>,
    ) -> Self {
        let digest = sha256_hex(&content);
        let (content_type, compressible) = content_type(name);
        let compressed = CODINGS
            .into_iter()
            .filter_map(|coding| {
                let content = match twin(coding) {
                    None if compressible => coding.compress(&content)?,
                    twin => twin?,
                };
                Some((coding, etag(&format!("{digest}-{}", coding.name())), content))
            })
            .collect();
        let cache = if has_hash(name) { IMMUTABLE } else { REVALIDATE };
        Self { content_type, cache, etag: etag(&digest), content, compressed }
    }

    /// Answers with the form that the client takes, or the word that its copy is
    /// still the right one.
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let accept = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let chosen = self.compressed.iter().find(|(coding, ..)| accepts(accept, *coding));
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        if !self.compressed.is_empty() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        let (etag, content) = match chosen {
            None => (&self.etag, &self.content),
            Some((_, etag, content)) => (etag, content),
        };
        headers.typed_insert(etag.clone());
        if unchanged(request, etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        if let Some((coding, ..)) = chosen {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        (headers, Body::from(content.clone())).into_response()
    }
}

/// The content type of a file, and whether compressing it can pay.
fn content_type(name: &str) -> (&'static str, bool) {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => ("text/html; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "wasm" => ("application/wasm", true),
        "json" | "map" => ("application/json", true),
        "webmanifest" => ("application/manifest+json", true),
        "svg" => ("image/svg+xml", true),
        "txt" => ("text/plain; charset=utf-8", true),
        "png" => ("image/png", false),
        "ico" => ("image/x-icon", false),
        "woff2" => ("font/woff2", false),
        _ => ("application/octet-stream", false),
    }
}

/// Whether the name carries a hash of the content, as trunk's names do:
/// `app-1b2c3d4e5f607182_bg.wasm`.
fn has_hash(name: &str) -> bool {
    name.split('-').skip(1).any(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        digits >= 8 && matches!(part.as_bytes().get(digits), None | Some(b'.' | b'_' | b'/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_immutable() {
        for name in ["app-1b2c3d4e5f607182.js", "a-b-1b2c3d4e5f607182_bg.wasm"] {
            assert!(has_hash(name), "{name}");
        }
        for name in ["index.html", "service-worker.js", "sw-deadbee.js", "1b2c3d4e5f607182.js"] {
            assert!(!has_hash(name), "{name}");
        }
    }
}
