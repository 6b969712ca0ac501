//! What a visitor has tuned, ranked in the page: adapters of their device, which are sent
//! nowhere, and runs of the server.

use crate::answer::{Answer, Asked, Loaded, choose_method, choose_similarity, finish, members};
use crate::failure::Failure;
use crate::words;
use tupate_embedding::folder::{self, AdapterFolder};
use tupate_embedding::{TaskEmbedding, aggregate};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Recipe, Values};
use tupate_zoo::link::View;
use tupate_zoo::{EmbeddingSet, Error, Target, Zoo, choose};

/// What [`answer`] is: with the adapter comes what answers for it, which the page does not
/// have before.
pub type Answering = fn(&Loaded, &View, &[TaskEmbedding]) -> Result<Answer, Failure>;

/// Where a guest comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Files of the visitor's device.
    Device,
    /// Runs of the server behind the page.
    Server,
}

impl Place {
    /// In words that follow a name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Device => "from this device",
            Self::Server => "tuned on this server",
        }
    }
}

/// What is compared with the zoo in place of one of its tasks.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub place: Place,
    /// The task that it says it was tuned on.
    pub task: Option<String>,
    /// What kind of adapter or run it is, in words.
    pub kind: String,
    /// Its embedding by the recipe of the zoo's set [`Guest::set`]; then those by other
    /// recipes that were opened before.
    pub embeddings: Vec<TaskEmbedding>,
    /// What is shown for them.
    pub answer: Answering,
    /// The label of the set that it is compared with.
    pub set: String,
    /// What a reader should know of how the numbers came about.
    pub notes: Vec<String>,
    /// What the adapter does not say and was taken from the zoo, in words.
    pub assumed: Option<String>,
}

impl Guest {
    /// With what was opened before of the same task, for rankings by all methods together.
    /// Names do not tell: two folders may be called alike.
    pub fn with(mut self, earlier: &Self) -> Self {
        if self.task.is_some() && self.task == earlier.task {
            let own = self.embeddings[0].recipe.clone();
            let differs = |other: &&TaskEmbedding| !own.differences(&other.recipe).is_empty();
            self.embeddings.extend(earlier.embeddings.iter().filter(differs).cloned());
        }
        self
    }
}

/// The record of a run, in whose folder those of its adapters lie.
const RUN: &str = "run.json";

/// Whether these files are an adapter's or lie around one, and are not a zoo.
pub fn is_adapter<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    names.into_iter().any(|name| folder::is_sign(name) || name == RUN)
}

/// Reads an adapter and makes the embedding that one of the zoo's sets can be compared
/// with. `name` is that of its folder, if it has one.
///
/// # Errors
/// When the files are no adapter that can be read, or the zoo has nothing to compare it
/// with.
pub fn read(
    files: &[(String, Vec<u8>)],
    name: Option<&str>,
    loaded: &Loaded,
    wish: Option<&str>,
) -> Result<Guest, Failure> {
    let views: Vec<_> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    if views.iter().any(|(name, _)| *name == RUN) {
        let where_to = "this is the folder of a run, whose parameters lie in the folders early and \
                        late within it: open one of these";
        return Err(Failure::adapter(where_to));
    }
    let adapter = folder::read(&views).map_err(|e| Failure::adapter(&e.to_string()))?;
    let set = set_for(&adapter, loaded, wish)?;
    let (encoder, seed, assumed) = provenance(&adapter, set)?;
    let recipe = Recipe {
        encoder,
        method: adapter.state.method().clone(),
        init_seed: seed,
        ..set.recipe.clone()
    };
    let differences = recipe.differences(&set.recipe);
    if !differences.is_empty() {
        return Err(Failure::ranking(&Error::Incomparable { differences }));
    }
    let values =
        aggregate(&adapter.state, None, &recipe).map_err(|e| Failure::adapter(&e.to_string()))?;
    let origin = adapter.origin.as_ref();
    let task = origin.and_then(|origin| origin.task.clone());
    let name = task.clone().or(name.map(str::to_owned));
    let name = words::clipped(&name.unwrap_or_else(|| "your adapter's task".into()), 100);
    Ok(Guest {
        kind: match adapter.state.method() {
            MethodSpec::BitFit => "BitFit folder".into(),
            method => format!("{} folder with {method}", adapter.format),
        },
        embeddings: vec![TaskEmbedding { task: name.clone(), recipe, values }],
        answer,
        name,
        place: Place::Device,
        task,
        set: words::set_label(set),
        notes: adapter.notes,
        assumed,
    })
}

