//! What predicts best, chosen without looking: for each target by the others, so that the
//! figure of what is chosen is not flattered by the choice.

use super::super::table::{Ranked, Scores, to_csv};
use super::{MEASURES, Report, counted, difference, layers, with_interval};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// The paper's choice, which the chosen ones are compared with.
const PAPER: [&str; 2] = ["ensemble.late", "cosine"];
/// How embeddings are compared among the candidates.
const SIMILARITIES: [&str; 3] = ["cosine", "centred", "delta"];
/// What is fused with baselines.
const FUSED: [&str; 2] = ["ensemble.early", "ensemble.late"];
/// Baselines that it is fused with.
const WITH: [&[&str]; 2] = [&["textemb"], &["textemb", "datasize"]];
/// The constant of reciprocal rank fusion.
const RRF: f64 = 60.0;

/// A way to rank.
struct Candidate {
    name: String,
    scores: Scores,
    /// NDCG percent by target.
    figures: BTreeMap<String, f64>,
}

/// What was chosen, how it did, and how that compares with the paper's choice.
pub fn text(report: &Report<'_>, truth: &Path, methods: &[String]) -> Result<String> {
    let candidates = candidates(report, truth, methods)?;
    let mut chosen = Scores::new();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let targets: Vec<&String> = report.plan.task.iter().map(|task| &task.id).collect();
    for target in &targets {
        let Some(best) = best_without(&candidates, target) else { continue };
        if let Some(row) = best.scores.get(*target) {
            chosen.insert((*target).clone(), row.clone());
            *times.entry(&best.name).or_default() += 1;
        }
    }
    let paper = PAPER.join(", ");
    let paper = candidates.iter().find(|candidate| candidate.name == paper);
    let paper = paper.context("the paper's choice is among the candidates")?;
    let against = report.write("paper.csv", &to_csv(&paper.scores))?;
    let judged = judge(report, truth, &chosen, Some(&against))?;
    let mut times: Vec<(&str, usize)> = times.into_iter().collect();
    times.sort_by_key(|(name, times)| (usize::MAX - times, *name));
    let times: Vec<String> =
        times.iter().map(|(name, times)| format!("{name} {}", counted(*times, "time"))).collect();
    let mut text = format!(
        "For each target, of {} ways to rank the one with the best mean NDCG percent on the other targets: \
         {}.\n\n| | NDCG percent | NDCG rank | Regret@1 |\n|---|--:|--:|--:|\n",
        candidates.len(),
        times.join("; ")
    );
    let cells = [1, 2, 4].map(|at| with_interval(&judged, MEASURES[at]));
    writeln!(text, "| chosen | {} |", cells.join(" | "))?;
    let cells = [1, 2, 4].map(|at| difference(&judged, MEASURES[at].1).replace(" | ", ", p "));
    writeln!(text, "| minus {} | {} |", paper.name, cells.join(" | "))?;
    Ok(text)
}

/// Every way to rank, judged.
fn candidates(report: &Report<'_>, truth: &Path, methods: &[String]) -> Result<Vec<Candidate>> {
    let mut ways: Vec<(String, Scores)> = Vec::new();
    for method in methods {
        for similarity in SIMILARITIES {
            let scores = ranked(report, method, similarity)?;
            ways.push((format!("{method}, {similarity}"), scores));
        }
    }
    let baselines: Vec<Ranked> = report.rows("baselines.jsonl")?;
    let of = |name: &str| baselines.iter().find(|one| one.baseline == name).map(|one| &one.scores);
    let mut fused = Vec::new();
    for (name, scores) in &ways {
        let base = name.split(',').next().unwrap_or_default();
        for with in WITH.iter().filter(|_| FUSED.contains(&base)) {
            let others: Option<Vec<&Scores>> = with.iter().map(|name| of(name)).collect();
            if let Some(others) = others {
                let parts: Vec<&Scores> = [scores].into_iter().chain(others).collect();
                fused.push((format!("{name} + {}", with.join(" + ")), fuse(&parts)));
            }
        }
    }
    ways.extend(fused);
    ways.extend(layers::ways(report)?);
    ways.extend(baselines.into_iter().map(|one| (one.baseline, one.scores)));
    let judged = ways.into_iter().map(|(name, scores)| {
        let judged = judge(report, truth, &scores, None).with_context(|| name.clone())?;
        let figure = |target: &Value| {
            let name = target["target"].as_str()?.to_owned();
            Some((name, target.pointer(MEASURES[1].1)?.as_f64()?))
        };
        let targets = judged["targets"].as_array().into_iter().flatten();
        Ok(Candidate { name, scores, figures: targets.filter_map(figure).collect() })
    });
    judged.collect()
}

