//! `tupate zoo`.

use super::{print, print_json, read_zoo};
use crate::cli::{Precision, ZooCommand};
use crate::failure::Failure;
use serde_json::json;
use std::path::{Path, PathBuf};
use tupate_tasks::Checkpoint;
use tupate_tuner::files::write_atomically;
use tupate_tuner::run::Run;
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, Zoo, sha256_hex};

pub fn run(command: ZooCommand) -> Result<(), Failure> {
    match command {
        ZooCommand::Pack { runs, out, name, description, dtype } => {
            pack(&runs, &out, name.as_deref(), &description, dtype)
        }
        ZooCommand::Show { zoo, output } => show(&zoo, output.json),
        ZooCommand::Verify { zoo, output } => verify(&zoo, output.json),
    }
}

fn pack(
    runs: &[PathBuf],
    out: &Path,
    name: Option<&str>,
    description: &str,
    dtype: Precision,
) -> Result<(), Failure> {
    let mut embeddings = Vec::new();
    for root in runs {
        let run = Run::open(root)?;
        let initial = run.initial()?;
        let record = &run.record;
        let mut checkpoints = vec![Checkpoint::Late];
        checkpoints.extend(record.has_early.then_some(Checkpoint::Early));
        for checkpoint in checkpoints {
            let recipe = run.recipe(checkpoint);
            let embedding = run.embedding(&recipe)?;
            let initial = tupate_embedding::aggregate(&initial, None, &recipe)
                .map_err(|e| Failure::Input(format!("{}: {e}", root.display())))?;
            embeddings.push(NewEmbedding {
                task: entry(&run),
                recipe,
                values: embedding.values,
                initial: Some(initial),
            });
        }
    }
    let stem = out.file_stem().and_then(|s| s.to_str()).unwrap_or("zoo");
    let zoo = Zoo::pack(name.unwrap_or(stem), description, embeddings)?;
    let dtype = match dtype {
        Precision::F16 => Dtype::F16,
        Precision::F32 => Dtype::F32,
    };
    let bytes = zoo.to_bytes(dtype)?;
    write_atomically(out, &bytes)?;
    print(&format!(
        "{}: {} tasks, {} embedding sets, {} bytes, sha256 {}",
        out.display(),
        zoo.tasks().len(),
        zoo.sets().len(),
        bytes.len(),
        sha256_hex(&bytes)
    ))
}

fn entry(run: &Run) -> TaskEntry {
    let (record, facts) = (&run.record, &run.record.facts);
    TaskEntry {
        id: record.task.clone(),
        name: facts.name.clone(),
        class: facts.class,
        family: facts.family.clone(),
        train_examples: record.train_examples,
        metric: record.metric,
        score: Some(record.score),
        majority: Some(record.majority),
        licence: facts.licence.clone(),
        link: None,
    }
}

fn show(source: &str, as_json: bool) -> Result<(), Failure> {
    let (zoo, bytes) = read_zoo(source)?;
    if as_json {
        return print_json(&json!({
            "name": zoo.name(), "description": zoo.description(),
            "bytes": bytes.len(), "sha256": sha256_hex(&bytes),
            "tasks": zoo.tasks(),
            "embeddings": zoo.sets().collect::<Vec<_>>(),
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
            "  {:<21} {:<2}  {:<16} {:>8} examples  {} {} (majority {})",
            task.id,
            task.class.short(),
            task.family,
            task.train_examples,
            task.metric.name(),
            number(task.score),
            number(task.majority)
        ))?;
    }
    Ok(())
}

fn verify(source: &str, as_json: bool) -> Result<(), Failure> {
    // Reading a zoo checks every sum in it.
    let (zoo, bytes) = read_zoo(source)?;
    let sha256 = sha256_hex(&bytes);
    if as_json {
        return print_json(&json!({
            "ok": true, "bytes": bytes.len(), "sha256": sha256,
            "tasks": zoo.tasks().len(), "embeddings": zoo.sets().len(),
        }));
    }
    print(&format!("{source}: sound; {} bytes, sha256 {sha256}", bytes.len()))
}
