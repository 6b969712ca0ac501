//! Tuning for a server: each run in a process of its own.
//!
//! A run could be a thread. A process is safer to stop and to lose: a step that
//! hangs, memory that runs out or a driver that crashes ends the run and not the
//! server, its memory goes back whole, and its peak is its own. The order goes to
//! the child's stdin and what happens comes from its stdout, one JSON value a line.
//! The pipe is also the leash: a child whose server is gone reads the end of its
//! stdin and ends. In the same way a process of its own reads an upload before a run on it
//! is queued: what strangers send may take more memory or time than there is.

mod child;
mod order;
pub mod state;
mod teller;
pub mod work;

use crate::commands::zoo::embeddings_of;
use crate::encoders;
use crate::failure::Failure;
use order::{Check, Order};
use std::path::{Path, PathBuf};
use tupate_api::{Data, FieldProblem, NewRun, RunResult, TaskOffer};
use tupate_server::{Job, ServiceOffers, Signal, TuneError, TuneService, Watch, is_plain_name};
use tupate_tasks::TASKS;
use tupate_tuner::data::{self, ColumnChoice, Source};
use tupate_tuner::peft::{self, METHODS};
use tupate_zoo::{Dtype, Zoo};

/// The real tuner behind a server.
pub struct Tuner {
    datasets: PathBuf,
    /// Encoders that were named, with their folders; empty for all that are here.
    encoders: Vec<(String, PathBuf)>,
    threads: Option<u16>,
    /// Largest upload in bytes.
    upload: u64,
}

/// Text in an upload that is compressed, to the largest upload: plain text comes to a third
/// or a fifth of its size.
const TEXT: u64 = 8;
/// Memory for reading an upload, to the largest one: short examples take far more than
/// their text.
const MEMORY: u64 = 64;
/// Memory of a process that has read nothing yet.
const PROCESS: u64 = 512 << 20;

impl Tuner {
    /// Tasks from `datasets`, and these encoders, or all that are here, and files that were
    /// sent, of at most `upload` bytes.
    pub fn new(
        datasets: PathBuf,
        encoders: &[String],
        threads: Option<u16>,
        upload: u64,
    ) -> Result<Self, Failure> {
        let resolved = encoders.iter().map(|wanted| encoders::resolve(wanted));
        Ok(Self { datasets, encoders: resolved.collect::<Result<_, _>>()?, threads, upload })
    }

    /// Names and folders of the encoders that are offered. What a request names is
    /// looked for among them, and never is a path.
    fn encoders(&self) -> Vec<(String, PathBuf)> {
        if !self.encoders.is_empty() {
            return self.encoders.clone();
        }
        let here = encoders::ENCODERS.iter().filter(|known| known.is_here().unwrap_or(false));
        here.filter_map(|known| encoders::resolve(known.name).ok()).collect()
    }

    fn encoder(&self, wanted: Option<&str>) -> Result<(String, PathBuf), FieldProblem> {
        let encoders = self.encoders();
        let found = match wanted {
            None => encoders.first(),
            Some(wanted) => encoders.iter().find(|(name, _)| name == wanted),
        };
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = encoders.iter().map(|(name, _)| name.as_str()).collect();
            let detail = match names.is_empty() {
                true => "no encoder is on this server: `tupate encoder pull` gets one".to_owned(),
                false => format!("the encoders on this server are {}", names.join(", ")),
            };
            FieldProblem::new("encoder", detail)
        })
    }

    /// The tasks whose data is here: those with a name of their own, then further folders
    /// by theirs. What a request names is looked for among them, and never is a path.
    fn tasks(&self) -> Vec<TaskOffer> {
        let here = |id: &str| match data::source(id) {
            Source::Generated => true,
            Source::Files(_) => self.datasets.join(id).is_dir(),
            Source::Own => false,
        };
        let registered = TASKS.iter().filter(|task| here(task.id));
        let registered = registered.map(|t| TaskOffer { id: t.id.into(), name: t.name.into() });
        let own = data::own_folders(&self.datasets).into_iter().filter(|id| is_plain_name(id));
        registered.chain(own.map(|id| TaskOffer { name: id.clone(), id })).collect()
    }
}

