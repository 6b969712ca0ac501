//! A plain file host: hands out the files of a folder, at a path of its own, and runs
//! nothing.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the host calls files, by the ends of their names.
const TYPES: [(&str, &str); 5] = [
    ("html", "text/html"),
    ("js", "text/javascript"),
    ("css", "text/css"),
    ("svg", "image/svg+xml"),
    ("wasm", "application/wasm"),
];

/// A file host; dropping it stops it.
#[derive(Debug)]
pub struct FileHost {
    address: SocketAddr,
    path: &'static str,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Files {
    root: PathBuf,
    path: &'static str,
    knows_wasm: bool,
}

impl FileHost {
    /// Hands out a folder's files at a path such as `/lab/zoos/`. A host that does not
    /// know wasm calls such a file anything.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(root: &Path, path: &'static str, knows_wasm: bool) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port for a file host")?;
        let address = listener.local_addr().context("the file host has no address")?;
        let files = Arc::new(Files { root: root.to_owned(), path, knows_wasm });
        let router = Router::new().fallback(hand_out).with_state(files);
        let server = tokio::spawn(async move {
            // Ends only with the test, which then has what it wants.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, path, server })
    }

    /// The page's address, with a slash at its end.
    pub fn base(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The host and its port, as the browser's console names it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for FileHost {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn hand_out(State(files): State<Arc<Files>>, request: Request) -> Response<Body> {
    let content = match request.method() {
        &Method::GET | &Method::HEAD => file(&files, request.uri().path()),
        _ => None,
    };
    let mut response = match content {
        Some((kind, bytes)) => {
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        None => {
            let mut response = Response::new(Body::from("<!doctype html>There is no such file."));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    // A connection that stays open would outlive the host.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What the file of a path is called, and its bytes.
fn file(files: &Files, path: &str) -> Option<(&'static str, Vec<u8>)> {
    let name = match path.strip_prefix(files.path)? {
        "" => "index.html",
        name => name,
    };
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let bytes = std::fs::read(files.root.join(name)).ok().filter(|_| plain)?;
    let ending = name.rsplit('.').next().unwrap_or_default();
    let known =
        TYPES.iter().find(|(end, _)| *end == ending && (files.knows_wasm || *end != "wasm"));
    Some((known.map_or("application/octet-stream", |(_, kind)| kind), bytes))
}
