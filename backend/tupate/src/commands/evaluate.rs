//! `tupate evaluate`.

use super::{npy, print, print_json, read_zoo, truth};
use crate::cli::{EvaluateArgs, NpyArgs};
use crate::failure::Failure;
use crate::progress::say;
use serde_json::{Map, Value, json};
use std::path::Path;
use tupate_metrics::{MEASURES, Relevance, Values};
use tupate_zoo::evaluate::{DRAWS, Report, Settings, evaluate, evaluate_scores, nest};
use tupate_zoo::{ScoreTable, Similarity, TransferMatrix, Zoo};

pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let zoo = match (&args.zoo, &args.npy) {
        (Some(zoo), _) => Some(read_zoo(zoo)?.0),
        (None, Some(folder)) => {
            let folder = NpyArgs { folder: folder.clone(), reduce: args.reduce };
            Some(npy::read(&folder, "", "", "unknown")?.zoo)
        }
        (None, None) => None,
    };
    let matrix = matrix(zoo.as_ref(), args)?;
    let given = args.scores.as_deref().map(|path| truth::scores("scores", path)).transpose()?;
    unknown_exclusions(zoo.as_ref(), given.as_ref(), &matrix, &args.exclude);
    let scores = match (&args.scores, &zoo, args.method.as_deref()) {
        (Some(path), ..) => Some(path.display().to_string()),
        (None, Some(zoo), Some(name)) => scores_of(zoo, name).map(|table| table.name.clone()),
        (None, ..) => None,
    };
    let report = match (&zoo, &given) {
        (Some(zoo), _) => by_name(zoo, args.method.as_deref(), &matrix, args)?,
        (None, Some(scores)) => evaluate_scores(scores, &matrix, &args.exclude, args.seed)?,
        (None, None) => return Err(Failure::Usage("give --zoo, --npy or --scores".into())),
    };
    let against = match (args.against.as_deref(), &zoo) {
        (None, _) => None,
        (Some(path), _) if Path::new(path).is_file() => {
            let scores = truth::scores(path, Path::new(path))?;
            Some((path, evaluate_scores(&scores, &matrix, &args.exclude, args.seed)?))
        }
        (Some(name), Some(zoo)) => Some((name, by_name(zoo, Some(name), &matrix, args)?)),
        (Some(name), None) => {
            return Err(Failure::Usage(format!(
                "--against {name}: there is no such file, and a table of scores has no methods"
            )));
        }
    };
    say_what_is_left_out(&report);
    say_what_is_no_fraction(&matrix);
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
        document.insert("settings".into(), described(args, scores.as_deref(), &matrix));
        return print_json(&Value::Object(document));
    }
    table(args, scores.as_deref(), &matrix, &report, headline)?;
    match compared {
        Some((name, tests)) => paired(name, &tests),
        None => Ok(()),
    }
}

/// The table of scores of this name in a zoo.
fn scores_of<'a>(zoo: &'a Zoo, name: &str) -> Option<&'a ScoreTable> {
    zoo.scores().iter().find(|table| table.name == name)
}

/// How a zoo's rankings fare, or one of its tables of scores.
fn by_name(
    zoo: &Zoo,
    method: Option<&str>,
    truth: &TransferMatrix,
    args: &EvaluateArgs,
) -> Result<Report, Failure> {
    if let Some(table) = method.and_then(|name| scores_of(zoo, name)) {
        return Ok(evaluate_scores(table, truth, &args.exclude, args.seed)?);
    }
    let similarity = Similarity::named(&args.similarity)?;
    let settings = Settings { method, similarity, exclude: &args.exclude, seed: args.seed };
    Ok(evaluate(zoo, truth, &settings)?)
}

/// The truth: from the command line, or else the zoo's own.
fn matrix(zoo: Option<&Zoo>, args: &EvaluateArgs) -> Result<TransferMatrix, Failure> {
    let mut given = truth::read(&args.truth)?;
    match given.len() {
        0 => {}
        1 => return Ok(given.remove(0)),
        _ => {
            return Err(Failure::Usage(
                "--truth: a transfer.json holds all seeds of its sweep: give it alone".into(),
            ));
        }
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
fn unknown_exclusions(
    zoo: Option<&Zoo>,
    scores: Option<&ScoreTable>,
    truth: &TransferMatrix,
    exclude: &[String],
) {
    for name in exclude {
        let of_zoo = zoo.is_some_and(|zoo| zoo.task(name).is_some());
        let of_table = scores
            .is_some_and(|table| table.sources.contains(name) || table.targets.contains(name));
        let known = of_zoo || of_table;
        let known = known || truth.sources.contains(name) || truth.targets.contains(name);
        if !known {
            say(format_args!("note: --exclude {name}: there is no such task here"));
        }
    }
}

/// Scores out of 100 would make NDCG by percent and by gain a matter of the best source alone.
fn say_what_is_no_fraction(truth: &TransferMatrix) {
    let scores = truth.scores.iter().flatten().flatten().flatten();
    if let Some(score) = scores.copied().find(|score| *score > 1.0) {
        say(format_args!(
            "note: the truth has scores above 1, such as {score}; NDCG by percent and by gain take \
             them for fractions, of which 1 is perfect: divide scores out of 100 by 100"
        ));
    }
}

fn say_what_is_left_out(report: &Report) {
    for (what, names) in [
        ("sources of the truth without an embedding, left out", &report.without_vector),
        ("targets of the truth without an embedding, left out", &report.targets_without_vector),
        ("targets with fewer than two sources to rank, left out", &report.targets_without_sources),
    ] {
        if !names.is_empty() {
            say(format_args!("note: {what}: {}", names.join(", ")));
        }
    }
}

fn described(args: &EvaluateArgs, scores: Option<&str>, truth: &TransferMatrix) -> Value {
    let mut settings = Map::new();
    match scores {
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
    scores: Option<&str>,
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
    let what = match scores {
        Some(scores) => format!("Scores of {scores}"),
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
        row(&target.target, &target.sources.len().to_string(), &target.values)?;
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
        let all = report.targets.len();
        let of = if ceiling.targets < all {
            format!("{} of {all}", ceiling.targets)
        } else {
            String::new()
        };
        row("one seed by the others", &of, &ceiling.mean)?;
        if ceiling.targets < all {
            row("random order of those", "", &ceiling.random)?;
        }
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
