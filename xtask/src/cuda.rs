//! A release binary that also runs on NVIDIA GPUs, built without one and
//! without an installed CUDA toolkit.
//!
//! The compiler comes as Python wheels. Two dependencies are patched:
//! candle-core loads CUDA's libraries when a GPU is asked for, where the
//! released one must be linked against them and then starts nowhere else;
//! candle-kernels leaves out what Tupate never calls (see
//! `cuda/candle-kernels-build.rs`). A patch changes the lock file, so the
//! build runs in a second workspace in the cache: links to the sources, and a
//! lock file of its own.

use crate::{context::Context, files, page, steps::Steps};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// CUDA's compiler. All of 13.0: a driver of the 580 series loads no PTX of
/// a later one.
const WHEELS: &[&str] = &[
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];
/// The same version, as the crate cudarc wants it.
const CUDARC_VERSION: &str = "13000";
/// PTX for Ampere; the driver compiles it for every newer GPU, too.
const COMPUTE_CAP: &str = "80";

/// What the second workspace has of its own.
const OWN: &[&str] = &["Cargo.lock", "target", ".git"];

const KERNELS_BUILD: &str = include_str!("../cuda/candle-kernels-build.rs");

/// The page, the compiler, the patched crates, the binary.
pub fn build(context: &Context, steps: &mut Steps) -> Result<()> {
    let folder = context.cache.join("cuda");
    let _lock = context.lock(&folder)?;
    steps.take("page", || page::build(context))?;
    let toolkit = folder.join("toolkit");
    steps.take("cuda compiler", || install(context, &toolkit))?;
    let patched = folder.join("patched");
    steps.take("patched crates", || patch(context, &patched))?;
    let workspace = folder.join("workspace");
    steps.take("workspace of links", || link(context, &workspace))?;
    steps.take("program", || compile(context, &toolkit, &patched, &workspace))
}

/// Installs the wheels, all or none.
fn install(context: &Context, toolkit: &Path) -> Result<String> {
    let stamp = toolkit.join("wheels");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == WHEELS.join("\n")) {
        return Ok("there".to_owned());
    }
    remove(toolkit)?;
    // With a target folder pip touches no installation, so that it needs no
    // virtual environment either.
    context
        .command("python3", ["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(toolkit)
        .args(WHEELS)
        .run()
        .context("the CUDA compiler is fetched by pip: Python 3 with pip is needed")?;
    let home = home(toolkit);
    let nvcc = home.join("bin/nvcc");
    ensure!(
        context.version(&nvcc).is_some(),
        "{} does not run, though pip has just installed it",
        nvcc.display()
    );
    // Where build scripts look.
    symlink("lib", home.join("lib64")).context("cannot link the toolkit's lib64")?;
    write(&stamp, &WHEELS.join("\n"))?;
    Ok("installed".to_owned())
}

fn home(toolkit: &Path) -> PathBuf {
    toolkit.join("nvidia/cu13")
}

/// Copies the two crates and changes them, once for each version: cargo goes
/// by the time of a file, and would build a new copy anew.
fn patch(context: &Context, patched: &Path) -> Result<String> {
    let core = package(context, "candle-core")?;
    let kernels = package(context, "candle-kernels")?;
    let key = format!("{}\n{}\n{KERNELS_BUILD}", core.display(), kernels.display());
    let stamp = patched.join("key");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == key) {
        return Ok("there".to_owned());
    }
    remove(patched)?;
    copy(&core, &patched.join("candle-core"))?;
    copy(&kernels, &patched.join("candle-kernels"))?;

    let manifest = patched.join("candle-core/Cargo.toml");
    write(&manifest, &load_at_run_time(&read(&manifest)?)?)?;
    write(&patched.join("candle-kernels/build.rs"), KERNELS_BUILD)?;
    write(&stamp, &key)?;
    Ok("copied".to_owned())
}

/// The manifest of candle-core with the one word changed.
fn load_at_run_time(manifest: &str) -> Result<String> {
    match manifest.matches("\"dynamic-linking\"").count() {
        1 => Ok(manifest.replace("\"dynamic-linking\"", "\"dynamic-loading\"")),
        count => bail!(
            "the manifest of candle-core has `dynamic-linking` {count} times where it once had it \
             once: see in its new version how cudarc is to be loaded at run time now"
        ),
    }
}

