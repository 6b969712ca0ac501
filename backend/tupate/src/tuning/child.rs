//! The server's end of a run's process.

use super::order::{FINISH, Order, STOP, Said};
use crate::commands::threads;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tupate_api::RunResult;
use tupate_server::{TuneError, Watch};

/// Between two looks at whether the run should stop.
const LOOK: Duration = Duration::from_millis(200);
/// The longest that a child may take for the step that it is at when told to stop.
/// What it has kept by then is enough to go on from.
const STEP: Duration = Duration::from_secs(30);

/// Tunes in a process of its own.
pub fn tune(order: &Order, threads: Option<u16>, watch: &Watch) -> Result<RunResult, TuneError> {
    let failed = |what: &str, e: &dyn std::fmt::Display| TuneError::Failed(format!("{what}: {e}"));
    let program = std::env::current_exe().map_err(|e| failed("this program is not found", &e))?;
    let mut command = Command::new(program);
    // In a group of its own: an interrupt from a terminal is the server's to hear,
    // which tells its runs to stop.
    command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    command.env(threads::THREADS, threads::number(threads).to_string());
    let mut child = command.spawn().map_err(|e| failed("no process for the run", &e))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(TuneError::Failed("no pipes for the run".into()));
    };
    let child = Mutex::new(child);
    let ended = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        scope.spawn(|| lead(&child, stdin, order, watch, &ended));
        let mut last = None;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Said::Event(event)) => watch.tell(event),
                Ok(end) => last = Some(end),
                Err(error) => tracing::error!(%error, line, "a run says what nobody understands"),
            }
        }
        ended.store(true, Ordering::Relaxed);
        last
    });
    let status = child.into_inner().unwrap_or_else(PoisonError::into_inner).wait();
    let status = status.map_err(|e| failed("the run's process is lost", &e))?;
    match last {
        Some(Said::Result(result)) => Ok(result),
        Some(Said::Failed(why)) => Err(TuneError::Failed(why)),
        // Told to stop, and killed where it did not in time.
        Some(Said::Stopped) => Err(TuneError::Stopped),
        _ if watch.stop().given() => Err(TuneError::Stopped),
        _ => Err(TuneError::Failed(died(status))),
    }
}

/// Gives the order, holds the leash, and says when to finish or to stop.
fn lead(
    child: &Mutex<Child>,
    mut stdin: ChildStdin,
    order: &Order,
    watch: &Watch,
    ended: &AtomicBool,
) {
    let written = serde_json::to_string(order).map(|order| writeln!(stdin, "{order}"));
    if !matches!(written, Ok(Ok(()))) {
        // It reads the end of its stdin, and ends.
        return;
    }
    let mut finishing = order.finish;
    while !watch.stop().wait(LOOK) {
        if !finishing && watch.finish().given() {
            finishing = true;
            // A child that is gone already needs no telling.
            let _ = writeln!(stdin, "{FINISH}");
        }
        if ended.load(Ordering::Relaxed) {
            return;
        }
    }
    let _ = writeln!(stdin, "{STOP}");
    let told = Instant::now();
    while told.elapsed() < STEP && !ended.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    if !ended.load(Ordering::Relaxed) {
        tracing::warn!("a run does not stop and is killed");
        if let Err(error) = child.lock().unwrap_or_else(PoisonError::into_inner).kill() {
            tracing::error!(%error, "a run's process cannot be killed");
        }
    }
}

fn died(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => "the tuning process was killed, most often for want of memory: a smaller \
                    batch_size or max_length may help"
            .to_owned(),
        Some(signal) => format!("the tuning process was ended by signal {signal}"),
        None => format!("the tuning process ended early ({status}); the server's log has more"),
    }
}
