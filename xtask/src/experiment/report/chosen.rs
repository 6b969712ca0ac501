//! What predicts best, chosen without looking: for each target by the others, so that the
//! figure of what is chosen is not flattered by the choice.

use super::super::table::{Ranked, Scores, to_csv};
use super::parts::{self, Embeddings, Set};
use super::{MEASURES, Report, counted, layers, resample};
use crate::bench::cosine;
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
/// What is told of the choice, among [`MEASURES`]; it is made by the first.
const TOLD: [usize; 4] = [1, 2, 4, 7];

/// A way to rank.
struct Candidate {
    name: String,
    /// By target, for each of [`TOLD`]; means over the target's tunings.
    figures: BTreeMap<String, [f64; TOLD.len()]>,
}

/// What was chosen, how it did, and how that compares with the paper's choice.
pub fn text(report: &Report<'_>, truth: &Path, sets: &[String]) -> Result<String> {
    let mut candidates = candidates(report, truth, sets)?;
    let mut text = choice(report, &candidates)?;
    // What the program and its page do not offer.
    candidates.retain(|one| !one.name.contains(layers::MARK));
    write!(text, "\nThe same without the ways of layers.\n\n{}", choice(report, &candidates)?)?;
    Ok(text)
}

fn choice(report: &Report<'_>, candidates: &[Candidate]) -> Result<String> {
    let paper = PAPER.join(", ");
    let paper = candidates.iter().find(|candidate| candidate.name == paper);
    let paper = paper.context("the paper's choice is among the candidates")?;
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut chosen, mut papers) = (Vec::new(), Vec::new());
    for (target, figures) in &paper.figures {
        let Some(best) = best_without(candidates, target) else { continue };
        let Some(own) = best.figures.get(target) else { continue };
        chosen.push(*own);
        papers.push(*figures);
        *times.entry(&best.name).or_default() += 1;
    }
    let mut times: Vec<(&str, usize)> = times.into_iter().collect();
    times.sort_by_key(|(name, times)| (usize::MAX - times, *name));
    let times: Vec<String> =
        times.iter().map(|(name, times)| format!("{name} {}", counted(*times, "time"))).collect();
    let titles = TOLD.map(|at| MEASURES[at].0).join(" | ");
    let mut text = format!(
        "Targets as {} alone has them, each in turn, and sources as the zoo has them. For each \
         target, of {} ways to rank the one with the best mean NDCG percent on the other targets: \
         {}.\n\n| | {titles} |\n|---|{}\n",
        match report.seeds().len() {
            1 => "one seed".to_owned(),
            n => format!("one of {n} seeds"),
        },
        candidates.len(),
        times.join("; "),
        "--:|".repeat(TOLD.len())
    );
    let row =
        |cell: &dyn Fn(usize) -> String| (0..TOLD.len()).map(cell).collect::<Vec<_>>().join(" | ");
    let column = |of: &[[f64; TOLD.len()]], at: usize| -> Vec<f64> {
        of.iter().map(|figures| figures[at]).collect()
    };
    for (name, of) in [("chosen", &chosen), (&*paper.name, &papers)] {
        let cells = row(&|at| {
            let values = column(of, at);
            let [low, high] = resample::interval(&values);
            format!("{:.3} ({low:.2} to {high:.2})", resample::mean(&values))
        });
        writeln!(text, "| {name} | {cells} |")?;
    }
    let cells = row(&|at| {
        let pairs = column(&chosen, at).into_iter().zip(column(&papers, at));
        let values: Vec<f64> = pairs.map(|(own, other)| own - other).collect();
        let ([low, high], p) = (resample::interval(&values), resample::sign_flips(&values));
        format!("{:+.3} ({low:+.3} to {high:+.3}), p {p:.3}", resample::mean(&values))
    });
    writeln!(text, "| difference | {cells} |")?;
    Ok(text)
}

