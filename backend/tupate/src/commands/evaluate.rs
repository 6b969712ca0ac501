//! `tupate evaluate`.

use super::{npy, print, print_json, read_zoo, truth};
use crate::cli::{EvaluateArgs, NpyArgs};
use crate::failure::Failure;
use serde_json::{Map, Value, json};
use std::path::Path;
use tupate_metrics::{MEASURES, Relevance, Values};
use tupate_zoo::evaluate::{DRAWS, Report, Settings, evaluate, evaluate_scores, nest};
use tupate_zoo::{Similarity, TransferMatrix, Zoo};

pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let judged = match (&args.zoo, &args.npy, &args.scores) {
        (Some(zoo), ..) => Judged::Zoo(read_zoo(zoo)?.0),
        (None, Some(folder), _) => {
            let folder = NpyArgs { folder: folder.clone(), reduce: args.reduce };
            Judged::Zoo(npy::read(&folder, "", "", "unknown")?.zoo)
        }
        (None, None, Some(scores)) => Judged::Scores(truth::table(scores, "scores")?),
        (None, None, None) => {
            return Err(Failure::Usage("give --zoo, --npy or --scores".into()));
        }
    };
    let matrix = matrix(judged.zoo(), args)?;
    unknown_exclusions(&judged, &matrix, &args.exclude);
    let report = judged.report(&matrix, args, args.method.as_deref())?;
    let against = match args.against.as_deref() {
        Some(table) if Path::new(table).is_file() => {
            let scores = Judged::Scores(truth::table(Path::new(table), "scores")?);
            Some((table, scores.report(&matrix, args, None)?))
        }
        Some(method) => Some((method, judged.report(&matrix, args, Some(method))?)),
        None => None,
    };
    say_what_is_left_out(&report);
    let headline = Relevance::ALL
        .into_iter()
        .find(|relevance| relevance.name() == args.relevance)
        .expect("clap offers these names only");
    if !report.has(headline) {
        return Err(Failure::Input(match headline {
            Relevance::Gain => format!(
                "--relevance gain needs each target's score without transfer, and a source that \
                 improves on it: add a column `{}` to the truth",
                tupate_zoo::transfer::NO_TRANSFER
            ),
            _ => format!("NDCG by {} is undefined for every target", headline.name()),
        }));
    }
    let compared = against.as_ref().map(|(name, other)| (*name, report.compare(other, args.seed)));
    if args.output.json {
        let mut document = report.to_json();
        if let Some((name, tests)) = &compared {
            let tests = nest("rho", |m| {
                let test = tests[m]?;
                Some(json!({
                    "difference": test.difference, "interval95": test.interval,
                    "p_value": test.p_value, "exact": test.exact, "targets": test.targets,
                }))
            });
            document.insert("paired".into(), json!({ "against": name, "difference": tests }));
        }
        document.insert("settings".into(), described(args, &matrix));
        return print_json(&Value::Object(document));
    }
    table(args, &matrix, &report, headline)?;
    match compared {
        Some((name, tests)) => paired(name, &tests),
        None => Ok(()),
    }
}

/// What is judged.
enum Judged {
    /// The rankings of its embeddings.
    Zoo(Zoo),
    /// Scores that something else gave.
    Scores(TransferMatrix),
}

impl Judged {
    fn zoo(&self) -> Option<&Zoo> {
        match self {
            Self::Zoo(zoo) => Some(zoo),
            Self::Scores(_) => None,
        }
    }

    /// How its rankings fare; `method` is one of a zoo's.
    fn report(
        &self,
        truth: &TransferMatrix,
        args: &EvaluateArgs,
        method: Option<&str>,
    ) -> Result<Report, Failure> {
        Ok(match (self, method) {
            (Self::Zoo(zoo), method) => {
                let similarity = Similarity::named(&args.similarity)?;
                let settings =
                    Settings { method, similarity, exclude: &args.exclude, seed: args.seed };
                evaluate(zoo, truth, &settings)?
            }
            (Self::Scores(scores), None) => {
                evaluate_scores(scores, truth, &args.exclude, args.seed)?
            }
            (Self::Scores(_), Some(other)) => {
                return Err(Failure::Usage(format!(
                    "--against {other}: there is no such file, and a table of scores has no \
                     methods"
                )));
            }
        })
    }
}

/// The truth: from the command line, or else the zoo's own.
fn matrix(zoo: Option<&Zoo>, args: &EvaluateArgs) -> Result<TransferMatrix, Failure> {
    if let Some(matrix) = truth::read(&args.truth)? {
        return Ok(matrix);
    }
    let own = zoo.map_or(&[][..], Zoo::transfer);
    let known: Vec<&str> = own.iter().map(|m| m.setting.as_str()).collect();
    let found = match (&args.truth.setting, own) {
        (_, []) => None,
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(Failure::Usage(format!(
                "the zoo has transfer matrices of several settings; choose one by --setting: {}",
                known.join(", ")
            )));
        }
        (Some(wanted), all) => match all.iter().find(|m| m.setting == *wanted) {
            Some(matrix) => Some(matrix),
            None => {
                return Err(Failure::Usage(format!(
                    "no transfer matrix {wanted} in the zoo; it has {}",
                    known.join(", ")
                )));
            }
        },
    };
    found.cloned().ok_or_else(|| {
        Failure::Usage("what is judged comes without measured transfer: give --truth CSV".into())
    })
}

