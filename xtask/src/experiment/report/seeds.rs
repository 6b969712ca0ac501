//! What another seed, learning rate or initial parameters change: of embeddings, of what they
//! foretell, and whether those of better scores foretell better (the paper's Table 3).

use super::super::plan::Combination;
use super::super::table::{Tuned, to_csv};
use super::chosen::judge;
use super::parts::{self, Embeddings, Set};
use super::{MEASURES, Report, counted, difference, number, resample};
use crate::bench::cosine;
use anyhow::Result;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// The epoch whose parameters are the early ones, from 1.
const EARLY: usize = 2;

/// What is correlated with a task's score: title, place in a target's figures.
const FORETOLD: [(&str, &str); 2] =
    [("NDCG percent", "/ndcg/percent"), ("Kendall τ", "/kendall_tau")];

/// Tables over all combinations whose embeddings are there.
pub fn text(report: &Report<'_>, truth: &Path, sets: &[String]) -> Result<String> {
    let all = report.plan.tuning.combinations();
    let there: Vec<&Combination> =
        all.iter().filter(|one| report.has_embeddings(one.seed)).collect();
    let mut text = String::new();
    if there.len() < 2 || there.len() < all.len() {
        writeln!(text, "{} of {} are there.\n", there.len(), counted(all.len(), "combination"))?;
    }
    if there.len() < 2 {
        return Ok(text);
    }
    let names: Vec<String> = there.iter().map(|one| one.to_string()).collect();
    let plain = there.iter().filter(|one| one.is_plain()).count();
    let header = |columns: &[String]| {
        format!("| | {} |\n|---|{}\n", columns.join(" | "), "--:|".repeat(columns.len()))
    };
    let (mut foretold, mut mixed, mut gained) = (String::new(), String::new(), String::new());
    let (mut alike, mut moved, mut correlated) = (String::new(), String::new(), String::new());
    let scores = scores(&report.rows("tuning.jsonl")?);
    for key in sets {
        let mut of_set = Vec::new();
        for one in &there {
            let set = parts::read(report, one.seed, key)?;
            let judged = judge(report, truth, &parts::scores(&set.tuned, &set.tuned), None)?;
            of_set.push((one.seed, set, judged));
        }
        let first = &of_set[0].1.tuned;
        let zoo = parts::of_zoo(report, key)?.tuned;
        let figures = |judged: &Value| {
            let of = |at: usize| number(judged["mean"].pointer(MEASURES[at].1), 3);
            format!("{} / {}", of(1), of(7))
        };
        let mut cells: Vec<String> = of_set.iter().map(|(.., judged)| figures(judged)).collect();
        if plain > 1 {
            let alone = report.write("alone.csv", &to_csv(&parts::scores(first, first)))?;
            let judged = judge(report, truth, &parts::scores(&zoo, &zoo), Some(&alone))?;
            cells.push(figures(&judged));
            let differences = FORETOLD.map(|(_, at)| difference(&judged, at));
            writeln!(gained, "| {key} | {} |", differences.join(" | "))?;
        }
        writeln!(foretold, "| {key} | {} |", cells.join(" | "))?;
        let mut cells = Vec::new();
        for (_, set, _) in &of_set {
            cells.push(figures(&judge(report, truth, &parts::scores(&set.tuned, &zoo), None)?));
        }
        writeln!(mixed, "| {key} | {} |", cells.join(" | "))?;
        for (text, of) in [(&mut alike, &tuned as Of), (&mut moved, &change)] {
            let first = of(&of_set[0].1);
            let others = of_set[1..].iter().map(|(_, set, _)| likeness(&first, &of(set)));
            let cells = others.chain([likeness_of_tasks(&first)]).map(|x| format!("{x:.3}"));
            writeln!(text, "| {key} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        let cells = FORETOLD.map(|(_, at)| {
            let pairs = by_target(
                &of_set,
                |seed, task| scores.get(&(seed, key.clone(), task.to_owned())).copied(),
                at,
            );
            correlation(&pairs)
        });
        writeln!(correlated, "| {key} | {} |", cells.join(" | "))?;
    }
    let mut columns = names.clone();
    if plain > 1 {
        columns.push(format!("mean of {plain} seeds"));
    }
    writeln!(
        text,
        "NDCG percent / Kendall τ, cosine; *mean*: of a task's embeddings by seeds alone:\n\n\
         {}{foretold}",
        header(&columns)
    )?;
    if plain > 1 {
        let columns = FORETOLD.map(|(title, _)| [title.to_owned(), "p".to_owned()]).concat();
        let title = "The mean of seeds minus the first seed alone";
        writeln!(text, "{title}:\n\n{}{gained}", header(&columns))?;
    }
    writeln!(
        text,
        "Targets as one seed alone has them, and sources as the zoo has them, which is {}:\n\n\
         {}{mixed}",
        if plain > 1 { format!("the mean of {plain} seeds") } else { names[0].clone() },
        header(&names)
    )?;
    let mut columns = names[1..].to_vec();
    columns.push("two tasks".to_owned());
    writeln!(
        text,
        "Mean cosine of a task's embedding with that of {}, and of two tasks in that one:\n\n\
         {}{alike}\nThe same of its change since tuning began:\n\n{}{moved}",
        names[0],
        header(&columns),
        header(&columns)
    )?;
    writeln!(
        text,
        "Whether a target's ranking is better where it is tuned to a better score: the \
         correlation (Pearson) over the combinations, mean over targets, with its 95 % interval \
         over them; of at least three combinations.\n\n{}{correlated}",
        header(&FORETOLD.map(|(title, _)| format!("score and {title}")))
    )?;
    Ok(text)
}

