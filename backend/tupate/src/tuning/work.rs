//! `tupate work`: the child's end of a run's process.

use super::order::{FINISH, Order, STOP, Said, request, settings};
use super::teller::{Teller, Wishes};
use crate::failure::Failure;
use crate::ranker::Ranker;
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
    let order: Order = match read.map(|_| serde_json::from_str(&line)) {
        Ok(Ok(order)) => order,
        _ => return Err(Failure::Usage("stdin holds no order of a server".into())),
    };
    let wishes = Arc::new(Wishes::default());
    wishes.finish.store(order.finish, Ordering::Relaxed);
    listen(Arc::clone(&wishes));
    match obey(&order, wishes) {
        Ok(result) => say(&Said::Result(result)),
        Err(Ended::Stopped) => say(&Said::Stopped),
        Err(Ended::Failed(why)) => say(&Said::Failed(why)),
    }
    Ok(())
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
