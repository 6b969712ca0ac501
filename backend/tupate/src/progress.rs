//! Progress on stderr, never in the results.

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tupate_tuner::train::{Event, Observer};

/// Says one line on stderr. Where that is closed or full, nobody hears it and the work goes
/// on.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Someone who is told how a download gets on.
pub trait Watch {
    /// Something worth telling once.
    fn note(&mut self, note: &str);
    /// `done` bytes of a file are there, of `total` if that is known.
    fn download(&mut self, file: &str, done: u64, total: Option<u64>);
}

/// Bars of tasks that are worked on at once, one below the other.
#[derive(Default)]
pub struct Bars {
    all: MultiProgress,
    stop: Arc<AtomicBool>,
}

impl Bars {
    /// One more, for the work called `prefix`.
    pub fn bar(&self, prefix: &str) -> Bar {
        Bar::with(self.all.add(drawn()), prefix, Arc::clone(&self.stop))
    }

    /// A flag that stops all work when it is set.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether it is set.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Prints something while no bar is in the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }
}

fn drawn() -> ProgressBar {
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8))
}

/// A bar on stderr; plain lines where stderr is not a terminal.
pub struct Bar {
    bar: ProgressBar,
    prefix: String,
    terminal: bool,
    stop: Arc<AtomicBool>,
}

impl Bar {
    /// A bar for the work called `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self::with(drawn(), prefix, Arc::default())
    }

    fn with(bar: ProgressBar, prefix: &str, stop: Arc<AtomicBool>) -> Self {
        use std::io::IsTerminal;
        let terminal = std::io::stderr().is_terminal();
        Self { bar, prefix: prefix.to_owned(), terminal, stop }
    }

    /// A flag that stops the run when it is set.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            say(text);
        }
    }

    /// Moves the bar to `done` of `total`; another total is another bar.
    pub fn measure(&self, units: &str, done: usize, total: usize) {
        if self.bar.length() != Some(total as u64) || done == 1 {
            self.style(&format!(
                "{{prefix}} {{wide_bar}} {{pos}}/{{len}} {units}, {{left}}  {{msg}}"
            ));
            self.bar.set_prefix(self.prefix.clone());
            self.bar.set_length(total as u64);
            // What is done took its time before the bar was there.
            self.bar.set_position(done as u64);
            self.bar.reset_eta();
            self.bar.enable_steady_tick(Duration::from_millis(500));
        }
        self.bar.set_position(done as u64);
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("left", left).progress_chars("━╸─"));
        }
    }
}

/// The time left, once there is an estimate.
fn left(state: &ProgressState, to: &mut dyn fmt::Write) {
    let left = state.eta();
    let written = match left.is_zero() && state.fraction() < 1.0 {
        true => write!(to, "time left not known yet"),
        false => write!(to, "{:#} left", HumanDuration(left)),
    };
    // A bar without it is a bar.
    written.unwrap_or_default();
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Bar {
    fn note(&mut self, note: &str) {
        self.line(note);
    }

    fn download(&mut self, file: &str, done: u64, total: Option<u64>) {
        if self.bar.message() != file {
            self.style("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {left}");
            self.bar.set_message(file.to_owned());
            self.bar.set_length(total.unwrap_or(0));
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
    }
}

impl Observer for Bar {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) => self.line(&format!("{}: {note}", self.prefix)),
            Event::Step { done, total, learning_rate, epoch, loss } => {
                self.measure("steps", done, total);
                self.bar.set_message(format!("epoch {epoch}, loss {loss:.3}, lr {learning_rate}"));
            }
            Event::Task { task, number, of } => {
                self.prefix = format!("{task} ({number}/{of})");
                // The next batch begins a bar of its own.
                self.bar.unset_length();
                if !self.terminal {
                    self.line(&self.prefix);
                }
            }
            Event::Pass { what, done, total } => {
                self.measure("batches", done, total);
                self.bar.set_message(what.to_owned());
            }
            Event::Resumed { learning_rate, curve } => self.line(&format!(
                "{}: going on after epoch {} with learning rate {learning_rate}",
                self.prefix,
                curve.len()
            )),
            Event::Epoch { learning_rate, record } => self.line(&format!(
                "{}: lr {learning_rate}, epoch {}: loss {:.4}, validation {:.4}",
                self.prefix, record.epoch, record.loss, record.scores.score
            )),
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