/// A misspelt exclusion would change the figures unnoticed.
fn unknown_exclusions(judged: &Judged, truth: &TransferMatrix, exclude: &[String]) {
    for name in exclude {
        let there = match judged {
            Judged::Zoo(zoo) => zoo.task(name).is_some(),
            Judged::Scores(scores) => {
                scores.sources.contains(name) || scores.targets.contains(name)
            }
        };
        let known = there || truth.sources.contains(name) || truth.targets.contains(name);
        if !known {
            eprintln!("note: --exclude {name}: there is no such task here");
        }
    }
}

fn say_what_is_left_out(report: &Report) {
    for (what, names) in [
        ("sources of the truth without an embedding, left out", &report.without_vector),
        ("targets of the truth without an embedding, left out", &report.targets_without_vector),
        ("targets with fewer than two sources to rank, left out", &report.targets_without_sources),
    ] {
        if !names.is_empty() {
            eprintln!("note: {what}: {}", names.join(", "));
        }
    }
}

fn described(args: &EvaluateArgs, truth: &TransferMatrix) -> Value {
    let mut settings = Map::new();
    match &args.scores {
        Some(scores) => settings.insert("scores".into(), json!(scores)),
        None => settings.insert("similarity".into(), args.similarity.clone().into()),
    };
    settings.insert("method".into(), json!(args.method));
    settings.insert("reduce".into(), json!(args.reduce.map(|r| r.reduce().name())));
    settings.insert("relevance".into(), args.relevance.clone().into());
    settings.insert("excluded".into(), json!(args.exclude));
    settings.insert("bootstrap".into(), json!({ "draws": DRAWS, "seed": args.seed }));
    settings
        .insert("truth".into(), json!({ "setting": truth.setting, "seeds": truth.seeds.len() }));
    settings.into()
}

/// The columns of the table: the headline's NDCG and the measures that people
/// compare first.
fn columns(headline: Relevance) -> Vec<(usize, String)> {
    let ndcg = format!("ndcg.{}", headline.name());
    [
        ("rank_of_best", "best at"),
        (ndcg.as_str(), &*format!("NDCG {}", headline.name())),
        ("regret.1", "regret@1"),
        ("regret.3", "regret@3"),
        ("regret.5", "regret@5"),
        ("kendall_tau", "tau-b"),
    ]
    .iter()
    .filter_map(|(name, title)| {
        let at = MEASURES.iter().position(|m| m.name == *name)?;
        Some((at, (*title).to_owned()))
    })
    .collect()
}

fn table(
    args: &EvaluateArgs,
    truth: &TransferMatrix,
    report: &Report,
    headline: Relevance,
) -> Result<(), Failure> {
    let columns = columns(headline);
    let number = |value: Option<f64>| match value {
        Some(value) => format!("{value:>13.4}"),
        None => format!("{:>13}", "-"),
    };
    let row = |name: &str, sources: &str, values: &Values| {
        let cells: String = columns.iter().map(|(m, _)| number(values[*m])).collect();
        print(&format!("{name:<24}{sources:>8}{cells}"))
    };
    let titles: String = columns.iter().map(|(_, title)| format!("{title:>13}")).collect();
    let what = match &args.scores {
        Some(scores) => format!("Scores of {}", scores.display()),
        None => format!("{} similarity", args.similarity),
    };
    print(&format!(
        "{what} against measured transfer{}; {} targets",
        match truth.setting.as_str() {
            truth::UNNAMED => String::new(),
            setting => format!(" ({setting})"),
        },
        report.targets.len()
    ))?;
    print(&format!("{:<24}{:>8}{titles}", "target", "sources"))?;
    for target in &report.targets {
        row(&target.target, &target.sources.to_string(), &target.values)?;
    }
    print(&"-".repeat(24 + 8 + 13 * columns.len()))?;
    row("mean", "", &report.mean)?;
    let ends: String = columns
        .iter()
        .map(|(m, _)| match report.interval[*m] {
            Some([low, high]) => format!("{:>13}", format!("{low:.2}..{high:.2}")),
            None => format!("{:>13}", "-"),
        })
        .collect();
    print(&format!("{:<32}{ends}", "95 % interval over targets"))?;
    row("random order (exact)", "", &report.random)?;
    if let Some(ceiling) = &report.ceiling {
        row("one seed by the others", "", ceiling)?;
    }
    print("best at: predicted rank of the truly best source; its mean is rho.")
}

fn paired(against: &str, tests: &[Option<tupate_metrics::PairedTest>]) -> Result<(), Failure> {
    print(&format!("\nMinus {against}, target by target (sign-flip permutation test):"))?;
    for (measure, test) in MEASURES.iter().zip(tests) {
        let Some(test) = test else { continue };
        let interval = match test.interval {
            Some([low, high]) => format!("[{low:.4}, {high:.4}]"),
            None => "-".to_owned(),
        };
        print(&format!(
            "{:<20}{:>10.4}  95 % {interval:<22} p {:.4}{}",
            measure.name,
            test.difference,
            test.p_value,
            if test.exact { "" } else { " (drawn)" }
        ))?;
    }
    Ok(())
}
