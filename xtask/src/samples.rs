//! The six sample tasks, tuned and packed: what `cargo xtask run` shows.

use crate::{context::Context, files, program, steps::Steps};
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Raise it when the program would tune other numbers from the same
/// arguments: all samples are then tuned anew.
const VERSION: u32 = 1;

const TASKS: &[&str] = &[
    "sample_sentiment",
    "sample_topic",
    "sample_entailment",
    "sample_paraphrase",
    "sample_acceptability",
    "sample_similarity",
];

/// How each of them is tuned.
const TUNE: &[&str] = &["--method", "lora", "--encoder", "minilm"];

/// The file with the samples' embeddings.
pub fn zoo(context: &Context) -> PathBuf {
    folder(context).join("samples.safetensors")
}

/// Builds the program, tunes what is not tuned yet, packs the zoo.
pub fn make(context: &Context, steps: &mut Steps) -> Result<()> {
    program::build(context, steps)?;
    let _lock = context.lock(&folder(context))?;
    let program = program::path(context);
    steps.take("encoder minilm", || {
        context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
        Ok("there".to_owned())
    })?;
    for task in TASKS {
        steps.take(task, || tune(context, &program, task))?;
    }
    steps.take("zoo", || pack(context, &program))
}

/// Serves the samples until interrupted. This process becomes the server, so
/// that signals meet it alone.
pub fn serve(context: &Context, listen: &str) -> Result<()> {
    let error = Command::from(
        context
            .command(program::path(context), ["serve", "--listen", listen, "--zoo"])
            .arg(zoo(context)),
    )
    .exec();
    Err(error).context("the server could not be started")
}

fn folder(context: &Context) -> PathBuf {
    context.cache.join("samples")
}

fn run_folder(context: &Context, task: &str) -> PathBuf {
    folder(context).join("runs").join(task)
}

fn tune(context: &Context, program: &Path, task: &str) -> Result<String> {
    let out = run_folder(context, task);
    let key = format!("samples {VERSION}: tune {task} {}\n", TUNE.join(" "));
    let key_file = out.join("samples.key");
    if out.join("run.json").is_file() && fs::read_to_string(&key_file).is_ok_and(|k| k == key) {
        return Ok("tuned before".to_owned());
    }
    // An interrupted run, or one of other arguments.
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    context
        .command(program, ["tune", task])
        .args(TUNE)
        .arg("--out")
        .arg(&out)
        .quiet()
        .ignore_stdout()
        .run()?;
    fs::write(&key_file, key).with_context(|| format!("cannot write {}", key_file.display()))?;
    Ok("tuned".to_owned())
}

fn pack(context: &Context, program: &Path) -> Result<String> {
    let zoo = zoo(context);
    let runs: Vec<_> = TASKS.iter().map(|task| run_folder(context, task)).collect();
    let mut parts = Vec::new();
    for run in &runs {
        parts.extend(files::sources(run)?);
    }
    let key = files::digest(&context.cache, &parts, &[])?;
    let key_file = zoo.with_extension("key");
    if zoo.is_file() && fs::read_to_string(&key_file).is_ok_and(|k| k == key) {
        return Ok("unchanged".to_owned());
    }
    // Packed aside and moved: a server that is up never sees half a file.
    let aside = folder(context).join("packing");
    fs::create_dir_all(&aside).with_context(|| format!("cannot write {}", aside.display()))?;
    let packed = aside.join("samples.safetensors");
    fs::remove_file(&packed).ok();
    context
        .command(program, ["zoo", "pack"])
        .args(&runs)
        .arg("--out")
        .arg(&packed)
        .quiet()
        .ignore_stdout()
        .run()?;
    fs::rename(&packed, &zoo).with_context(|| format!("cannot write {}", zoo.display()))?;
    fs::write(&key_file, key).with_context(|| format!("cannot write {}", key_file.display()))?;
    Ok("packed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands in for `tupate`: writes what the real one leaves behind, and
    /// notes every call.
    const FAKE: &str = r#"#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
for last; do :; done
case "$1" in
  tune) mkdir -p "$last" && echo '{}' > "$last/run.json" ;;
  zoo) echo zoo > "$last" ;;
esac
"#;

    struct Place {
        context: Context,
        program: PathBuf,
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = Self {
                context: Context::inside(folder.path()),
                program: folder.path().join("tupate"),
                folder,
            };
            place.install(FAKE);
            place
        }

        /// Written by a process of its own: were it this one, a child that
        /// another test starts at the same moment could hold the file open for
        /// writing, and a file so held cannot be executed.
        fn install(&self, script: &str) {
            let write = ["-c", "cat > tupate && chmod +x tupate"];
            self.context.command("sh", write).quiet().stdin(script).run().unwrap();
        }

        fn all(&self) -> Vec<String> {
            let mut notes: Vec<_> =
                TASKS.iter().map(|t| tune(&self.context, &self.program, t).unwrap()).collect();
            notes.push(pack(&self.context, &self.program).unwrap());
            notes
        }

        fn calls(&self) -> usize {
            let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap();
            calls.lines().count()
        }
    }

    #[test]
    fn what_was_made_is_not_made_again() {
        let place = Place::new();
        assert_eq!(place.all(), ["tuned", "tuned", "tuned", "tuned", "tuned", "tuned", "packed"]);
        assert!(zoo(&place.context).is_file());
        assert_eq!(place.calls(), 7);
        assert!(place.all().iter().all(|note| note == "tuned before" || note == "unchanged"));
        assert_eq!(place.calls(), 7);
    }

    #[test]
    fn an_interrupted_run_and_other_arguments_are_tuned_anew_and_packed() {
        let place = Place::new();
        place.all();
        let run = run_folder(&place.context, "sample_topic");
        fs::remove_file(run.join("run.json")).unwrap();
        fs::write(run.join("half"), "").unwrap();
        let other = run_folder(&place.context, "sample_similarity");
        fs::write(other.join("samples.key"), "samples 0: tune\n").unwrap();

        let notes = place.all();
        assert_eq!(notes.iter().filter(|note| *note == "tuned").count(), 2, "{notes:?}");
        assert!(!run.join("half").exists());
        // The same bytes came out, so the zoo is still the one of these runs.
        assert_eq!(notes.last().unwrap(), "unchanged");
        fs::write(run.join("run.json"), "{\"other\":1}").unwrap();
        assert_eq!(place.all().last().unwrap(), "packed");
    }

    #[test]
    fn a_program_that_fails_leaves_nothing_that_counts_as_finished() {
        let place = Place::new();
        place.install("#!/bin/sh\nexit 1\n");
        let error = tune(&place.context, &place.program, "sample_topic").unwrap_err().to_string();
        assert!(error.contains("tune sample_topic"), "{error}");
        place.install(FAKE);
        assert_eq!(tune(&place.context, &place.program, "sample_topic").unwrap(), "tuned");
    }
}
