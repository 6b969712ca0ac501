//! Listening, connections, and stopping.

use crate::access::{Access, Peer};
use crate::body::Pace;
use crate::metrics::Metrics;
use crate::proxy::Network;
use crate::published::AllZoos;
use crate::rates::{Limiters, Rates};
use crate::routes::{Shared, router};
use crate::runs::Runs;
use crate::{Error, Page, ZooCatalogue};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tower::Service;

/// How a server is to be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The page to serve.
    pub page: Page,
    /// What a client may take.
    pub limits: Limits,
    /// Who may read and write.
    pub access: Access,
    /// Proxies whose word is taken for whom a request is made.
    pub trusted_proxies: Vec<Network>,
    /// Whether others may reach a server for which nobody has a token.
    pub without_token: bool,
    /// The runs to tune; without them the server only reads.
    pub runs: Option<Runs>,
}

impl Config {
    /// Listens on this address, with the embedded page and the usual limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            page: Page::embedded(),
            limits: Limits::default(),
            access: Access::default(),
            trusted_proxies: Vec::new(),
            without_token: false,
            runs: None,
        }
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
    /// Time for runs to keep what they have when the server is told to stop.
    pub checkpoint: Duration,
    /// How slowly a body may come.
    pub pace: Pace,
    /// How often one client may ask the API.
    pub rates: Rates,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            checkpoint: Duration::from_secs(60),
            pace: Pace::default(),
            rates: Rates::default(),
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
    runs: Option<(Runs, Catalogue)>,
}

/// The zoos that runs are ranked against.
struct Catalogue(Arc<dyn ZooCatalogue>);

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalogue")
    }
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be had, or must not be without a token; the error says why
    /// and what to do.
    pub async fn bind(config: Config, catalogue: Arc<dyn ZooCatalogue>) -> Result<Self, Error> {
        let Config { listen, page, limits, access, trusted_proxies, without_token, runs } = config;
        if !listen.ip().is_loopback() && !without_token {
            let tokens = match &access.tokens {
                Some(store) => store.tokens().await.map_err(|e| Error::Store(e.to_string()))?,
                None => Vec::new(),
            };
            if tokens.is_empty() {
                return Err(Error::Unprotected { listen });
            }
        }
        let refused = |source| Error::listening(listen, source);
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let local_addr = listener.local_addr().map_err(refused)?;
        let catalogue = match &runs {
            Some(runs) => {
                let all = AllZoos::new(catalogue, runs.clone());
                all.tell_of_hidden().await.map_err(|e| Error::Store(e.to_string()))?;
                Arc::new(all)
            }
            None => catalogue,
        };
        let router = router(Shared {
            catalogue: Arc::clone(&catalogue),
            page,
            runs: runs.clone(),
            access,
            trusted_proxies,
            rates: Limiters::new(limits.rates),
            pace: limits.pace,
            metrics: Metrics::new(),
        });
        let runs = runs.map(|runs| (runs, Catalogue(catalogue)));
        Ok(Self { listener, local_addr, router, limits, runs })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers, and tunes, until `shutdown` is there. Then no more connections are
    /// taken, answers under way have [`Limits::grace`] to end, and runs that are
    /// being tuned [`Limits::checkpoint`] to keep what they have: they go on at the
    /// next start.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tracing::info!(address = %self.local_addr, "listening");
        let runs = self.runs.take();
        let workers = runs.as_ref().map(|(runs, zoos)| runs.start(&zoos.0));
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
                    let answering = graceful.watch(self.connection(stream, peer));
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
        if let Some((runs, _)) = &runs {
            runs.stop();
        }
        if timeout(self.limits.grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections cut off at the end of the grace");
        }
        connections.shutdown().await;
        if let Some(workers) = workers
            && timeout(self.limits.checkpoint, workers.ended()).await.is_err()
        {
            tracing::warn!("runs cut off: they go on from what they kept last");
        }
    }

    /// One connection. Reading a request's head is timed by hyper; a client
    /// that does not take its answer, by the stream.
    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl GracefulConnection<Error = hyper::Error> + use<> {
        // Answers are written whole: waiting to fill packets only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection stays with delayed packets");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.stall));
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            // A router is always ready, and each request has its own.
            router.clone().call(request)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    }
}
