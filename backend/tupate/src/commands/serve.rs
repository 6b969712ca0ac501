//! `tupate serve`.

use super::print;
use crate::cli::{LogFormat, ServeArgs};
use crate::failure::Failure;
use crate::tuning::{Tuner, state};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::path::Path;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tupate_server::{
    Access, Config, LocalFolder, RunLimits, RunParts, Runs, Server, SqliteStore, ZooFiles,
};

pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    log(args.log_format);
    allow_many_connections();
    let mut paths = args.zoo.clone();
    if let Some(data) = &args.data {
        state::make(data)?;
        // Without a zoo file in it, it is a folder for runs and nothing else.
        if has_zoos(data) {
            paths.push(data.clone());
        }
    }
    let zoos = ZooFiles::read(paths)?;
    // Held until the server ends: two of them would tune the same runs.
    let _lock = args.data.as_deref().map(state::lock).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Run(format!("no runtime for the server: {e}")))?;
    runtime.block_on(async {
        let mut config = Config::new(args.listen);
        config.trusted_proxies.clone_from(&args.trusted_proxy);
        config.without_token = args.listen_without_token;
        if let Some(data) = &args.data {
            let store = Arc::new(state::open(data)?);
            config.access = Access { tokens: Some(Arc::clone(&store) as _), private: args.private };
            config.runs = Some(runs(args, data, store).await?);
        }
        let server = Server::bind(config, Arc::new(zoos)).await?;
        print(&format!("http://{}/", server.local_addr()))?;
        server.run(stopped()).await;
        Ok(())
    })
}

async fn runs(args: &ServeArgs, data: &Path, store: Arc<SqliteStore>) -> Result<Runs, Failure> {
    let unusable = |e| Failure::Run(format!("cannot use {}: {e}", data.display()));
    for device in &args.worker {
        tupate_tuner::device(device)?;
    }
    let artefacts = LocalFolder::open(data, args.max_disk << 30).map_err(unusable)?;
    let datasets = args.datasets.clone().unwrap_or_else(|| data.join("datasets"));
    let limits = RunLimits { upload: args.max_upload << 20, ..RunLimits::default() };
    let service = Tuner::new(datasets, &args.encoder, args.threads, limits.upload)?;
    let parts = RunParts {
        store,
        artefacts: Arc::new(artefacts),
        service: Arc::new(service),
        workers: args.worker.clone(),
        limits,
    };
    Ok(Runs::open(parts).await?)
}

/// Logs belong to stderr; TUPATE_LOG chooses how much of them.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("TUPATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // What cannot be logged would be said on stderr, and panic where that is closed.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Connections are files to the system, which gives a process fewer than it may
/// have.
fn allow_many_connections() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, files) {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
}

fn has_zoos(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        path.is_file() && path.extension().is_some_and(|extension| extension == "safetensors")
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