/// The scores of a method for every target.
fn ranked(report: &Report<'_>, method: &str, similarity: &str) -> Result<Scores> {
    let mut scores = Scores::new();
    for task in &report.plan.task {
        let command = report.context.command(&report.program, ["rank", "--json", "--zoo"]);
        let command = command.arg(&report.zoo).args(["--target", &task.id]);
        let said = command.args(["--method", method, "--similarity", similarity]).quiet().read()?;
        let ranking: Value = serde_json::from_str(&said).context("no ranking")?;
        let sources = ranking["sources"].as_array().context("no sources")?;
        let source = |one: &Value| Some((one["task"].as_str()?.to_owned(), one["score"].as_f64()?));
        scores.insert(task.id.clone(), sources.iter().filter_map(source).collect());
    }
    Ok(scores)
}

/// How rankings by these scores do by a truth.
pub(super) fn judge(
    report: &Report<'_>,
    truth: &Path,
    scores: &Scores,
    against: Option<&Path>,
) -> Result<Value> {
    let path = report.write("scores.csv", &to_csv(scores))?;
    let command = report.context.command(&report.program, ["evaluate", "--json", "--scores"]);
    let mut command = command.arg(path).arg("--truth").arg(truth);
    if let Some(other) = against {
        command = command.arg("--against").arg(other);
    }
    let said = command.quiet().ignore_stderr().read()?;
    serde_json::from_str(&said).context("no figures")
}

/// The candidate that does best on all targets but this one; of equals the first.
fn best_without<'a>(candidates: &'a [Candidate], target: &str) -> Option<&'a Candidate> {
    let mean = |candidate: &Candidate| {
        let others: Vec<f64> = candidate
            .figures
            .iter()
            .filter(|(name, _)| *name != target)
            .map(|(_, figure)| *figure)
            .collect();
        others.iter().sum::<f64>() / others.len() as f64
    };
    let mut best: Option<(f64, &Candidate)> = None;
    for candidate in candidates {
        let mean = mean(candidate);
        if best.is_none_or(|(known, _)| mean > known) {
            best = Some((mean, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Reciprocal rank fusion: the sum of 1/(60 + rank), over the sources that all have.
fn fuse(parts: &[&Scores]) -> Scores {
    let mut fused = Scores::new();
    let targets = parts.first().into_iter().flat_map(|part| part.keys());
    for target in targets {
        let rows: Option<Vec<_>> = parts.iter().map(|part| part.get(target)).collect();
        let Some(rows) = rows else { continue };
        let mut sum: BTreeMap<String, (f64, usize)> = BTreeMap::new();
        for row in &rows {
            let mut order: Vec<(&String, f64)> = row.iter().map(|(id, s)| (id, *s)).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
            for (at, (id, _)) in order.into_iter().enumerate() {
                let entry = sum.entry(id.clone()).or_default();
                *entry = (entry.0 + 1.0 / (RRF + at as f64 + 1.0), entry.1 + 1);
            }
        }
        let whole = sum.into_iter().filter(|(_, (_, n))| *n == rows.len());
        fused.insert(target.clone(), whole.map(|(id, (score, _))| (id, score)).collect());
    }
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(rows: &[(&str, &[(&str, f64)])]) -> Scores {
        let row = |cells: &[(&str, f64)]| {
            cells.iter().map(|(id, score)| ((*id).to_owned(), *score)).collect()
        };
        rows.iter().map(|(target, cells)| ((*target).to_owned(), row(cells))).collect()
    }

    #[test]
    fn ranks_are_fused() {
        let one = scores(&[("t", &[("a", 0.9), ("b", 0.5), ("c", 0.1)]), ("u", &[("a", 1.0)])]);
        let two = scores(&[("t", &[("a", 1.0), ("b", 7.0), ("d", 3.0)])]);
        let fused = fuse(&[&one, &two]);
        assert_eq!(fused.len(), 1);
        // a is first and third, b second and first.
        let wanted = [("a", 1.0 / 61.0 + 1.0 / 63.0), ("b", 1.0 / 62.0 + 1.0 / 61.0)];
        assert_eq!(fused["t"], scores(&[("t", &wanted)])["t"]);
    }

    #[test]
    fn a_target_has_no_say_in_its_own_choice() {
        let candidate = |name: &str, figures: [f64; 3]| Candidate {
            name: name.to_owned(),
            scores: Scores::new(),
            figures: ["a", "b", "c"].map(str::to_owned).into_iter().zip(figures).collect(),
        };
        let all = [
            candidate("steady", [0.5, 0.5, 0.5]),
            candidate("once", [1.0, 0.4, 0.4]),
            candidate("equal", [0.5, 0.5, 0.5]),
        ];
        let best = |target| best_without(&all, target).unwrap().name.clone();
        assert_eq!([best("a"), best("b"), best("c")], ["steady", "once", "once"]);
    }
}
