//! The program under test: as a server, and as the authority on rankings.

use crate::page::Source;
use crate::process::Process;
use crate::settings;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `tupate serve`.
#[derive(Debug)]
pub struct Program {
    process: Process,
    base: String,
}

impl Program {
    /// Serves these zoos.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn serve(zoos: &[&Path]) -> Result<Self> {
        Self::start(zoos, "127.0.0.1:0", None)
    }

    /// Serves these zoos, and keeps runs in a folder.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn with_runs(zoos: &[&Path], folder: &Path) -> Result<Self> {
        Self::start(zoos, "127.0.0.1:0", Some(folder))
    }

    /// Kills the server, and starts another one at the same address with what it left.
    ///
    /// # Errors
    /// When it does not start.
    pub fn again(&mut self, zoos: &[&Path], folder: &Path) -> Result<()> {
        let address = self.base.trim_start_matches("http://").trim_end_matches('/').to_owned();
        self.process.kill();
        *self = Self::start(zoos, &address, Some(folder))?;
        Ok(())
    }

    fn start(zoos: &[&Path], listen: &str, runs: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(settings::program()?);
        command.args(["serve", "--listen", listen]);
        if let Some(folder) = runs {
            // The encoder that the samples were made with.
            command.args(["--worker", "cpu", "--threads", "1", "--encoder", "minilm", "--data"]);
            command.arg(folder);
        }
        for zoo in zoos {
            command.arg("--zoo").arg(zoo);
        }
        let process = Process::start(&mut command)?;
        let base = process
            .wait_for_line(|line| line.starts_with("http://").then(|| line.trim().to_owned()))?;
        Ok(Self { process, base })
    }

    /// The page's address, with a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }
}

/// A new token for the server that keeps runs in this folder.
///
/// # Errors
/// When the program refuses.
pub fn token(folder: &Path) -> Result<String> {
    let mut command = Command::new(settings::program()?);
    command.args(["token", "create", "--name", "me", "--data"]).arg(folder);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{command:?} failed ({})", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
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
        // A folder says its task, and lies where that is named.
        target.split('/').any(|part| part == ranking.target) && ranking.similarity == similarity,
        "{command:?} answered for {} by {}",
        ranking.target,
        ranking.similarity
    );
    Ok(ranking.sources)
}

/// The method and the similarity that a zoo's makers advise, as `tupate zoo show` says.
///
/// # Errors
/// When the program refuses or answers with something else.
pub fn preferred(zoo: &Path) -> Result<Option<(String, String)>> {
    #[derive(Deserialize)]
    struct Shown {
        preferred: Option<Preferred>,
    }
    #[derive(Deserialize)]
    struct Preferred {
        method: String,
        similarity: String,
    }
    let mut command = Command::new(settings::program()?);
    command.args(["zoo", "show", "--json"]).arg(zoo);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: Shown = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what {command:?} printed says nothing of a zoo"))?;
    Ok(shown.preferred.map(|advice| (advice.method, advice.similarity)))
}

/// `tupate site`: the page with these zoos, for file hosts.
///
/// # Errors
/// When the program refuses.
pub fn site(zoos: &[&Path], folder: &Path) -> Result<()> {
    let mut command = Command::new(settings::program()?);
    command.arg("site").arg("--out").arg(folder).arg("--zoo").args(zoos);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// `tupate tune`: sample tasks, each by these methods, for no longer than it takes to have
/// all kinds of files.
///
/// # Errors
/// When the program refuses.
pub fn tune(tasks: &[&str], methods: &str, out: &Path) -> Result<()> {
    let mut command = Command::new(settings::program()?);
    command.args(["tune", &tasks.join(","), "--method", methods, "--epochs", "2"]);
    command.args(["--lr", "5e-3", "--max-train", "32", "--out"]).arg(out);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// `tupate zoo pack`: runs as one zoo.
///
/// # Errors
/// When the program refuses.
pub fn pack(runs: &[PathBuf], name: &str, options: &[&OsStr], out: &Path) -> Result<()> {
    let mut command = Command::new(settings::program()?);
    command.args(["zoo", "pack", "--name", name]).args(options);
    command.arg("--out").arg(out).args(runs);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Families of the tasks of [`import`]: how their names begin.
const FAMILIES: [&str; 8] = [
    "topic",
    "sentiment",
    "inference",
    "paraphrase",
    "similarity",
    "acceptability",
    "emotion",
    "intent",
];

/// How much of a vector is its family's; the rest is its own.
const SHARED: f32 = 0.6;

/// `tupate zoo import-npy`: a zoo of invented vectors, `[tasks, dim]`, in families, the
/// same for the same `seed`. Returns its bytes.
///
/// # Errors
/// When the program refuses.
pub fn import(tasks: usize, dim: usize, seed: u64) -> Result<Vec<u8>> {
    let folder = tempfile::TempDir::new().context("no place for arrays")?;
    let mut own = Numbers(seed);
    for task in 0..tasks {
        let family = task % FAMILIES.len();
        let mut shared = Numbers(seed.wrapping_add(1 + family as u64));
        // The format's first version; its header ends at a multiple of 64 bytes.
        let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({dim},), }}");
        let padded = (10 + head.len() + 1).next_multiple_of(64) - 11;
        head.push_str(&" ".repeat(padded - head.len()));
        head.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(head.len())?.to_le_bytes());
        bytes.extend(head.as_bytes());
        for _ in 0..dim {
            let value = SHARED * shared.draw() + (1.0 - SHARED) * own.draw();
            bytes.extend(value.to_le_bytes());
        }
        let name = format!("{}-{:03}.npy", FAMILIES[family], task / FAMILIES.len());
        std::fs::write(folder.path().join(name), bytes)?;
    }
    let out = folder.path().join("zoo.safetensors");
    let mut command = Command::new(settings::program()?);
    command.args(["zoo", "import-npy", "--name", "Invented tasks", "--source", "Tupate's tests"]);
    command.arg(folder.path()).arg("--out").arg(&out);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&out).context("there is no zoo")
}

/// `tupate zoo shard`: the folder with the index and the shards of a zoo.
///
/// # Errors
/// When the program refuses.
pub fn shard(zoo: &[u8], tasks: usize) -> Result<tempfile::TempDir> {
    let folder = tempfile::TempDir::new().context("no place for shards")?;
    let file = folder.path().join("zoo.safetensors");
    std::fs::write(&file, zoo)?;
    let out = folder.path().join("shards");
    let mut command = Command::new(settings::program()?);
    command.args(["zoo", "shard"]).arg(&file).arg("--out").arg(&out);
    command.args(["--dtype", "f32", "--tasks"]).arg(tasks.to_string());
    let output = command.output().context("cannot start the program under test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(folder)
}

/// Knuth's linear congruential generator: any numbers do.
struct Numbers(u64);

impl Numbers {
    /// From -0.5 to 0.5.
    fn draw(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }
}

/// What `tupate evaluate` says of a zoo against a truth table: its JSON.
///
/// # Errors
/// When the program refuses or answers with something else.
pub fn evaluate(zoo: &Path, truth: &Path, method: &str, similarity: &str) -> Result<Value> {
    let mut command = Command::new(settings::program()?);
    command.arg("evaluate").arg("--zoo").arg(zoo).arg("--truth").arg(truth);
    command.args(["--method", method, "--similarity", similarity, "--json"]);
    let output = command.output().context("cannot start the program under test")?;
    ensure!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what {command:?} printed is no JSON"))
}
