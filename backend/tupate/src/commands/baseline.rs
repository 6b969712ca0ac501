//! `tupate baseline`.

use super::threads;
use super::{print, print_json};
use crate::cli::{
    BaselineCommand, BaselineEncoder, BaselineTasks, BaselineTraining, CurveGradArgs, DataSizeArgs,
    TextEmbArgs, TrainedArgs,
};
use crate::encoders;
use crate::failure::Failure;
use crate::progress::Bar;
use serde_json::{Value, json};
use std::path::Path;
use tupate_tuner::baseline::{
    Baseline, Matrix, Options, Request, datasize, paper_size, run as compute,
};
use tupate_tuner::data::{self, Dataset};
use tupate_tuner::encoder::Encoder;
use tupate_tuner::files::write_atomically;

pub fn run(command: &BaselineCommand) -> Result<(), Failure> {
    match command {
        BaselineCommand::DataSize(args) => by_size(args),
        BaselineCommand::TextEmb(TextEmbArgs { tasks, max_train, encoder }) => {
            by_encoder(Baseline::TextEmb, tasks, *max_train, encoder, None)
        }
        BaselineCommand::TaskEmb(TrainedArgs { tasks, max_train, encoder, training }) => {
            by_encoder(Baseline::TaskEmb, tasks, *max_train, encoder, Some(training))
        }
        BaselineCommand::LogMe(TrainedArgs { tasks, max_train, encoder, training }) => {
            by_encoder(Baseline::LogMe, tasks, *max_train, encoder, Some(training))
        }
        BaselineCommand::CurveGrad(CurveGradArgs { tasks, max_train, encoder, training }) => {
            by_encoder(Baseline::CurveGrad, tasks, Some(*max_train), encoder, Some(training))
        }
    }
}

/// Sources and targets, each named once.
fn names(tasks: &BaselineTasks) -> Result<(&[String], &[String]), Failure> {
    let (sources, targets) = match tasks.tasks.as_slice() {
        [] => (&tasks.sources, &tasks.targets),
        _ => (&tasks.tasks, &tasks.tasks),
    };
    for names in [sources, targets] {
        for (i, name) in names.iter().enumerate() {
            if name.is_empty() || names[..i].contains(name) {
                let what =
                    if name.is_empty() { "an empty name".into() } else { format!("{name} twice") };
                return Err(Failure::Usage(format!("{what} among {}", names.join(","))));
            }
        }
    }
    Ok((sources, targets))
}

fn load(
    tasks: &BaselineTasks,
    name: &str,
    max_train: Option<usize>,
) -> Result<Dataset, tupate_tuner::Error> {
    Ok(data::load(&data::Request {
        task: name,
        data_dir: tasks.data.as_deref(),
        train_file: None,
        dev_file: None,
        columns: None,
        max_train,
        seed: tasks.seed,
    })?)
}

fn by_size(args: &DataSizeArgs) -> Result<(), Failure> {
    let (sources, targets) = names(&args.tasks)?;
    let sized = |name: &String| -> Result<(String, u64), Failure> {
        if args.paper_sizes {
            return Ok((name.clone(), paper_size(name)?));
        }
        let dataset = load(&args.tasks, name, None)?;
        Ok((dataset.task, dataset.train_available as u64))
    };
    let sizes = sources.iter().map(sized).collect::<Result<Vec<_>, _>>()?;
    let twice = |(at, (id, _)): (usize, &(String, u64))| sizes[..at].iter().any(|(o, _)| o == id);
    if let Some(at) = sizes.iter().enumerate().position(twice) {
        let id = &sizes[at].0;
        return Err(Failure::Usage(format!("two sources are called {id}; rename one's file")));
    }
    // A target's size decides nothing, but a name must be a task's.
    let target = |name: &String| match sources.iter().position(|source| source == name) {
        Some(source) => Ok(sizes[source].0.clone()),
        None => sized(name).map(|(id, _)| id),
    };
    let targets = targets.iter().map(target).collect::<Result<Vec<_>, _>>()?;
    let matrix = datasize(targets, &sizes)?;
    report("datasize", &matrix, &args.tasks, &json!({ "paper_sizes": args.paper_sizes }))
}

fn by_encoder(
    baseline: Baseline,
    tasks: &BaselineTasks,
    max_train: Option<usize>,
    args: &BaselineEncoder,
    training: Option<&BaselineTraining>,
) -> Result<(), Failure> {
    threads::set(threads::number(args.compute.threads))?;
    let (sources, targets) = names(tasks)?;
    let device = tupate_tuner::device(&args.compute.device)?;
    let (name, folder) = encoders::resolve(&args.encoder)?;
    let encoder = Encoder::load(&name, &folder, &device)?;
    let options = Options {
        max_train,
        seed: tasks.seed,
        epochs: training.and_then(|training| training.epochs),
        learning_rate: training.and_then(|training| training.lr),
        batch_size: args.batch_size,
        max_length: args.max_length,
        doc_stride: args.doc_stride,
    };
    let mut bar = Bar::new(baseline.name());
    threads::stop_on_interrupt(bar.stop_flag())?;
    let request = Request {
        baseline,
        encoder: &encoder,
        sources,
        targets,
        options: &options,
        work: &args.work,
    };
    let mut load = |name: &str, max_train| load(tasks, name, max_train);
    let matrix = compute(&request, &mut load, &mut bar).map_err(|error| match error {
        tupate_tuner::Error::Cancelled => {
            let work = args.work.display();
            Failure::Run(format!("stopped; the same command goes on from what is in {work}"))
        }
        error => error.into(),
    })?;
    drop(bar);
    let settings = json!({ "encoder": name, "encoder_sha256": encoder.reference.weights_sha256, "options": options, "work": args.work });
    report(baseline.name(), &matrix, tasks, &settings)
}

/// Writes the table and prints the rankings.
fn report(
    baseline: &str,
    matrix: &Matrix,
    tasks: &BaselineTasks,
    settings: &Value,
) -> Result<(), Failure> {
    if let Some(out) = &tasks.out {
        write_atomically(out, matrix.to_csv().as_bytes())?;
    }
    let rankings = matrix.rankings();
    if tasks.output.json {
        let mut document = json!({ "baseline": baseline, "out": tasks.out, "targets": rankings });
        for (name, value) in settings.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        return print_json(&document);
    }
    for ranking in &rankings {
        print(&format!("Sources for {}, by {baseline}:", ranking.target))?;
        for source in &ranking.sources {
            print(&format!("{:>4}  {:<24} {:>12.6}", source.rank, source.task, source.score))?;
        }
    }
    let written = |out: &Path| print(&format!("table: {}", out.display()));
    tasks.out.as_deref().map_or(Ok(()), written)
}