/// Reads the zoos that runs of one task make, that of the run which is looked at first, and
/// takes from them whatever one of the zoo's sets can be compared with.
///
/// # Errors
/// When they cannot be read, or the zoo has nothing to compare the first with.
pub fn of_runs(runs: &[Vec<u8>], loaded: &Loaded, wish: Option<&str>) -> Result<Guest, Failure> {
    let mut embeddings = Vec::new();
    for bytes in runs {
        let run = Zoo::parse(bytes).map_err(|error| Failure::zoo_of_run(&error.to_string()))?;
        for set in run.sets() {
            let of = |(task, values): (&String, _)| TaskEmbedding {
                task: task.clone(),
                recipe: set.recipe.clone(),
                values,
            };
            embeddings.extend(set.tasks.iter().zip(run.rows(set)).map(of));
        }
    }
    let Some(TaskEmbedding { task, recipe, .. }) = embeddings.first().cloned() else {
        return Err(Failure::zoo_of_run("it has no embedding"));
    };
    let sets: Vec<_> = loaded.sets.iter().collect();
    let fitting = choose::matching(&sets, Some(recipe.method.name()), &embeddings);
    let (mut set, _) = fitting.map_err(|error| Failure::ranking(&error))?;
    let set_of = |own: &TaskEmbedding| {
        sets.iter().find(|set| own.recipe.differences(&set.recipe).is_empty()).copied()
    };
    embeddings.retain(|own| set_of(own).is_some());
    // The first is ranked where what is asked for is not there: of the run that is looked at
    // the one whose set is shown, or the late one.
    let asked_for =
        wish.and_then(|wish| members(&loaded.sets, Some(wish)).ok()).unwrap_or_default();
    embeddings.sort_by_key(|own| {
        let shown = set_of(own).is_some_and(|set| asked_for.iter().any(|m| m.key == set.key));
        (own.recipe.method != recipe.method, !shown, own.recipe.checkpoint == Checkpoint::Early)
    });
    set = embeddings.first().and_then(set_of).unwrap_or(set);
    Ok(Guest {
        kind: format!("A run by {}", recipe.method),
        embeddings,
        answer,
        name: words::clipped(&task, 100),
        place: Place::Server,
        task: Some(task),
        set: words::set_label(set),
        notes: Vec::new(),
        assumed: None,
    })
}

/// What is shown for embeddings that come from outside of the zoo: by the view's method
/// where they have what it takes, or else by the first alone.
///
/// # Errors
/// When it cannot be compared with the zoo's.
pub fn answer(loaded: &Loaded, view: &View, guest: &[TaskEmbedding]) -> Result<Answer, Failure> {
    if let Some(sharded) = &loaded.sharded {
        return sharded.answer.clone();
    }
    let asked = asked(loaded, view, guest);
    let ranked = asked.and_then(|asked| {
        let ranking = loaded.recent.rank(&loaded.zoo, &asked.query())?;
        Ok((asked.method, asked.similarity.name, ranking))
    });
    let (method, similarity, ranking) = ranked.map_err(|error| Failure::ranking(&error))?;
    let method = method.unwrap_or_else(|| {
        let set = loaded.sets.iter().find(|set| set.recipe == ranking.recipe);
        set.map_or_else(String::new, |set| set.key.clone())
    });
    let alone = View { compare: Vec::new(), ..view.clone() };
    Ok(finish(loaded, &alone, method, similarity, ranking))
}

