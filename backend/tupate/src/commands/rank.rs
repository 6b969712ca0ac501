//! `tupate rank`.

use super::embed::{Wishes, embedding, runs_in};
use super::shards::{self, Opened};
use super::{parse_zoo, print, print_json};
use crate::cli::RankArgs;
use crate::failure::Failure;
use crate::fetch;
use crate::progress::say;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tupate_embedding::TaskEmbedding;
use tupate_tuner::run::Run;
use tupate_zoo::shards::Wish;
use tupate_zoo::{
    EmbeddingSet, Fusion, Preferred, Query, Ranking, SIMILARITIES, Similarity, Target, TaskEntry,
    Zoo, choose, rank,
};

pub fn run(args: &RankArgs) -> Result<(), Failure> {
    let bytes = fetch::bytes(&args.zoo)?;
    match shards::index_of(&args.zoo, &bytes)? {
        Some(index) => over_shards(args, shards::open(&args.zoo, index)?),
        None => of_one_file(args, &parse_zoo(&args.zoo, &bytes)?),
    }
}

fn of_one_file(args: &RankArgs, zoo: &Zoo) -> Result<(), Failure> {
    let sets: Vec<_> = zoo.sets().cloned().collect();
    let places = places(
        args,
        |task| zoo.task(task).is_some(),
        || {
            let known: Vec<_> = zoo.tasks().iter().map(|t| t.id.as_str()).collect();
            format!("neither a task of this zoo ({})", known.join(", "))
        },
    )?;
    let By { method, similarity, advised } = By::of(args, zoo.preferred(), &sets, &places)?;
    let outside = outside(&places, &sets, method.as_deref())?;
    let target = target(args, &places, &outside);
    let mut ranking = rank(zoo, &Query { target, method: method.as_deref(), similarity })?;
    if let Some(top) = args.top {
        ranking.sources.truncate(top);
    }
    if let Advised::InPart { note } = &advised {
        say(note);
    }
    if args.output.json {
        return print_json(&ranking);
    }
    table(&ranking, matches!(advised, Advised::Whole), |id| zoo.task(id))
}

fn over_shards(args: &RankArgs, opened: Opened) -> Result<(), Failure> {
    let sets = opened.index.sets();
    let places = places(
        args,
        |task| opened.knows(task),
        || format!("neither one of the {} tasks of this zoo", opened.index.tasks),
    )?;
    let By { method, similarity, .. } = By::of(args, None, &sets, &places)?;
    let outside = outside(&places, &sets, method.as_deref())?;
    let closest = opened.rank(&Wish {
        target: target(args, &places, &outside),
        method: method.as_deref(),
        similarity,
        filters: &[],
        most: args.top.unwrap_or(usize::MAX),
    })?;
    if args.output.json {
        return print_json(&closest.ranking);
    }
    let found: BTreeMap<_, _> =
        closest.nearest.sources.iter().map(|found| (&*found.task.id, &found.task)).collect();
    table(&closest.ranking, false, |id| found.get(id).copied())
}

/// Where the target's embeddings are, or none where it is a task of the zoo. A task goes
/// before a folder of the same name.
fn places(
    args: &RankArgs,
    known: impl Fn(&str) -> bool,
    no_task: impl Fn() -> String,
) -> Result<Vec<PathBuf>, Failure> {
    let given = match args.target.as_slice() {
        [task] if known(task) => return Ok(Vec::new()),
        given => given,
    };
    let mut places = Vec::new();
    for place in given {
        let path = Path::new(place);
        match path.exists() {
            true => places.extend(runs_in(path)?),
            false if known(place) => {
                return Err(Failure::Usage(format!(
                    "--target {place} is a task of the zoo, which goes alone; several are runs or \
                     adapter folders of one task by several methods"
                )));
            }
            false => {
                return Err(Failure::Usage(format!(
                    "no target {place}: {} nor a run or adapter folder",
                    no_task()
                )));
            }
        }
    }
    Ok(places)
}

/// The embeddings in these places, as they are for what is asked.
fn outside(
    places: &[PathBuf],
    sets: &[EmbeddingSet],
    method: Option<&str>,
) -> Result<Vec<TaskEmbedding>, Failure> {
    let wishes = match method.and_then(|method| asked(sets, method).into_iter().next()) {
        Some(set) => wishes(set)?,
        None => Wishes::default(),
    };
    places.iter().map(|place| embedding(place, &wishes)).collect()
}

fn target<'a>(args: &'a RankArgs, places: &[PathBuf], outside: &'a [TaskEmbedding]) -> Target<'a> {
    match places {
        [] => Target::Task(&args.target[0]),
        _ => Target::Embeddings(outside),
    }
}

