//! `tupate tune`.

use super::{print, print_json, threads};
use crate::cli::TuneArgs;
use crate::encoders;
use crate::failure::Failure;
use crate::progress::Bar;
use tupate_tasks::MethodSpec;
use tupate_tuner::data::Objective;
use tupate_tuner::encoder::Encoder;
use tupate_tuner::peft::{self, PeftMethod};
use tupate_tuner::run::{Request, RunRecord, tune};
use tupate_tuner::train::Settings;

pub fn run(args: &TuneArgs) -> Result<(), Failure> {
    threads::set(args.compute.threads)?;
    let method = peft::method(&args.method)
        .ok_or_else(|| Failure::Usage(format!("no method {}", args.method)))?;
    let device = tupate_tuner::device(&args.compute.device)?;
    // The data first: it fails faster than the encoder loads.
    let dataset = super::task::load(&args.data)?;
    let settings = settings(args, method, dataset.objective)?;
    let (name, folder) = encoders::resolve(&args.encoder)?;
    let encoder = Encoder::load(&name, &folder, &device)?;
    let encoder = encoder.with_precision(args.precision.on(&device))?;
    let mut bar = Bar::new(&dataset.task);
    threads::stop_on_interrupt(&bar)?;
    let record = tune(
        &Request {
            encoder: &encoder,
            dataset: &dataset,
            method,
            settings: &settings,
            out: &args.out,
            resume: args.resume,
            probe: args.probe,
        },
        &mut bar,
    )?;
    drop(bar);
    report(&record, args)
}

fn settings(
    args: &TuneArgs,
    method: &dyn PeftMethod,
    objective: Objective,
) -> Result<Settings, Failure> {
    let mut settings = Settings::paper(method, objective);
    let training = &mut settings.training;
    training.epochs = args.epochs;
    training.batch_size = args.batch_size;
    training.max_length = args.max_length.unwrap_or(training.max_length);
    training.doc_stride = args.doc_stride;
    training.seed = args.data.seed;
    settings.init_seed = args.init_seed;
    if !args.lr.is_empty() {
        settings.learning_rates.clone_from(&args.lr);
    }
    let mut of_lora = [("--rank", args.rank.is_some()), ("--alpha", args.alpha.is_some())];
    let mut of_prefix = [("--prefix-length", args.prefix_length.is_some())];
    match &mut settings.method {
        MethodSpec::Lora { rank, alpha, .. } => {
            *rank = args.rank.unwrap_or(*rank);
            *alpha = args.alpha.unwrap_or(*alpha);
            of_lora.iter_mut().for_each(|(_, given)| *given = false);
        }
        MethodSpec::PTuningV2 { prefix_length } => {
            *prefix_length = args.prefix_length.unwrap_or(*prefix_length);
            of_prefix.iter_mut().for_each(|(_, given)| *given = false);
        }
        _ => {}
    }
    // An option of another method would otherwise be ignored without a word.
    match of_lora.iter().chain(&of_prefix).find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Failure::Usage(format!("{flag} is no option of the method {}", method.name())))
        }
        None => Ok(settings),
    }
}

fn report(record: &RunRecord, args: &TuneArgs) -> Result<(), Failure> {
    if args.output.json {
        let mut document = serde_json::to_value(record)
            .map_err(|e| Failure::Run(format!("the result cannot be printed: {e}")))?;
        document["out"] = args.out.to_string_lossy().into();
        return print_json(&document);
    }
    let metric = record.metric.name();
    print(&format!(
        "{}: {metric} {:.4} (majority {:.4}{}) with lr {}, best of {} epochs, {:.0} s",
        record.task,
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
    print(&format!("run: {}", args.out.display()))
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
