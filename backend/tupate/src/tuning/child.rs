//! The server's end of a run's process, and of a check's.

use super::order::{Check, FINISH, Order, STOP, Said, Work};
use crate::commands::threads;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tupate_api::RunResult;
use tupate_server::{Signal, TuneError, Watch};

/// Between two looks at whether the run should stop.
const LOOK: Duration = Duration::from_millis(200);
/// The longest that a child may take for the step that it is at when told to stop.
/// What it has kept by then is enough to go on from.
const STEP: Duration = Duration::from_secs(30);

/// The longest that reading a file for a check may take.
const CHECK: Duration = Duration::from_secs(60);

/// A process for some work, with its pipes.
fn begin(threads: Option<u16>) -> Result<(Child, ChildStdin, ChildStdout), String> {
    let program = std::env::current_exe().map_err(|e| format!("this program is not found: {e}"))?;
    let mut command = Command::new(program);
    // In a group of its own: an interrupt from a terminal is the server's to hear,
    // which tells its runs to stop.
    command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    command.env(threads::THREADS, threads::number(threads).to_string());
    let mut child = command.spawn().map_err(|e| format!("no process can be had: {e}"))?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok((child, stdin, stdout)),
        _ => Err("no pipes can be had".into()),
    }
}

/// What a child says, one value a line.
fn said(stdout: ChildStdout) -> impl Iterator<Item = Said> {
    BufReader::new(stdout).lines().map_while(Result::ok).filter_map(|line| {
        let understood = serde_json::from_str(&line);
        understood
            .inspect_err(|error| tracing::error!(%error, line, "a child is not understood"))
            .ok()
    })
}

/// Reads a file in a process of its own, which is killed where that takes too long, or
/// nobody waits for it any more; why it cannot be tuned on.
pub fn check(check: Check, stop: &Signal) -> Result<(), String> {
    let megabytes = check.memory >> 20;
    // One thread reads.
    let (mut child, mut stdin, stdout) = begin(Some(1))?;
    let (sender, last) = mpsc::channel();
    let order = serde_json::to_string(&Work::Check(Box::new(check))).map_err(|e| e.to_string())?;
    std::thread::spawn(move || sender.send(said(stdout).last()));
    // A child that is gone already says nothing, which is seen below.
    let _ = writeln!(stdin, "{order}");
    let began = Instant::now();
    let last = loop {
        match last.recv_timeout(LOOK) {
            Ok(last) => break last,
            Err(RecvTimeoutError::Timeout) if !stop.given() && began.elapsed() < CHECK => {}
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("reading it takes more than {} s", CHECK.as_secs()));
            }
        }
    };
    let status = child.wait().map_err(|e| e.to_string())?;
    match last {
        Some(Said::Sound) => Ok(()),
        Some(Said::Failed(why)) => Err(why),
        // By the system, or by itself as soon as it got no more.
        _ if matches!(status.signal(), Some(6 | 9)) => Err(format!(
            "reading it takes more than {megabytes} MiB of memory; send fewer examples"
        )),
        _ => Err(format!("reading it ended early ({status})")),
    }
}

/// Tunes in a process of its own.
pub fn tune(order: Order, threads: Option<u16>, watch: &Watch) -> Result<RunResult, TuneError> {
    let (child, stdin, stdout) = begin(threads).map_err(TuneError::Failed)?;
    let child = Mutex::new(child);
    let ended = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        scope.spawn(|| lead(&child, stdin, order, watch, &ended));
        let mut last = None;
        for said in said(stdout) {
            match said {
                Said::Event(event) => watch.tell(event),
                end => last = Some(end),
            }
        }
        ended.store(true, Ordering::Relaxed);
        last
    });
    let status = child.into_inner().unwrap_or_else(PoisonError::into_inner).wait();
    let lost = |e| TuneError::Failed(format!("the run's process is lost: {e}"));
    let status = status.map_err(lost)?;
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
    order: Order,
    watch: &Watch,
    ended: &AtomicBool,
) {
    let mut finishing = order.finish;
    let order = serde_json::to_string(&Work::Tune(Box::new(order)));
    let written = order.map(|order| writeln!(stdin, "{order}"));
    if !matches!(written, Ok(Ok(()))) {
        // It reads the end of its stdin, and ends.
        return;
    }
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
