//! `tupate zoo`.

use super::embed::{Wishes, of_run, runs_in};
use super::{npy, parse_zoo, print, print_json, read_zoo, shards, truth};
use crate::cli::{BesideArgs, NewZoo, NpyArgs, ZooCommand};
use crate::failure::Failure;
use crate::fetch;
use crate::progress::say;
use serde_json::json;
use std::path::{Path, PathBuf};
use tupate_tasks::{Projection, Values};
use tupate_tuner::files::write_atomically;
use tupate_tuner::run::Run;
use tupate_zoo::{NewEmbedding, Preferred, Repeated, Similarity, TaskEntry, Zoo, sha256_hex};

pub fn run(command: ZooCommand) -> Result<(), Failure> {
    match command {
        ZooCommand::Pack { runs, recipe, mean, new, beside } => {
            pack(&runs, &recipe, mean, &new, &beside)
        }
        ZooCommand::ImportNpy { npy, source, encoder, projection, new, beside } => {
            import_npy(&npy, source, &encoder, projection, &new, &beside)
        }
        ZooCommand::Merge { zoos, mean, new, beside } => merge(&zoos, mean, &new, &beside),
        ZooCommand::Diff { old, new, similarity, output } => {
            diff(&old, &new, &similarity, output.json)
        }
        ZooCommand::Card { zoo } => card(&zoo),
        ZooCommand::Shard(args) => shards::make(&args),
        ZooCommand::Show { zoo, output } => show(&zoo, output.json),
        ZooCommand::Verify { zoo, output } => verify(&zoo, output.json),
    }
}

fn pack(
    runs: &[PathBuf],
    recipe: &[String],
    mean: bool,
    new: &NewZoo,
    beside: &BesideArgs,
) -> Result<(), Failure> {
    let combinations = combinations(recipe);
    let mut embeddings = Vec::new();
    for place in runs {
        for root in runs_in(place)? {
            embeddings.extend(embeddings_of(&root, &combinations)?);
        }
    }
    if mean {
        embeddings = tupate_zoo::mean(embeddings)?;
    }
    let zoo = Zoo::pack(&new.name(), &new.description, embeddings)?;
    write(&truth::put_beside(zoo, beside)?, new)
}

/// The embeddings of a run by these recipes, ready for a zoo.
pub fn embeddings_of(root: &Path, recipes: &[Vec<String>]) -> Result<Vec<NewEmbedding>, Failure> {
    let run = Run::open(root)?;
    let initial = run.initial()?;
    let mut embeddings = Vec::new();
    for words in recipes {
        // Without a wish for one, a run gives the checkpoints that it has.
        let mut each = vec![words.clone()];
        if !words.iter().any(|word| word.starts_with("checkpoint=")) {
            each[0].push("checkpoint=late".into());
            if run.record.has_early {
                each.push(words.iter().cloned().chain(["checkpoint=early".into()]).collect());
            }
        }
        for words in each {
            let embedding = of_run(&run, &Wishes::parse(&words)?)?;
            // A change has no state before training to be told from.
            let initial = match embedding.recipe.values {
                Values::Delta => None,
                Values::Absolute => Some(
                    tupate_embedding::aggregate(&initial, None, &embedding.recipe)
                        .map_err(|e| Failure::Input(format!("{}: {e}", root.display())))?,
                ),
            };
            embeddings.push(NewEmbedding {
                task: entry(&run),
                recipe: embedding.recipe,
                values: embedding.values,
                initial,
            });
        }
    }
    Ok(embeddings)
}

/// One list of words for every combination of the values that were given for
/// each key, keys in order of appearance; one empty list for no words.
fn combinations(words: &[String]) -> Vec<Vec<String>> {
    let mut keys: Vec<(&str, Vec<&String>)> = Vec::new();
    for word in words {
        let key = word.split('=').next().unwrap_or(word);
        match keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) if !values.contains(&word) => values.push(word),
            Some(_) => {}
            None => keys.push((key, vec![word])),
        }
    }
    keys.iter().fold(vec![Vec::new()], |all, (_, values)| {
        let with =
            |start: &Vec<String>, word: &String| [start.clone(), vec![word.clone()]].concat();
        all.iter().flat_map(|start| values.iter().map(move |word| with(start, word))).collect()
    })
}

