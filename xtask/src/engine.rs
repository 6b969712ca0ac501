//! The page's engine: a module for plain SIMD, one for relaxed SIMD, and the worker that
//! takes the one that its browser has.

use crate::context::Context;
use anyhow::{Context as _, Result};
use std::fs;
use xshell::Cmd;

/// The package.
const PACKAGE: &str = "tupate-engine";
/// The worker's script, as it is written and as the page names it.
pub const WORKER: &str = "engine-worker.js";
/// Names of the modules, and the instructions that they are compiled for.
const KINDS: &[(&str, &str)] = &[("engine-simd", PLAIN), ("engine-relaxed", RELAXED)];
/// Plain SIMD of WebAssembly, as a compiler is told.
pub const PLAIN: &str = "+simd128";
/// Relaxed SIMD, too.
pub const RELAXED: &str = "+simd128,+relaxed-simd";
/// It computes: here speed counts, not size.
const FAST: &[&str] = &[
    "-O3",
    "--enable-simd",
    "--enable-relaxed-simd",
    "--low-memory-unused",
    "--strip-debug",
    "--strip-producers",
];

/// Cargo's command for these instructions of WebAssembly; none for the least ones.
pub fn compiled_for<'a>(cargo: Cmd<'a>, features: &str) -> Cmd<'a> {
    if features.is_empty() {
        return cargo;
    }
    // Told of this target alone, so that build scripts are not compiled anew.
    let flags = format!("-C target-feature={features}");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags)
}

/// All files, under the names that they call each other by.
pub fn files(context: &Context, features: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let target = crate::parts::TARGET;
    let worker = context.root.join("engine/worker.js");
    let read = |path: &std::path::Path| {
        fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut files = vec![(WORKER.to_owned(), read(&worker)?)];
    let folder = context.target.join("xtask/engine");
    for (name, kind) in KINDS {
        let build = ["build", "--profile", "engine", "--target", target, "--package", PACKAGE];
        compiled_for(context.cargo(build).arg("--lib"), kind).run()?;
        let linked =
            context.target.join(target).join("engine/tupate_engine").with_extension("wasm");
        context
            .command("wasm-bindgen", ["--target", "web", "--no-typescript", "--out-name", name])
            .arg("--out-dir")
            .arg(&folder)
            .arg(&linked)
            .quiet()
            .run()?;
        let (script, module) = (format!("{name}.js"), format!("{name}_bg.wasm"));
        let fast = folder.join(format!("{name}.fast.wasm"));
        context
            .command("wasm-opt", FAST)
            .args(features)
            .arg(folder.join(&module))
            .arg("-o")
            .arg(&fast)
            .quiet()
            .ignore_stderr()
            .run()?;
        files.push((script.clone(), read(&folder.join(&script))?));
        files.push((module, read(&fast)?));
    }
    Ok(files)
}
