//! What long computations share: the number of threads, and stopping.

use crate::failure::Failure;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The thread pools of the numeric libraries read their size from here once.
pub const THREADS: &str = "RAYON_NUM_THREADS";

/// How many threads there are for computing: what the user says, else one a core.
pub fn number(wanted: Option<u16>) -> usize {
    match wanted {
        Some(wanted) => usize::from(wanted),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Starts this program again with this number of threads in its environment, which is
/// where the numeric libraries look for it. Where it is missing there, they look the cores
/// up for every operation, and wait for threads that others are using.
pub fn set(threads: usize) -> Result<(), Failure> {
    let threads = threads.to_string();
    if std::env::var(THREADS).is_ok_and(|current| current == threads) {
        return Ok(());
    }
    let program = std::env::current_exe()
        .map_err(|e| Failure::Run(format!("cannot set the number of threads: {e}")))?;
    let error =
        Command::new(program).args(std::env::args_os().skip(1)).env(THREADS, &threads).exec();
    Err(Failure::Run(format!("cannot set the number of threads: {error}")))
}

/// The first interrupt stops the run after the current step, with its last
/// epoch kept; the second one ends the program.
pub fn stop_on_interrupt(flag: Arc<AtomicBool>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Run(format!("cannot wait for interrupts: {e}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if flag.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        })
        .map_err(failed)?;
    Ok(())
}