/// The score of each task by seed and set.
fn scores(tuned: &[Tuned]) -> BTreeMap<(u64, String, String), f64> {
    let mut scores = BTreeMap::new();
    for row in tuned {
        let key = |checkpoint| (row.seed, format!("{}.{checkpoint}", row.method), row.task.clone());
        if let Some(epoch) = row.curve.get(EARLY - 1) {
            scores.insert(key("early"), epoch.score);
        }
        scores.insert(key("late"), row.score);
    }
    scores
}

/// Of every target the scores that it was tuned to and a figure of its ranking, combination
/// by combination.
fn by_target(
    of_set: &[(u64, Set, Value)],
    score: impl Fn(u64, &str) -> Option<f64>,
    at: &str,
) -> Vec<Vec<(f64, f64)>> {
    let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (seed, _, judged) in of_set {
        for target in judged["targets"].as_array().into_iter().flatten() {
            let (Some(name), Some(figure)) =
                (target["target"].as_str(), target.pointer(at).and_then(Value::as_f64))
            else {
                continue;
            };
            if let Some(score) = score(*seed, name) {
                pairs.entry(name.to_owned()).or_default().push((score, figure));
            }
        }
    }
    pairs.into_values().collect()
}

/// The mean of the targets' correlations and its interval, as a cell. Targets with fewer than
/// three pairs, or of which one side never changes, have none.
fn correlation(targets: &[Vec<(f64, f64)>]) -> String {
    let each: Vec<f64> = targets.iter().filter_map(|pairs| pearson(pairs)).collect();
    if each.len() < 2 {
        return "–".to_owned();
    }
    let [low, high] = resample::interval(&each);
    let mean = resample::mean(&each);
    format!("{mean:+.2} ({low:+.2} to {high:+.2}), {} targets", each.len())
}

/// Pearson's correlation of at least three pairs.
fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let n = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / n, y + pair.1 / n));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| -> f64 { pairs.iter().map(|p| of(p.0 - x, p.1 - y)).sum() };
    let (xx, yy) = (sum(&|x, _| x * x), sum(&|_, y| y * y));
    (xx > 1e-12 && yy > 1e-12).then(|| sum(&|x, y| x * y) / (xx * yy).sqrt())
}

/// What of a set is compared.
type Of<'a> = &'a dyn Fn(&Set) -> Embeddings;

fn tuned(set: &Set) -> Embeddings {
    set.tuned.clone()
}

/// What was tuned less where tuning began.
fn change(set: &Set) -> Embeddings {
    let less = |values: &Vec<f64>| values.iter().zip(&set.initial).map(|(v, i)| v - i).collect();
    set.tuned.iter().map(|(task, values)| (task.clone(), less(values))).collect()
}

/// The mean cosine of each task in two sets.
fn likeness(one: &Embeddings, other: &Embeddings) -> f64 {
    let each = one.iter().filter_map(|(task, v)| Some(cosine(v, other.get(task)?)));
    let each: Vec<f64> = each.collect();
    each.iter().sum::<f64>() / each.len() as f64
}

/// The mean cosine of every two tasks of a set.
fn likeness_of_tasks(set: &Embeddings) -> f64 {
    let all: Vec<&Vec<f64>> = set.values().collect();
    let pairs = all.iter().enumerate().flat_map(|(i, one)| all[..i].iter().map(|o| cosine(one, o)));
    let pairs: Vec<f64> = pairs.collect();
    pairs.iter().sum::<f64>() / pairs.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_is_pearsons() {
        // numpy.corrcoef([1, 2, 4, 7], [2, 1, 5, 4])[0, 1]
        let pairs = [(1.0, 2.0), (2.0, 1.0), (4.0, 5.0), (7.0, 4.0)];
        assert!((pearson(&pairs).unwrap() - 0.690_065_559_342_354_1).abs() < 1e-12);
        assert_eq!(pearson(&pairs[..2]), None);
        assert_eq!(pearson(&[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]), None, "one side stands still");
    }

    #[test]
    fn an_interval_is_over_targets() {
        let rising = vec![(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)];
        let falling: Vec<_> = rising.iter().map(|(x, y)| (*x, -y)).collect();
        let still = vec![(1.0, 0.0), (1.0, 1.0), (1.0, 2.0)];
        let targets = [rising.clone(), rising.clone(), rising.clone(), still];
        assert_eq!(correlation(&targets), "+1.00 (+1.00 to +1.00), 3 targets");
        let mixed = correlation(&[rising.clone(), falling]);
        assert_eq!(mixed, "+0.00 (-1.00 to +1.00), 2 targets");
        assert_eq!(correlation(&[rising]), "–");
    }

    fn set(rows: &[(&str, [f64; 2])]) -> Embeddings {
        rows.iter().map(|(task, v)| ((*task).to_owned(), v.to_vec())).collect()
    }

    #[test]
    fn likeness_is_of_the_same_task() {
        let one = set(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0])]);
        let other = set(&[("a", [2.0, 0.0]), ("b", [1.0, 0.0])]);
        assert_eq!((likeness(&one, &other), likeness_of_tasks(&one)), (0.5, 0.0));
    }
}
