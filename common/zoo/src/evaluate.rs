//! How well a zoo's rankings foretell a measured transfer matrix.

use crate::{Error, Query, ScoreTable, Similarity, Target, TransferMatrix, Zoo, rank_in_pieces};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tupate_metrics::{
    Judged, MEASURES, PairedTest, Relevance, Values, at_once, bootstrap_intervals, ceilings,
    floors, means, measures, no_pause, paired_test,
};

/// Resamples of a bootstrap, and drawn sign flips of a paired test.
pub const DRAWS: usize = 10_000;

/// What to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// As in [`Query`].
    pub method: Option<&'a str>,
    /// How embeddings are compared.
    pub similarity: &'a Similarity,
    /// Tasks that are left out, as sources, as targets and where the zoo's mean
    /// is taken.
    pub exclude: &'a [String],
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// One target's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The target.
    pub target: String,
    /// The sources that were ranked, in the truth's order.
    pub sources: Vec<String>,
    /// The values of [`MEASURES`].
    pub values: Values,
    /// Their expectations over a uniformly random order.
    pub random: Values,
}

/// What one seed of the truth scores against the others, over the targets that have seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// The mean over these targets.
    pub mean: Values,
    /// Over the same targets, the mean expectation over a uniformly random order.
    pub random: Values,
    /// How many targets have seeds.
    pub targets: usize,
}

/// The figures of an evaluation; rows are in the order of the truth's targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Each target.
    pub targets: Vec<Judgement>,
    /// The mean over the targets where a measure is defined.
    pub mean: Values,
    /// The mean expectation over a uniformly random order.
    pub random: Values,
    /// What the truth's seeds score; `None` where no target has several.
    pub ceiling: Option<Ceiling>,
    /// The bootstrap interval of each mean over targets.
    pub interval: Vec<Option<[f64; 2]>>,
    /// Sources of the truth that have no embedding, or no score where scores are judged.
    pub without_vector: Vec<String>,
    /// Targets of the truth that have none.
    pub targets_without_vector: Vec<String>,
    /// Targets with fewer than two sources that were run and have one.
    pub targets_without_sources: Vec<String>,
}

/// Ranks the sources of every target of `truth` and judges the rankings. A
/// target is never a source of its own.
///
/// # Errors
/// When a ranking fails, fewer than two sources of the truth have an
/// embedding, or no target is left.
pub fn evaluate(
    zoo: &Zoo,
    truth: &TransferMatrix,
    settings: &Settings<'_>,
) -> Result<Report, Error> {
    at_once(evaluate_in_pieces(zoo, truth, settings, &no_pause))
}

