//! Tuning, beside PyTorch, transformers and PEFT with the same encoder, texts and recipe.

use crate::{context::Context, files, golden, program, steps::Steps};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use xshell::Cmd;

/// The other side.
const PEER: &str = "xtask/peer/peer.py";

/// The methods, each with a learning rate.
pub(super) const METHODS: &[(&str, &str)] =
    &[("lora", "5e-4"), ("bitfit", "4e-4"), ("ptuning-v2", "1e-2")];

/// The encoders: a real one, and one of BERT-base's size with random weights.
const SIZES: &[(&str, &str)] = &[("MiniLM", "6 × 384"), ("BERT-base", "12 × 768")];

/// What is tuned on: its name, the words a text has at least and at most, and how many
/// texts there are for an encoder of each size: two steps are the least that a run's
/// ledger accepts.
const TEXTS: &[(&str, usize, usize, [usize; 2])] =
    &[("32 × 128", 160, 160, [96, 64]), ("mixed lengths", 4, 120, [320, 64])];

/// Rounds of both sides, one after the other; the faster counts of each.
const ROUNDS: usize = 2;

/// What a side took.
#[derive(Clone, Copy)]
struct Took {
    /// Seconds forward, backward and in the optimiser.
    parts: [f64; 3],
    peak_bytes: f64,
    loss: f64,
}

impl Took {
    fn seconds(self) -> f64 {
        self.parts.iter().sum()
    }

    /// The faster of two.
    fn faster(self, other: Option<Self>) -> Self {
        other.filter(|other| other.seconds() < self.seconds()).unwrap_or(self)
    }
}

/// Who tunes, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// This program, with a precision of its products.
    Own(&'static str),
    /// The peer, with what it is told beside.
    Peer(&'static [&'static str]),
}

/// All sides, in the order in which they take turns.
const SIDES: [Side; 5] = [
    Side::Own("f32"),
    Side::Peer(&[]),
    Side::Own("bf16"),
    Side::Peer(&["--bf16"]),
    Side::Peer(&["--group"]),
];

/// Both sides, ready to tune.
pub(super) struct Peers {
    program: PathBuf,
    python: PathBuf,
    /// Where files of benchmarks are.
    pub folder: PathBuf,
}

impl Peers {
    /// Builds this program, installs the other, and pulls MiniLM.
    pub fn make(context: &Context, steps: &mut Steps) -> Result<Self> {
        let python = golden::python(context, steps)?;
        program::build(context, steps)?;
        let program = program::path(context);
        let folder = context.target.join("xtask/bench-tune");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
        Ok(Self { program, python, folder })
    }

    /// Tunes on `file`, of which 32 texts are scored, too; gives back what the side says.
    pub fn tune(
        &self,
        context: &Context,
        side: Side,
        file: &Path,
        encoder: &Path,
        flags: &[&str],
    ) -> Result<Value> {
        let command = match side {
            Side::Own(precision) => {
                let out = self.folder.join("run");
                files::remove_if_there(&out)?;
                let command = context.command(&self.program, ["tune", "--json", "--out"]);
                command.arg(&out).args(["--precision", precision])
            }
            Side::Peer(more) => {
                let command = context.command(&self.python, ["-B", PEER, "tune"]);
                command.args(more).env("HF_HUB_OFFLINE", "1")
            }
        };
        let command = command.arg(file).arg("--dev").arg(file).args(["--max-dev", "32"]);
        last_line(
            command.arg("--encoder").arg(encoder).args(["--threads", "1"]).args(flags).quiet(),
        )
    }
}

/// What one tuning is given.
struct Setup<'a> {
    context: &'a Context,
    peers: &'a Peers,
    encoder: &'a Path,
    file: &'a Path,
    flags: &'a [&'a str],
}

