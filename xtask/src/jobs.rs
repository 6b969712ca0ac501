//! Several trainings at once, each in a process of its own, with one bar for all.
//!
//! Matrix products of short texts are too small to keep several threads busy: one
//! process a core with one thread each is done in half the time.

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// One training: how to start it, and how to start it anew where that fails.
pub struct Job<'a> {
    /// Its name for messages.
    pub name: String,
    /// How many units of its work it is going to report.
    pub units: u64,
    /// What a line says that reports one, among other things.
    pub unit: &'static str,
    /// The command. A job whose first command fails goes on with the next.
    pub attempts: Vec<Start<'a>>,
    /// Whether the command takes a number of threads.
    pub threads: bool,
    /// What is to be done with what it made.
    pub end: Box<dyn FnOnce() -> Result<()> + 'a>,
}

/// How long all jobs may take together, and what one that fails means for the others.
#[derive(Clone, Copy, Default)]
pub struct Terms {
    /// Jobs that run then are stopped; they can be resumed.
    pub until: Option<Instant>,
    /// Whether the others go on after a failure, which is told at the end.
    pub go_on: bool,
}

/// How jobs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All are done.
    Done,
    /// The time was over before.
    OutOfTime,
}

/// In the line with which `tupate tune` reports an epoch.
pub const EPOCH: &str = ", epoch ";

/// In the line with which `tupate transfer` reports a cell.
pub const CELL: &str = " ← ";

/// In the first line of `tupate baseline` about the data of a task.
pub const DATA: &str = ": train: ";

/// Prepares and gives a command; `--threads N` is added to it where it takes that.
pub type Start<'a> = Box<dyn FnOnce() -> Result<Command> + 'a>;

/// How a run of `tupate tune` is started: where it was interrupted, it goes on; anew where
/// there is nothing to go on with, or this program cannot. `prepare` is called before it
/// is started anew, in an emptied place.
pub fn of_run<'a>(
    out: &Path,
    resumable: bool,
    command: impl Fn() -> Command,
    prepare: impl FnOnce() -> Result<()> + 'a,
) -> Vec<Start<'a>> {
    let mut attempts: Vec<Start<'a>> = Vec::new();
    if resumable {
        let mut again = command();
        again.arg("--resume");
        attempts.push(Box::new(move || Ok(again)));
    }
    let (anew, out) = (command(), out.to_path_buf());
    attempts.push(Box::new(move || {
        if out.exists() {
            fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        let folder = out.parent().context("a run lies in a folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        prepare()?;
        Ok(anew)
    }));
    attempts
}

/// What a running job says.
enum Said {
    Line(String),
    End,
}

struct Running<'a> {
    job: Job<'a>,
    child: Child,
    said: Vec<String>,
}

/// Runs all jobs, as many at once as there are cores.
pub fn run(what: &str, jobs: Vec<Job<'_>>, terms: Terms) -> Result<Ended> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let at_once = cores.min(jobs.len()).max(1);
    let threads = (cores / at_once).max(1);
    let bar = bar(what, jobs.iter().map(|job| job.units).sum());
    let (to, from) = mpsc::channel();
    let mut waiting: VecDeque<Job<'_>> = jobs.into();
    let mut running: Vec<Option<Running<'_>>> = Vec::new();
    let mut failures: Vec<String> = Vec::new();
    let result = (|| {
        while running.iter().flatten().count() < at_once {
            let Some(job) = waiting.pop_front() else { break };
            let place = running.len();
            running.push(Some(start(job, threads, place, &to)?));
        }
        while running.iter().any(Option::is_some) {
            let heard = match terms.until {
                Some(until) => from.recv_timeout(until.saturating_duration_since(Instant::now())),
                None => from.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            let (place, said) = match heard {
                Ok(heard) => heard,
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Ended::OutOfTime),
                Err(mpsc::RecvTimeoutError::Disconnected) => bail!("a job ended without a word"),
            };
            let Some(one) = &mut running[place] else { continue };
            match said {
                Said::Line(line) => {
                    if line.contains(one.job.unit) {
                        bar.inc(1);
                    }
                    bar.set_message(line.clone());
                    one.said.push(line);
                }
                Said::End => {
                    let Running { job, mut child, said } =
                        running[place].take().context("a job ended twice")?;
                    let status = child.wait().context("a job cannot be waited for")?;
                    let next = match (status.success(), job.attempts.is_empty()) {
                        (true, _) => {
                            (job.end)()?;
                            waiting.pop_front()
                        }
                        (false, false) => Some(job),
                        (false, true) => {
                            let failure =
                                format!("{} failed ({status}):\n{}", job.name, said.join("\n"));
                            if !terms.go_on {
                                bail!(failure);
                            }
                            bar.println(&failure);
                            failures.push(failure);
                            waiting.pop_front()
                        }
                    };
                    if let Some(next) = next {
                        running[place] = Some(start(next, threads, place, &to)?);
                    }
                }
            }
        }
        Ok(Ended::Done)
    })();
    bar.finish_and_clear();
    // After a failure the others have nothing to work for.
    for mut one in running.into_iter().flatten() {
        one.child.kill().ok();
        one.child.wait().ok();
    }
    if failures.is_empty() {
        return result;
    }
    let failed = format!("{} of the jobs failed:\n{}", failures.len(), failures.join("\n"));
    match result {
        Ok(_) => bail!(failed),
        Err(error) => Err(error.context(failed)),
    }
}

fn start<'a>(
    mut job: Job<'a>,
    threads: usize,
    place: usize,
    to: &mpsc::Sender<(usize, Said)>,
) -> Result<Running<'a>> {
    let prepare = job.attempts.remove(0);
    let mut command = prepare()?;
    if job.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", job.name))?;
    let stderr = child.stderr.take().context("a job has no stderr")?;
    let to = to.clone();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if to.send((place, Said::Line(line))).is_err() {
                return;
            }
        }
        to.send((place, Said::End)).ok();
    });
    Ok(Running { job, child, said: Vec::new() })
}

fn bar(what: &str, units: u64) -> ProgressBar {
    let bar = ProgressBar::new(units);
    let template = format!("{what} {{wide_bar}} {{pos}}/{{len}}, {{eta}} left  {{msg:.60}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
