//! `tupate embed`, and reading targets from outside a zoo.

use super::print;
use crate::cli::EmbedArgs;
use crate::encoders;
use crate::failure::Failure;
use std::path::Path;
use tupate_embedding::{TaskEmbedding, aggregate, peft};
use tupate_tasks::{Aggregation, Checkpoint, Recipe, Values};
use tupate_tuner::Device;
use tupate_tuner::encoder::Encoder;
use tupate_tuner::files::write_atomically;
use tupate_tuner::run::{Run, read_adapter};

pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let wishes = Wishes::parse(&args.recipe)?;
    let embedding = embedding(&args.source, &wishes)?;
    let mut json = serde_json::to_vec(&embedding)
        .map_err(|e| Failure::Run(format!("the embedding cannot be written: {e}")))?;
    json.push(b'\n');
    write_atomically(&args.out, &json)?;
    print(&format!(
        "{}: {} values from {}, {} {}: {}",
        embedding.task,
        embedding.values.len(),
        embedding.recipe.method,
        embedding.recipe.checkpoint.name(),
        if embedding.recipe.values == Values::Delta { "delta" } else { "values" },
        args.out.display()
    ))
}

/// What the user said about the recipe.
#[derive(Debug, Default)]
pub struct Wishes {
    checkpoint: Option<Checkpoint>,
    aggregation: Option<Aggregation>,
    values: Option<Values>,
    task: Option<String>,
    encoder: Option<String>,
    init_seed: Option<u64>,
}

impl Wishes {
    /// Reads `KEY=VALUE` words.
    pub fn parse(words: &[String]) -> Result<Self, Failure> {
        let mut wishes = Self::default();
        for word in words {
            let wrong = |what: &str| Failure::Usage(format!("--recipe {word}: {what}"));
            let (key, value) = word.split_once('=').ok_or_else(|| wrong("must be KEY=VALUE"))?;
            match key {
                "checkpoint" => wishes.checkpoint = Some(named(value).map_err(|e| wrong(&e))?),
                "aggregation" => wishes.aggregation = Some(named(value).map_err(|e| wrong(&e))?),
                "values" => wishes.values = Some(named(value).map_err(|e| wrong(&e))?),
                "task" => wishes.task = Some(value.to_owned()),
                "encoder" => wishes.encoder = Some(value.to_owned()),
                "init_seed" => {
                    let seed = value.parse().map_err(|_| wrong("must be a whole number"))?;
                    wishes.init_seed = Some(seed);
                }
                _ => {
                    return Err(wrong(
                        "the keys are checkpoint, aggregation, values, task, encoder, init_seed",
                    ));
                }
            }
        }
        Ok(wishes)
    }

    fn apply(&self, recipe: &mut Recipe) {
        recipe.checkpoint = self.checkpoint.unwrap_or(recipe.checkpoint);
        recipe.aggregation = self.aggregation.unwrap_or(recipe.aggregation);
        recipe.values = self.values.unwrap_or(recipe.values);
    }
}

/// A value by its name in recipes; the error lists the names.
fn named<T: serde::de::DeserializeOwned>(value: &str) -> Result<T, String> {
    serde_json::from_value(value.into()).map_err(|e| e.to_string())
}

/// The embedding of a run, an adapter folder, or a file of `tupate embed`.
pub fn embedding(source: &Path, wishes: &Wishes) -> Result<TaskEmbedding, Failure> {
    if Run::is_run(source) {
        return of_run(&Run::open(source)?, wishes);
    }
    if source.is_file() {
        let bytes = std::fs::read(source)
            .map_err(|e| Failure::Input(format!("cannot read {}: {e}", source.display())))?;
        return serde_json::from_slice(&bytes).map_err(|e| {
            Failure::Input(format!("{}: not a file of `tupate embed` ({e})", source.display()))
        });
    }
    if source.join(peft::CONFIG_FILE).is_file() {
        return of_adapter(source, wishes);
    }
    // Says whether the run is unfinished or the folder something else.
    of_run(&Run::open(source)?, wishes)
}

/// The embedding of a run, as wished.
pub fn of_run(run: &Run, wishes: &Wishes) -> Result<TaskEmbedding, Failure> {
    if let Some((key, own)) = [
        ("task", wishes.task.is_some()),
        ("encoder", wishes.encoder.is_some()),
        ("init_seed", wishes.init_seed.is_some()),
    ]
    .iter()
    .find(|(_, said)| *said)
    {
        let _ = own;
        return Err(Failure::Usage(format!(
            "--recipe {key}=…: a run knows its own {key}; leave it out"
        )));
    }
    let mut recipe = run.record.recipe.clone();
    wishes.apply(&mut recipe);
    Ok(run.embedding(&recipe)?)
}

/// An adapter from elsewhere says neither the hash of its encoder nor its
/// seed: the user must, because both decide what it can be compared with.
fn of_adapter(folder: &Path, wishes: &Wishes) -> Result<TaskEmbedding, Failure> {
    let adapter = read_adapter(folder)?;
    let missing = |key: &str, why: &str| {
        Failure::Usage(format!(
            "{} does not say its {key}, which decides what it can be compared with: add \
             --recipe {key}=… to tupate embed ({why})",
            folder.display()
        ))
    };
    let wanted = wishes
        .encoder
        .clone()
        .or_else(|| adapter.base_model.clone().filter(|name| encoders::known(name).is_some()))
        .ok_or_else(|| {
            let base = adapter.base_model.as_deref().unwrap_or("nothing");
            missing("encoder", &format!("its configuration names {base}"))
        })?;
    let init_seed = wishes.init_seed.ok_or_else(|| {
        missing("init_seed", "the seed of its initial parameters; 0 for adapters tuned here")
    })?;
    let (name, encoder_folder) = encoders::resolve(&wanted)?;
    let encoder = Encoder::load(&name, &encoder_folder, &Device::Cpu)?;
    let layers = adapter.state.layers().len();
    if layers != encoder.reference.layers {
        return Err(Failure::Input(format!(
            "{} adapts {layers} layers, {name} has {}; it belongs to another encoder",
            folder.display(),
            encoder.reference.layers
        )));
    }
    let method = adapter.state.method().clone();
    let mut recipe = Recipe::paper(encoder.reference, method, init_seed, Checkpoint::Late);
    wishes.apply(&mut recipe);
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).and_then(|n| n.to_str());
    let values = aggregate(&adapter.state, None, &recipe)
        .map_err(|e| Failure::Input(format!("{}: {e}", folder.display())))?;
    let task = wishes.task.clone().or_else(|| name.map(str::to_owned));
    Ok(TaskEmbedding { task: task.unwrap_or_else(|| "adapter".into()), recipe, values })
}