/// Every way to rank, judged.
fn candidates(report: &Report<'_>, truth: &Path, sets: &[String]) -> Result<Vec<Candidate>> {
    // Of baselines there is one ranking, of the others one a tuning.
    let mut ways = by_embeddings(report, sets)?;
    let baselines: Vec<Ranked> = report.rows("baselines.jsonl")?;
    let of = |name: &str| baselines.iter().find(|one| one.baseline == name).map(|one| &one.scores);
    let mut fused = Vec::new();
    for (name, tunings) in &ways {
        let base = name.split(',').next().unwrap_or_default();
        for with in WITH.iter().filter(|_| FUSED.contains(&base)) {
            let others: Option<Vec<&Scores>> = with.iter().map(|name| of(name)).collect();
            let Some(others) = others else { continue };
            let parts = |own| [&[own], &*others].concat();
            let tunings = tunings.iter().map(|own| fuse(&parts(own))).collect();
            fused.push((format!("{name} + {}", with.join(" + ")), tunings));
        }
    }
    ways.extend(fused);
    ways.extend(layers::ways(report)?);
    ways.extend(baselines.into_iter().map(|one| (one.baseline, vec![one.scores])));
    let judged = ways.into_iter().map(|(name, tunings)| {
        let mut each = Vec::new();
        for scores in &tunings {
            let judged = judge(report, truth, scores, None).with_context(|| name.clone())?;
            each.push(figures(&judged));
        }
        Ok(Candidate { name, figures: mean_figures(&each) })
    });
    judged.collect()
}

/// Rankings by each set and by several together, in each similarity: a name, and scores for
/// each seed that the targets are tuned with. Sources are the zoo's, the target's own task
/// left out.
fn by_embeddings(report: &Report<'_>, sets: &[String]) -> Result<Vec<(String, Vec<Scores>)>> {
    let mut alone: Vec<(String, Vec<Scores>)> = Vec::new();
    for key in sets {
        let zoo = parts::of_zoo(report, key)?;
        let mut targets = Vec::new();
        for seed in report.seeds() {
            targets.push(parts::read(report, seed, key)?.tuned);
        }
        for similarity in SIMILARITIES {
            let scores = targets.iter().map(|targets| compared(targets, &zoo, similarity));
            alone.push((format!("{key}, {similarity}"), scores.collect()));
        }
    }
    let mut together = Vec::new();
    for (name, join) in [("ensemble", mean_scores as fn(&[&Scores]) -> Scores), ("rrf", fuse)] {
        for checkpoint in ["early", "late"] {
            for similarity in SIMILARITIES {
                let end = format!(".{checkpoint}, {similarity}");
                let members = alone.iter().filter(|(name, _)| name.ends_with(&end));
                let members: Vec<&Vec<Scores>> = members.map(|(_, scores)| scores).collect();
                let joined = (0..report.seeds().len()).map(|seed| {
                    join(&members.iter().map(|scores| &scores[seed]).collect::<Vec<_>>())
                });
                together.push((format!("{name}{end}"), joined.collect()));
            }
        }
    }
    Ok([alone, together].concat())
}

/// The similarity of every target with the zoo's embedding of every other task, as somebody
/// gets it who brings the target along.
fn compared(targets: &Embeddings, zoo: &Set, similarity: &str) -> Scores {
    let row = |(target, values): (&String, &Vec<f64>)| {
        let sources = || zoo.tuned.iter().filter(|(source, _)| *source != target);
        let origin = match similarity {
            "centred" => {
                let mut sum = values.clone();
                for (_, source) in sources() {
                    sum.iter_mut().zip(source).for_each(|(sum, v)| *sum += v);
                }
                let tasks = (sources().count() + 1) as f64;
                sum.iter_mut().for_each(|sum| *sum /= tasks);
                sum
            }
            "delta" => zoo.initial.clone(),
            _ => vec![0.0; values.len()],
        };
        let about = |v: &[f64]| v.iter().zip(&origin).map(|(v, o)| v - o).collect::<Vec<f64>>();
        let own = about(values);
        let scores = sources().map(|(source, v)| (source.clone(), cosine(&own, &about(v))));
        (target.clone(), scores.collect())
    };
    targets.iter().map(row).collect()
}

/// By target, for each of [`TOLD`], what it says; of all of which it says something.
fn figures(judged: &Value) -> BTreeMap<String, [f64; TOLD.len()]> {
    let targets = judged["targets"].as_array().into_iter().flatten();
    let figures = targets.filter_map(|target| {
        let mut figures = [0.0; TOLD.len()];
        for (figure, at) in figures.iter_mut().zip(TOLD) {
            *figure = target.pointer(MEASURES[at].1)?.as_f64()?;
        }
        Some((target["target"].as_str()?.to_owned(), figures))
    });
    figures.collect()
}

