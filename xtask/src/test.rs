//! All checks, the cheapest first; the first that fails ends the run.

use crate::{
    browser, context::Context, engine, files, page, program, samples, steps::Steps, tidy, tools,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The package of the browser tests.
const E2E: &str = "tupate-e2e";

/// Takes every step and prints a table of them, also after a failure.
pub fn run(context: &Context) -> Result<()> {
    let mut steps = Steps::new();
    let result = all(context, &mut steps);
    eprint!("\n{}", steps.table());
    result
}

fn all(context: &Context, steps: &mut Steps) -> Result<()> {
    steps.take("rustfmt and clippy", || {
        tools::components(context)?;
        Ok("there".to_owned())
    })?;
    steps.take("format", || {
        context.cargo(["fmt", "--all", "--check"]).run().context("`cargo fmt` mends it")?;
        clean()
    })?;
    steps.take("tidy", || {
        tidy::run(context)?;
        clean()
    })?;
    // Before anything long: what is missing is known within seconds.
    steps.take("page tools", || tools::for_page(context))?;
    steps.take("test tools", || tools::for_test(context))?;
    steps.take("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        context.cargo(lint).run()?;
        clean()
    })?;
    steps.take("clippy, wasm32", || clippy_wasm(context))?;
    steps.take("rustdoc", || {
        let document = ["doc", "--workspace", "--no-deps"];
        context.cargo(document).env("RUSTDOCFLAGS", "-D warnings").run()?;
        clean()
    })?;
    // Before the server's tests, which are compiled with the page inside:
    // after them, they would have to be built a second time.
    steps.take("page", || page::build(context))?;
    steps.take("tests", || tests(context))?;
    steps.take("documentation tests", || {
        context.cargo(["test", "--workspace", "--doc"]).run()?;
        passed()
    })?;
    steps.take("tests, wasm32", || tests_wasm(context))?;
    samples::make(context, steps)?;
    steps.take("tests in a browser", || {
        in_a_browser(context, "all()", false)?;
        passed()
    })
}

/// What must compile for the page, compiled for the page.
fn clippy_wasm(context: &Context) -> Result<String> {
    let packages = tidy::packages_of_the_page().flat_map(|name| ["--package", name]);
    // Of the tests only the one made for wasm32: the others run natively.
    let rest = ["--lib", "--bins", "--test", "wasm", "--target", "wasm32-unknown-unknown"];
    let lint = ["clippy"].into_iter().chain(packages).chain(rest).chain(["--", "-D", "warnings"]);
    context.cargo(lint).run()?;
    clean()
}

/// Everything that runs natively and needs no browser.
fn tests(context: &Context) -> Result<String> {
    if has_nextest(context) {
        // The whole workspace is selected, as everywhere here, and the
        // browser tests are left out only when running: another selection of
        // packages could mean other features of shared dependencies, hence
        // all of those built once more.
        let filter = format!("not package({E2E})");
        context.cargo(["nextest", "run", "--workspace", "-E", &filter]).run()?;
    } else {
        context
            .cargo(["test", "--workspace", "--exclude", E2E, "--lib", "--bins", "--tests"])
            .run()?;
    }
    passed()
}

/// Kinds of instructions that a module for browsers is compiled for: a name, and what
/// rustc is told.
pub const WASM_KINDS: &[(&str, &str)] =
    &[("wasm", ""), ("wasm simd128", engine::PLAIN), ("wasm relaxed SIMD", engine::RELAXED)];

/// The tests in a headless browser, by wasm-bindgen's own runner: the page's, and the
/// products of rows with every kind of instructions.
fn tests_wasm(context: &Context) -> Result<String> {
    wasm(context, "", &["--package", "tupate-frontend", "--test", "wasm"])?.run()?;
    for (_, features) in WASM_KINDS {
        wasm(context, features, &["--package", "tupate-metrics", "--test", "wasm"])?.run()?;
    }
    passed()
}

