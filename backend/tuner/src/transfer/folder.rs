//! A sweep's folder on disk.

use super::{Cell, Matrix, Plan, Sweep, cell};
use crate::Error;
use crate::encoder::{Bert, Encoder};
use crate::files::{failed, make_folder, write, write_json};
use crate::train::FineTuneRecord;
use safetensors::tensor::TensorView;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SWEEP: &str = "sweep.json";
const LOCK: &str = "lock";
const CLAIMS: &str = "claims";
const MATRIX_CSV: &str = "matrix.csv";
const MATRIX_JSON: &str = "transfer.json";

/// How long to wait before asking again for what another program is at.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) struct Folder {
    root: PathBuf,
    /// Whether fine-tuned sources stay: once asked for, they are not removed again.
    pub keep_sources: bool,
}

/// The field of a sweep's description that says so.
const KEEP_SOURCES: &str = "keep_sources";

/// The right to compute something; ends with its owner, however that ends.
pub(super) struct Claim {
    _lock: File,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(failed("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Record {
        path: path.to_owned(),
        what: format!("not readable ({e}); remove it, and it is computed again"),
    })
}

impl Folder {
    /// Makes the folder of a sweep, or opens it to go on.
    pub fn open(sweep: &Sweep<'_>) -> Result<Self, Error> {
        let root = sweep.out.to_owned();
        let shown = root.display();
        let mut described = describe(sweep)?;
        // A folder of something else stays as it is, without so much as a lock.
        if root.is_dir() && ![SWEEP, LOCK].iter().any(|name| root.join(name).exists()) {
            let mut entries = std::fs::read_dir(&root).map_err(failed("read", &root))?;
            if entries.next().is_some() {
                return Err(Error::Out(format!(
                    "{shown} is not empty and not a sweep; choose another --out"
                )));
            }
        }
        make_folder(&root, "--out")?;
        let lock_path = root.join(LOCK);
        let lock = File::create(&lock_path).map_err(failed("write", &lock_path))?;
        // Of two programs that begin at once, one describes the sweep first.
        lock.lock().map_err(failed("lock", &lock_path))?;
        let path = root.join(SWEEP);
        let mut keep_sources = sweep.plan.keep_sources;
        if path.exists() {
            let there: Value = read_json(&path)?;
            keep_sources |= there[KEEP_SOURCES] == true;
            if let Some(field) = difference(&there, &described) {
                return Err(Error::Resume(format!(
                    "{shown} holds a sweep with another {field}; choose another --out, or repeat \
                     that sweep's command"
                )));
            }
            if !sweep.resume {
                return Err(Error::Out(format!(
                    "{shown} holds this sweep already; go on with --resume, or choose another --out"
                )));
            }
            // Tasks of an earlier call stay described, so that they cannot change.
            for (task, sha256) in there["data"].as_object().into_iter().flatten() {
                described["data"][task] = sha256.clone();
            }
        }
        for folder in ["sources", CLAIMS] {
            let folder = root.join(folder);
            std::fs::create_dir_all(&folder).map_err(failed("make the folder", &folder))?;
        }
        for target in sweep.targets {
            let folder = root.join("cells").join(&target.task);
            std::fs::create_dir_all(&folder).map_err(failed("make the folder", &folder))?;
        }
        described[KEEP_SOURCES] = keep_sources.into();
        write_json(&path, &described)?;
        Ok(Self { root, keep_sources })
    }

    /// How many cells there are, of whatever tasks and seeds.
    pub fn cells(&self) -> Result<usize, Error> {
        let folder = self.root.join("cells");
        let inside = |folder: &Path| -> Result<Vec<PathBuf>, Error> {
            let entries = std::fs::read_dir(folder).map_err(failed("read", folder))?;
            let paths = entries.map(|entry| Ok(entry.map_err(failed("read", folder))?.path()));
            paths.collect()
        };
        let mut count = 0;
        for target in inside(&folder)?.iter().filter(|path| path.is_dir()) {
            let files = inside(target)?;
            count += files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")).count();
        }
        Ok(count)
    }