/// The means of the figures that all have.
fn mean_figures(
    each: &[BTreeMap<String, [f64; TOLD.len()]>],
) -> BTreeMap<String, [f64; TOLD.len()]> {
    let mut means = BTreeMap::new();
    for target in each.first().into_iter().flat_map(BTreeMap::keys) {
        let all: Option<Vec<_>> = each.iter().map(|figures| figures.get(target)).collect();
        let Some(all) = all else { continue };
        let mean = |at: usize| all.iter().map(|one| one[at]).sum::<f64>() / all.len() as f64;
        means.insert(target.clone(), std::array::from_fn(mean));
    }
    means
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
        let others = candidate.figures.iter().filter(|(name, _)| *name != target);
        resample::mean(&others.map(|(_, figures)| figures[0]).collect::<Vec<_>>())
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

/// The mean of scores, over the sources that all have.
fn mean_scores(parts: &[&Scores]) -> Scores {
    let share = 1.0 / parts.len() as f64;
    joined(parts, |row| row.iter().map(|(id, score)| (id.clone(), share * score)).collect())
}

/// Reciprocal rank fusion: the sum of 1/(60 + rank), over the sources that all have.
fn fuse(parts: &[&Scores]) -> Scores {
    joined(parts, |row| {
        let mut order: Vec<(&String, f64)> = row.iter().map(|(id, s)| (id, *s)).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let ranked = order.into_iter().enumerate();
        ranked.map(|(at, (id, _))| (id.clone(), 1.0 / (RRF + at as f64 + 1.0))).collect()
    })
}

/// Sums of what each part's row of a target gives, over the targets and sources that all have.
fn joined(
    parts: &[&Scores],
    of: impl Fn(&BTreeMap<String, f64>) -> BTreeMap<String, f64>,
) -> Scores {
    let mut all = Scores::new();
    let targets = parts.first().into_iter().flat_map(|part| part.keys());
    for target in targets {
        let rows: Option<Vec<_>> = parts.iter().map(|part| part.get(target)).collect();
        let Some(rows) = rows else { continue };
        let mut sum: BTreeMap<String, (f64, usize)> = BTreeMap::new();
        for row in &rows {
            for (id, value) in of(row) {
                let entry = sum.entry(id).or_default();
                *entry = (entry.0 + value, entry.1 + 1);
            }
        }
        let whole = sum.into_iter().filter(|(_, (_, n))| *n == rows.len());
        all.insert(target.clone(), whole.map(|(id, (score, _))| (id, score)).collect());
    }
    all
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
        let wanted = scores(&[("t", &[("a", 0.95), ("b", 3.75)])]);
        assert_eq!(mean_scores(&[&one, &two]), wanted);
    }

    #[test]
    fn a_target_is_compared_with_the_other_tasks() {
        let rows = |rows: &[(&str, [f64; 2])]| -> Embeddings {
            rows.iter().map(|(task, v)| ((*task).to_owned(), v.to_vec())).collect()
        };
        let tuned = rows(&[("a", [9.0, 9.0]), ("b", [1.0, 0.0]), ("c", [3.0, 2.0])]);
        let zoo = Set { tuned, initial: vec![0.0, 1.0] };
        let targets = rows(&[("a", [2.0, 1.0])]);
        let of = |similarity| compared(&targets, &zoo, similarity)["a"].clone();
        let row = |b: f64, c: f64| scores(&[("a", &[("b", b), ("c", c)])])["a"].clone();
        let near = |found: BTreeMap<String, f64>, wanted: BTreeMap<String, f64>| {
            assert!(found.keys().eq(wanted.keys()), "{found:?}");
            for (one, other) in found.values().zip(wanted.values()) {
                assert!((one - other).abs() < 1e-12, "{found:?} {wanted:?}");
            }
        };
        near(of("cosine"), row(2.0 / 5_f64.sqrt(), 8.0 / 65_f64.sqrt()));
        // About (3, 1), the mean of the target and the two others.
        let targets = rows(&[("a", [5.0, 1.0])]);
        let centred = &compared(&targets, &zoo, "centred")["a"];
        near(centred.clone(), row(-2.0 / 5_f64.sqrt(), 0.0));
        near(of("delta"), row(1.0 / 2_f64.sqrt(), 3.0 / 10_f64.sqrt()));
    }

    #[test]
    fn figures_are_means_over_tunings() {
        let one = [("a".to_owned(), [1.0, 0.0, 0.0, 0.5]), ("b".to_owned(), [1.0; 4])].into();
        let two = [("a".to_owned(), [0.5, 1.0, 0.0, 0.0])].into();
        let wanted = [("a".to_owned(), [0.75, 0.5, 0.0, 0.25])].into();
        assert_eq!(mean_figures(&[one, two]), wanted);
    }

    #[test]
    fn a_target_has_no_say_in_its_own_choice() {
        let candidate = |name: &str, figures: [f64; 3]| Candidate {
            name: name.to_owned(),
            figures: ["a", "b", "c"]
                .map(str::to_owned)
                .into_iter()
                .zip(figures.map(|figure| [figure, 0.0, 0.0, 0.0]))
                .collect(),
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
