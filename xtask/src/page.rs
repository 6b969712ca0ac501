//! The page: built by trunk into `frontend/dist`, where the server finds it.

use crate::{context::Context, files, tools};
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf};

/// Everything that decides what the page is.
const SOURCES: &[&str] = &[
    "frontend",
    "engine",
    "common",
    "xtask/src/parts.rs",
    "xtask/src/scripts.rs",
    "xtask/src/engine.rs",
    "xtask/src/sheets.rs",
    "Cargo.toml",
    "Cargo.lock",
    "Trunk.toml",
];

/// Builds the page unless the one that lies there is made of the same
/// sources by the same compiler. Returns what was done, in words.
pub fn build(context: &Context) -> Result<String> {
    let _lock = context.lock(&context.target.join("xtask"))?;
    let stamp = context.target.join("xtask/page");
    let inputs = inputs(context)?;
    let there = state(context, &inputs);
    if there.is_some() && there == fs::read_to_string(&stamp).ok() {
        return Ok("unchanged".to_owned());
    }
    tools::for_page(context)?;
    context
        .command("trunk", ["build", "--release"])
        // trunk takes this variable's value for true or false and fails on
        // the customary `1`.
        .env_remove("NO_COLOR")
        .run()?;
    let built = state(context, &inputs).context("trunk has built no frontend/dist")?;
    fs::write(&stamp, built).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok("built".to_owned())
}

/// One number for the sources and the compiler.
fn inputs(context: &Context) -> Result<String> {
    let mut sources = Vec::new();
    for source in SOURCES {
        sources.extend(files::sources(&context.root.join(source))?);
    }
    let rustc = context.version("rustc").context("there is no working rustc")?;
    files::digest(&context.root, &sources, &[&rustc])
}

/// The inputs with what lies in `frontend/dist`. The latter belongs to it
/// because the folder is shared by all target folders: each must notice when
/// another one has built a different page there.
fn state(context: &Context, inputs: &str) -> Option<String> {
    let dist: PathBuf = context.root.join("frontend/dist");
    dist.join("index.html").is_file().then_some(())?;
    let output = files::digest(&dist, &files::sources(&dist).ok()?, &[]).ok()?;
    Some(format!("{inputs} {output}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_current_only_with_the_same_sources_and_the_same_result() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::inside(folder.path());
        let write = |name: &str, text: &str| {
            let file = context.root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        for source in SOURCES.iter().filter(|source| source.contains('.')) {
            write(source, "");
        }
        write("frontend/src/lib.rs", "");
        write("common/a.rs", "");
        write("engine/worker.js", "");
        let now = || state(&context, &inputs(&context).unwrap());
        assert_eq!(now(), None, "there is no page yet");
        write("frontend/dist/index.html", "one");
        let first = now();
        assert!(first.is_some());
        assert_eq!(first, now());
        write("frontend/dist/index.html", "two");
        assert_ne!(first, now(), "another page lies there");
        write("frontend/dist/index.html", "one");
        assert_eq!(first, now());
        write("common/a.rs", "fn a() {}");
        assert_ne!(first, now(), "the page is of other sources");
    }
}
