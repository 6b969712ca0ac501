//! Child processes that never outlive the test.

use crate::PATIENCE;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    lines: Receiver<Line>,
}

#[derive(Debug)]
enum Line {
    Out(String),
    Err(String),
}

impl Process {
    /// Starts a command and listens to what it says.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        // Read to the end of its days: a full pipe would stop the child.
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            read_lines(out, sender.clone(), Line::Out);
        }
        if let Some(err) = child.stderr.take() {
            read_lines(err, sender, Line::Err);
        }
        Ok(Self { child, name, lines })
    }

    /// Waits for the line on standard output that `find` knows.
    ///
    /// # Errors
    /// When the child ends or is silent; the error holds what it did say.
    pub fn wait_for_line<T>(&self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = String::new();
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let text = match line {
                Ok(Line::Out(text)) => match find(&text) {
                    Some(found) => return Ok(found),
                    None => text,
                },
                Ok(Line::Err(text)) => text,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} is not ready after {PATIENCE:?}; it said:\n{said}", self.name)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before it was ready; it said:\n{said}", self.name)
                }
            };
            said.push_str(&text);
            said.push('\n');
        }
    }
}

impl Process {
    /// Kills the child, which hears nothing of it.
    pub fn kill(&mut self) {
        // Either fails only where the child has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lines(
    stream: impl Read + Send + 'static,
    sender: Sender<Line>,
    wrap: impl Fn(String) -> Line + Send + 'static,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // After the line that was waited for nobody listens any more.
            let _ = sender.send(wrap(line));
        }
    });
}