/// The folder of a locked dependency's source.
fn package(context: &Context, name: &str) -> Result<PathBuf> {
    let id = context.cargo(["pkgid", name]).quiet().read()?;
    let (_, version) = id.rsplit_once('@').context("`cargo pkgid` names no version")?;
    // The optional ones, too, for the one system this is for.
    let target = ["fetch", "--quiet", "--target", "x86_64-unknown-linux-gnu"];
    context.cargo(target).quiet().run()?;
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let sources = home.join("registry/src");
    fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .filter_map(|registry| Some(registry.ok()?.path().join(format!("{name}-{version}"))))
        .find(|folder| folder.join("Cargo.toml").is_file())
        .with_context(|| format!("{name} {version} is not below {}", sources.display()))
}

/// Makes the second workspace: everything of the root as a link, and a copy
/// of the lock file.
fn link(context: &Context, workspace: &Path) -> Result<String> {
    remove(workspace)?;
    fs::create_dir_all(workspace)
        .with_context(|| format!("cannot create {}", workspace.display()))?;
    let root = &context.root;
    for entry in fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))? {
        let name = entry?.file_name();
        if !OWN.iter().any(|own| name == *own) {
            symlink(root.join(&name), workspace.join(&name))
                .with_context(|| format!("cannot link {}", name.display()))?;
        }
    }
    write(&workspace.join("Cargo.lock"), &read(&context.root.join("Cargo.lock"))?)?;
    Ok("made".to_owned())
}

/// Where the binary is that [`build`] makes.
pub fn program(context: &Context) -> PathBuf {
    target(context).join("release/tupate")
}

/// A target folder of its own: these features must not rebuild those of the rest.
fn target(context: &Context) -> PathBuf {
    context.target.join("cuda")
}

fn compile(context: &Context, toolkit: &Path, patched: &Path, workspace: &Path) -> Result<String> {
    let home = home(toolkit);
    let mut path = vec![home.join("bin")];
    path.extend(env::split_paths(&context.shell.var_os("PATH").unwrap_or_default()));
    let patches = ["candle-core", "candle-kernels"]
        .map(|name| format!("patch.crates-io.{name}.path='{}'", patched.join(name).display()));
    let _inside = context.shell.push_dir(workspace);
    context
        .command("cargo", ["build", "--release", "--package", "tupate", "--features", "cuda"])
        .args(patches.iter().flat_map(|patch| ["--config", patch]))
        .env("CARGO_TARGET_DIR", target(context))
        .env("PATH", env::join_paths(path).context("the cache folder's name has a `:`")?)
        .env("CUDA_HOME", &home)
        .env("NVCC", home.join("bin/nvcc"))
        .env("CUDARC_CUDA_VERSION", CUDARC_VERSION)
        .env(
            "CUDA_COMPUTE_CAP",
            context.shell.var_os("CUDA_COMPUTE_CAP").unwrap_or_else(|| COMPUTE_CAP.into()),
        )
        .run()?;
    Ok(program(context).display().to_string())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files::sources(from)? {
        let copied = to.join(file.strip_prefix(from).unwrap_or(&file));
        let folder = copied.parent().context("a file without a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(&file, &copied))
            .with_context(|| format!("cannot copy {} to {}", file.display(), copied.display()))?;
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_of_the_manifest_changes_and_only_where_it_is_known() {
        let manifest = "features = [\n    \"std\",\n    \"dynamic-linking\",\n]\n";
        assert_eq!(
            load_at_run_time(manifest).unwrap(),
            "features = [\n    \"std\",\n    \"dynamic-loading\",\n]\n"
        );
        assert!(load_at_run_time("features = []\n").is_err());
    }

    #[test]
    fn the_second_workspace_has_every_member_and_a_lock_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::inside(folder.path());
        for member in ["engine", "target", "a new one"] {
            fs::create_dir_all(context.root.join(member)).unwrap();
        }
        fs::write(context.root.join("Cargo.toml"), "members").unwrap();
        fs::write(context.root.join("Cargo.lock"), "locked").unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let workspace = workspace.path().join("workspace");
        link(&context, &workspace).unwrap();
        for there in ["engine", "a new one", "Cargo.toml"] {
            assert!(workspace.join(there).is_symlink(), "{there}");
        }
        assert!(!workspace.join("target").exists());
        assert!(!workspace.join("Cargo.lock").is_symlink());
        assert_eq!(fs::read_to_string(workspace.join("Cargo.lock")).unwrap(), "locked");
    }

    #[test]
    fn a_copy_has_all_files_of_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/file")).unwrap(), "text");
    }
}
