//! Golden values from PyTorch, transformers, peft and adapters: checked, or
//! written anew; and adapter folders written here, loaded by those packages.
//!
//! The packages are installed into an environment of their own in the project's
//! cache folder, in the versions of the committed requirements file.

use crate::{context::Context, files, python, steps::Steps};
use anyhow::{Context as _, Result};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// Where the scripts and their requirements lie.
const FOLDER: &str = "backend/tuner/tests/golden";

/// Installs what is missing, and runs every script. Checking fails when a
/// committed number has changed; writing changes it.
pub fn run(context: &Context, steps: &mut Steps, write: bool) -> Result<()> {
    let python = python(context, steps)?;
    let mode = if write { "write" } else { "check" };
    steps.take("golden values", || script(context, &python, "golden.py", mode))?;
    let folders = context.target.join("xtask/adapter-folders");
    steps.take("adapter folders", || {
        write_folders(context, &folders)?;
        script(context, &python, "check_folders.py", &folders)
    })
}

/// Has the program's own code write adapter folders.
fn write_folders(context: &Context, folders: &Path) -> Result<()> {
    const EXAMPLE: &str = "adapter_folders";
    if folders.exists() {
        fs::remove_dir_all(folders)
            .with_context(|| format!("cannot remove {}", folders.display()))?;
    }
    // The whole workspace is selected, as everywhere here: another selection of
    // packages could mean other features, hence everything built once more.
    context.cargo(["build", "--quiet", "--workspace", "--example", EXAMPLE]).quiet().run()?;
    let program = context.target.join("debug/examples").join(EXAMPLE);
    context.command(program, [folders]).quiet().run()?;
    Ok(())
}

/// Runs a script; its last line on stdout is what it says about the result.
fn script(
    context: &Context,
    python: &Path,
    name: &str,
    argument: impl AsRef<OsStr>,
) -> Result<String> {
    let path = Path::new(FOLDER).join(name);
    let said = context
        .command(python, ["-B"])
        .arg(path)
        .arg(argument)
        // Nothing here may come from a model hub.
        .env("HF_HUB_OFFLINE", "1")
        .quiet()
        .read()?;
    Ok(said.lines().last().unwrap_or_default().to_owned())
}

/// A step: the Python of the environment with those packages, made where it is not there yet.
pub fn python(context: &Context, steps: &mut Steps) -> Result<PathBuf> {
    let mut python = PathBuf::new();
    steps.take("python packages", || {
        let (path, note) = environment(context)?;
        python = path;
        Ok(note)
    })?;
    Ok(python)
}

/// The same, and whether it was there.
fn environment(context: &Context) -> Result<(PathBuf, String)> {
    let folder = context.cache.join("golden");
    let _lock = context.lock(&folder)?;
    let requirements = context.root.join(FOLDER).join("requirements.txt");
    let digest = files::digest(&context.root, std::slice::from_ref(&requirements), &[])?;
    let (root, mark) = (folder.join("environment"), folder.join("requirements.sha256"));
    let python = root.join("bin/python");
    if python.exists() && fs::read_to_string(&mark).is_ok_and(|there| there == digest) {
        return Ok((python, "there".to_owned()));
    }
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    eprintln!("installing PyTorch and others, 7 GB, which takes some minutes once");
    python::make_environment(context, &root)?;
    context
        .command(&python, ["-m", "pip", "install", "--quiet", "--no-cache-dir", "--requirement"])
        .arg(&requirements)
        .quiet()
        .run()
        .context("the packages of requirements.txt cannot be installed")?;
    fs::write(&mark, digest).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok((python, "installed".to_owned()))
}