/// The set that this is a name of, or those of all methods together.
fn asked<'a>(sets: &'a [EmbeddingSet], method: &str) -> Vec<&'a EmbeddingSet> {
    if let Ok(set) = choose::set(sets, Some(method)) {
        return vec![set];
    }
    let fusion = Fusion::named(method);
    fusion.and_then(|(fusion, at)| fusion.members(sets, at).ok()).unwrap_or_default()
}

/// What it is ranked by.
struct By {
    method: Option<String>,
    similarity: &'static Similarity,
    advised: Advised,
}

/// Whether that is what the zoo's makers advise.
enum Advised {
    /// It was asked for, or there is no advice that the target could follow.
    No,
    Whole,
    /// It is the part that the target has.
    InPart {
        note: String,
    },
}

impl By {
    /// What is asked for, or where nothing is, what is advised.
    fn of(
        args: &RankArgs,
        preferred: Option<&Preferred>,
        sets: &[EmbeddingSet],
        places: &[PathBuf],
    ) -> Result<Self, Failure> {
        let own = Self {
            method: args.method.clone(),
            similarity: match &args.similarity {
                Some(name) => Similarity::named(name)?,
                None => &SIMILARITIES[0],
            },
            advised: Advised::No,
        };
        let (None, None, Some(preferred)) = (&args.method, &args.similarity, preferred) else {
            return Ok(own);
        };
        let Ok(similarity) = Similarity::named(&preferred.similarity) else { return Ok(own) };
        let method = Some(preferred.method.clone());
        let whole = Self { method, similarity, advised: Advised::Whole };
        let members = asked(sets, &preferred.method);
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        for set in &members {
            match has_set(args, places, set) {
                true => has.push(set),
                false => lacks.push(set.recipe.method.name()),
            }
        }
        Ok(match (has.len(), places) {
            _ if members.is_empty() => own,
            _ if lacks.is_empty() => whole,
            (1, [place]) => Self {
                method: Some(has[0].key.clone()),
                similarity,
                advised: Advised::InPart {
                    note: format!(
                        "this zoo's makers advise {}, {}: of that, {} has {}; a --target more for a \
                         run by {} makes it whole",
                        preferred.method,
                        preferred.similarity,
                        place.display(),
                        has[0].key,
                        lacks.join(" and by ")
                    ),
                },
            },
            _ => own,
        })
    }
}

/// Whether the target has an embedding to compare with those of a set. A run has all that
/// its parameters can be made into.
fn has_set(args: &RankArgs, places: &[PathBuf], set: &EmbeddingSet) -> bool {
    if places.is_empty() {
        return set.tasks.contains(&args.target[0]);
    }
    // Why there is none, is said where it is asked for.
    let own = |place: &PathBuf| -> Result<TaskEmbedding, Failure> {
        let wishes = if Run::is_run(place) { wishes(set)? } else { Wishes::default() };
        embedding(place, &wishes)
    };
    let fits = |own: TaskEmbedding| own.recipe.differences(&set.recipe).is_empty();
    places.iter().any(|place| own(place).is_ok_and(fits))
}

/// What a set is made of: a run can give all of it, and what the zoo will compare is meant.
fn wishes(set: &EmbeddingSet) -> Result<Wishes, Failure> {
    let named = |key: &str, value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(value)) => Ok(format!("{key}={value}")),
        _ => Err(Failure::Run(format!("the {key} of {} has no name", set.key))),
    };
    let mut words = vec![
        named("checkpoint", serde_json::to_value(set.recipe.checkpoint))?,
        named("aggregation", serde_json::to_value(set.recipe.aggregation))?,
        named("values", serde_json::to_value(set.recipe.values))?,
        named("parameters", serde_json::to_value(set.recipe.parameters))?,
    ];
    if let Some(projection) = &set.recipe.projection {
        words.push(format!("projection={}", projection.dim));
        words.push(format!("projection_seed={}", projection.seed));
    }
    Wishes::parse(&words)
}

fn table<'a>(
    ranking: &Ranking,
    advised: bool,
    task: impl Fn(&str) -> Option<&'a TaskEntry>,
) -> Result<(), Failure> {
    let what = match ranking.ensemble.as_slice() {
        [] => ranking.recipe.method.to_string(),
        members => members.iter().map(|m| m.set.as_str()).collect::<Vec<_>>().join(" + "),
    };
    print(&format!(
        "Sources for {}, by {} similarity of {what} ({}) on {}{}:",
        ranking.target,
        ranking.similarity,
        ranking.recipe.checkpoint.name(),
        ranking.recipe.encoder.name,
        if advised { ", as its makers advise" } else { "" }
    ))?;
    for source in &ranking.sources {
        let facts = task(&source.task);
        print(&format!(
            "{:>4}  {:<24} {:>8.4}  {:<16} {:>8} examples",
            source.rank,
            source.task,
            source.score,
            facts.map_or("", |t| t.family.as_str()),
            facts.map_or(0, |t| t.train_examples)
        ))?;
    }
    Ok(())
}
