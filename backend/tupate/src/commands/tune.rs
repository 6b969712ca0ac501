//! `tupate tune`.

use super::{print, print_json, threads};
use crate::cli::TuneArgs;
use crate::encoders;
use crate::failure::Failure;
use crate::progress::{Bar, Bars, say};
use crate::ranker::Settling;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tupate_api::RankAgainst;
use tupate_tasks::{Checkpoint, MethodSpec, Recipe};
use tupate_tuner::data::{Dataset, Objective};
use tupate_tuner::encoder::Encoder;
use tupate_tuner::peft::{self, PeftMethod};
use tupate_tuner::run::{Request, RunRecord, tune};
use tupate_tuner::train::Settings;

/// A task that is to be tuned by a method.
struct Job {
    /// What it is called on the way: the task, and the method where there are several.
    name: String,
    dataset: Arc<Dataset>,
    method: &'static dyn PeftMethod,
    settings: Settings,
    out: PathBuf,
}

pub fn run(args: &TuneArgs) -> Result<(), Failure> {
    let (named, methods) = (names(&args.data.task), methods(&args.method)?);
    let threads = threads::number(args.compute.threads);
    let all = named.len() * methods.len();
    let together = args.jobs.map_or(threads, NonZeroUsize::get).min(all);
    threads::set(threads.div_ceil(together))?;
    let device = tupate_tuner::device(&args.compute.device)?;
    // The data first: it fails faster than the encoder loads.
    let jobs = jobs(args, &named, &methods)?;
    let (name, folder) = encoders::resolve(&args.encoder)?;
    let encoder = Encoder::load(&name, &folder, &device)?;
    let encoder = encoder.with_precision(args.precision.on(&device))?;
    let zoo = args.against.rank_against.as_deref().map(super::read_zoo).transpose()?;
    let bars = Bars::default();
    threads::stop_on_interrupt(bars.stop_flag())?;
    let tune = |job: &Job| {
        let mut bar = bars.bar(&job.name);
        let request = Request {
            encoder: &encoder,
            dataset: &job.dataset,
            method: job.method,
            settings: &job.settings,
            out: &job.out,
            resume: args.resume,
            probe: args.probe,
        };
        let record = match &zoo {
            None => tune(&request, &mut bar)?,
            Some((_, zoo)) => tune(&request, &mut settling(bar, zoo, args, &request)?)?,
        };
        bars.suspend(|| report(&record, job, args.output.json))
    };
    if let [job] = jobs.as_slice() {
        return tune(job);
    }
    // A GPU computes one thing after the other.
    let together = if device.is_cpu() || args.jobs.is_some() { together } else { 1 };
    at_once(&jobs, together, threads.div_ceil(together), &bars, tune)
}

/// A bar that ranks after every epoch.
fn settling(
    bar: Bar,
    zoo: &[u8],
    args: &TuneArgs,
    request: &Request<'_>,
) -> Result<Settling, Failure> {
    let settings = request.settings;
    let recipe = Recipe::paper(
        request.encoder.reference.clone(),
        settings.method.clone(),
        settings.init_seed,
        Checkpoint::Late,
    );
    let width = request.method.embedding_width(&settings.method, request.encoder.config());
    let against = RankAgainst {
        zoo: args.against.rank_against.clone().unwrap_or_default(),
        similarity: Some(args.against.similarity.clone()),
        top: Some(args.against.top),
    };
    let task = (request.dataset.task.as_str(), recipe, width);
    Settling::new(bar, (zoo, &against), task, request.out, args.against.stop_settled)
}

/// Tunes some tasks at a time, each with its own threads. A task that fails is said and
/// does not stop the others; the first failure is given back when all have ended.
fn at_once(
    jobs: &[Job],
    together: usize,
    threads: usize,
    bars: &Bars,
    tune: impl Fn(&Job) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let worker = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(e) => {
                let failure = Failure::Run(format!("cannot start {threads} threads: {e}"));
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                return;
            }
        };
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if bars.stopped() {
                return;
            }
            if let Err(failure) = pool.install(|| tune(job)) {
                let failure = failure.while_doing(&job.name);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                match &*failed {
                    None => *failed = Some(failure),
                    // The first one is said at the end.
                    Some(_) => bars.suspend(|| say(failure)),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..together {
            scope.spawn(worker);
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None if bars.stopped() => Err(tupate_tuner::Error::Cancelled.into()),
        None => Ok(()),
    }
}

/// The methods of these names.
fn methods(names: &[String]) -> Result<Vec<&'static dyn PeftMethod>, Failure> {
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(Failure::Usage(format!("--method: {name} is there twice")));
        }
    }
    let method = |name: &String| {
        peft::method(name).ok_or_else(|| Failure::Usage(format!("no method {name}")))
    };
    names.iter().map(method).collect()
}

