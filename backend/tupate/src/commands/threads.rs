//! What long computations share: the number of threads, and stopping.

use crate::failure::Failure;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The thread pools of the numeric libraries read their size from here once.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Starts this program again with the wanted number of threads in its
/// environment, which is where the numeric libraries look for it.
pub fn set(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads.map(|n| n.to_string()) else { return Ok(()) };
    if std::env::var(THREADS).is_ok_and(|current| current == threads) {
        return Ok(());
    }
    let program = std::env::current_exe()
        .map_err(|e| Failure::Run(format!("cannot set the number of threads: {e}")))?;
    let error =
        Command::new(program).args(std::env::args_os().skip(1)).env(THREADS, &threads).exec();
    Err(Failure::Run(format!("cannot set the number of threads: {error}")))
}

/// How many threads there are for computing.
pub fn number() -> usize {
    rayon::current_num_threads()
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
