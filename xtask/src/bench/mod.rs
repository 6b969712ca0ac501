//! Benchmarks: one module a name, each of which measures and gives back its part of
//! `docs/BENCHMARKS.md`.

mod curves;
mod gpu;
mod page;
mod precision;
mod serve;
mod settling;
mod several;
mod shards;
mod tune;
mod zoo;

pub use precision::cosine;
pub use tune::random;

use crate::{context::Context, files, steps::Steps};
use anyhow::{Context as _, Result, bail};
use std::fs;

/// What holds the results.
const DOCUMENT: &str = "docs/BENCHMARKS.md";

/// One benchmark.
struct Bench {
    /// Its name on the command line and in the document.
    name: &'static str,
    run: Run,
}

/// Measures; gives back Markdown.
enum Run {
    Text(fn(&Context, &mut Steps) -> Result<String>),
    /// And a picture, an SVG that belongs to this file.
    Picture(&'static str, fn(&Context, &mut Steps) -> Result<(String, String)>),
}

/// Every benchmark.
const BENCHES: &[Bench] = &[
    Bench { name: "tune", run: Run::Text(tune::run) },
    Bench { name: "tune-f32", run: Run::Text(tune::run_single) },
    Bench { name: "gpu", run: Run::Text(gpu::run) },
    Bench { name: "curves", run: Run::Picture("docs/loss-curves.svg", curves::run) },
    Bench { name: "precision", run: Run::Text(precision::run) },
    Bench { name: "several", run: Run::Text(several::run) },
    Bench { name: "settling", run: Run::Text(settling::run) },
    Bench { name: "zoo", run: Run::Text(zoo::run) },
    Bench { name: "serve", run: Run::Text(serve::run) },
    Bench { name: "page", run: Run::Text(page::run) },
    Bench { name: "shards", run: Run::Text(shards::run) },
];

/// The names, for messages.
pub fn names() -> String {
    BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ")
}

/// Whether there is a benchmark of this name, or an error that lists them.
pub fn check(name: &str) -> Result<()> {
    if BENCHES.iter().any(|bench| bench.name == name) {
        return Ok(());
    }
    bail!("there is no benchmark `{name}`; there are {}", names())
}

/// Measures and prints the result; with `write` the document gets it, too.
pub fn run(context: &Context, steps: &mut Steps, name: &str, write: bool) -> Result<()> {
    check(name)?;
    let bench = BENCHES.iter().find(|bench| bench.name == name).context("it was there")?;
    let (text, picture) = match bench.run {
        Run::Text(run) => (run(context, steps)?, None),
        Run::Picture(file, run) => {
            let (text, picture) = run(context, steps)?;
            (text, Some((context.root.join(file), picture)))
        }
    };
    println!("{}", text.trim_end());
    if write {
        files::write_between_marks(&context.root, DOCUMENT, name, &text)?;
        if let Some((file, picture)) = picture {
            fs::write(&file, picture)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_place_for_every_benchmark() {
        let text = include_str!("../../../docs/BENCHMARKS.md");
        for bench in BENCHES {
            assert!(files::between_marks(DOCUMENT, text, bench.name, "").is_ok(), "{}", bench.name);
        }
    }
}