fn import_npy(
    npy: &NpyArgs,
    source: Option<String>,
    encoder: &str,
    projection: Option<usize>,
    new: &NewZoo,
    beside: &BesideArgs,
) -> Result<(), Failure> {
    let folder = npy.folder.canonicalize().ok();
    let folder = folder.as_deref().and_then(Path::file_name).and_then(|n| n.to_str());
    let source = source.or_else(|| folder.map(str::to_owned)).unwrap_or_else(|| "npy".into());
    let imported = npy::read(npy, &new.name(), &source, encoder)?;
    if !imported.strangers.is_empty() {
        say(format_args!(
            "note: nothing is known of {}: entered as {} judged by {}, training size 0",
            imported.strangers.join(", "),
            tupate_tasks::TaskClass::ClassificationRegression.name(),
            tupate_tasks::Metric::Accuracy.name()
        ));
    }
    let mut zoo = imported.zoo.described(&new.description);
    if let Some(dim) = projection {
        zoo = zoo.projected(Projection { dim, seed: 0 })?;
    }
    write(&truth::put_beside(zoo, beside)?, new)
}

fn merge(sources: &[String], mean: bool, new: &NewZoo, beside: &BesideArgs) -> Result<(), Failure> {
    let mut zoos = Vec::with_capacity(sources.len());
    for source in sources {
        zoos.push((source.as_str(), read_zoo(source)?.0));
    }
    let parts = zoos.iter().map(|(name, zoo)| (*name, zoo));
    let repeated = if mean { Repeated::Mean } else { Repeated::Same };
    let zoo = tupate_zoo::merge(&new.name(), &new.description, parts, repeated)?;
    write(&truth::put_beside(zoo, beside)?, new)
}

fn diff(old: &str, new: &str, similarity: &str, as_json: bool) -> Result<(), Failure> {
    let similarity = Similarity::named(similarity)?;
    let difference = tupate_zoo::diff(&read_zoo(old)?.0, &read_zoo(new)?.0, similarity);
    if as_json {
        return print_json(&difference);
    }
    for (what, names) in [
        ("added", &difference.added),
        ("removed", &difference.removed),
        ("facts changed", &difference.changed),
        ("sets added", &difference.sets_added),
        ("sets removed", &difference.sets_removed),
    ] {
        if !names.is_empty() {
            print(&format!("{what}: {}", names.join(", ")))?;
        }
    }
    for (set, fields) in &difference.sets_changed {
        let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
        print(&format!("{set}: made otherwise: {}", fields.join("; ")))?;
    }
    for step in &difference.moved {
        print(&format!(
            "{}: for {}, {} moved from rank {} to {}",
            step.set, step.target, step.source, step.from, step.to
        ))?;
    }
    for (set, why) in &difference.not_ranked {
        print(&format!("{set}: not ranked by {}: {why}", similarity.name))?;
    }
    if difference.is_empty() {
        print("no difference in tasks, sets, facts or ranks")?;
    }
    Ok(())
}

fn card(source: &str) -> Result<(), Failure> {
    let (zoo, bytes) = read_zoo(source)?;
    let file = source.rsplit('/').next().unwrap_or(source);
    print(tupate_zoo::card(&zoo, file, &sha256_hex(&bytes)).trim_end())
}

fn write(zoo: &Zoo, new: &NewZoo) -> Result<(), Failure> {
    let bytes = zoo.to_bytes(new.dtype.dtype())?;
    write_atomically(&new.out, &bytes)?;
    print(&format!(
        "{}: {}, {}, {} bytes, sha256 {}",
        new.out.display(),
        count(zoo.tasks().len(), "task"),
        count(zoo.sets().len(), "embedding set"),
        bytes.len(),
        sha256_hex(&bytes)
    ))
}