/// `cargo test` in a headless browser.
pub fn wasm<'a>(
    context: &'a Context,
    features: &str,
    arguments: &[&'static str],
) -> Result<xshell::Cmd<'a>> {
    let browser = browser::find(context)?;
    let settings = context.target.join("xtask/webdriver.json");
    fs::create_dir_all(context.target.join("xtask"))?;
    fs::read_to_string(context.root.join("frontend/webdriver.json"))
        .map_err(Into::into)
        .and_then(|text| with_browser(&text, &browser.chromium))
        .and_then(|text| Ok(fs::write(&settings, text)?))
        .context("frontend/webdriver.json cannot be made to name the browser")?;
    let command = context
        .cargo(["test", "--target", "wasm32-unknown-unknown"].iter().chain(arguments).copied())
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner")
        .env("CHROMEDRIVER", browser.driver)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", settings);
    Ok(engine::compiled_for(command, features))
}

/// The driver's settings with this browser instead of the one they name.
fn with_browser(settings: &str, browser: &Path) -> Result<String> {
    let (before, rest) =
        settings.split_once("\"binary\": \"").context("there is no `\"binary\": \"…\"`")?;
    let (_, after) = rest.split_once('"').context("`binary` has no end")?;
    // The spelling of a Rust string is that of a JSON string for every path
    // without control characters.
    Ok(format!("{before}\"binary\": {:?}{after}", browser.to_string_lossy()))
}

/// A real browser against the real binary with real sample data: those of the browser
/// tests that a filter of nextest selects, or the benchmarks among them. Gives the folder
/// with what they leave behind.
pub fn in_a_browser(context: &Context, filter: &str, benchmarks: bool) -> Result<PathBuf> {
    let browser = browser::find(context)?;
    let artifacts = context.root.join("artifacts");
    // A picture of an earlier run must not pass for one of this run.
    files::remove_if_there(&artifacts)?;
    fs::create_dir_all(&artifacts)
        .with_context(|| format!("cannot create {}", artifacts.display()))?;
    let filter = format!("package({E2E}) & ({filter})");
    let mut command = if has_nextest(context) {
        context.cargo(["nextest", "run", "--workspace", "-E", &filter])
    } else {
        ensure!(filter.ends_with("(all())"), "to run some of the browser tests takes nextest");
        context.cargo(["test", "--package", E2E])
    };
    let real = samples::real(context)?;
    // What a visitor meets first is what is measured.
    let zoo = if benchmarks { real.clone() } else { samples::zoo(context) };
    if benchmarks {
        command = command.args(["--run-ignored", "only"]);
    }
    command
        .env("TUPATE_BIN", program::path(context))
        .env("TUPATE_E2E_ZOO", zoo)
        .env("TUPATE_E2E_REAL", real)
        .env("TUPATE_ARTIFACTS", &artifacts)
        .env("TUPATE_CHROMIUM", browser.chromium)
        .env("TUPATE_CHROMEDRIVER", browser.driver)
        .env("TUPATE_AXE", tools::axe(context)?)
        .run()?;
    Ok(artifacts)
}

fn has_nextest(context: &Context) -> bool {
    context.version("cargo-nextest").is_some()
}

fn clean() -> Result<String> {
    Ok("clean".to_owned())
}

fn passed() -> Result<String> {
    Ok("passed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_told_which_browser_was_found() {
        let settings = r#"{ "o": { "binary": "/usr/bin/chromium", "args": ["--headless"] } }"#;
        assert_eq!(
            with_browser(settings, Path::new("/opt/my \"chrome\"")).unwrap(),
            r#"{ "o": { "binary": "/opt/my \"chrome\"", "args": ["--headless"] } }"#
        );
        let error = with_browser("{}", Path::new("/x")).unwrap_err().to_string();
        assert_eq!(error, "there is no `\"binary\": \"…\"`");
    }
}
