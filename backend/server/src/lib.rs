//! HTTP server: zoo files with their checksums, the page, and a small JSON API.
//!
//! A [`Server`] serves what a [`ZooCatalogue`] offers; the one built in is
//! [`ZooFiles`], files read and checked once at start. The server only reads:
//! it keeps no state, takes no bodies, and no request path reaches the file
//! system. Binding comes before running, so that an address that cannot be had
//! is an error before anything else starts:
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

mod catalogue;
mod encoding;
mod error;
mod files;
mod page;
mod policy;
mod problem;
mod range;
mod routes;
mod server;
mod zoos;

pub use catalogue::{CatalogueError, StoredZoo, ZooCatalogue, ZooSummary};
pub use error::Error;
pub use files::ZooFiles;
pub use page::Page;
pub use server::{Config, Limits, Server};
