//! Benchmarks: one module a name, each of which measures and gives back its part of
//! `docs/BENCHMARKS.md`.

mod page;
mod precision;
mod serve;
mod settling;
mod several;
mod shards;
mod tune;
mod zoo;

use crate::{context::Context, files, steps::Steps};
use anyhow::{Context as _, Result, bail};

/// What holds the results.
const DOCUMENT: &str = "docs/BENCHMARKS.md";

/// One benchmark.
struct Bench {
    /// Its name on the command line and in the document.
    name: &'static str,
    /// Measures; gives back Markdown.
    run: fn(&Context, &mut Steps) -> Result<String>,
}

/// Every benchmark.
const BENCHES: &[Bench] = &[
    Bench { name: "tune", run: tune::run },
    Bench { name: "precision", run: precision::run },
    Bench { name: "several", run: several::run },
    Bench { name: "settling", run: settling::run },
    Bench { name: "zoo", run: zoo::run },
    Bench { name: "serve", run: serve::run },
    Bench { name: "page", run: page::run },
    Bench { name: "shards", run: shards::run },
];

/// The names, for messages.
fn names() -> String {
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
    let result = (bench.run)(context, steps)?;
    println!("{}", result.trim_end());
    if write {
        files::write_between_marks(&context.root, DOCUMENT, name, &result)?;
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
