//! Listening, connections, and stopping.

use crate::routes::router;
use crate::{Error, Page, ZooCatalogue};
use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

/// How a server is to be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The page to serve.
    pub page: Page,
    /// What a client may take.
    pub limits: Limits,
}

impl Config {
    /// Listens on this address, with the embedded page and the usual limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, page: Page::embedded(), limits: Limits::default() }
    }
}

/// What one client may take from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Greatest number of connections at once; further ones wait.
    pub connections: usize,
    /// Time for a request's head to arrive, and for the next one to begin.
    pub head: Duration,
    /// Time without any progress in taking an answer.
    pub stall: Duration,
    /// Time for answers under way when the server is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    router: Router,
    limits: Limits,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be had; the error says why and what to do.
    pub async fn bind(config: Config, catalogue: Arc<dyn ZooCatalogue>) -> Result<Self, Error> {
        let Config { listen, page, limits } = config;
        let refused = |source| Error::listening(listen, source);
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let local_addr = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, local_addr, router: router(catalogue, page), limits })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `shutdown` is there; then no more connections are taken,
    /// and answers under way have [`Limits::grace`] to end.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tracing::info!(address = %self.local_addr, "listening");
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        let graceful = GracefulShutdown::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                // axum's accept waits and tries again where accepting fails.
                (stream, peer) = Listener::accept(&mut self.listener),
                    if connections.len() < self.limits.connections =>
                {
                    let answering = graceful.watch(self.connection(stream));
                    connections.spawn(async move {
                        if let Err(error) = answering.await {
                            tracing::debug!(%peer, %error, "a connection ended early");
                        }
                    });
                }
            }
        }
        drop(self.listener);
        tracing::info!("stopping");
        if timeout(self.limits.grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections cut off at the end of the grace");
        }
        connections.shutdown().await;
    }

    /// One connection. Reading a request's head is timed by hyper; a client
    /// that does not take its answer, by the stream.
    fn connection(&self, stream: TcpStream) -> Connection {
        // Answers are written whole: waiting to fill packets only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection stays with delayed packets");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.stall));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(self.router.clone()),
            )
    }
}

type Connection = http1::Connection<
    TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>>,
    TowerToHyperService<Router>,
>;
