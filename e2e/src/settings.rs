//! What the environment says: which program, which browser, where to.

use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The program under test.
///
/// # Errors
/// When `TUPATE_BIN` does not name one.
pub fn program() -> Result<PathBuf> {
    named("TUPATE_BIN", "the program under test")
}

/// The zoo that the tests look at.
///
/// # Errors
/// When `TUPATE_E2E_ZOO` does not name one.
pub fn zoo() -> Result<PathBuf> {
    named("TUPATE_E2E_ZOO", "the zoo of the tests")
}

/// The zoo that a visitor meets first, of real tasks.
///
/// # Errors
/// When `TUPATE_E2E_REAL` does not name one.
pub fn real() -> Result<PathBuf> {
    named("TUPATE_E2E_REAL", "the zoo of real tasks")
}

/// The run of a task of [`zoo`], which lies beside it.
///
/// # Errors
/// When it is not there.
pub fn run(task: &str) -> Result<PathBuf> {
    let run = zoo()?.with_file_name("runs").join(task);
    ensure!(run.is_dir(), "there is no run {}: run `cargo xtask test`", run.display());
    Ok(run)
}

fn named(variable: &str, what: &str) -> Result<PathBuf> {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        bail!("{variable} does not name {what}: run `cargo xtask test`, which makes it and does");
    };
    ensure!(
        path.is_absolute() && path.is_file(),
        "{variable} is {}, which is not an absolute path of a file: run `cargo xtask test`",
        path.display()
    );
    Ok(path)
}

/// The script that looks for violations of WCAG in a page.
///
/// # Errors
/// When `TUPATE_AXE` does not name one.
pub fn axe() -> Result<PathBuf> {
    named("TUPATE_AXE", "axe-core's script")
}

/// The folder for screenshots, which is made if it is missing.
///
/// # Errors
/// When it cannot be made.
pub fn artifacts() -> Result<PathBuf> {
    let folder = env::var_os("TUPATE_ARTIFACTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e"), PathBuf::from);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {} for the screenshots", folder.display()))?;
    Ok(folder)
}

/// The browser.
///
/// # Errors
/// When there is none.
pub fn chromium() -> Result<PathBuf> {
    installed("TUPATE_CHROMIUM", &["chromium", "chromium-browser", "google-chrome"])
}

/// The program that drives the browser.
///
/// # Errors
/// When there is none.
pub fn chromedriver() -> Result<PathBuf> {
    installed("TUPATE_CHROMEDRIVER", &["chromedriver"])
}

fn installed(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable).map(PathBuf::from) {
        ensure!(path.is_file(), "{variable} is {}, where no file is", path.display());
        return Ok(path);
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    on_path(&paths, names).with_context(|| {
        format!(
            "{} is missing: install Chromium and its driver (Debian: `apt-get install chromium \
             chromium-driver`), or name it in {variable}",
            names[0]
        )
    })
}

fn on_path(paths: &OsStr, names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = env::split_paths(paths).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}
