//! HTTP server: tuning runs and their live events, zoo files, the page.
//!
//! A [`Server`] serves what a [`ZooCatalogue`] offers; the one built in is
//! [`ZooFiles`], files read and checked once at start. Given [`Runs`], it also
//! tunes: a [`TuneService`] does the work, a [`Store`] remembers it, and an
//! [`ArtefactStore`] keeps the files. Without them it only reads. No request path
//! reaches the file system unchecked. Binding comes before running, so that an
//! address that cannot be had is an error before anything else starts:
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tupate_server::{Config, Server, ZooFiles};
//!
//! let zoos = ZooFiles::read(["zoo.safetensors"])?;
//! let config = Config::new("127.0.0.1:7878".parse()?);
//! let server = Server::bind(config, Arc::new(zoos)).await?;
//! println!("http://{}/", server.local_addr());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await;
//! # Ok(())
//! # }
//! ```

mod access;
mod api;
mod artefacts;
mod body;
mod catalogue;
mod encoding;
mod error;
mod files;
mod ids;
mod metrics;
mod observe;
mod page;
mod policy;
mod problem;
mod proxy;
mod published;
mod range;
mod rates;
mod routes;
mod runs;
mod server;
mod service;
mod site;
mod store;
mod zoos;

pub use access::{Access, new_token};
pub use api::docs::openapi;
pub use artefacts::{ArtefactStore, LocalFolder, Receiving, Referred, Workspace};
pub use body::Pace;
pub use catalogue::{CatalogueError, StoredZoo, ZooCatalogue, ZooSummary};
pub use error::Error;
pub use files::ZooFiles;
pub use ids::{Digest, RunId, UploadId, is_plain_name};
pub use page::Page;
pub use proxy::Network;
pub use rates::Rates;
pub use runs::{RunLimits, RunParts, Runs};
pub use server::{Config, Limits, Server};
pub use service::{Job, ServiceOffers, Signal, TuneError, TuneService, Watch};
pub use site::Site;
pub use store::{
    Change, CreateRun, Created, FileStore, NewToken, OwnedRun, Owner, PublishedZoo, RunStore,
    SqliteStore, Store, StoreError, TokenStore,
};
