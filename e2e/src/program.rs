//! The program under test: as a server, and as the authority on rankings.

use crate::page::Source;
use crate::process::Process;
use crate::settings;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// `tupate serve` on a free port.
#[derive(Debug)]
pub struct Program {
    _process: Process,
    base: String,
}

impl Program {
    /// Serves these zoos.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn serve(zoos: &[&Path]) -> Result<Self> {
        let mut command = Command::new(settings::program()?);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        for zoo in zoos {
            command.arg("--zoo").arg(zoo);
        }
        let process = Process::start(&mut command)?;
        let base = process
            .wait_for_line(|line| line.starts_with("http://").then(|| line.trim().to_owned()))?;
        Ok(Self { _process: process, base })
    }

    /// The page's address, with a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }
}

/// What `tupate rank` says about a target: the sources, closest first.
///
/// # Errors
/// When the program refuses or answers with something else.
pub fn rank(zoo: &Path, target: &str, set: &str, similarity: &str) -> Result<Vec<Source>> {
    #[derive(Deserialize)]
    struct Ranking {
        target: String,
        similarity: String,
        sources: Vec<Source>,
    }
    let mut command = Command::new(settings::program()?);
    command.arg("rank").arg("--zoo").arg(zoo);
    command.args(["--target", target, "--method", set, "--similarity", similarity, "--json"]);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let ranking: Ranking = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what {command:?} printed is not a ranking"))?;
    ensure!(
        ranking.target == target && ranking.similarity == similarity,
        "{command:?} answered for {} by {}",
        ranking.target,
        ranking.similarity
    );
    Ok(ranking.sources)
}
