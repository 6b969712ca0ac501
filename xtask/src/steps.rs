//! One quiet line for each step, and a table of them at the end.

use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

/// The steps taken so far, with the time each took.
pub struct Steps {
    taken: Vec<(String, Duration, Outcome)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    Failed,
}

impl Steps {
    /// No step taken yet.
    pub fn new() -> Self {
        Self { taken: Vec::new() }
    }

    /// Takes a step and says how long it took. What the step returns is said
    /// along with it: what was done, or why nothing had to be.
    pub fn take(&mut self, name: &str, work: impl FnOnce() -> Result<String>) -> Result<()> {
        let start = Instant::now();
        let result = work();
        let time = start.elapsed();
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.taken.push((name.to_owned(), time, outcome));
        let note = result.with_context(|| format!("the step `{name}` failed"))?;
        eprintln!("· {name:<22} {note:<34} {:>7.1} s", time.as_secs_f64());
        Ok(())
    }

    /// All steps with their times, one a line, and the sum.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |mark, name: &str, time: Duration| {
            table += &format!("{mark} {name:<40} {:>8.1} s\n", time.as_secs_f64());
        };
        for (name, time, outcome) in &self.taken {
            line(if *outcome == Outcome::Done { '✓' } else { '✗' }, name, *time);
        }
        line(' ', "together", self.taken.iter().map(|(_, time, _)| *time).sum());
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_marked() {
        let mut steps = Steps::new();
        steps.take("first", || Ok("done".into())).unwrap();
        let error = steps.take("second", || anyhow::bail!("no paper")).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `second` failed: no paper");
        let table = steps.table();
        let marks: Vec<_> = table.lines().map(|line| line.chars().next().unwrap()).collect();
        assert_eq!(marks, ['✓', '✗', ' '], "{table}");
    }
}