/// `1 task`, `2 tasks`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn entry(run: &Run) -> TaskEntry {
    let (record, facts) = (&run.record, &run.record.facts);
    TaskEntry {
        id: record.task.clone(),
        name: facts.name.clone(),
        class: facts.class,
        family: facts.family.clone(),
        train_examples: record.train_examples,
        tunings: 1,
        metric: record.metric,
        score: Some(record.score),
        majority: Some(record.majority),
        licence: facts.licence.clone(),
        link: None,
    }
}

fn show(source: &str, as_json: bool) -> Result<(), Failure> {
    let bytes = fetch::bytes(source)?;
    if let Some(index) = shards::index_of(source, &bytes)? {
        return shards::show(&index, &bytes, as_json);
    }
    let zoo = parse_zoo(source, &bytes)?;
    if as_json {
        return print_json(&json!({
            "name": zoo.name(), "description": zoo.description(),
            "bytes": bytes.len(), "sha256": sha256_hex(&bytes),
            "tasks": zoo.tasks(),
            "embeddings": zoo.sets().collect::<Vec<_>>(),
            "transfer": zoo.transfer().iter().map(|m| json!({
                "setting": m.setting, "metric": m.metric, "seeds": m.seeds,
                "targets": m.targets, "sources": m.sources,
            })).collect::<Vec<_>>(),
            "scores": zoo.scores().iter().map(|table| json!({
                "name": table.name, "targets": table.targets, "sources": table.sources,
            })).collect::<Vec<_>>(),
            "preferred": zoo.preferred(),
        }));
    }
    print(&format!("{}  ({} bytes, sha256 {})", zoo.name(), bytes.len(), sha256_hex(&bytes)))?;
    if !zoo.description().is_empty() {
        print(zoo.description())?;
    }
    for set in zoo.sets() {
        let recipe = &set.recipe;
        print(&format!(
            "  {:<16} {} tasks × {}: {} on {}, {}, init seed {}",
            set.key,
            set.tasks.len(),
            set.dim,
            recipe.method,
            recipe.encoder.name,
            recipe.checkpoint.name(),
            recipe.init_seed
        ))?;
    }
    for task in zoo.tasks() {
        let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
        print(&format!(
            "  {:<21} {:<2}  {:<16} {:>8} examples  {} {} (majority {}){}",
            task.id,
            task.class.name(),
            task.family,
            task.train_examples,
            task.metric.name(),
            number(task.score),
            number(task.majority),
            match task.tunings {
                1 => String::new(),
                n => format!(", mean of {n} tunings"),
            }
        ))?;
    }
    for matrix in zoo.transfer() {
        print(&format!(
            "  measured transfer, {}: {} targets × {} sources × {} seeds",
            matrix.setting,
            matrix.targets.len(),
            matrix.sources.len(),
            matrix.seeds.len()
        ))?;
    }
    for table in zoo.scores() {
        print(&format!(
            "  scores of {}: {} targets × {} sources",
            table.name,
            table.targets.len(),
            table.sources.len()
        ))?;
    }
    if let Some(Preferred { method, similarity }) = zoo.preferred() {
        print(&format!("  preferred ranking: {method}, {similarity}"))?;
    }
    Ok(())
}

fn verify(source: &str, as_json: bool) -> Result<(), Failure> {
    let bytes = fetch::bytes(source)?;
    if let Some(index) = shards::index_of(source, &bytes)? {
        return shards::verify(source, index, &bytes, as_json);
    }
    // Reading a zoo checks every sum in it.
    let zoo = parse_zoo(source, &bytes)?;
    let sha256 = sha256_hex(&bytes);
    if as_json {
        return print_json(&json!({
            "ok": true, "bytes": bytes.len(), "sha256": sha256,
            "tasks": zoo.tasks().len(), "embeddings": zoo.sets().len(),
        }));
    }
    print(&format!("{source}: sound; {} bytes, sha256 {sha256}", bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::combinations;

    #[test]
    fn every_value_of_a_key_with_every_value_of_the_others() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(combinations(&[]), [Vec::<String>::new()]);
        assert_eq!(combinations(&words("a=1 b=1 a=2 a=1")), [words("a=1 b=1"), words("a=2 b=1")]);
    }
}
