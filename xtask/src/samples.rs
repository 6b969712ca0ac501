//! The six sample tasks, tuned and packed, and a zoo of real ones: what `cargo xtask run`
//! shows.

use crate::jobs::{self, Job, Terms};
use crate::{context::Context, experiment, files, program, steps::Steps};
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Raise it when the program would tune other numbers from the same
/// arguments: all samples are then tuned anew.
const VERSION: u32 = 4;

/// The samples, each with as many epochs as it takes to learn what it can.
const TASKS: &[(&str, u64)] = &[
    ("sample_sentiment", 7),
    ("sample_topic", 4),
    ("sample_entailment", 8),
    ("sample_paraphrase", 7),
    ("sample_acceptability", 8),
    ("sample_similarity", 6),
];

/// How each of them is tuned.
const TUNE: &[&str] = &["--method", "lora", "--encoder", "minilm", "--lr", "2e-3"];

/// How they are packed.
const PACK: &[&str] = &[
    "--name",
    "Sample tasks",
    "--description",
    "Six small tasks in sentences made for Tupate, each tuned by LoRA on MiniLM.",
];

/// The experiment whose zoo is shown first: real data sets, and what transfer did.
const REAL: &str = "minilm";

/// The samples' names.
pub fn names() -> Vec<&'static str> {
    TASKS.iter().map(|(task, _)| *task).collect()
}

/// The file with the samples' embeddings.
pub fn zoo(context: &Context) -> PathBuf {
    folder(context).join("samples.safetensors")
}

/// Makes the zoo of real tasks, by the program that is built already; gives back its file.
pub fn real(context: &Context) -> Result<PathBuf> {
    experiment::report::zoo(context, REAL)
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
    steps.take("samples", || tune(context, &program))?;
    steps.take("zoo", || pack(context, &program))
}

/// Serves the zoo of real tasks and the samples until interrupted. This process becomes the
/// server, so that signals meet it alone.
pub fn serve(context: &Context, listen: &str) -> Result<()> {
    let real = real(context)?;
    let error = Command::from(
        context
            .command(program::path(context), ["serve", "--listen", listen, "--zoo"])
            .arg(real)
            .arg("--zoo")
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

/// Tunes every sample that is not tuned yet. Returns what was done, in words.
fn tune(context: &Context, program: &Path) -> Result<String> {
    let mut jobs = Vec::new();
    let mut resumed = 0;
    for &(task, epochs) in TASKS {
        let out = run_folder(context, task);
        let epochs_flag = epochs.to_string();
        let mut words = vec!["tune", task, "--epochs", &epochs_flag];
        words.extend(TUNE);
        let key = format!("samples {VERSION}: {}\n", words.join(" "));
        // Beside the run: the program takes no folder that holds something else.
        let key_file = out.with_extension("key");
        let same = fs::read_to_string(&key_file).is_ok_and(|there| there == key);
        if same && out.join("run.json").is_file() {
            continue;
        }
        let command = || Command::from(context.command(program, &words).arg("--out").arg(&out));
        // An interrupted run goes on where it was, if this program still can.
        let resumable = same && out.join("resume").is_dir();
        resumed += u64::from(resumable);
        let attempts = jobs::of_run(&out, resumable, command, move || {
            fs::write(&key_file, key)
                .with_context(|| format!("cannot write {}", key_file.display()))
        });
        jobs.push(Job {
            name: task.to_owned(),
            units: epochs,
            unit: jobs::EPOCH,
            attempts,
            threads: true,
            end: Box::new(|| Ok(())),
        });
    }
    let note = match (jobs.len(), resumed) {
        (0, _) => "tuned before".to_owned(),
        (all, 0) => format!("{all} tuned"),
        (all, some) => format!("{all} tuned, {some} of them resumed"),
    };
    jobs::run("tuning", jobs, Terms::default())?;
    Ok(note)
}

fn pack(context: &Context, program: &Path) -> Result<String> {
    let zoo = zoo(context);
    let runs: Vec<_> = TASKS.iter().map(|(task, _)| run_folder(context, task)).collect();
    let mut parts = Vec::new();
    for run in &runs {
        parts.extend(files::sources(run)?);
    }
    let key = files::digest(&context.cache, &parts, PACK)?;
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
        .args(PACK)
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
echo "$@" >> calls
while [ $# -gt 0 ]; do
  case "$1" in
    tune | zoo) command=$1 ;;
    --out) out=$2 ;;
  esac
  shift
done
case "$command" in
  tune) mkdir -p "$out" && rm -rf "$out/resume" && echo '{}' > "$out/run.json" ;;
  zoo) echo zoo > "$out" ;;
