//! `tupate serve`.

use super::print;
use crate::cli::ServeArgs;
use crate::failure::Failure;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tupate_server::{Config, Server, ZooFiles};

pub fn run(args: ServeArgs) -> Result<(), Failure> {
    // Logs belong to stderr; TUPATE_LOG chooses how much of them.
    let filter = EnvFilter::try_from_env("TUPATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let paths = args.zoo.into_iter().chain(args.data);
    let zoos = ZooFiles::read(paths)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Run(format!("no runtime for the server: {e}")))?;
    runtime.block_on(async {
        let server = Server::bind(Config::new(args.listen), Arc::new(zoos)).await?;
        print(&format!("http://{}/", server.local_addr()))?;
        server.run(stopped()).await;
        Ok(())
    })
}

/// Waits for an interrupt or a request to terminate.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
