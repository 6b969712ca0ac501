//! The tools that the build needs beside Rust: found, or installed once.
//!
//! A tool counts as there when it answers `--version` as wanted. What is
//! missing goes to `tools/` in the project's cache folder, whose `bin` comes
//! first on the PATH of everything started from here; nothing of the user's
//! own is replaced. Every function may be interrupted and called again.

use crate::context::Context;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The newest trunk that builds with the workspace's Rust version.
const TRUNK: &str = "0.21.14";
/// The binaryen that is fetched where none is installed.
const BINARYEN: &str = "132";
/// The axe-core that pages are tested with.
const AXE: &str = "4.10.3";
/// The oldest `wasm-opt` that reads what today's Rust compiler writes.
const OLDEST_WASM_OPT: u32 = 108;
/// The target of the page.
const WASM: &str = "wasm32-unknown-unknown";

/// What the page build needs: the wasm32 target, trunk, wasm-bindgen in the
/// version that the lock file has, wasm-opt. Returns what is used, in words.
pub fn for_page(context: &Context) -> Result<String> {
    let folder = context.cache.join("tools");
    let _lock = context.lock(&folder)?;
    wasm_target(context)?;
    let bindgen = bindgen_version(context)?;
    let installed = [
        crate_tool(context, "trunk", TRUNK, &["trunk"])?,
        crate_tool(
            context,
            "wasm-bindgen-cli",
            &bindgen,
            &["wasm-bindgen", "wasm-bindgen-test-runner"],
        )?,
    ];
    let wasm_opt = wasm_opt(context)?;
    if installed.contains(&true) {
        // Kept until here so that an interrupted installation goes on where
        // it was; a gigabyte that nothing needs afterwards.
        fs::remove_dir_all(folder.join("build")).ok();
    }
    Ok(format!("trunk {TRUNK}, wasm-bindgen {bindgen}, wasm-opt {wasm_opt}"))
}

/// What the tests need beyond that: a browser, its driver, and the rules of
/// accessibility.
pub fn for_test(context: &Context) -> Result<String> {
    let _lock = context.lock(&context.cache.join("tools"))?;
    let browser = crate::browser::find(context).or_else(|missing| {
        if !apt(context, &["chromium", "chromium-driver"])? {
            return Err(missing);
        }
        crate::browser::find(context)
    })?;
    axe(context)?;
    Ok(format!("{}, axe-core {AXE}", browser.version))
}

/// The script that looks for violations of WCAG in a page.
pub fn axe(context: &Context) -> Result<PathBuf> {
    let folder = context.cache.join("tools/axe").join(AXE);
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        context
            .command("npm", ["install", "--no-fund", "--no-audit", "--prefix"])
            .arg(&folder)
            .arg(format!("axe-core@{AXE}"))
            .run()
            .context("axe-core cannot be installed: is npm there?")?;
    }
    ensure!(script.is_file(), "npm has installed no {}", script.display());
    Ok(script)
}

/// What the benchmark of the server needs.
pub struct Serving {
    /// The web server that it is measured beside.
    pub nginx: PathBuf,
    /// What asks both.
    pub wrk: PathBuf,
}

/// Finds nginx and wrk, or installs them.
pub fn for_serving(context: &Context) -> Result<Serving> {
    let _lock = context.lock(&context.cache.join("tools"))?;
    // Some systems keep servers out of the PATH of users.
    let nginx = || {
        let outside = Path::new("/usr/sbin/nginx");
        context.which("nginx").or_else(|| outside.is_file().then(|| outside.to_path_buf()))
    };
    let found = || Some(Serving { nginx: nginx()?, wrk: context.which("wrk")? });
    if let Some(tools) = found() {
        return Ok(tools);
    }
    apt(context, &["nginx-core", "wrk"])?;
    found()
        .context("nginx or wrk is missing: install both (Debian: apt-get install nginx-core wrk)")
}

/// rustfmt and clippy, which minimal installations of Rust leave out.
pub fn components(context: &Context) -> Result<()> {
    for (command, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if context.version(command).is_none() {
            context
                .command("rustup", ["component", "add", component])
                .run()
                .with_context(|| format!("{component} is missing: install it with your Rust"))?;
        }
    }
    Ok(())
}

