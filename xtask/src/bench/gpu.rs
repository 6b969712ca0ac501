//! Tuning on an NVIDIA GPU, beside PyTorch, transformers and PEFT on the same one.

use crate::{context::Context, cuda, golden, steps::Steps};
use anyhow::{Result, ensure};
use std::{fs, path::Path};

/// Both sides in turns; it runs by itself, too, on machines without Rust.
const SCRIPT: &str = "xtask/peer/gpu.py";

/// What there is where there is a driver; the second is its form under WSL.
const DRIVERS: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

/// Measures; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    ensure!(
        DRIVERS.iter().any(|driver| Path::new(driver).exists()),
        "this machine has no NVIDIA driver, and what is not measured on a GPU is not written down"
    );
    let python = golden::python(context, steps)?;
    cuda::build(context, steps)?;
    let folder = context.target.join("xtask/bench-gpu");
    fs::create_dir_all(&folder)?;
    let mut table = String::new();
    steps.take("both sides", || {
        table = context
            .command(&python, ["-B", SCRIPT, "--program"])
            .arg(cuda::program(context))
            .arg("--folder")
            .arg(&folder)
            .quiet()
            .read()?;
        Ok("measured".to_owned())
    })?;
    Ok(table)
}