esac
"#;

    /// Is interrupted after its first epoch.
    const INTERRUPTED: &str = r#"#!/bin/sh
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/resume"
exit 1
"#;

    struct Place {
        context: Context,
        program: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = Self {
                context: Context::inside(folder.path()),
                program: folder.path().join("tupate"),
                _folder: folder,
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

        fn tune(&self) -> Result<String> {
            tune(&self.context, &self.program)
        }

        fn all(&self) -> Vec<String> {
            vec![self.tune().unwrap(), pack(&self.context, &self.program).unwrap()]
        }

        fn calls(&self) -> Vec<String> {
            let calls = fs::read_to_string(self.context.root.join("calls")).unwrap();
            calls.lines().map(ToOwned::to_owned).collect()
        }
    }

    #[test]
    fn what_was_made_is_not_made_again() {
        let place = Place::new();
        assert_eq!(place.all(), ["6 tuned", "packed"]);
        assert!(zoo(&place.context).is_file());
        assert_eq!(place.calls().len(), 7);
        assert_eq!(place.all(), ["tuned before", "unchanged"]);
        assert_eq!(place.calls().len(), 7);
    }

    #[test]
    fn other_arguments_and_damaged_runs_are_tuned_anew_and_packed() {
        let place = Place::new();
        place.all();
        let run = run_folder(&place.context, "sample_topic");
        fs::remove_file(run.join("run.json")).unwrap();
        fs::write(run.join("half"), "").unwrap();
        let other = run_folder(&place.context, "sample_similarity");
        fs::write(other.with_extension("key"), "samples 0: tune\n").unwrap();

        let notes = place.all();
        assert_eq!(notes[0], "2 tuned");
        assert!(!run.join("half").exists());
        // The same bytes came out, so the zoo is still the one of these runs.
        assert_eq!(notes.last().unwrap(), "unchanged");
        fs::write(run.join("run.json"), "{\"other\":1}").unwrap();
        assert_eq!(place.all()[1], "packed");
    }

    #[test]
    fn an_interrupted_run_is_resumed() {
        let place = Place::new();
        place.install(INTERRUPTED);
        let error = place.tune().unwrap_err().to_string();
        assert!(error.contains("failed (exit status: 1)"), "{error}");
        place.install(FAKE);
        // As many as were started before the first failure ended all of them.
        let note = place.tune().unwrap();
        assert!(note.starts_with("6 tuned, ") && note.ends_with(" of them resumed"), "{note}");
        assert!(place.calls().iter().any(|call| call.contains(" --resume")));
        assert_eq!(place.tune().unwrap(), "tuned before");
    }

    #[test]
    fn a_run_that_cannot_be_resumed_is_begun_anew() {
        let place = Place::new();
        place.install(INTERRUPTED);
        place.tune().unwrap_err();
        place.install(&FAKE.replace("shift\n", "[ \"$1\" != --resume ] || exit 3\n  shift\n"));
        assert!(place.tune().unwrap().contains("resumed"));
        assert!(
            TASKS.iter().all(|(t, _)| run_folder(&place.context, t).join("run.json").is_file())
        );
    }
}
