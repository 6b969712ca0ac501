//! Writes a zoo in shards with made-up embeddings, to try and measure large ones:
//! `cargo run --release -p tupate-engine --example shards -- DIR SHARDS TASKS DIM`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::shards::Index;
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, Zoo};

/// Kinds of tasks: embeddings of one kind are alike.
const KINDS: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [folder, shards, tasks, dim] = &words[..] else {
        return Err("four arguments are needed: DIR SHARDS TASKS DIM".into());
    };
    let (folder, shards) = (PathBuf::from(folder), shards.parse::<usize>()?);
    let (tasks, dim) = (tasks.parse::<usize>()?, dim.parse::<usize>()?);
    fs::create_dir_all(&folder)?;
    let mut index = Index::new("Made up", "Random vectors around common and kindred ones.");
    for shard in 0..shards {
        let all = (0..tasks).map(|task| embedding(shard * tasks + task, dim));
        let zoo = Zoo::pack("Made up", "", all)?;
        let bytes = zoo.to_bytes(Dtype::Int8)?;
        let name = format!("shard-{shard:04}.safetensors");
        index.add(&name, &bytes, &zoo)?;
        fs::write(folder.join(name), bytes)?;
    }
    fs::write(folder.join("index.json"), index.to_bytes()?)?;
    println!("{} tasks in {shards} shards", index.tasks);
    Ok(())
}

fn embedding(number: usize, dim: usize) -> NewEmbedding {
    let kind = number * 7919 % KINDS;
    let encoder = EncoderRef {
        name: "made up".into(),
        weights_sha256: "0".repeat(64),
        layers: 12,
        hidden_size: 768,
    };
    let value = |d: usize| {
        let own = 0.3 * noise(number * dim + d);
        noise(d + (1 << 50)) + 0.3 * noise(kind * dim + d + (1 << 48)) + own
    };
    NewEmbedding {
        task: TaskEntry {
            id: format!("task-{number:07}"),
            name: format!("Task {number}"),
            class: TaskClass::ClassificationRegression,
            family: format!("kind {kind}"),
            train_examples: 100 + (number * 31 % 10_000) as u64,
            tunings: 1,
            metric: Metric::Accuracy,
            score: Some(0.8),
            majority: Some(0.5),
            licence: Some("CC0-1.0".into()),
            link: None,
        },
        recipe: Recipe::paper(encoder, MethodSpec::BitFit, 0, Checkpoint::Late),
        values: (0..dim).map(value).collect(),
        initial: None,
    }
}

/// From −1 to 1, the same for the same number.
fn noise(number: usize) -> f32 {
    let x = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x ^ (x >> 32)) as u32 as f32) / (1_u32 << 31) as f32 - 1.0
}
