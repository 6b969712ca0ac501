//! A second origin: somebody else's file host.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::routing::get;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
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

/// A static file host on a port of its own; dropping it stops it.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Files {
    sharing: Sharing,
    by_name: HashMap<&'static str, Vec<u8>>,
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
        let files = Arc::new(Files { sharing, by_name: files.into() });
        let router = Router::new().route("/{name}", get(file)).with_state(files);
        let server = tokio::spawn(async move {
            // Ends only with the test, which then has what it wants.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, server })
    }

    /// The address of a file, hosted or not.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn file(State(files): State<Arc<Files>>, Path(name): Path<String>) -> Response<Body> {
    let (status, body) = match files.by_name.get(&*name) {
        Some(content) => (StatusCode::OK, Body::from(content.clone())),
        None => (StatusCode::NOT_FOUND, Body::from("no such file")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if files.sharing == Sharing::Everyone {
        let any = header::HeaderValue::from_static("*");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    response
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
