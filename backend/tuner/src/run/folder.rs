//! The folder of a run on disk.

use super::RunRecord;
use super::record::SCHEMA;
use crate::Error;
use crate::encoder::Family;
use crate::files::{failed, is_temporary, make_folder, write, write_json};
use crate::train::{Settings, Snapshot, Trainer};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tupate_embedding::folder::{self as adapter, AdapterFolder, Layout, Origin};
use tupate_embedding::{AdapterState, TaskEmbedding, aggregate};
use tupate_tasks::{Checkpoint, Recipe};

const RECORD: &str = "run.json";
const RESUME: &str = "resume";
const LOCK: &str = "lock";

/// A run's folder while the run is going on. Nobody else has it: the lock ends with its
/// owner, however that ends.
pub(super) struct Folder {
    root: PathBuf,
    lock: File,
}

/// What a folder is when a run wants to use it.
pub(super) enum State {
    Finished(Box<RunRecord>),
    Open(Folder),
}

impl Folder {
    /// Makes the folder, or looks at what is in it.
    pub fn prepare(root: &Path, resume: bool, fingerprint: &str) -> Result<State, Error> {
        let shown = root.display();
        let (finished, unfinished) = (root.join(RECORD).exists(), root.join(RESUME).exists());
        if finished && resume {
            let record = Run::open(root)?.record;
            if record.fingerprint != fingerprint {
                return Err(Error::Resume(format!(
                    "{shown} holds a finished run with other settings, data or another encoder; \
                     choose another --out"
                )));
            }
            // Killed after its last word: what was kept for resuming is still there.
            drop_resume(root)?;
            return Ok(State::Finished(Box::new(record)));
        }
        if finished {
            return Err(Error::Out(format!(
                "{shown} holds a finished run; choose another --out, or remove it"
            )));
        }
        if unfinished && !resume {
            return Err(Error::Out(format!(
                "{shown} holds an unfinished run; continue it with --resume, choose another \
                 --out, or remove the folder"
            )));
        }
        if !unfinished && root.is_dir() {
            let mut entries = std::fs::read_dir(root).map_err(failed("read", root))?;
            if entries.next().is_some() {
                return Err(Error::Out(format!(
                    "{shown} is not empty and not a run; choose another --out"
                )));
            }
        }
        make_folder(&root.join(RESUME), "--out")?;
        let lock = lock(root)?;
        // Another program may have ended it meanwhile.
        if root.join(RECORD).exists() {
            return Self::prepare(root, resume, fingerprint);
        }
        sweep(root)?;
        Ok(State::Open(Self { root: root.to_owned(), lock }))
    }

    fn state_file(&self, candidate: usize) -> PathBuf {
        self.root.join(RESUME).join(format!("candidate-{candidate}.safetensors"))
    }

    /// The saved state of a learning rate, if there is one.
    pub fn saved(&self, candidate: usize) -> Result<Option<Vec<u8>>, Error> {
        let path = self.state_file(candidate);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    pub fn save(&self, candidate: usize, bytes: &[u8]) -> Result<(), Error> {
        write(&self.state_file(candidate), bytes)
    }

    /// Writes a snapshot as an adapter folder, its configuration last.
    pub fn write_adapter(
        &self,
        name: &str,
        task: &str,
        trainer: &Trainer<'_, '_>,
        settings: &Settings,
        values: &Snapshot,
    ) -> Result<(), Error> {
        let (state, head) = trainer.export(&settings.method, values)?;
        let encoder = trainer.encoder();
        let checkpoint =
            [Checkpoint::Early, Checkpoint::Late].into_iter().find(|c| c.name() == name);
        let origin = Origin {
            encoder: encoder.reference.clone(),
            init_seed: settings.init_seed,
            checkpoint,
            // Initial parameters are of none.
            task: checkpoint.map(|_| task.to_owned()),
        };
        let layout = layout(encoder.config().family);
        let files = adapter::write(&state, &head, layout, &encoder.reference.name, Some(&origin))?;
        let folder = self.root.join(name);
        sweep(&folder)?;
        std::fs::create_dir_all(&folder).map_err(failed("make the folder", &folder))?;
        files.into_iter().try_for_each(|(file, bytes)| write(&folder.join(file), &bytes))
    }

    /// Writes the record, which makes the run a finished one, and drops what was
    /// kept for resuming.
    pub fn finish(self, record: &RunRecord) -> Result<(), Error> {
        write_json(&self.root.join(RECORD), record)?;
        // Some file systems keep a folder in which a file is open.
        drop(self.lock);
        drop_resume(&self.root)
    }
}

/// Takes a run's folder for one program.
fn lock(root: &Path) -> Result<File, Error> {
    let path = root.join(RESUME).join(LOCK);
    let file = File::create(&path).map_err(failed("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Out(format!(
            "another program tunes into {}; wait until it has ended, or choose another --out",
            root.display()
        ))),
        // Not every file system has locks, and a run there is better than none.
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(e)) => Err(failed("lock", &path)(e)),
    }
}