/// Measures everything in one run; tables in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    let peers = Peers::make(context, steps)?;
    let Peers { python, folder, .. } = &peers;
    let minilm = context.cache.join("encoders/minilm");
    steps.take("encoders", || {
        context
            .command(python, ["-B", PEER, "encoder", "--like"])
            .args([&minilm, &folder.join("BERT-base")])
            .env("HF_HUB_OFFLINE", "1")
            .quiet()
            .ignore_stderr()
            .run()?;
        Ok("MiniLM, BERT-base's size".to_owned())
    })?;
    let mut rates = [0.0; 2];
    steps.take("rate of products", || {
        let command = context.command(python, ["-B", PEER, "rate"]).quiet();
        let last = last_line(command)?;
        rates = ["f32", "bf16"].map(|precision| last[precision].as_f64().unwrap_or_default());
        Ok(format!("{:.0} GFLOP/s in f32, {:.0} in bf16", rates[0], rates[1]))
    })?;
    let mut speeds = String::from(
        "| encoder | texts | method | tupate f32 | PEFT f32 | ratio | tupate bf16 | PEFT bf16 | \
         ratio | bf16 to PEFT f32 | f32 to PEFT by length |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut details = String::from(
        "| encoder | texts | method | peak MiB | of PEFT's | bf16, peak MiB | of PEFT's | forward, \
         backward, optimiser, s | in bf16 | PEFT | PEFT bf16 | share of the rate | in bf16 | mean \
         loss | in bf16 | PEFT |\n\
         |---|---|---|--:|--:|--:|--:|---|---|---|---|--:|--:|--:|--:|--:|\n",
    );
    for (size, (encoder, shape)) in SIZES.iter().enumerate() {
        let place = if size == 0 { minilm.clone() } else { folder.join(encoder) };
        for (name, least, most, counts) in TEXTS {
            let count = counts[size];
            let file = folder.join(format!("{count}-{least}-{most}.tsv"));
            fs::write(&file, texts(count, *least, *most))
                .with_context(|| format!("cannot write {}", file.display()))?;
            for (method, rate) in METHODS {
                let flags = ["--method", method, "--lr", rate, "--epochs", "1"];
                let setup =
                    Setup { context, peers: &peers, encoder: &place, file: &file, flags: &flags };
                let mut best = [None; SIDES.len()];
                steps.take(&format!("{encoder}, {name}, {method}"), || {
                    for _ in 0..ROUNDS {
                        for (side, best) in SIDES.iter().zip(&mut best) {
                            *best = Some(setup.tune(*side)?.faster(*best));
                        }
                    }
                    Ok(format!("{:.1?} s", best.map(|t| t.map_or(0.0, Took::seconds))))
                })?;
                let [Some(own), Some(peer), Some(half), Some(peer_half), Some(grouped)] = best
                else {
                    bail!("no round was measured");
                };
                let rate = |took: Took| count as f64 / took.seconds();
                let ratio = |own: Took, peer: Took| peer.seconds() / own.seconds();
                let first = format!("| {encoder}, {shape} | {name}, {count} texts | {method} |");
                writeln!(
                    speeds,
                    "{first} {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} |",
                    rate(own),
                    rate(peer),
                    ratio(own, peer),
                    rate(half),
                    rate(peer_half),
                    ratio(half, peer_half),
                    ratio(half, peer),
                    ratio(own, grouped),
                )?;
                // Of texts that are all alike it is known how much was to be computed.
                let share = |took: Took, rate: f64| match least == most {
                    true => format!("{:.0} %", 100.0 * work(size, count) / took.seconds() / rate),
                    false => "–".to_owned(),
                };
                let mib = |took: Took| took.peak_bytes / f64::from(1 << 20);
                writeln!(
                    details,
                    "{first} {:.0} | {:.2} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} | {:.4} | \
                     {:.4} | {:.4} |",
                    mib(own),
                    own.peak_bytes / peer.peak_bytes,
                    mib(half),
                    half.peak_bytes / peer_half.peak_bytes,
                    parts(own),
                    parts(half),
                    parts(peer),
                    parts(peer_half),
                    share(own, rates[0]),
                    share(half, rates[1]),
                    own.loss,
                    half.loss,
                    peer.loss,
                )?;
            }
        }
    }
    Ok(format!(
        "Texts a second; PEFT's products reach {:.0} GFLOP/s in f32 and {:.0} in bf16.\n\n\
         {speeds}\n{details}",
        rates[0], rates[1]
    ))
}

