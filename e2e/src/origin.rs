//! A second origin: somebody else's file host.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::routing::get;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Whether a host lets pages of other sites read its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It sends `Access-Control-Allow-Origin: *`.
    Everyone,
    /// It does not.
    Nobody,
}

/// A static file host on a port of its own, which knows ranges; dropping it stops it.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    files: Arc<Files>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Files {
    sharing: Sharing,
    by_name: Mutex<HashMap<String, Vec<u8>>>,
    breaks: AtomicBool,
    asked: Mutex<Vec<Asked>>,
}

/// A request for a file, and what of it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The file's name.
    pub name: String,
    /// The bytes, if it was for a part of them.
    pub part: Option<Range<u64>>,
}

impl Origin {
    /// Hosts these files.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start<const N: usize>(
        sharing: Sharing,
        files: [(&'static str, Vec<u8>); N],
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port for a second origin")?;
        let address = listener.local_addr().context("the second origin has no address")?;
        let files = files.map(|(name, content)| (name.to_owned(), content));
        let by_name = Mutex::new(HashMap::from(files));
        let files =
            Files { sharing, by_name, breaks: AtomicBool::new(false), asked: Mutex::default() };
        let files = Arc::new(files);
        let router = Router::new().route("/{name}", get(file)).with_state(files.clone());
        let server = tokio::spawn(async move {
            // Ends only with the test, which then has what it wants.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, files, server })
    }

    /// The address of a file, hosted or not.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Puts a file in the place of another, or beside the others.
    pub fn replace(&self, name: &str, content: Vec<u8>) {
        lock(&self.files.by_name).insert(name.to_owned(), content);
    }

    /// Hosts a file no longer.
    pub fn remove(&self, name: &str) {
        lock(&self.files.by_name).remove(name);
    }

    /// From now on the connection breaks in the middle of every whole file.
    pub fn break_off(&self) {
        self.files.breaks.store(true, Ordering::Relaxed);
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.files.asked).clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn file(
    State(files): State<Arc<Files>>,
    Path(name): Path<String>,
    method: Method,
    request: HeaderMap,
) -> Response<Body> {
    let content = lock(&files.by_name).get(&*name).cloned();
    let part = request.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(part);
    let part = part.filter(|_| content.is_some());
    if method == Method::GET {
        lock(&files.asked).push(Asked { name, part: part.clone() });
    }
    let (status, body) = match (content, part) {
        (Some(content), Some(part)) => {
            let end = content.len().min(part.end as usize);
            let start = end.min(part.start as usize);
            (StatusCode::PARTIAL_CONTENT, Body::from(content[start..end].to_vec()))
        }
        (Some(mut content), None) if files.breaks.load(Ordering::Relaxed) => {
            content.truncate(content.len() / 2);
            let broken = Err(std::io::Error::other("the line is cut"));
            let body = futures::stream::iter([Ok(content), broken]);
            (StatusCode::OK, Body::from_stream(body))
        }
        (Some(content), None) => (StatusCode::OK, Body::from(content)),
        (None, _) => (StatusCode::NOT_FOUND, Body::from("no such file")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if files.sharing == Sharing::Everyone {
        let any = header::HeaderValue::from_static("*");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    response
}

/// `bytes=0-99` → `0..100`.
fn part(range: &str) -> Option<Range<u64>> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some(start.parse().ok()?..end.parse::<u64>().ok()? + 1)
}

/// A test that panicked elsewhere fails there; here its data are as good as before.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address at which nothing listens, for as long as the second value lives.
///
/// # Errors
/// When there is no free port.
pub fn closed_port() -> Result<(SocketAddr, impl Sized)> {
    // Taken and never listened on: connections are refused, and nobody else
    // gets the port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().context("cannot make a socket")?;
    socket
        .bind((Ipv4Addr::LOCALHOST, 0).into())
        .context("no free port for the unreachable host")?;
    Ok((socket.local_addr().context("the socket has no address")?, socket))
}