fn wasm_target(context: &Context) -> Result<()> {
    let folder =
        context.command("rustc", ["--print", "target-libdir", "--target", WASM]).quiet().read()?;
    if Path::new(&folder).exists() {
        return Ok(());
    }
    context.command("rustup", ["target", "add", WASM]).run().with_context(|| {
        format!("Rust's target {WASM} is missing: install Rust by rustup, or the target by hand")
    })
}

/// The version of wasm-bindgen in the lock file; its tool must have the same.
fn bindgen_version(context: &Context) -> Result<String> {
    let id = context
        .cargo(["pkgid", "wasm-bindgen"])
        .quiet()
        .read()
        .context("Cargo.lock names no single version of wasm-bindgen")?;
    let (_, version) = id.rsplit_once('@').context("`cargo pkgid` names no version")?;
    Ok(version.to_owned())
}

/// Makes a crate's programs be there in exactly this version; true when they
/// had to be installed.
fn crate_tool(context: &Context, name: &str, version: &str, programs: &[&str]) -> Result<bool> {
    let there = || {
        programs.iter().all(|program| {
            context
                .version(program)
                .is_some_and(|line| line.split_whitespace().nth(1) == Some(version))
        })
    };
    if there() {
        return Ok(false);
    }
    eprintln!("installing {name} {version}, which takes some minutes once");
    let folder = context.cache.join("tools");
    let install = |locked: &[&str]| {
        context
            .command("cargo", ["install", name, "--version", version, "--force", "--debug"])
            .args(["--no-default-features", "--root"])
            .arg(&folder)
            .args(locked)
            .env("CARGO_TARGET_DIR", folder.join("build"))
            // A third of the time, for debugging that nobody does.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()
    };
    // The crate's own lock file can name a version that a mirror of the
    // registry does not have yet; any compatible one will do.
    if install(&["--locked"]).is_err() {
        eprintln!("once more, without the versions that {name} was released with");
        install(&[])?;
    }
    ensure!(
        there(),
        "{name} {version} was installed into {}, but {} does not answer `--version` with it",
        folder.display(),
        programs.join(" or ")
    );
    Ok(true)
}

/// Makes `wasm-opt` be there; returns its version.
fn wasm_opt(context: &Context) -> Result<u32> {
    let found = || {
        let line = context.version("wasm-opt")?;
        wasm_opt_version(&line).filter(|version| *version >= OLDEST_WASM_OPT)
    };
    if let Some(version) = found() {
        return Ok(version);
    }
    if context.version("npm").is_some() {
        context
            .command("npm", ["install", "--global", "--no-fund", "--no-audit", "--prefix"])
            .arg(context.cache.join("tools"))
            .arg(format!("binaryen@{BINARYEN}"))
            .run()?;
    } else {
        apt(context, &["binaryen"])?;
    }
    found().with_context(|| {
        format!(
            "wasm-opt {OLDEST_WASM_OPT} or newer is missing: install binaryen (Debian: `apt-get \
             install binaryen`), or npm, from which `cargo xtask setup` takes it"
        )
    })
}

/// `wasm-opt version 132 (version_132)` → 132.
fn wasm_opt_version(line: &str) -> Option<u32> {
    line.strip_prefix("wasm-opt version ")?.split_whitespace().next()?.parse().ok()
}

/// Installs packages of the system where that is ours to do: as root, by
/// apt-get. False where it is not.
fn apt(context: &Context, packages: &[&str]) -> Result<bool> {
    let root = context.command("id", ["-u"]).quiet().read().is_ok_and(|id| id == "0");
    if !root || context.version("apt-get").is_none() {
        return Ok(false);
    }
    let apt = |arguments: &[&str]| {
        context.command("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive").run()
    };
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if let Err(error) = apt(&["update"]).and_then(|()| apt(&install)) {
        bail!("{} could not be installed: {error}", packages.join(" and "));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_wasm_opt_is_read_in_all_its_spellings() {
        assert_eq!(wasm_opt_version("wasm-opt version 108 (version_108)"), Some(108));
        assert_eq!(wasm_opt_version("wasm-opt version 132"), Some(132));
        assert_eq!(wasm_opt_version("wasm-opt version 124 (version_124-3-gabc)"), Some(124));
        assert_eq!(wasm_opt_version("something else"), None);
    }
}
