//! `tupate work`: the child's end of a run's process, or of a check's.

use super::order::{Check, FINISH, Order, STOP, Said, Work, request, settings};
use super::teller::{Teller, Wishes};
use crate::failure::Failure;
use crate::memory;
use crate::ranker::Ranker;
use rustix::process::{Resource, getrlimit, setrlimit};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tupate_api::{Data, RunResult};
use tupate_tasks::{Checkpoint, Recipe};
use tupate_tuner::data::{self, ColumnChoice};
use tupate_tuner::encoder::{Encoder, Precision};
use tupate_tuner::peft::{self, METHODS};
use tupate_tuner::run::{Request, Run, tune};

/// Says one thing to the server. A server that is gone hears nothing, and the end
/// of stdin says so.
pub fn say(said: &Said) {
    if let Ok(line) = serde_json::to_string(said) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

pub fn run() -> Result<(), Failure> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    match read.map(|_| serde_json::from_str(&line)) {
        Ok(Ok(Work::Tune(order))) => tune_for(&order),
        Ok(Ok(Work::Check(check))) => look(&check),
        _ => return Err(Failure::Usage("stdin holds no order of a server".into())),
    }
    Ok(())
}

fn tune_for(order: &Order) {
    memory::keep_pages();
    let wishes = Arc::new(Wishes::default());
    wishes.finish.store(order.finish, Ordering::Relaxed);
    listen(Arc::clone(&wishes));
    match obey(order, wishes) {
        Ok(result) => say(&Said::Result(result)),
        Err(Ended::Stopped) => say(&Said::Stopped),
        Err(Ended::Failed(why)) => say(&Said::Failed(why)),
    }
}

/// Reads a file as data. What it holds may take many times its size: the system ends this
/// process where that is too much.
fn look(check: &Check) {
    let mut room = getrlimit(Resource::Data);
    room.current = Some(room.maximum.map_or(check.memory, |most| most.min(check.memory)));
    if let Err(error) = setrlimit(Resource::Data, room) {
        tracing::debug!(%error, "a check has no limit of memory");
    }
    // The server's end, or its word that nobody waits, ends this process.
    listen(Arc::default());
    say(&match readable(check) {
        Ok(()) => Said::Sound,
        // Its owner removed it meanwhile; the names of others beside it are not theirs to know.
        Err(data::Error::NoFile { .. }) => Said::Failed("the upload is gone".into()),
        Err(error) => Said::Failed(error.to_string()),
    });
}

fn readable(check: &Check) -> Result<(), data::Error> {
    data::at_most(&check.file, check.text)?;
    // It was read once by the server, which refuses what it cannot understand.
    let columns = check.spec.columns.as_deref().and_then(|columns| columns.parse().ok());
    let task = check.file.to_str();
    data::load(&request(&check.spec, task, None, columns.as_ref())).map(|_| ())
}

/// Waits for what the server wants, and for its end, whose run this is: another one may be
/// about to go on with it.
fn listen(wishes: Arc<Wishes>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.as_str() {
                STOP => wishes.stop.store(true, Ordering::Relaxed),
                FINISH => wishes.finish.store(true, Ordering::Relaxed),
                _ => {}
            }
        }
        // All files are written whole or not at all: any moment will do.
        std::process::exit(1);
    });
}

enum Ended {
    Stopped,
    Failed(String),
}

impl<E: std::fmt::Display> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

fn obey(order: &Order, wishes: Arc<Wishes>) -> Result<RunResult, Ended> {
    // A child of a server that was killed may be at its last step.
    let lock = File::create(order.out.with_file_name("lock"))?;
    lock.lock()?;
    let spec = &order.spec;
    let columns: Option<ColumnChoice> = spec.columns.as_deref().map(str::parse).transpose()?;
    let task = match (&spec.data, &order.data) {
        (Data::Task(id), _) => Some(id.as_str()),
        (Data::Upload(_), file) => file.as_deref().and_then(|file| file.to_str()),
    };
    let mut dataset = data::load(&request(spec, task, Some(&order.datasets), columns.as_ref()))?;
    if let Some(name) = &spec.name {
        dataset.task.clone_from(name);
        if let Data::Upload(_) = spec.data {
            dataset.name.clone_from(name);
        }
    }
    let name = spec.method.as_deref().unwrap_or(METHODS[0].name());
    let method = peft::method(name).ok_or_else(|| Ended::Failed(format!("no method {name}")))?;
    let settings = settings(spec, method, dataset.objective);
    let device = tupate_tuner::device(&order.device)?;
    let (name, folder) = &order.encoder;
    let encoder = Encoder::load(name, folder, &device)?.with_precision(Precision::F32)?;
    let recipe = Recipe::paper(
        encoder.reference.clone(),
        settings.method.clone(),
        settings.init_seed,
        Checkpoint::Late,
    );
    let ranker = match (&order.ranking, &spec.ranking) {
        (Some(zoo), Some(against)) => {
            let zoo = std::fs::read(zoo)?;
            let before = order.told.iter().rev();
            Some(Ranker::new(&zoo, against, &dataset.task, recipe.clone(), before)?)
        }
        _ => None,
    };
    let mut teller = Teller::new(settings.training.batch_size, ranker, wishes, &order.told);
    let request = Request {
        encoder: &encoder,
        dataset: &dataset,
        method,
        settings: &settings,
        out: &order.out,
        resume: true,
        probe: false,
    };
    let record = match tune(&request, &mut teller) {
        Ok(record) => record,
        Err(tupate_tuner::Error::Cancelled) => return Err(Ended::Stopped),
        Err(error) => return Err(error.into()),
    };
    let run = Run::open(&order.out)?;
    teller.done(&record, &run.adapter(Checkpoint::Late)?, &run.initial()?);
    let embedding = run.embedding(&recipe)?;
    let mut hash = Sha256::new();
    embedding.values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    let digest = hash.finalize();
    Ok(RunResult {
        task: record.task,
        metric: record.metric.name().to_owned(),
        score: record.score,
        majority: record.majority,
        seconds: record.seconds,
        epochs: record.epochs as u64,
        embedding_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
