//! `tupate rank`.

use super::embed::{Wishes, embedding};
use super::shards::{self, Opened};
use super::{parse_zoo, print, print_json};
use crate::cli::RankArgs;
use crate::failure::Failure;
use crate::fetch;
use std::collections::BTreeMap;
use std::path::Path;
use tupate_embedding::TaskEmbedding;
use tupate_zoo::shards::Wish;
use tupate_zoo::{EmbeddingSet, Query, Ranking, Similarity, Target, TaskEntry, Zoo, rank};

pub fn run(args: &RankArgs) -> Result<(), Failure> {
    let bytes = fetch::bytes(&args.zoo)?;
    match shards::index_of(&args.zoo, &bytes)? {
        Some(index) => over_shards(args, shards::open(&args.zoo, index)?),
        None => of_one_file(args, &parse_zoo(&args.zoo, &bytes)?),
    }
}

fn of_one_file(args: &RankArgs, zoo: &Zoo) -> Result<(), Failure> {
    let method = args.method.as_deref();
    let sets: Vec<_> = zoo.sets().cloned().collect();
    let outside = outside(args, zoo.task(&args.target).is_some(), &sets)?;
    let Some(target) = target(args, outside.as_ref(), zoo.task(&args.target).is_some()) else {
        let known: Vec<_> = zoo.tasks().iter().map(|t| t.id.as_str()).collect();
        return Err(Failure::Usage(format!(
            "no target {}: neither a task of this zoo ({}) nor a run or adapter folder",
            args.target,
            known.join(", ")
        )));
    };
    let similarity = Similarity::named(&args.similarity)?;
    let mut ranking = rank(zoo, &Query { target, method, similarity })?;
    if let Some(top) = args.top {
        ranking.sources.truncate(top);
    }
    if args.output.json { print_json(&ranking) } else { table(&ranking, |id| zoo.task(id)) }
}

fn over_shards(args: &RankArgs, opened: Opened) -> Result<(), Failure> {
    let known = opened.knows(&args.target);
    let outside = outside(args, known, &opened.index.sets())?;
    let Some(target) = target(args, outside.as_ref(), known) else {
        return Err(Failure::Usage(format!(
            "no target {}: neither one of the {} tasks of this zoo nor a run or adapter folder",
            args.target, opened.index.tasks
        )));
    };
    let closest = opened.rank(&Wish {
        target,
        method: args.method.as_deref(),
        similarity: Similarity::named(&args.similarity)?,
        filters: &[],
        most: args.top.unwrap_or(usize::MAX),
    })?;
    if args.output.json {
        return print_json(&closest.ranking);
    }
    let found: BTreeMap<_, _> =
        closest.nearest.sources.iter().map(|found| (&*found.task.id, &found.task)).collect();
    table(&closest.ranking, |id| found.get(id).copied())
}

/// The target's embedding, where it is not a task of the zoo. A task goes before a
/// folder of the same name.
fn outside(
    args: &RankArgs,
    known: bool,
    sets: &[EmbeddingSet],
) -> Result<Option<TaskEmbedding>, Failure> {
    let place = Path::new(&args.target);
    match !known && place.exists() {
        true => embedding(place, &wishes(sets, args.method.as_deref())?).map(Some),
        false => Ok(None),
    }
}

fn target<'a>(
    args: &'a RankArgs,
    outside: Option<&'a TaskEmbedding>,
    known: bool,
) -> Option<Target<'a>> {
    match outside {
        Some(embedding) => Some(Target::Embedding(embedding)),
        None => known.then_some(Target::Task(&args.target)),
    }
}

/// What the set asked for is made of: a run can give all of it, and what the zoo
/// will compare is meant.
fn wishes(sets: &[EmbeddingSet], method: Option<&str>) -> Result<Wishes, Failure> {
    let Some(set) = method.and_then(|key| sets.iter().find(|set| set.key == key)) else {
        return Ok(Wishes::default());
    };
    let named = |key: &str, value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(value)) => Ok(format!("{key}={value}")),
        _ => Err(Failure::Run(format!("the {key} of {} has no name", set.key))),
    };
    let mut words = vec![
        named("checkpoint", serde_json::to_value(set.recipe.checkpoint))?,
        named("aggregation", serde_json::to_value(set.recipe.aggregation))?,
        named("values", serde_json::to_value(set.recipe.values))?,
    ];
    if let Some(projection) = &set.recipe.projection {
        words.push(format!("projection={}", projection.dim));
        words.push(format!("projection_seed={}", projection.seed));
    }
    Wishes::parse(&words)
}

fn table<'a>(
    ranking: &Ranking,
    task: impl Fn(&str) -> Option<&'a TaskEntry>,
) -> Result<(), Failure> {
    let what = match ranking.ensemble.as_slice() {
        [] => ranking.recipe.method.to_string(),
        members => members.iter().map(|m| m.set.as_str()).collect::<Vec<_>>().join(" + "),
    };
    print(&format!(
        "Sources for {}, by {} similarity of {what} ({}) on {}:",
        ranking.target,
        ranking.similarity,
        ranking.recipe.checkpoint.name(),
        ranking.recipe.encoder.name
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
