//! Zoos made for the tests.

use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::{NewEmbedding, TaskEntry, Zoo};

/// The facts of a made-up task.
pub fn task(id: &str) -> TaskEntry {
    TaskEntry {
        id: id.into(),
        name: format!("Task {id}"),
        class: TaskClass::ClassificationRegression,
        family: "made up".into(),
        train_examples: 100,
        tunings: 1,
        metric: Metric::Accuracy,
        score: Some(0.75),
        majority: Some(0.5),
        licence: None,
        link: None,
    }
}

/// The recipe of a checkpoint.
pub fn recipe(checkpoint: Checkpoint) -> Recipe {
    let encoder = EncoderRef {
        name: "tiny".into(),
        weights_sha256: "ab".repeat(32),
        layers: 2,
        hidden_size: 2,
    };
    let method = MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] };
    Recipe::paper(encoder, method, 0, checkpoint)
}

/// One embedding.
pub fn embedding(id: &str, checkpoint: Checkpoint, values: &[f32]) -> NewEmbedding {
    NewEmbedding {
        task: task(id),
        recipe: recipe(checkpoint),
        values: values.into(),
        initial: Some(vec![0.5; values.len()]),
    }
}

/// Four tasks in the plane: `a` and `b` point east, `c` north, `d` west.
pub fn zoo() -> Zoo {
    let late = [("d", [-1.0, 0.25]), ("a", [1.0, 0.0]), ("c", [0.25, 1.0]), ("b", [2.0, 0.5])];
    let early = [("a", [1.0, 1.0]), ("b", [1.0, -1.0])];
    let late = late.iter().map(|(id, v)| embedding(id, Checkpoint::Late, v));
    let early = early.iter().map(|(id, v)| embedding(id, Checkpoint::Early, v));
    Zoo::pack("plane", "Four directions.", late.chain(early)).unwrap()
}
