//! Several tunings at once, each in a process of its own, with one bar for all.
//!
//! Matrix products of short texts are too small to keep several threads busy: one
//! process a core with one thread each is done in half the time.

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// One tuning: how to start it, and how to start it anew where that fails.
pub struct Job {
    /// Its name for messages.
    pub name: String,
    /// Epochs that it is going to report.
    pub epochs: u64,
    /// The command, given the number of threads. A job whose first command fails
    /// goes on with the next.
    pub attempts: Vec<Start>,
}

/// Prepares and gives a command; `--threads N` is added to it.
pub type Start = Box<dyn FnOnce() -> Result<Command>>;

/// What a running job says.
enum Said {
    Line(String),
    End,
}

struct Running {
    job: Job,
    child: Child,
    said: Vec<String>,
}

/// Runs all jobs, as many at once as there are cores.
pub fn run(jobs: Vec<Job>) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let at_once = cores.min(jobs.len()).max(1);
    let threads = (cores / at_once).max(1);
    let bar = bar(jobs.iter().map(|job| job.epochs).sum());
    let (to, from) = mpsc::channel();
    let mut waiting: VecDeque<Job> = jobs.into();
    let mut running: Vec<Option<Running>> = Vec::new();
    let result = (|| {
        while running.iter().flatten().count() < at_once {
            let Some(job) = waiting.pop_front() else { break };
            let place = running.len();
            running.push(Some(start(job, threads, place, &to)?));
        }
        while running.iter().any(Option::is_some) {
            let (place, said) = from.recv().context("a tuning ended without a word")?;
            let Some(one) = &mut running[place] else { continue };
            match said {
                Said::Line(line) => {
                    if line.contains(", epoch ") {
                        bar.inc(1);
                    }
                    bar.set_message(line.clone());
                    one.said.push(line);
                }
                Said::End => {
                    let Running { job, mut child, said } =
                        running[place].take().context("a tuning ended twice")?;
                    let status = child.wait().context("a tuning cannot be waited for")?;
                    let next = match (status.success(), job.attempts.is_empty()) {
                        (true, _) => waiting.pop_front(),
                        (false, false) => Some(job),
                        (false, true) => {
                            bail!("{} failed ({status}):\n{}", job.name, said.join("\n"))
                        }
                    };
                    if let Some(next) = next {
                        running[place] = Some(start(next, threads, place, &to)?);
                    }
                }
            }
        }
        Ok(())
    })();
    bar.finish_and_clear();
    // After a failure the others have nothing to work for.
    for mut one in running.into_iter().flatten() {
        one.child.kill().ok();
        one.child.wait().ok();
    }
    result
}

fn start(
    mut job: Job,
    threads: usize,
    place: usize,
    to: &mpsc::Sender<(usize, Said)>,
) -> Result<Running> {
    let prepare = job.attempts.remove(0);
    let mut child = prepare()?
        .args(["--threads", &threads.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", job.name))?;
    let stderr = child.stderr.take().context("a tuning has no stderr")?;
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

fn bar(epochs: u64) -> ProgressBar {
    let bar = ProgressBar::new(epochs);
    let template = "tuning {wide_bar} {pos}/{len} epochs, {eta} left  {msg:.60}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
