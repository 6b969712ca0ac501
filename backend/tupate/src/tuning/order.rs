//! What a child is told, what it says, and what a request means to the tuner.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tupate_api::{Event, FieldProblem, NewRun, RunResult};
use tupate_tuner::data::{ColumnChoice, Objective, Request};
use tupate_tuner::peft::PeftMethod;
use tupate_tuner::train::Settings;

/// The first line of a child's stdin.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Tune(Box<Order>),
    Check(Box<Check>),
}

/// A file of strangers that is to be read as a run's data would be, and no more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    pub spec: NewRun,
    pub file: PathBuf,
    /// Most bytes of text in it, decompressed.
    pub text: u64,
    /// Most bytes of memory for it.
    pub memory: u64,
}

/// A run to tune.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub spec: NewRun,
    pub device: String,
    /// Name and folder.
    pub encoder: (String, PathBuf),
    pub datasets: PathBuf,
    pub out: PathBuf,
    pub data: Option<PathBuf>,
    pub ranking: Option<PathBuf>,
    /// What earlier starts told of epochs.
    pub told: Vec<Event>,
    /// Whether it is to end after the epoch that it takes next.
    pub finish: bool,
}

/// A further line of it: the run is to stop after the step that it is taking.
pub const STOP: &str = "stop";
/// Another: it is to end after the epoch that it is taking.
pub const FINISH: &str = "finish";

/// One line of a child's stdout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    Event(Event),
    Result(RunResult),
    /// The file can be tuned on.
    Sound,
    Stopped,
    Failed(String),
}

/// Fields that no run can have.
pub fn out_of_range(spec: &NewRun) -> Vec<FieldProblem> {
    let mut wrong = Vec::new();
    for (field, value, least, most) in [
        ("epochs", spec.epochs, 1, 1000),
        ("batch_size", spec.batch_size, 1, 1024),
        ("max_train", spec.max_train, 1, u32::MAX),
        ("max_length", spec.max_length, 8, 4096),
    ] {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            wrong.push(FieldProblem::new(field, format!("must be from {least} to {most}")));
        }
    }
    if let Some(rates) = &spec.learning_rates
        && (!(1..=16).contains(&rates.len()) || rates.iter().any(|r| !(r.is_finite() && *r > 0.0)))
    {
        wrong.push(FieldProblem::new("learning_rates", "must be 1 to 16 positive numbers"));
    }
    wrong
}

/// The data that a run is tuned on: a file, or a registered task.
pub fn request<'a>(
    spec: &'a NewRun,
    task: Option<&'a str>,
    datasets: Option<&'a Path>,
    columns: Option<&'a ColumnChoice>,
) -> Request<'a> {
    Request {
        task: task.unwrap_or_default(),
        data_dir: datasets,
        train_file: None,
        dev_file: None,
        columns,
        max_train: spec.max_train.map(|max| max as usize),
        seed: spec.seed,
    }
}

/// The settings of `tupate tune`, with what the request says.
pub fn settings(spec: &NewRun, method: &dyn PeftMethod, objective: Objective) -> Settings {
    let mut settings = Settings::paper(method, objective);
    settings.init_seed = spec.init_seed;
    if let Some(rates) = &spec.learning_rates {
        settings.learning_rates.clone_from(rates);
    }
    let training = &mut settings.training;
    training.seed = spec.seed;
    let or = |wanted: Option<u32>, usual: usize| wanted.map_or(usual, |wanted| wanted as usize);
    training.epochs = or(spec.epochs, training.epochs);
    training.batch_size = or(spec.batch_size, training.batch_size);
    training.set_lengths(objective, spec.max_length.map(|most| most as usize), None);
    settings
}