/// The tasks that were named, each by every method, their data read and their folders told
/// apart.
fn jobs(
    args: &TuneArgs,
    named: &[&str],
    methods: &[&'static dyn PeftMethod],
) -> Result<Vec<Job>, Failure> {
    none_is_ignored(args, methods)?;
    let several = named.len() > 1;
    let given = [("--train", args.data.train.is_some()), ("--dev", args.data.dev.is_some())];
    if let Some((flag, _)) = given.iter().find(|(_, given)| several && *given) {
        return Err(Failure::Usage(format!("{flag} is for one task, and there are several")));
    }
    let mut jobs: Vec<Job> = Vec::new();
    for name in named.iter().copied() {
        let dataset = Arc::new(super::task::load(&args.data, name)?);
        if jobs.iter().any(|job| job.dataset.task == dataset.task) {
            return Err(Failure::Usage(format!(
                "two of the tasks are called {}, and each has a folder of its name",
                dataset.task
            )));
        }
        let out = if several { args.out.join(&dataset.task) } else { args.out.clone() };
        for method in methods.iter().copied() {
            let (name, out) = match methods.len() {
                1 => (dataset.task.clone(), out.clone()),
                _ => (format!("{} by {}", dataset.task, method.name()), out.join(method.name())),
            };
            let settings = settings(args, method, dataset.objective);
            jobs.push(Job { name, dataset: Arc::clone(&dataset), method, settings, out });
        }
    }
    Ok(jobs)
}

/// The tasks and files between commas; a file whose own name has one is that file.
fn names(tasks: &str) -> Vec<&str> {
    match tasks.contains(',') && !Path::new(tasks).exists() {
        true => tasks.split(',').collect(),
        false => vec![tasks],
    }
}

fn settings(args: &TuneArgs, method: &dyn PeftMethod, objective: Objective) -> Settings {
    let mut settings = Settings::paper(method, objective);
    let training = &mut settings.training;
    training.epochs = args.epochs;
    training.batch_size = args.batch_size;
    training.set_lengths(objective, args.max_length, args.doc_stride);
    training.seed = args.data.seed;
    settings.init_seed = args.init_seed;
    if !args.lr.is_empty() {
        settings.learning_rates.clone_from(&args.lr);
    }
    match &mut settings.method {
        MethodSpec::Lora { rank, alpha, .. } => {
            *rank = args.rank.unwrap_or(*rank);
            *alpha = args.alpha.unwrap_or(*alpha);
        }
        MethodSpec::PTuningV2 { prefix_length } => {
            *prefix_length = args.prefix_length.unwrap_or(*prefix_length);
        }
        _ => {}
    }
    settings
}

/// An option that is of no method at hand would otherwise be ignored without a word.
fn none_is_ignored(args: &TuneArgs, methods: &[&'static dyn PeftMethod]) -> Result<(), Failure> {
    let of = |spec: &MethodSpec| match spec {
        MethodSpec::Lora { .. } => &["--rank", "--alpha"][..],
        MethodSpec::PTuningV2 { .. } => &["--prefix-length"],
        _ => &[],
    };
    let taken: Vec<&str> =
        methods.iter().flat_map(|method| of(&method.paper_spec())).copied().collect();
    let given = [
        ("--rank", args.rank.is_some()),
        ("--alpha", args.alpha.is_some()),
        ("--prefix-length", args.prefix_length.is_some()),
    ];
    match given.iter().find(|(flag, given)| *given && !taken.contains(flag)) {
        Some((flag, _)) => {
            let names: Vec<_> = methods.iter().map(|method| method.name()).collect();
            Err(Failure::Usage(format!("{flag} is no option of the method {}", names.join(", "))))
        }
        None => Ok(()),
    }
}

fn report(record: &RunRecord, job: &Job, json: bool) -> Result<(), Failure> {
    let Job { name, out, .. } = job;
    if json {
        let mut document = serde_json::to_value(record)
            .map_err(|e| Failure::Run(format!("the result cannot be printed: {e}")))?;
        document["out"] = out.to_string_lossy().into();
        return print_json(&document);
    }
    let metric = record.metric.name();
    print(&format!(
        "{}: {metric} {:.4} (majority {:.4}{}) with lr {}, best of {} epochs, {:.0} s",
        name,
        record.score,
        record.majority,
        record
            .probe
            .map_or(String::new(), |p| format!(", frozen encoder with a linear head {p:.4}")),
        record.learning_rate,
        record.epochs,
        record.seconds
    ))?;
    for line in ledger(record) {
        print(&line)?;
    }
    print(&format!("run: {}", out.display()))
}

/// The ledger in words; a run whose ledger is not in order is an error long before.
fn ledger(record: &RunRecord) -> Vec<String> {
    let ledger = &record.ledger;
    let moved = ledger.trained.iter().map(|tensor| tensor.moved);
    let (least, most) = (moved.clone().fold(f64::MAX, f64::min), moved.fold(0.0, f64::max));
    let mut lines = vec![
        format!(
            "ledger: {} values in {} tensors trained, every tensor with gradients and moved, by \
             {least:.2e} to {most:.2e}",
            ledger.trainable_values,
            ledger.trained.len()
        ),
        format!(
            "  frozen weights unchanged (sha256 {}…); {} keys loaded, {} of heads and buffers left \
             aside",
            ledger.frozen_sha256_after.get(..12).unwrap_or_default(),
            ledger.keys_loaded,
            ledger.keys_unused.len()
        ),
        format!(
            "  texts cut: {} of {} in training, {} of {} in validation",
            ledger.truncated_train,
            record.train_examples,
            ledger.truncated_dev,
            record.facts.dev_examples
        ),
    ];
    let all: usize = ledger.class_counts.iter().map(|(_, count)| count).sum();
    if all > 0 {
        const SHOWN: usize = 8;
        let share = |(name, count): &(String, usize)| {
            format!("{name} {:.1} %", 100.0 * *count as f64 / all as f64)
        };
        let mut shares: Vec<_> = ledger.class_counts.iter().take(SHOWN).map(share).collect();
        if let Some(more) = ledger.class_counts.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            shares.push(format!("{more} more"));
        }
        lines.push(format!("  classes in training: {}", shares.join(", ")));
    }
    lines.push(match ledger.beats_majority {
        true => format!("  the score beats {:.4}, which needs no model", record.majority),
        false => format!("  the score does NOT beat {:.4}, which needs no model", record.majority),
    });
    lines
}