/// [`evaluate`], awaiting `pause` between pieces of a few milliseconds.
///
/// # Errors
/// As [`evaluate`].
pub async fn evaluate_in_pieces(
    zoo: &Zoo,
    truth: &TransferMatrix,
    settings: &Settings<'_>,
    pause: &impl AsyncFn(),
) -> Result<Report, Error> {
    let reduced = (!settings.exclude.is_empty()).then(|| zoo.without(settings.exclude));
    let zoo = reduced.as_ref().unwrap_or(zoo);
    let rank = async |target: &str| -> Result<Option<Scores>, Error> {
        let query = Query {
            target: Target::Task(target),
            method: settings.method,
            similarity: settings.similarity,
        };
        match rank_in_pieces(zoo, &query, pause).await {
            Ok(ranking) => {
                Ok(Some(ranking.sources.into_iter().map(|s| (s.task, s.score)).collect()))
            }
            Err(Error::UnknownTask { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    judge(truth, "an embedding", settings.exclude, settings.seed, rank, pause).await
}

/// Judges scores that something else gave to the sources. Without a score is what is blank
/// or has no row or column.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_scores(
    scores: &ScoreTable,
    truth: &TransferMatrix,
    exclude: &[String],
    seed: u64,
) -> Result<Report, Error> {
    at_once(evaluate_scores_in_pieces(scores, truth, exclude, seed, &no_pause))
}

/// [`evaluate_scores`], awaiting `pause` between pieces of a few milliseconds.
///
/// # Errors
/// As [`evaluate`].
pub async fn evaluate_scores_in_pieces(
    scores: &ScoreTable,
    truth: &TransferMatrix,
    exclude: &[String],
    seed: u64,
    pause: &impl AsyncFn(),
) -> Result<Report, Error> {
    let rows: BTreeMap<&str, usize> =
        scores.targets.iter().enumerate().map(|(row, target)| (target.as_str(), row)).collect();
    let of = async |target: &str| -> Result<Option<Scores>, Error> {
        let Some(&row) = rows.get(target) else { return Ok(None) };
        let sources = scores
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.as_str() != target && !exclude.contains(source));
        let given =
            sources.filter_map(|(at, source)| Some((source.clone(), scores.scores[row][at]?)));
        Ok(Some(given.collect()))
    };
    judge(truth, "a score", exclude, seed, of, pause).await
}

/// A score for each source of one target.
type Scores = BTreeMap<String, f64>;

/// Judges what `predict` says of each target: `None` for a target that it knows nothing
/// of. `what` is what a source needs, in words.
async fn judge(
    truth: &TransferMatrix,
    what: &str,
    exclude: &[String],
    seed: u64,
    predict: impl AsyncFn(&str) -> Result<Option<Scores>, Error>,
    pause: &impl AsyncFn(),
) -> Result<Report, Error> {
    let excluded = |name: &String| exclude.contains(name);
    let mut predictions: Vec<(usize, Scores)> = Vec::new();
    let mut targets_without_vector = Vec::new();
    for (row, target) in truth.targets.iter().enumerate().filter(|(_, t)| !excluded(t)) {
        match predict(target).await? {
            Some(scores) => predictions.push((row, scores)),
            None => targets_without_vector.push(target.clone()),
        }
        pause().await;
    }
    // A set may lack tasks that the zoo has: what was ranked is what counts.
    let known: BTreeSet<&str> = predictions
        .iter()
        .flat_map(|(row, scores)| {
            scores.keys().map(String::as_str).chain([truth.targets[*row].as_str()])
        })
        .collect();
    let (left, without_vector): (Vec<&String>, Vec<&String>) = truth
        .sources
        .iter()
        .filter(|s| !excluded(s))
        .partition(|source| known.contains(source.as_str()));
    let without_vector: Vec<String> = without_vector.into_iter().cloned().collect();
    if left.len() < 2 {
        return Err(Error::Truth(format!(
            "of the sources in the truth only {} have {what} (without one: {}); a ranking needs \
             two or more, of the same names",
            left.len(),
            without_vector.join(", ")
        )));
    }
    let mut targets: Vec<Judgement> = Vec::new();
    let (mut ceiling, mut ceiling_random) = (Vec::new(), Vec::new());
    let mut targets_without_sources = Vec::new();
    for (row, scores) in &predictions {
        let (row, target) = (*row, &truth.targets[*row]);
        // In the truth's order: equal true scores keep it.
        let (mut columns, mut ids, mut predicted, mut measured) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (column, source) in truth.sources.iter().enumerate() {
            if let Some((predicted_, measured_)) =
                scores.get(source.as_str()).copied().zip(truth.score(row, column))
            {
                columns.push(column);
                ids.push(source.as_str());
                predicted.push(predicted_);
                measured.push(measured_);
            }
        }
        let baseline = truth.baseline(row);
        let Some(judged) = Judged::new(&predicted, &measured, &ids, baseline) else {
            targets_without_sources.push(target.clone());
            continue;
        };
        let random = floors(&judged);
        if let Some(values) = by_seed(truth, row, &columns, &ids, baseline) {
            ceiling.push(values);
            ceiling_random.push(random.clone());
        }
        let values = measures(&judged);
        let sources = ids.iter().copied().map(str::to_owned).collect();
        targets.push(Judgement { target: target.clone(), sources, values, random });
        pause().await;
    }
    if targets.is_empty() {
        return Err(Error::Truth(format!(
            "no target of the truth can be evaluated: {} are without {what}, {} have fewer than two \
             sources that were run and have one",
            targets_without_vector.len(),
            targets_without_sources.len()
        )));
    }
    let rows: Vec<Values> = targets.iter().map(|t| t.values.clone()).collect();
    let random: Vec<Values> = targets.iter().map(|t| t.random.clone()).collect();
    let columns: Vec<Values> =
        (0..MEASURES.len()).map(|m| rows.iter().map(|row| row[m]).collect()).collect();
    let interval = bootstrap_intervals(&columns, DRAWS, seed, pause).await;
    Ok(Report {
        mean: means(&rows),
        random: means(&random),
        ceiling: (!ceiling.is_empty()).then(|| Ceiling {
            mean: means(&ceiling),
            random: means(&ceiling_random),
            targets: ceiling.len(),
        }),
        interval,
        targets,
        without_vector,
        targets_without_vector,
        targets_without_sources,
    })
}

/// The ceiling of one target, over the sources that every seed was run for.
fn by_seed(
    truth: &TransferMatrix,
    row: usize,
    columns: &[usize],
    ids: &[&str],
    baseline: Option<f64>,
) -> Option<Values> {
    let whole: Vec<(usize, &str)> = columns
        .iter()
        .copied()
        .zip(ids.iter().copied())
        .filter(|(column, _)| truth.scores[row][*column].iter().all(Option::is_some))
        .collect();
    let seeds: Vec<Vec<f64>> = (0..truth.seeds.len())
        .map(|seed| whole.iter().filter_map(|(c, _)| truth.scores[row][*c][seed]).collect())
        .collect();
    let ids: Vec<&str> = whole.iter().map(|(_, id)| *id).collect();
    ceilings(&seeds, &ids, baseline)
}

impl Report {
    /// Over how many targets the mean of one of [`MEASURES`] is: those for which it is
    /// defined.
    ///
    /// # Panics
    /// When there is no such measure.
    pub fn defined(&self, measure: usize) -> usize {
        self.targets.iter().filter(|target| target.values[measure].is_some()).count()
    }

    /// The ceiling, if it is over the same targets as the means, and can stand beside them.
    pub fn ceiling_beside(&self) -> Option<&Values> {
        let ceiling = self.ceiling.as_ref().filter(|c| c.targets == self.targets.len());
        ceiling.map(|ceiling| &ceiling.mean)
    }

    /// Whether a measure's means of two reports are over the same targets, each with the same
    /// sources: only those can be put in an order.
    ///
    /// # Panics
    /// When there is no such measure.
    pub fn is_comparable(&self, other: &Self, measure: usize) -> bool {
        self.judged(measure) == other.judged(measure)
    }

    /// The targets for which a measure is defined, with the sources of each.
    fn judged(&self, measure: usize) -> Vec<(&str, &[String])> {
        let defined = self.targets.iter().filter(|t| t.values[measure].is_some());
        defined.map(|t| (&*t.target, &*t.sources)).collect()
    }

    /// How a measure does against a random order, target by target: one [`PairedTest`] of
    /// value minus expectation.
    ///
    /// # Panics
    /// When there is no such measure.
    pub fn against_chance(&self, measure: usize, seed: u64) -> Option<PairedTest> {
        let values: Vec<_> = self.targets.iter().map(|t| t.values[measure]).collect();
        let random: Vec<_> = self.targets.iter().map(|t| t.random[measure]).collect();
        paired_test(&values, &random, DRAWS, seed)
    }

    /// Compares two methods over the targets for which both ranked the same sources: one
    /// test a measure, in the order of [`MEASURES`].
    pub fn compare(&self, other: &Self, seed: u64) -> Vec<Option<PairedTest>> {
        (0..MEASURES.len()).map(|measure| self.compare_by(other, measure, seed)).collect()
    }

    /// The same by one of [`MEASURES`].
    ///
    /// # Panics
    /// When there is no such measure.
    pub fn compare_by(&self, other: &Self, measure: usize, seed: u64) -> Option<PairedTest> {
        let (first, second): (Vec<_>, Vec<_>) = self
            .targets
            .iter()
            .filter_map(|own| {
                let theirs = other.targets.iter().find(|t| t.target == own.target)?;
                let alike = own.sources == theirs.sources;
                alike.then_some((own.values[measure], theirs.values[measure]))
            })
            .unzip();
        paired_test(&first, &second, DRAWS, seed)
    }

    /// Whether NDCG by gain is defined for some target, which takes scores
    /// without transfer.
    pub fn has(&self, relevance: Relevance) -> bool {
        let name = format!("ndcg.{}", relevance.name());
        MEASURES.iter().zip(&self.mean).any(|(m, value)| m.name == name && value.is_some())
    }

    /// The figures as the JSON of `tupate evaluate --json`, but for `settings`.
    pub fn to_json(&self) -> Map<String, Value> {
        // A measure without a value is null; relevance by gain is only there where scores
        // without transfer are.
        let gain = format!("ndcg.{}", Relevance::Gain.name());
        let there = |m: usize| MEASURES[m].name != gain || self.mean[m].is_some();
        let number = |values: &Values, rank: &str| {
            nest(rank, |m| there(m).then(|| values[m].map_or(Value::Null, Value::from)))
        };
        let targets: Vec<Value> = self
            .targets
            .iter()
            .map(|judgement| {
                let mut row = Map::new();
                row.insert("target".into(), judgement.target.clone().into());
                row.insert("sources".into(), judgement.sources.len().into());
                row.append(&mut number(&judgement.values, "rank_of_best"));
                // A place, but between two of equal scores.
                if let Some(place) = row["rank_of_best"].as_f64().filter(|p| p.fract() == 0.0) {
                    row.insert("rank_of_best".into(), (place as u64).into());
                }
                Value::Object(row)
            })
            .collect();
        let mut all = Map::new();
        all.insert("targets".into(), targets.into());
        all.insert("mean".into(), number(&self.mean, "rho").into());
        all.insert("random".into(), number(&self.random, "rho").into());
        if let Some(ceiling) = &self.ceiling {
            let mut of_seeds = number(&ceiling.mean, "rho");
            of_seeds.insert("targets".into(), ceiling.targets.into());
            of_seeds.insert("random".into(), number(&ceiling.random, "rho").into());
            all.insert("ceiling".into(), of_seeds.into());
        }
        let interval = nest("rho", |m| there(m).then(|| json!(self.interval[m])));
        all.insert("interval95".into(), interval.into());
        all
    }
}

/// Values by measure, `family.member` as an object in an object. The mean of
/// the best source's rank is called ρ. Measures without a value are left out.
pub fn nest(rank: &str, value: impl Fn(usize) -> Option<Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (m, measure) in MEASURES.iter().enumerate() {
        let Some(value) = value(m) else { continue };
        match measure.name.split_once('.') {
            None if measure.name == "rank_of_best" => {
                all.insert(rank.into(), value);
            }
            None => {
                all.insert(measure.name.into(), value);
            }
            Some((family, member)) => {
                let family = all.entry(family).or_insert_with(|| Map::new().into());
                family.as_object_mut().expect("a family is an object").insert(member.into(), value);
            }
        }
    }
    all
}
