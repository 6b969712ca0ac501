//! Compiles the kernels for GPUs, where they are asked for.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// The kernels.
const SOURCE: &str = "src/kernels/gpu/kernels.cu";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed={SOURCE}");
    for name in ["CUDA_HOME", "CUDA_COMPUTE_CAP", "NVCC"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let out = env::var_os("OUT_DIR").ok_or("cargo has set no OUT_DIR")?;
    let compiler = env::var_os("NVCC").map_or_else(
        || match env::var_os("CUDA_HOME") {
            Some(home) => PathBuf::from(home).join("bin/nvcc"),
            None => "nvcc".into(),
        },
        PathBuf::from,
    );
    // PTX for Ampere, if nothing else is said: the driver compiles it for every newer GPU.
    let capability = env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".into());
    let status = Command::new(&compiler)
        .args(["--ptx", "-O3", "-std=c++17", "--Werror", "all-warnings"])
        .arg(format!("-arch=compute_{capability}"))
        .arg("-o")
        .arg(PathBuf::from(out).join("kernels.ptx"))
        .arg(SOURCE)
        .status()
        .map_err(|e| format!("{} compiles the kernels for GPUs: {e}", compiler.display()))?;
    if status.success() { Ok(()) } else { Err(format!("{SOURCE} does not compile").into()) }
}
