//! What the browser tests stand on: a headless Chromium, the program under
//! test, a second origin, and the page as its tests see it.
//!
//! `cargo xtask test` sets everything up. By hand, the tests want
//!
//! - `TUPATE_BIN`, the program, as an absolute path;
//! - `TUPATE_E2E_ZOO`, a zoo file of at least four tasks, with `runs/TASK` beside it;
//! - `TUPATE_E2E_REAL`, the zoo that a visitor meets first: it has measured transfer and
//!   advises a ranking;
//! - `TUPATE_AXE`, the script `axe.min.js` of axe-core;
//! - Chromium and chromedriver on the `PATH`, or named by `TUPATE_CHROMIUM` and
//!   `TUPATE_CHROMEDRIVER`;
//! - `TUPATE_ARTIFACTS`, the folder for screenshots, if not `target/e2e`.
//!
//! This crate knows none of the others: it sees what a visitor sees. There are
//! no pauses in it; what takes time is waited for, with [`PATIENCE`].

mod browser;
mod front;
mod host;
mod journey;
mod origin;
mod page;
mod process;
mod program;
pub mod settings;

pub use browser::Browser;
pub use front::Front;
pub use host::FileHost;
pub use journey::{Journey, Tolerate};
pub use origin::{Asked, Origin, Sharing, closed_port};
pub use page::{Page, Source, State};
pub use program::{Program, evaluate, import, pack, preferred, rank, shard, site, token, tune};

use anyhow::{Context, Result};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long anything is waited for. Generous: only failures take so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it works, and fails with the last reason why it did not.
///
/// # Errors
/// When [`PATIENCE`] ends first.
pub async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut tick = interval(Duration::from_millis(25));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(_) if Instant::now() < deadline => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("waited {PATIENCE:?} in vain for {what}"));
            }
        }
    }
}
