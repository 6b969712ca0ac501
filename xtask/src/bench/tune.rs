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

/// Those of f32, in the order in which they take turns, and those of bf16 after them.
const SINGLE: [Side; 3] = [Side::Own("f32"), Side::Peer(&[]), Side::Peer(&["--group"])];
const HALF: [Side; 2] = [Side::Own("bf16"), Side::Peer(&["--bf16"])];

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

/// What one setup took.
struct Row {
    /// What it is, as the first cells of a line.
    setup: String,
    texts: usize,
    /// Billions of operations, where it is known how much was to be computed: of texts that
    /// are all alike.
    work: Option<f64>,
    /// By [`SINGLE`].
    single: [Took; 3],
    /// By [`HALF`], where it was measured.
    half: Option<[Took; 2]>,
}

impl Row {
    /// Texts a second.
    fn rate(&self, took: Took) -> f64 {
        self.texts as f64 / took.seconds()
    }

    /// Of the rate of products, in GFLOP/s.
    fn share(&self, took: Took, rate: f64) -> String {
        let share = |work: f64| format!("{:.0} %", 100.0 * work / took.seconds() / rate);
        self.work.map_or_else(|| "–".to_owned(), share)
    }
}

/// How many times as fast the first is.
fn ratio(own: Took, peer: Took) -> f64 {
    peer.seconds() / own.seconds()
}

fn mib(took: Took) -> f64 {
    took.peak_bytes / f64::from(1 << 20)
}

/// All sides in f32 and bf16; tables in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    let (rates, rows) = measure(context, steps, true)?;
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
    for row in &rows {
        let ([own, peer, grouped], Some([half, peer_half])) = (row.single, row.half) else {
            bail!("bf16 was not measured");
        };
        writeln!(
            speeds,
            "{} {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} |",
            row.setup,
            row.rate(own),
            row.rate(peer),
            ratio(own, peer),
            row.rate(half),
            row.rate(peer_half),
            ratio(half, peer_half),
            ratio(half, peer),
            ratio(own, grouped),
        )?;
        writeln!(
            details,
            "{} {:.0} | {:.2} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} | {:.4} | {:.4} | \
             {:.4} |",
            row.setup,
            mib(own),
            own.peak_bytes / peer.peak_bytes,
            mib(half),
            half.peak_bytes / peer_half.peak_bytes,
            parts(own),
            parts(half),
            parts(peer),
            parts(peer_half),
            row.share(own, rates[0]),
            row.share(half, rates[1]),
            own.loss,
            half.loss,
            peer.loss,
        )?;
    }
    Ok(format!(
        "Texts a second; PEFT's products reach {:.0} GFLOP/s in f32 and {:.0} in bf16.\n\n\
         {speeds}\n{details}",
        rates[0], rates[1]
    ))
}

/// All sides in f32 alone, as on a processor without products in bf16; a table in Markdown.
pub fn run_single(context: &Context, steps: &mut Steps) -> Result<String> {
    let (rates, rows) = measure(context, steps, false)?;
    let mut text = format!(
        "Texts a second; PEFT's products reach {:.0} GFLOP/s.\n\n\
         | encoder | texts | method | tupate | PEFT | ratio | to PEFT by length | peak MiB | of \
         PEFT's | forward, backward, optimiser, s | PEFT | share of the rate | mean loss | PEFT |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|---|---|--:|--:|--:|\n",
        rates[0]
    );
    for row in &rows {
        let [own, peer, grouped] = row.single;
        writeln!(
            text,
            "{} {:.1} | {:.1} | {:.2} | {:.2} | {:.0} | {:.2} | {} | {} | {} | {:.4} | {:.4} |",
            row.setup,
            row.rate(own),
            row.rate(peer),
            ratio(own, peer),
            ratio(own, grouped),
            mib(own),
            own.peak_bytes / peer.peak_bytes,
            parts(own),
            parts(peer),
            row.share(own, rates[0]),
            own.loss,
            peer.loss,
        )?;
    }
    Ok(text)
}

/// Measures everything in one run: the rates of products in f32 and, with `half`, bf16, and
/// all setups.
fn measure(context: &Context, steps: &mut Steps, half: bool) -> Result<(Vec<f64>, Vec<Row>)> {
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
    let mut rates = Vec::new();
    steps.take("rate of products", || {
        for flag in [None, Some("--bf16")].into_iter().take(1 + usize::from(half)) {
            let command = context.command(python, ["-B", PEER, "rate"]).args(flag).quiet();
            rates.push(last_line(command)?["gflops"].as_f64().context("no rate was measured")?);
        }
        Ok(format!("{rates:.0?} GFLOP/s"))
    })?;
    let mut rows = Vec::new();
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
                let (mut single, mut halves) = ([None; SINGLE.len()], [None; HALF.len()]);
                let mut said = String::new();
                steps.take(&format!("{encoder}, {name}, {method}"), || {
                    for _ in 0..ROUNDS {
                        setup.round(&SINGLE, &mut single)?;
                        if half {
                            setup.round(&HALF, &mut halves)?;
                        }
                    }
                    for took in single.iter().chain(&halves).flatten() {
                        write!(said, "{:.1} ", took.seconds())?;
                    }
                    Ok(format!("{said}s"))
                })?;
                let [Some(own), Some(peer), Some(grouped)] = single else {
                    bail!("no round was measured");
                };
                rows.push(Row {
                    setup: format!("| {encoder}, {shape} | {name}, {count} texts | {method} |"),
                    texts: count,
                    work: (least == most).then(|| work(size, count)),
                    single: [own, peer, grouped],
                    half: halves[0].zip(halves[1]).map(<[Took; 2]>::from),
                });
            }
        }
    }
    Ok((rates, rows))
}

/// Billions of operations of the products with frozen weights, forward and backward, on
/// `texts` of 128 tokens: an addition and a multiplication for every weight of the layers.
fn work(size: usize, texts: usize) -> f64 {
    let (layers, hidden) = [(6.0, 384.0), (12.0, 768.0)][size];
    let weights = layers * 12.0 * hidden * hidden;
    2.0 * 2.0 * weights * 128.0 * texts as f64 / 1e9
}

impl Setup<'_> {
    /// Every side once; of what it took and what it took before the faster one stays.
    fn round(&self, sides: &[Side], best: &mut [Option<Took>]) -> Result<()> {
        for (side, best) in sides.iter().zip(best) {
            *best = Some(self.tune(*side)?.faster(*best));
        }
        Ok(())
    }

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
