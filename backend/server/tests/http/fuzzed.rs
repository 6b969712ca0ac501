//! The server that `cargo xtask api-fuzz` asks.

use crate::support::{Tuning, run_limits};
use std::io::Read;
use tupate_server::RunLimits;

/// Says its address and a token, and ends with its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process for `cargo xtask api-fuzz`"]
async fn serve() {
    let limits = RunLimits { queued: 100_000, of_one: 100_000, ..run_limits() };
    let tuning = Tuning::with(limits, |_| {}).await;
    println!("\nhttp://{} {}", tuning.server.address, tuning.token);
    let end = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(end).await.unwrap().unwrap();
}
