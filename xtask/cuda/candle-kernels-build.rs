//! Replaces the build script of candle-kernels in the patched copy that
//! `cargo xtask build --cuda` makes.
//!
//! Only the PTX kernels are compiled. The kernels for quantised and
//! mixture-of-experts models come as a static library that takes longer than
//! everything else together, weighs 32 MB and is the one part that must be
//! linked against the CUDA runtime. Nothing of Tupate calls it: its entry
//! points become functions that say so and abort.

use cudaforge::KernelBuilder;
use std::{env, error::Error, ffi::OsStr, fmt::Write as _, fs, path::Path, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    let out = env::var_os("OUT_DIR").ok_or("cargo has set no OUT_DIR")?;
    let out = Path::new(&out);

    KernelBuilder::new()
        .source_dir("src")
        .exclude(&["moe_*.cu", "mmvq_gguf.cu", "mmq_*.cu"])
        .arg("--expt-relaxed-constexpr")
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx()?
        .write(out.join("ptx.rs"))?;

    let (source, object) = (out.join("absent.c"), out.join("absent.o"));
    fs::write(&source, absent(&fs::read_to_string("src/ffi.rs")?))?;
    run(
        "cc",
        [OsStr::new("-c"), "-fPIC".as_ref(), "-O2".as_ref(), "-o".as_ref()],
        [object.as_path(), source.as_path()],
    )?;
    run("ar", [OsStr::new("crs")], [out.join("libabsent.a"), object])?;
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=absent");
    Ok(())
}

/// C definitions for all functions that the Rust side declares.
fn absent(declarations: &str) -> String {
    let mut source = String::from("#include <stdio.h>\n#include <stdlib.h>\n");
    for line in declarations.lines() {
        let Some(rest) = line.trim_start().strip_prefix("pub fn ") else { continue };
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        writeln!(
            source,
            "void {name}(void) {{ fputs(\"{name} is left out of this build\\n\", stderr); abort(); }}"
        )
        .expect("a String takes all that is written to it");
    }
    source
}

fn run<'a>(
    program: &str,
    flags: impl IntoIterator<Item = &'a OsStr>,
    files: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<(), Box<dyn Error>> {
    let status = Command::new(program).args(flags).args(files).status()?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
}
