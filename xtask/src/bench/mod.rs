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

use crate::{context::Context, steps::Steps};
use anyhow::{Context as _, Result, bail};
use std::fs;

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
        let path = context.root.join(DOCUMENT);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
        let text = replaced(&text, name, &result)?;
        fs::write(&path, text).with_context(|| format!("cannot write {DOCUMENT}"))?;
    }
    Ok(())
}

/// The document with another result between a benchmark's marks.
fn replaced(text: &str, name: &str, result: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let parts =
        text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| {
        format!("{DOCUMENT} lacks the lines `{}` and `{}`", begin.trim(), end.trim())
    })?;
    Ok(format!("{before}{begin}{}\n{end}{after}", result.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_replaces_what_stood_between_its_marks() {
        let text = "# B\n\n<!-- begin zoo -->\nold\n<!-- end zoo -->\nafter\n";
        assert_eq!(
            replaced(text, "zoo", "new\n\n").unwrap(),
            "# B\n\n<!-- begin zoo -->\nnew\n<!-- end zoo -->\nafter\n"
        );
        assert_eq!(
            replaced(text, "page", "").unwrap_err().to_string(),
            "docs/BENCHMARKS.md lacks the lines `<!-- begin page -->` and `<!-- end page -->`"
        );
    }

    #[test]
    fn the_document_has_a_place_for_every_benchmark() {
        let text = include_str!("../../../docs/BENCHMARKS.md");
        for bench in BENCHES {
            assert!(replaced(text, bench.name, "").is_ok(), "{}", bench.name);
        }
    }
}
