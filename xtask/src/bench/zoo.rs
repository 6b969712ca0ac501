//! Ranking a large zoo: products of its rows with a target's embedding, natively, in a
//! browser by two kinds of instructions, in numpy and in plain JavaScript.

use crate::{browser, context::Context, python, steps::Steps, test};
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeMap, fmt::Write as _, fs};

/// The package that is measured.
const PACKAGE: &str = "tupate-metrics";

/// What is measured of rows, in the order of the table, and what it is.
const CASES: &[(&str, &str)] = &[
    ("int8", "100,000 × 1,024 centred int8"),
    ("f32", "100,000 × 1,024 f32"),
    ("f16", "2,000 × 8,448 f16"),
    ("read", "reading memory, nothing else"),
];

/// What a program measured: bytes read and milliseconds, by name.
type Measured = BTreeMap<String, (f64, f64)>;

/// Measures everything in one run; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    let mut native = Measured::new();
    let mut browsers = Vec::new();
    let mut numpy = Measured::new();
    steps.take("native", || {
        native = natively(context)?;
        Ok(format!("{} cases", native.len()))
    })?;
    for (kind, features) in test::WASM_KINDS.iter().filter(|(_, features)| !features.is_empty()) {
        steps.take(kind, || {
            let output = test::wasm(context, features, &["--release", "--package", PACKAGE])?
                .args(["--bench", "browser", "--", "--nocapture"])
                .env("WASM_BINDGEN_TEST_TIMEOUT", "300")
                .quiet()
                .read()?;
            browsers.push((*kind, measured(&output)?));
            Ok(browser::find(context)?.version)
        })?;
    }
    steps.take("numpy", || {
        let python = python::with_numpy(context)?;
        let output = context
            .command(python, ["-B", "common/metrics/benches/products.py"])
            .envs(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|v| (v, "1")))
            .quiet()
            .read()?;
        numpy = measured(&output)?;
        Ok(numpy.keys().cloned().collect())
    })?;
    table(&native, &browsers, &numpy)
}

/// Criterion's samples. The fastest counts: whatever else the machine does only adds.
fn natively(context: &Context) -> Result<Measured> {
    let output = context
        .cargo(["bench", "--package", PACKAGE, "--bench", "native"])
        .quiet()
        .ignore_stderr()
        .read()?;
    let mut all = Measured::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["bytes", name, bytes] = words[..] else { continue };
        let path = context.target.join(format!("criterion/{name}/once/new/sample.json"));
        let text =
            fs::read(&path).with_context(|| format!("criterion left no {}", path.display()))?;
        let sample: Sample = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no sample of criterion's", path.display()))?;
        let nanoseconds = sample.times.iter().zip(&sample.iters).map(|(time, n)| time / n);
        let fastest = nanoseconds.min_by(f64::total_cmp).context("an empty sample")?;
        all.insert(name.to_owned(), (bytes.parse()?, fastest / 1e6));
    }
    ensure!(!all.is_empty(), "the benchmark has told nothing");
    Ok(all)
}

/// How often criterion ran something, and how long that took in nanoseconds.
#[derive(serde::Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// The lines `measured NAME BYTES MILLISECONDS` of a program's output.
fn measured(output: &str) -> Result<Measured> {
    let mut all = Measured::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["measured", name, bytes, milliseconds] = words[..] {
            all.insert(name.to_owned(), (bytes.parse()?, milliseconds.parse()?));
        }
    }
    ensure!(!all.is_empty(), "the benchmark has told nothing; it says:\n{output}");
    Ok(all)
}

/// Milliseconds, and the rate as a share of what reading alone reaches in the same
/// program.
fn table(native: &Measured, browsers: &[(&str, Measured)], numpy: &Measured) -> Result<String> {
    let (python, (_, numpy_ms)) = numpy.first_key_value().context("numpy told nothing")?;
    let columns: Vec<(&str, &Measured)> =
        [("native", native)].into_iter().chain(browsers.iter().map(|(k, m)| (*k, m))).collect();
    let mut text = String::new();
    write!(text, "| one thread")?;
    for (name, _) in &columns {
        write!(text, " | {name}")?;
    }
    writeln!(text, " |\n|---|{}", "---|".repeat(columns.len()))?;
    for (case, words) in CASES {
        write!(text, "| {words}")?;
        for (name, all) in &columns {
            let found = |case: &str| {
                all.get(case).with_context(|| format!("{name} told nothing of {case}"))
            };
            let rate = |(bytes, ms): &(f64, f64)| bytes / ms / 1e6;
            let (own, limit) = (found(case)?, found("read")?);
            write!(text, " | {:.1} ms, {:.1} GB/s", own.1, rate(own))?;
            if *case != "read" {
                write!(text, ", {:.0} %", 100.0 * rate(own) / rate(limit))?;
            }
        }
        writeln!(text, " |")?;
    }
    let (_, ours) = native.get("f32").context("native told nothing of f32")?;
    writeln!(
        text,
        "\nPer cent: of the rate at which the same program reads memory and does nothing else.\n"
    )?;
    writeln!(
        text,
        "| 100,000 × 1,024, one product a row | time | to native f32 |\n|---|---:|---:|"
    )?;
    let mut line =
        |name: &str, ms: f64| writeln!(text, "| {name} | {ms:.1} ms | {:.2} |", ms / ours);
    line("native, f32", *ours)?;
    line("native, int8", native.get("int8").context("no int8")?.1)?;
    line(&format!("{}, f32", python.replace('-', " ")), *numpy_ms)?;
    for (kind, all) in browsers {
        line(&format!("{kind}, f32"), all.get("f32").context("no f32")?.1)?;
        line(&format!("{kind}, int8"), all.get("int8").context("no int8")?.1)?;
    }
    let (_, all) = browsers.last().context("no browser")?;
    line("JavaScript, a loop over Float32Array", all.get("javascript").context("no loop")?.1)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_tell_is_read_and_compared() {
        let told = "running\nmeasured int8 100000000 5\nmeasured f32 400000000 20.0\n\
                    measured f16 30000000 2\nmeasured read 400000000 16\nmeasured javascript 1 90\n";
        let all = measured(told).unwrap();
        let numpy = measured("measured numpy-2.0 400000000 30\n").unwrap();
        let text = table(&all, &[("simd128", all.clone())], &numpy).unwrap();
        assert!(text.contains("| 5.0 ms, 20.0 GB/s, 80 % | 5.0 ms, 20.0 GB/s, 80 % |"), "{text}");
        assert!(text.contains("| numpy 2.0, f32 | 30.0 ms | 1.50 |"), "{text}");
        assert!(
            text.contains("| JavaScript, a loop over Float32Array | 90.0 ms | 4.50 |"),
            "{text}"
        );
        assert!(measured("nothing").is_err());
    }
}
