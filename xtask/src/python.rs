//! Python programs, in environments of their own in the project's cache folder.

use crate::context::Context;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// The oldest Python that the pinned packages have wheels for.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// A Python with numpy.
pub fn with_numpy(context: &Context) -> Result<PathBuf> {
    with(context, "numpy", "numpy", "import numpy")
}

/// A Python with one package, as `requirement` has it; `there` is the program that works
/// with it and no other.
pub fn with(context: &Context, name: &str, requirement: &str, there: &str) -> Result<PathBuf> {
    let folder = context.cache.join(name);
    let _lock = context.lock(&folder)?;
    let root = folder.join("environment");
    let python = root.join("bin/python");
    let works = || context.command(&python, ["-c", there]).quiet().ignore_stderr().run();
    if python.exists() && works().is_ok() {
        return Ok(python);
    }
    make_environment(context, &root)?;
    context
        .command(&python, ["-m", "pip", "install", "--quiet", requirement])
        .quiet()
        .run()
        .with_context(|| format!("{requirement} cannot be installed"))?;
    Ok(python)
}

/// An environment of its own by the system's Python.
pub fn make_environment(context: &Context, root: &Path) -> Result<()> {
    let system = system_python(context)?;
    context
        .command(system, ["-m", "venv"])
        .arg(root)
        .quiet()
        .run()
        .context("Python makes no environment; Debian has what it needs in python3-venv")
}

/// A Python of the system that is new enough.
fn system_python(context: &Context) -> Result<&'static str> {
    for name in ["python3", "python"] {
        let version = context.version(name);
        if version.as_deref().and_then(python_version).is_some_and(|v| v >= OLDEST_PYTHON) {
            return Ok(name);
        }
    }
    let (major, minor) = OLDEST_PYTHON;
    bail!("Python {major}.{minor} or newer is missing: install it (Debian: python3, python3-venv)")
}

/// `Python 3.11.7` → (3, 11).
fn python_version(line: &str) -> Option<(u32, u32)> {
    let mut parts = line.strip_prefix("Python ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_python_is_read() {
        assert_eq!(python_version("Python 3.11.7"), Some((3, 11)));
        assert_eq!(python_version("Python 3.14.0rc1"), Some((3, 14)));
        assert_eq!(python_version("something else"), None);
    }
}
