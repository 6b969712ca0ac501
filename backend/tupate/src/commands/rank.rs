//! `tupate rank`.

use super::embed::{Wishes, embedding};
use super::{print, print_json, read_zoo};
use crate::cli::RankArgs;
use crate::failure::Failure;
use std::path::Path;
use tupate_zoo::{Query, Ranking, Similarity, Target, Zoo, rank};

pub fn run(args: &RankArgs) -> Result<(), Failure> {
    let (zoo, _) = read_zoo(&args.zoo)?;
    let similarity = Similarity::named(&args.similarity)?;
    let method = args.method.as_deref();
    // A task of the zoo goes before a folder of the same name.
    let outside = match zoo.task(&args.target) {
        Some(_) => None,
        None if Path::new(&args.target).exists() => {
            Some(embedding(Path::new(&args.target), &wishes(&zoo, method)?)?)
        }
        None => {
            let known: Vec<_> = zoo.tasks().iter().map(|t| t.id.as_str()).collect();
            return Err(Failure::Usage(format!(
                "no target {}: neither a task of this zoo ({}) nor a run or adapter folder",
                args.target,
                known.join(", ")
            )));
        }
    };
    let target = match &outside {
        Some(embedding) => Target::Embedding(embedding),
        None => Target::Task(&args.target),
    };
    let mut ranking = rank(&zoo, &Query { target, method, similarity })?;
    if let Some(top) = args.top {
        ranking.sources.truncate(top);
    }
    if args.output.json { print_json(&ranking) } else { table(&zoo, &ranking) }
}

/// What the set asked for is made of: a run can give all of it, and what the zoo
/// will compare is meant.
fn wishes(zoo: &Zoo, method: Option<&str>) -> Result<Wishes, Failure> {
    let Some(set) = method.and_then(|key| zoo.sets().find(|set| set.key == key)) else {
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

fn table(zoo: &Zoo, ranking: &Ranking) -> Result<(), Failure> {
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
        let facts = zoo.task(&source.task);
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