/// Removes what was kept for resuming a run that is finished. Two programs may be at it.
fn drop_resume(root: &Path) -> Result<(), Error> {
    let resume = root.join(RESUME);
    match std::fs::remove_dir_all(&resume) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", &resume)(e)),
        _ => Ok(()),
    }
}

/// Removes what a killed process had not yet put into place.
fn sweep(folder: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("read", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(failed("read", folder))?;
        if is_temporary(&entry.file_name()) {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// A finished run that was opened.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its record.
    pub record: RunRecord,
    root: PathBuf,
}

impl Run {
    /// Whether a folder looks like a finished run.
    pub fn is_run(root: &Path) -> bool {
        root.join(RECORD).is_file()
    }

    /// Opens the run in `root`.
    ///
    /// # Errors
    /// When there is none, it is unfinished, or of another version.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join(RECORD);
        let bad = |what: String| Error::Record { path: path.clone(), what };
        let bytes = std::fs::read(&path).map_err(|e| {
            let unfinished = root.join(RESUME).exists();
            bad(match e.kind() {
                ErrorKind::NotFound if unfinished => {
                    "this run is unfinished; continue it with tupate tune … --resume".into()
                }
                ErrorKind::NotFound => "there is no run in this folder".into(),
                _ => e.to_string(),
            })
        })?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|e| bad(format!("not JSON ({e})")))?;
        if value["schema"] != SCHEMA {
            return Err(bad(format!(
                "written by another version (schema {}, this one reads {SCHEMA}); tune it again",
                value["schema"]
            )));
        }
        let record = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
        Ok(Self { record, root: root.to_owned() })
    }

    /// The run's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The tuned parameters of a checkpoint.
    ///
    /// # Errors
    /// When the checkpoint is not there or damaged.
    pub fn adapter(&self, checkpoint: Checkpoint) -> Result<AdapterState, Error> {
        if checkpoint == Checkpoint::Early && !self.record.has_early {
            return Err(Error::Record {
                path: self.root.clone(),
                what: format!(
                    "no early parameters: the run had {} epoch, they are taken after 2",
                    self.record.epochs
                ),
            });
        }
        self.read(checkpoint.name())
    }

    /// The parameters before training.
    ///
    /// # Errors
    /// When they are not there or damaged.
    pub fn initial(&self) -> Result<AdapterState, Error> {
        self.read("initial")
    }

    fn read(&self, name: &str) -> Result<AdapterState, Error> {
        Ok(read_adapter(&self.root.join(name))?.state)
    }

    /// The run's recipe for a checkpoint.
    pub fn recipe(&self, checkpoint: Checkpoint) -> Recipe {
        Recipe { checkpoint, ..self.record.recipe.clone() }
    }

    /// The task embedding of a recipe that this run can give.
    ///
    /// # Errors
    /// When a checkpoint is missing or the recipe asks for another method.
    pub fn embedding(&self, recipe: &Recipe) -> Result<TaskEmbedding, Error> {
        let state = self.adapter(recipe.checkpoint)?;
        let values = aggregate(&state, Some(&self.initial()?), recipe)?;
        Ok(TaskEmbedding { task: self.record.task.clone(), recipe: recipe.clone(), values })
    }
}

/// How a family names its tensors.
fn layout(family: Family) -> Layout {
    match family {
        Family::Bert | Family::Roberta => Layout::Bert,
        Family::DistilBert => Layout::DistilBert,
        Family::MpNet => Layout::MpNet,
    }
}

/// Reads an adapter folder of any kind.
///
/// # Errors
/// When a file is missing or not understood.
pub fn read_adapter(folder: &Path) -> Result<AdapterFolder, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed("read", folder))? {
        let path = entry.map_err(failed("read", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Of all others the name is enough.
        let bytes = match adapter::is_read(name) {
            true => std::fs::read(&path).map_err(failed("read", &path))?,
            false => Vec::new(),
        };
        files.push((name.to_owned(), bytes));
    }
    files.sort();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &**bytes)).collect();
    adapter::read(&files)
        .map_err(|e| Error::Record { path: folder.to_owned(), what: e.to_string() })
}