/// What a ranking of such embeddings is asked for by.
///
/// # Errors
/// When there is no such similarity.
pub fn asked<'a>(
    loaded: &Loaded,
    view: &View,
    guest: &'a [TaskEmbedding],
) -> Result<Asked<'a>, Error> {
    let similarity = choose_similarity(view.similarity.as_deref())?;
    let has = |set: &&EmbeddingSet| {
        guest.iter().any(|own| own.recipe.differences(&set.recipe).is_empty())
    };
    let wish = view.method.as_deref();
    let method = match members(&loaded.sets, wish) {
        Ok(members) if members.iter().all(has) => Some(choose_method(&loaded.sets, wish)?.0),
        _ => None,
    };
    let guest = if method.is_some() { guest } else { &guest[..1] };
    Ok(Asked { target: Target::Embeddings(guest), method, similarity })
}

/// The set that an adapter is compared with: of its method and moment, the one that is
/// shown if it is one of them, and by the paper's recipe before others.
fn set_for<'a>(
    adapter: &AdapterFolder,
    loaded: &'a Loaded,
    wish: Option<&str>,
) -> Result<&'a EmbeddingSet, Failure> {
    let method = adapter.state.method();
    let moment = adapter.origin.as_ref().and_then(|origin| origin.checkpoint);
    // The change from the start takes parameters that an adapter does not hold.
    let fits = |set: &&EmbeddingSet| {
        set.recipe.method.name() == method.name() && set.recipe.values == Values::Absolute
    };
    let fitting: Vec<_> = loaded.sets.iter().filter(fits).collect();
    let shown = fitting.iter().find(|set| Some(&*set.key) == wish);
    let first = |moment: Checkpoint| {
        let of = || fitting.iter().filter(move |set| set.recipe.checkpoint == moment);
        of().find(|set| set.recipe.is_paper()).or(of().next())
    };
    let found = match moment {
        Some(moment) => shown.filter(|set| set.recipe.checkpoint == moment).or(first(moment)),
        None => shown.or(first(Checkpoint::Late)).or(first(Checkpoint::Early)),
    };
    found.copied().ok_or_else(|| {
        let has: Vec<_> = loaded.sets.iter().map(words::set_label).collect();
        Failure::no_set_for(&method.to_string(), moment.map(Checkpoint::name), &has.join("; "))
    })
}

/// The encoder and the initial seed of an adapter, and what of them it does not say.
fn provenance(
    adapter: &AdapterFolder,
    set: &EmbeddingSet,
) -> Result<(EncoderRef, u64, Option<String>), Failure> {
    if let Some(origin) = &adapter.origin {
        return Ok((origin.encoder.clone(), origin.init_seed, None));
    }
    let encoder = &set.recipe.encoder;
    let shape = adapter.state.check_encoder(encoder);
    shape.map_err(|e| Failure::other_encoder(&encoder.name, &e.to_string()))?;
    let said = adapter.base_model.as_deref().filter(|name| !name.is_empty());
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    if let Some(said) = said.filter(|said| last(said) != last(&encoder.name)) {
        let why = format!("it was tuned on {}", words::clipped(said, 100));
        return Err(Failure::other_encoder(&encoder.name, &why));
    }
    let seed = set.recipe.init_seed;
    let named =
        said.map_or("It does not name its encoder", |_| "It names its encoder, not its weights");
    let assumed = format!(
        "{named}, and says nothing of the seed of its initial parameters. It is compared as if it \
         had been tuned on {} with weights {}, from the zoo's start (seed {seed}). From another \
         start its cosines mean nothing.",
        encoder.name,
        words::short_hash(&encoder.weights_sha256)
    );
    Ok((encoder.clone(), seed, Some(assumed)))
}
