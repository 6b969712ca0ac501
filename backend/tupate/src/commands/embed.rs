//! `tupate embed`, and reading targets from outside a zoo.

mod wishes;

pub use wishes::Wishes;

use super::print;
use crate::cli::EmbedArgs;
use crate::encoders;
use crate::failure::Failure;
use crate::progress::say;
use std::path::{Path, PathBuf};
use tupate_embedding::folder::{self, AdapterFolder, Layout, Origin};
use tupate_embedding::{AdapterState, TaskEmbedding, aggregate};
use tupate_tasks::{Checkpoint, EncoderRef, Recipe, Values};
use tupate_tuner::encoder::{Encoder, Family};
use tupate_tuner::files::write_atomically;
use tupate_tuner::run::{Run, read_adapter};
use tupate_tuner::{Device, Error};

pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let wishes = Wishes::parse(&args.recipe)?;
    if let (Some(word), true) = (args.recipe.first(), args.source.is_file()) {
        return Err(Failure::Usage(format!(
            "--recipe {word}: {} is a finished embedding, which has its recipe; leave it out, or \
             name the run",
            args.source.display()
        )));
    }
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
    if is_adapter(source) {
        return of_adapter(source, wishes);
    }
    // Says whether the run is unfinished or the folder something else.
    of_run(&Run::open(source)?, wishes)
}

/// What is meant by a place: itself, or of a folder of runs all that lie in it, by name.
/// Where one is a run, all are meant to be, so that none is passed over.
pub fn runs_in(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    let itself = || vec![place.to_owned()];
    if !place.is_dir() || Run::is_run(place) || is_adapter(place) {
        return Ok(itself());
    }
    let unreadable =
        |e: std::io::Error| Failure::Input(format!("cannot read {}: {e}", place.display()));
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            inside.push(path);
        }
    }
    inside.sort();
    Ok(if inside.iter().any(|path| Run::is_run(path)) { inside } else { itself() })
}

fn is_adapter(source: &Path) -> bool {
    let names = std::fs::read_dir(source).into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| folder::is_sign(&name))
}

/// The embedding of a run, as wished.
pub fn of_run(run: &Run, wishes: &Wishes) -> Result<TaskEmbedding, Failure> {
    let own = [
        ("task", wishes.task.is_some()),
        ("encoder", wishes.encoder.is_some()),
        ("init_seed", wishes.init_seed.is_some()),
        ("initial", wishes.initial.is_some()),
    ];
    if let Some((key, _)) = own.iter().find(|(_, said)| *said) {
        return Err(Failure::Usage(format!("--recipe {key}=…: a run knows its own; leave it out")));
    }
    let mut recipe = run.record.recipe.clone();
    wishes.apply(&mut recipe);
    Ok(run.embedding(&recipe)?)
}

/// An adapter from elsewhere says neither the hash of its encoder nor its
/// seed: the user must, because both decide what it can be compared with. One
/// that was written here says both, and what the user says must agree.
fn of_adapter(source: &Path, wishes: &Wishes) -> Result<TaskEmbedding, Failure> {
    let adapter = read_adapter(source)?;
    for note in &adapter.notes {
        say(format_args!("{}: {note}", source.display()));
    }
    let init_seed = init_seed(source, &adapter, wishes)?;
    let checkpoint = checkpoint(source, &adapter, wishes)?;
    let reference = encoder(source, &adapter, wishes)?;
    let in_folder =
        |e: tupate_embedding::Error| Failure::from(Error::from(e)).while_doing(source.display());
    let method = adapter.state.method().clone();
    let mut recipe = Recipe::paper(reference, method, init_seed, checkpoint);
    wishes.apply(&mut recipe);
    let initial = match &wishes.initial {
        Some(folder) => Some(initial(folder, &recipe)?),
        None if recipe.values == Values::Delta => {
            return Err(Failure::Usage(format!(
                "{}: delta values need the parameters before training, which an adapter folder \
                 does not hold; name their folder with --recipe initial=DIR",
                source.display()
            )));
        }
        None => None,
    };
    let values = aggregate(&adapter.state, initial.as_ref(), &recipe).map_err(in_folder)?;
    let name = source.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).and_then(|n| n.to_str());
    let task = wishes
        .task
        .clone()
        .or_else(|| adapter.origin?.task)
        .or_else(|| name.map(str::to_owned))
        .unwrap_or_else(|| "adapter".into());
    Ok(TaskEmbedding { task, recipe, values })
}

