//! `tupate transfer`.

use super::{print, print_json, threads};
use crate::cli::TransferArgs;
use crate::encoders;
use crate::failure::Failure;
use crate::progress::{Bar, say};
use tupate_tuner::data::{self, Dataset};
use tupate_tuner::encoder::Encoder;
use tupate_tuner::transfer::{Matrix, Overrides, Plan, SETTINGS, Sweep, mean};

pub fn run(args: &TransferArgs) -> Result<(), Failure> {
    threads::set(threads::number(args.compute.threads))?;
    let setting = SETTINGS.iter().find(|(_, name)| *name == args.setting).map(|(s, _)| *s);
    let plan = Plan {
        setting: setting
            .ok_or_else(|| Failure::Usage(format!("there is no setting {}", args.setting)))?,
        limited: args.limited,
        seeds: args.seeds.clone(),
        in_class: args.in_class,
        overrides: Overrides {
            epochs: args.epochs,
            learning_rate: args.lr,
            batch_size: args.batch_size,
            max_length: args.max_length,
        },
        keep_sources: args.keep_sources,
    };
    let device = tupate_tuner::device(&args.compute.device)?;
    let sources = load(args, &args.sources)?;
    let targets = load(args, &args.targets)?;
    let (name, folder) = encoders::resolve(&args.encoder)?;
    let encoder = Encoder::load(&name, &folder, &device)?;
    let mut bar = Bar::new("transfer");
    threads::stop_on_interrupt(bar.stop_flag())?;
    let sweep = Sweep {
        encoder: &encoder,
        sources: &sources,
        targets: &targets,
        plan: &plan,
        out: &args.out,
        resume: args.resume,
    };
    let matrix = sweep.run(&mut bar)?;
    drop(bar);
    report(&matrix, args)
}

/// The data of every named task; a task that is named twice is a mistake.
fn load(args: &TransferArgs, names: &[String]) -> Result<Vec<Dataset>, Failure> {
    let mut loaded: Vec<Dataset> = Vec::with_capacity(names.len());
    for name in names {
        let mut dataset = data::load(&data::Request {
            task: name,
            data_dir: args.data.as_deref(),
            train_file: None,
            dev_file: None,
            columns: None,
            max_train: args.max_train,
            seed: 0,
        })?;
        if let Some(max) = args.max_dev {
            dataset = dataset.limited_dev(max, 0);
        }
        if loaded.iter().any(|other| other.task == dataset.task) {
            return Err(Failure::Usage(format!("{} is named twice", dataset.task)));
        }
        for note in &dataset.notes {
            say(format_args!("{}: {note}", dataset.task));
        }
        loaded.push(dataset);
    }
    Ok(loaded)
}

fn report(matrix: &Matrix, args: &TransferArgs) -> Result<(), Failure> {
    if args.output.json {
        return print_json(matrix);
    }
    for (row, target) in matrix.targets.iter().enumerate() {
        let alone = mean(&matrix.no_transfer[row]).unwrap_or(f64::NAN);
        let metric = matrix.metrics.get(target).map_or("", |metric| metric.name());
        print(&format!("{target}: {metric} {alone:.4} without transfer"))?;
        let mut ranked: Vec<_> = matrix
            .sources
            .iter()
            .zip(&matrix.scores[row])
            .filter_map(|(source, scores)| Some((source, mean(scores)?)))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        for (source, score) in ranked {
            print(&format!("  {source:<21} {score:.4}  {:+.4}", score - alone))?;
        }
    }
    print(&format!("sweep: {}", args.out.display()))
}