/// Billions of operations of the products with frozen weights, forward and backward, on
/// `texts` of 128 tokens: an addition and a multiplication for every weight of the layers.
fn work(size: usize, texts: usize) -> f64 {
    let (layers, hidden) = [(6.0, 384.0), (12.0, 768.0)][size];
    let weights = layers * 12.0 * hidden * hidden;
    2.0 * 2.0 * weights * 128.0 * texts as f64 / 1e9
}

impl Setup<'_> {
    fn tune(&self, side: Side) -> Result<Took> {
        let Self { context, peers, encoder, file, flags } = self;
        let last = peers.tune(context, side, file, encoder, flags)?;
        let (run, loss) = match side {
            Side::Own(_) => {
                let candidate = &last["candidates"][0];
                (candidate, &candidate["curve"][0]["loss"])
            }
            Side::Peer(_) => (&last, &last["loss"]),
        };
        took(run, &last["peak_memory_bytes"], loss)
    }
}

/// The JSON of a program's last line; what it said beside is shown where it fails.
fn last_line(command: Cmd<'_>) -> Result<Value> {
    let output = command.ignore_status().output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let said = String::from_utf8(output.stdout).context("a program's output is not UTF-8")?;
    serde_json::from_str(said.lines().last().unwrap_or_default())
        .context("a program ended without JSON")
}

fn took(run: &Value, peak_bytes: &Value, loss: &Value) -> Result<Took> {
    let number = |value: &Value| value.as_f64().context("a measurement is missing");
    let part = |name: &str| number(&run["seconds_of"][name]);
    let took = Took {
        parts: [part("forward")?, part("backward")?, part("optimizer")?],
        peak_bytes: number(peak_bytes)?,
        loss: number(loss)?,
    };
    ensure!(took.seconds() > 0.0 && took.loss.is_finite(), "a measurement makes no sense");
    Ok(took)
}

fn parts(took: Took) -> String {
    took.parts.map(|part| format!("{part:.1}")).join(", ")
}

/// Numbers from 0 to 1, the same ones each time.
pub fn random() -> impl FnMut() -> f64 {
    // Knuth's constants for a linear congruential generator (MMIX).
    let mut state = 1_u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    }
}

/// A file of random words in two classes, the lengths spread evenly on a logarithmic
/// scale, as those of real tasks roughly are.
fn texts(count: usize, least: usize, most: usize) -> String {
    const WORDS: &[&str] = &[
        "water", "house", "small", "under", "light", "never", "music", "paper", "green", "story",
        "river", "table", "quick", "sound", "north", "bread", "cloud", "early", "glass", "plant",
    ];
    let mut random = random();
    let mut text = String::from("text\tlabel\n");
    for i in 0..count {
        let span = (most as f64 / least as f64).ln();
        let length = (least as f64 * (span * random()).exp()).round() as usize;
        let words: Vec<&str> =
            (0..length).map(|_| WORDS[(random() * WORDS.len() as f64) as usize]).collect();
        text.push_str(&format!("{}\t{}\n", words.join(" "), ["no", "yes"][i % 2]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_lengths_that_were_asked_for() {
        let text = texts(200, 4, 120);
        let lengths: Vec<usize> = text
            .lines()
            .skip(1)
            .map(|line| line.split('\t').next().unwrap().split(' ').count())
            .collect();
        assert_eq!(lengths.len(), 200);
        assert!(lengths.iter().all(|length| (4..=120).contains(length)));
        // Half of them lie below the geometric mean of the ends.
        let short = lengths.iter().filter(|&&length| length < 22).count();
        assert!((80..120).contains(&short), "{short}");
        assert_eq!(text, texts(200, 4, 120));
    }
}