/// The parameters before training that the user names. A folder that was written here says
/// what it holds: that must be the start of what is embedded.
fn initial(folder: &Path, recipe: &Recipe) -> Result<AdapterState, Failure> {
    let adapter = read_adapter(folder)?;
    let Some(origin) = &adapter.origin else { return Ok(adapter.state) };
    let wrong = match origin {
        Origin { checkpoint: Some(checkpoint), .. } => {
            format!("it holds {} parameters, and not those before training", checkpoint.name())
        }
        Origin { init_seed, .. } if *init_seed != recipe.init_seed => {
            format!("its initial parameters are of seed {init_seed}, not {}", recipe.init_seed)
        }
        Origin { encoder, .. } if encoder.weights_sha256 != recipe.encoder.weights_sha256 => {
            format!("it is of another encoder, {}", encoder.name)
        }
        _ => return Ok(adapter.state),
    };
    Err(Failure::Input(format!("--recipe initial={}: {wrong}", folder.display())))
}

/// What an adapter folder leaves open, and how to say it.
fn missing(source: &Path, key: &str, why: &str) -> Failure {
    Failure::Usage(format!(
        "{} does not say its {key}, which decides what it can be compared with: add \
         --recipe {key}=… to tupate embed ({why})",
        source.display()
    ))
}

fn init_seed(source: &Path, adapter: &AdapterFolder, wishes: &Wishes) -> Result<u64, Failure> {
    match (wishes.init_seed, adapter.origin.as_ref().map(|origin| origin.init_seed)) {
        (Some(said), Some(own)) if said != own => Err(Failure::Usage(format!(
            "--recipe init_seed={said}: {} says that it is {own}; leave it out",
            source.display()
        ))),
        (Some(seed), _) | (None, Some(seed)) => Ok(seed),
        (None, None) => Err(missing(
            source,
            "init_seed",
            "the seed of its initial parameters; 0 for adapters tuned here",
        )),
    }
}

/// Late, unless the user or the folder says otherwise.
fn checkpoint(
    source: &Path,
    adapter: &AdapterFolder,
    wishes: &Wishes,
) -> Result<Checkpoint, Failure> {
    let Some(origin) = &adapter.origin else {
        return Ok(wishes.checkpoint.unwrap_or(Checkpoint::Late));
    };
    match (wishes.checkpoint, origin.checkpoint) {
        (None, Some(own)) => Ok(own),
        (Some(said), Some(own)) if said == own => Ok(own),
        (Some(said), Some(own)) => Err(Failure::Usage(format!(
            "--recipe checkpoint={}: {} holds {} parameters",
            said.name(),
            source.display(),
            own.name()
        ))),
        (_, None) => Err(Failure::Usage(format!(
            "{} holds the parameters before training, which say nothing of the task; name the \
             folder of early or late ones",
            source.display()
        ))),
    }
}

/// The encoder that the user or the folder names. Its hash must be the one that
/// the folder states, and its shape the adapter's.
fn encoder(source: &Path, adapter: &AdapterFolder, wishes: &Wishes) -> Result<EncoderRef, Failure> {
    let origin = adapter.origin.as_ref().map(|origin| &origin.encoder);
    if let (None, Some(own)) = (&wishes.encoder, origin) {
        return Ok(own.clone());
    }
    let wanted = wishes
        .encoder
        .clone()
        .or_else(|| adapter.base_model.clone().filter(|name| encoders::known(name).is_some()))
        .ok_or_else(|| {
            let base = adapter.base_model.as_deref().unwrap_or("nothing");
            missing(source, "encoder", &format!("its configuration names {base}"))
        })?;
    let (name, encoder_folder) = encoders::resolve(&wanted)?;
    let encoder = Encoder::load(&name, &encoder_folder, &Device::Cpu)?;
    let reference = encoder.reference.clone();
    if let Some(own) = origin.filter(|own| own.weights_sha256 != reference.weights_sha256) {
        return Err(Failure::Input(format!(
            "{} was tuned on {}, whose weights have sha256 {}…; those of {name} have {}…: it \
             belongs to another encoder",
            source.display(),
            own.name,
            short(&own.weights_sha256),
            short(&reference.weights_sha256)
        )));
    }
    let own = match encoder.config().family {
        Family::Bert | Family::Roberta => Layout::Bert,
        Family::DistilBert => Layout::DistilBert,
        Family::MpNet => Layout::MpNet,
    };
    if let Some(layout) = adapter.layout.filter(|layout| *layout != own) {
        return Err(Failure::Input(format!(
            "{}: its keys are named as in {}, and {name} is of another family",
            source.display(),
            layout.families()
        )));
    }
    adapter
        .state
        .check_encoder(&reference)
        .map_err(|e| Failure::Input(format!("{}: {e}", source.display())))?;
    Ok(reference)
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