impl TuneService for Tuner {
    fn offers(&self) -> ServiceOffers {
        ServiceOffers {
            tasks: self.tasks(),
            methods: METHODS.iter().map(|method| method.name().to_owned()).collect(),
            encoders: self.encoders().into_iter().map(|(name, _)| name).collect(),
        }
    }

    fn check(
        &self,
        spec: &NewRun,
        file: Option<&Path>,
        stop: &Signal,
    ) -> Result<(), Vec<FieldProblem>> {
        let mut wrong = order::out_of_range(spec);
        wrong.extend(self.encoder(spec.encoder.as_deref()).err());
        if let Some(name) = spec.method.as_deref().filter(|name| peft::method(name).is_none()) {
            let names: Vec<_> = METHODS.iter().map(|method| method.name()).collect();
            let detail = format!("there is no method {name}; there are {}", names.join(", "));
            wrong.push(FieldProblem::new("method", detail));
        }
        if let Some(Err(error)) = spec.columns.as_deref().map(str::parse::<ColumnChoice>) {
            wrong.push(FieldProblem::new("columns", error.to_string()));
        }
        match (&spec.data, file) {
            (Data::Task(id), _) if self.tasks().iter().all(|task| task.id != *id) => {
                let detail = "the data of this task is not on this server; /api/v1/offers lists \
                              those that are";
                wrong.push(FieldProblem::new("data.task", detail));
            }
            (Data::Upload(_), Some(file)) if wrong.is_empty() => {
                let name = spec.name.as_deref().unwrap_or("the file");
                let check = Check {
                    spec: spec.clone(),
                    file: file.to_owned(),
                    text: self.upload.saturating_mul(TEXT),
                    memory: self.upload.saturating_mul(MEMORY).saturating_add(PROCESS),
                };
                if let Err(why) = child::check(check, stop) {
                    // The file's name here is nothing that its sender knows.
                    let told = why.replace(&*file.to_string_lossy(), name);
                    wrong.push(FieldProblem::new("data.upload", told));
                }
            }
            _ => {}
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong),
        }
    }

    fn tune(&self, job: &Job, watch: &Watch) -> Result<RunResult, TuneError> {
        let encoder = self
            .encoder(job.spec.encoder.as_deref())
            .map_err(|problem| TuneError::Failed(problem.detail))?;
        let order = Order {
            spec: job.spec.clone(),
            device: job.device.clone(),
            encoder,
            datasets: self.datasets.clone(),
            out: job.workspace.out(),
            data: job.data.clone(),
            ranking: job.ranking.clone(),
            told: job.told.clone(),
            finish: watch.finish().given(),
        };
        // Where the server keeps its files is nothing that those who ask for runs know.
        let root = job.workspace.out().with_file_name("").display().to_string();
        let datasets = format!("{}/", self.datasets.display());
        child::tune(order, self.threads, watch).map_err(|error| match error {
            TuneError::Failed(why) => {
                TuneError::Failed(why.replace(&root, "").replace(&datasets, ""))
            }
            TuneError::Stopped => TuneError::Stopped,
        })
    }

    fn pack(
        &self,
        name: &str,
        description: &str,
        runs: &[PathBuf],
        dtype: Dtype,
    ) -> Result<Vec<u8>, String> {
        let mut embeddings = Vec::new();
        for root in runs {
            embeddings.extend(embeddings_of(root, &[Vec::new()]).map_err(|e| e.to_string())?);
        }
        let zoo = Zoo::pack(name, description, embeddings).map_err(|e| e.to_string())?;
        zoo.to_bytes(dtype).map_err(|e| e.to_string())
    }
}