    /// Claims the cells of a source, or a target without transfer: several programs
    /// may sweep in one folder, and none does what another one is at. Where another
    /// one is at it: `None`, or with `wait` not before that one has ended, or `wait`
    /// gives true and thereby says that it was enough.
    pub fn claim(
        &self,
        what: &str,
        seed: u64,
        wait: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Claim>, Error> {
        let path = self.root.join(CLAIMS).join(format!("{what}.{seed}"));
        let lock = File::create(&path).map_err(failed("write", &path))?;
        loop {
            match (lock.try_lock(), wait) {
                (Ok(()), _) => return Ok(Some(Claim { _lock: lock })),
                (Err(TryLockError::WouldBlock), None) => return Ok(None),
                (Err(TryLockError::WouldBlock), Some(enough)) => {
                    if enough() {
                        return Err(Error::Cancelled);
                    }
                    std::thread::sleep(PATIENCE);
                }
                (Err(TryLockError::Error(source)), _) => {
                    return Err(failed("lock", &path)(source));
                }
            }
        }
    }

    fn cell_path(&self, target: &str, source: Option<&str>, seed: u64) -> PathBuf {
        let stem = Cell::stem(source, seed);
        self.root.join("cells").join(target).join(format!("{stem}.json"))
    }

    /// Whether a cell is done.
    pub fn has(&self, target: &str, source: Option<&str>, seed: u64) -> bool {
        self.cell_path(target, source, seed).is_file()
    }

    pub fn cell(&self, target: &str, source: Option<&str>, seed: u64) -> Result<Cell, Error> {
        let path = self.cell_path(target, source, seed);
        let found: Cell = read_json(&path)?;
        if found.schema != cell::SCHEMA {
            return Err(Error::Record {
                path,
                what: format!(
                    "schema {} and not {}; another version wrote it",
                    found.schema,
                    cell::SCHEMA
                ),
            });
        }
        Ok(found)
    }

    pub fn save_cell(&self, cell: &Cell) -> Result<(), Error> {
        write_json(&self.cell_path(&cell.target, cell.source.as_deref(), cell.seed), cell)
    }

    fn source_paths(&self, source: &str, seed: u64) -> (PathBuf, PathBuf) {
        let stem = self.root.join("sources").join(format!("{source}.{seed}"));
        let with = |extension| {
            let mut name = stem.clone().into_os_string();
            name.push(extension);
            PathBuf::from(name)
        };
        (with(".json"), with(".safetensors"))
    }

    /// A source that was fine-tuned before and whose weights are still there.
    pub fn source(
        &self,
        encoder: &Encoder,
        source: &str,
        seed: u64,
    ) -> Result<Option<(FineTuneRecord, Bert)>, Error> {
        let (record, weights) = self.source_paths(source, seed);
        if !record.is_file() || !weights.is_file() {
            return Ok(None);
        }
        let record: FineTuneRecord = read_json(&record)?;
        let bytes = std::fs::read(&weights).map_err(failed("read", &weights))?;
        let model = encoder.model.with_weights(&bytes).map_err(|e| Error::Record {
            path: weights.clone(),
            what: format!("{e}; remove it, and the source is fine-tuned again"),
        })?;
        if model.sha256()? != record.end_sha256 {
            return Err(Error::Record {
                path: weights,
                what: "not the weights that were written; remove it, and the source is \
                       fine-tuned again"
                    .into(),
            });
        }
        Ok(Some((record, model)))
    }

    /// Weights first: a record without weights is fine-tuned again, weights without
    /// a record are written over.
    pub fn save_source(
        &self,
        source: &str,
        seed: u64,
        record: &FineTuneRecord,
        model: &Bert,
    ) -> Result<(), Error> {
        let (record_path, weights) = self.source_paths(source, seed);
        let mut tensors = Vec::new();
        for (name, tensor) in model.tensors() {
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((name, tensor.dims().to_vec(), bytes));
        }
        let unwritable =
            |e: safetensors::SafeTensorError| Error::Out(format!("{}: {e}", weights.display()));
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name, TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(unwritable)?;
        let bytes = safetensors::serialize(views, None).map_err(unwritable)?;
        write(&weights, &bytes)?;
        write_json(&record_path, record)
    }

    /// Whether a source's weights are there.
    pub fn keeps(&self, source: &str, seed: u64) -> bool {
        self.source_paths(source, seed).1.is_file()
    }

    /// Removes a source's weights; its record stays.
    pub fn drop_source(&self, source: &str, seed: u64) -> Result<(), Error> {
        let (_, weights) = self.source_paths(source, seed);
        match std::fs::remove_file(&weights) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", &weights)(e)),
            _ => Ok(()),
        }
    }

    pub fn write_matrix(&self, matrix: &Matrix) -> Result<(), Error> {
        write_json(&self.root.join(MATRIX_JSON), matrix)?;
        write(&self.root.join(MATRIX_CSV), matrix.csv().as_bytes())
    }
}

/// What decides a sweep's cells, by field. Which sources and targets there are does
/// not: a sweep may grow.
fn describe(sweep: &Sweep<'_>) -> Result<Value, Error> {
    let plan: &Plan = sweep.plan;
    let unwritable =
        |e: serde_json::Error| Error::Out(format!("the sweep cannot be described: {e}"));
    let mut described = json!({
        "schema": cell::SCHEMA,
        "encoder": sweep.encoder.reference.weights_sha256,
        "pooling": sweep.encoder.pooling,
        "plan": serde_json::to_value(plan).map_err(unwritable)?,
        "data": {},
    });
    for dataset in sweep.sources.iter().chain(sweep.targets) {
        described["data"][&dataset.task] = dataset.identity().into();
    }
    Ok(described)
}

/// The first thing in which two descriptions disagree, by its flag where it has one; tasks
/// that only one of them has are no disagreement, nor are further seeds.
fn difference(there: &Value, wanted: &Value) -> Option<String> {
    for (field, name) in [("schema", "schema"), ("encoder", "--encoder"), ("pooling", "pooling")] {
        if there[field] != wanted[field] {
            return Some(name.to_owned());
        }
    }
    let (old, plan) = (&there["plan"], &wanted["plan"]);
    for (old, new) in [(&old["overrides"], &plan["overrides"]), (old, plan)] {
        let differs = |field: &&String| *field != "seeds" && old[*field] != new[*field];
        if let Some(field) = new.as_object()?.keys().find(differs) {
            let flag = if field == "learning_rate" { "lr" } else { field };
            return Some(format!("--{}", flag.replace('_', "-")));
        }
    }
    let data = wanted["data"].as_object()?;
    let other = |task: &&String| {
        there["data"].get(*task).is_some_and(|sha256| *sha256 != wanted["data"][*task])
    };
    data.keys().find(other).map(|task| format!("data for {task}"))
}
