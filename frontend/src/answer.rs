//! From a zoo and the visitor's wishes to what is shown.

mod recent;

pub use recent::Recent;

use crate::failure::Failure;
use crate::shards::Sharded;
use crate::words;
use std::collections::BTreeMap;
use tupate_tasks::Checkpoint;
use tupate_zoo::link::{FILE_SCHEME, MAX_INLINE, View};
use tupate_zoo::narrow::Narrow;
use tupate_zoo::outline::Outline;
use tupate_zoo::{
    EmbeddingSet, Error, FUSIONS, Fusion, Preferred, Query, Ranking, SIMILARITIES, Similarity,
    Target, Zoo, choose,
};

/// Values that are compared at once: all rankings of a view take some 20 ms then.
const AT_ONCE: usize = 2 << 20;

/// Where a zoo came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Listed by the server that serves the page.
    Server {
        /// Its address, as listed.
        url: String,
        /// Whether it is the one shown unasked.
        first: bool,
    },
    /// An address that somebody gave.
    Url(String),
    /// A file on the visitor's device.
    File(String),
    /// A link that holds the file, as [`tupate_zoo::link::pack`] made it.
    Link(String),
}

impl Origin {
    /// The origin as a link states it; `None` for the page's own zoo.
    pub fn in_link(&self) -> Option<String> {
        match self {
            Self::Server { first: true, .. } => None,
            Self::Server { url, .. } | Self::Url(url) => Some(url.clone()),
            Self::File(name) => Some(format!("{FILE_SCHEME}{name}")),
            Self::Link(_) => None,
        }
    }

    /// Where the file can be had; a file on a device cannot be had.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Server { url, .. } | Self::Url(url) => Some(url),
            Self::File(_) | Self::Link(_) => None,
        }
    }
}

/// A zoo that was read, with the facts of its file.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// The zoo, of a large file at first with the sets alone that are looked at.
    pub zoo: Zoo,
    /// Every embedding set of the file.
    pub sets: Vec<EmbeddingSet>,
    /// Where it came from.
    pub origin: Origin,
    /// The file's size.
    pub bytes: u64,
    /// The file's sha256, lower-case hex; before all of it is there, what was said of
    /// it, and nothing if nobody said anything.
    pub sha256: String,
    /// When the host says that the file was changed.
    pub modified: Option<String>,
    /// All of the file is there, and its sha256 was computed.
    pub whole: bool,
    /// The file itself, if it is small enough for a link.
    pub small: Option<Vec<u8>>,
    /// Of a zoo in shards the nearest tasks are there alone: what is known of all.
    pub sharded: Option<Box<Sharded>>,
    /// The rankings that were computed last.
    pub recent: Recent,
}

impl Loaded {
    /// A zoo of which the whole file is there, and the file's sha256.
    pub fn whole(
        zoo: Zoo,
        file: &[u8],
        sha256: String,
        origin: Origin,
        modified: Option<String>,
    ) -> Self {
        Self {
            sets: zoo.sets().cloned().collect(),
            zoo,
            origin,
            bytes: file.len() as u64,
            sha256,
            modified,
            whole: true,
            small: (file.len() <= MAX_INLINE).then(|| file.to_vec()),
            sharded: None,
            recent: Recent::default(),
        }
    }

    /// Whether a ranking takes so long that it has to be prepared in pieces.
    pub fn is_heavy(&self) -> bool {
        let values = |set: &EmbeddingSet| set.tasks.len().saturating_mul(set.dim);
        self.sharded.is_none() && self.zoo.sets().map(values).sum::<usize>() > AT_ONCE
    }

    /// The methods and ensembles that there are to choose from: names and labels.
    pub fn methods(&self) -> Vec<(String, String)> {
        let mut entries: Vec<_> =
            self.sets.iter().map(|set| (set.key.clone(), words::set_label(set))).collect();
        let possible = FUSIONS.iter().filter(|fusion| {
            // A set of that very name goes before.
            self.sharded.is_none()
                && self.sets.iter().all(|set| set.key != fusion.name)
                && fusion.is_possible(&self.sets, None)
        });
        for fusion in possible {
            let label = words::fusion_label(fusion);
            let there = |checkpoint| fusion.is_possible(&self.sets, Some(checkpoint));
            if there(Checkpoint::Early) && there(Checkpoint::Late) {
                entries.push((format!("{}.early", fusion.name), format!("{label}, early")));
                entries.push((fusion.name.to_owned(), format!("{label}, late")));
            } else {
                entries.push((fusion.name.to_owned(), label.to_owned()));
            }
        }
        entries
    }

    /// The name of a method or ensemble, as [`Loaded::methods`] labels it.
    pub fn method_label(&self, key: &str) -> String {
        let found = self.methods().into_iter().find(|(name, _)| name == key);
        found.map_or_else(|| key.to_owned(), |(_, label)| label)
    }
}

/// A ranking with the choices that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Key of the embedding set, or an ensemble's name.
    pub method: String,
    /// The similarity's name.
    pub similarity: &'static str,
    /// The sources that pass the filters, closest first.
    pub ranking: Ranking,
    /// How many there are without filters.
    pub all: usize,
    /// How many pass them; of a zoo in shards, the closest are shown.
    pub passing: usize,
    /// The same by another method.
    pub beside: Option<Result<Beside, Failure>>,
    /// What training on the sources first did, where it was measured.
    pub gains: Option<Gains>,
}

/// What a ranking is asked for by.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Whose sources are wanted.
    pub target: Target<'a>,
    /// Key of an embedding set, or an ensemble's name; `None` for the set that fits.
    pub method: Option<String>,
    /// How embeddings are compared.
    pub similarity: &'static Similarity,
}

impl Asked<'_> {
    /// For the zoo.
    pub fn query(&self) -> Query<'_> {
        let Self { target, method, similarity } = self;
        Query { target: *target, method: method.as_deref(), similarity }
    }
}

/// A second ranking, to hold against the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// Key of the embedding set, or an ensemble's name.
    pub method: String,
    /// Each source's rank there, among those that pass the filters.
    pub ranks: BTreeMap<String, usize>,
}

/// What is known of the true effect of the sources on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Gains {
    /// The setting in which it was measured.
    pub setting: String,
    /// What the scores are.
    pub metric: String,
    /// The score without transfer; `of` holds differences from it, or plain scores if
    /// it is not known.
    pub baseline: Option<f64>,
    /// By source.
    pub of: BTreeMap<String, f64>,
}

impl Gains {
    /// What the zoo knows of a target, from the setting with the most targets in which it was
    /// measured.
    pub fn find(zoo: &Zoo, target: &str) -> Option<Self> {
        let found = zoo.transfer().iter().filter_map(|matrix| {
            let row = matrix.targets.iter().position(|name| name == target)?;
            let baseline = matrix.baseline(row);
            let mut of = BTreeMap::new();
            for (column, source) in matrix.sources.iter().enumerate() {
                if source != target
                    && let Some(score) = matrix.score(row, column)
                {
                    of.insert(source.clone(), score - baseline.unwrap_or(0.0));
                }
            }
            let (setting, metric) = (matrix.setting.clone(), matrix.metric.clone());
            let targets = matrix.targets.len();
            (!of.is_empty()).then_some((targets, Self { setting, metric, baseline, of }))
        });
        let wider = |one: (usize, Self), other: (usize, Self)| {
            if other.0 > one.0 { other } else { one }
        };
        Some(found.reduce(wider)?.1)
    }
}

/// The set that is wished for, or else the first method's, late before early.
///
/// # Errors
/// When a wish was made that the zoo cannot meet, or the zoo is empty.
pub fn choose_set<'a>(
    sets: &'a [EmbeddingSet],
    wish: Option<&str>,
) -> Result<&'a EmbeddingSet, Error> {
    if let Some(wish) = wish {
        return choose::set(sets, Some(wish));
    }
    let first = choose::methods(sets).first().copied();
    let of: Vec<_> = sets.iter().filter(|s| Some(s.recipe.method.name()) == first).collect();
    let late = of.iter().find(|set| set.recipe.checkpoint == Checkpoint::Late);
    late.or(of.first()).copied().ok_or_else(|| Error::Inconsistent("it holds no embeddings".into()))
}

/// The set or ensemble that is wished for, and the set whose tasks are its targets.
///
/// # Errors
/// As [`choose_set`].
pub fn choose_method<'a>(
    sets: &'a [EmbeddingSet],
    wish: Option<&str>,
) -> Result<(String, &'a EmbeddingSet), Error> {
    match choose_set(sets, wish) {
        Ok(set) => Ok((set.key.clone(), set)),
        Err(error) => match wish.and_then(|wish| Some((wish, Fusion::named(wish)?))) {
            Some((wish, (fusion, checkpoint))) => {
                // Its bare name means the late sets, or else the early ones.
                let there = |at| fusion.is_possible(sets, Some(at));
                let bare = match checkpoint {
                    Some(Checkpoint::Early) => there(Checkpoint::Early) && !there(Checkpoint::Late),
                    late => late.is_none_or(there),
                };
                let name = if bare { fusion.name } else { wish };
                Ok((name.to_owned(), choose_set(sets, None)?))
            }
            None => Err(error),
        },
    }
}

/// The similarity that is wished for, or else the default.
///
/// # Errors
/// When there is none of that name.
pub fn choose_similarity(wish: Option<&str>) -> Result<&'static Similarity, Error> {
    wish.map_or(Ok(&SIMILARITIES[0]), Similarity::named)
}

/// Ranks what the view asks for; what it leaves open is filled with defaults.
///
/// # Errors
/// When the zoo cannot answer.
pub fn answer(loaded: &Loaded, view: &View) -> Result<Answer, Failure> {
    if let Some(sharded) = &loaded.sharded {
        return sharded.answer.clone();
    }
    let (method, similarity, ranking) =
        ask(loaded, view, None).map_err(|error| refusal(loaded, &error))?;
    Ok(finish(loaded, view, method, similarity, ranking))
}

/// Why there is no ranking; what is missing may be on its way.
fn refusal(loaded: &Loaded, error: &Error) -> Failure {
    match error {
        Error::UnknownSet { .. } | Error::Ambiguous(_) if !loaded.whole => Failure::on_its_way(),
        error => Failure::ranking(error),
    }
}

/// Filters a ranking, and adds what is shown beside it.
pub(crate) fn finish(
    loaded: &Loaded,
    view: &View,
    method: String,
    similarity: &'static str,
    mut ranking: Ranking,
) -> Answer {
    let narrow = Narrow::of(&view.filters);
    let all = ranking.sources.len();
    let beside = view.compare.first().map(|other| {
        ask(loaded, view, Some(other))
            .map(|(method, _, mut ranking)| {
                narrow.apply(&loaded.zoo, &mut ranking);
                let mut ranks = BTreeMap::new();
                for source in ranking.sources {
                    ranks.insert(source.task, source.rank);
                }
                Beside { method, ranks }
            })
            .map_err(|error| refusal(loaded, &error))
    });
    narrow.apply(&loaded.zoo, &mut ranking);
    let gains = Gains::find(&loaded.zoo, &ranking.target);
    let passing = ranking.sources.len();
    Answer { method, similarity, ranking, all, passing, beside, gains }
}

fn ask(
    loaded: &Loaded,
    view: &View,
    instead: Option<&str>,
) -> Result<(String, &'static str, Ranking), Error> {
    let asked = asked(loaded, view, instead)?;
    let ranking = loaded.recent.rank(&loaded.zoo, &asked.query())?;
    Ok((asked.method.unwrap_or_default(), asked.similarity.name, ranking))
}

/// The method and the similarity of a view, or those that the zoo's makers advise where it
/// names neither.
pub fn wished<'a>(
    preferred: Option<&'a Preferred>,
    sets: &[EmbeddingSet],
    view: &'a View,
) -> (Option<&'a str>, Option<&'a str>) {
    if let (None, None, Some(Preferred { method, similarity })) =
        (&view.method, &view.similarity, preferred)
        && choose_method(sets, Some(method)).is_ok()
        && choose_similarity(Some(similarity)).is_ok()
    {
        return (Some(method), Some(similarity));
    }
    (view.method.as_deref(), view.similarity.as_deref())
}

/// The keys of the sets that a view is made of, some perhaps twice; of all sets where that
/// cannot be told.
pub fn needed(outline: &Outline, view: &View) -> Vec<String> {
    let sets = outline.sets();
    let (method, _) = wished(outline.preferred(), sets, view);
    let mut keys: Vec<String> = Vec::new();
    for wish in [method].into_iter().chain(view.compare.iter().map(|other| Some(&**other))) {
        let members = members(sets, wish).unwrap_or_else(|_| sets.iter().collect());
        keys.extend(members.into_iter().map(|set| set.key.clone()));
    }
    keys
}

/// The set that is wished for, or those that an ensemble is made of.
///
/// # Errors
/// As [`choose_set`].
pub fn members<'a>(
    sets: &'a [EmbeddingSet],
    wish: Option<&str>,
) -> Result<Vec<&'a EmbeddingSet>, Error> {
    let (name, set) = choose_method(sets, wish)?;
    match Fusion::named(&name).filter(|_| name != set.key) {
        Some((fusion, checkpoint)) => fusion.members(sets, checkpoint),
        None => Ok(vec![set]),
    }
}

/// What a ranking is asked for by, with defaults for what a view leaves open; by another
/// method than the view's if one is given.
///
/// # Errors
/// When there is no such method or similarity.
pub fn asked<'a>(
    loaded: &'a Loaded,
    view: &'a View,
    instead: Option<&str>,
) -> Result<Asked<'a>, Error> {
    let (method, similarity) = wished(loaded.zoo.preferred(), &loaded.sets, view);
    let (method, set) = choose_method(&loaded.sets, instead.or(method))?;
    let similarity = choose_similarity(similarity)?;
    // A set is never empty: the zoo was checked when it was read.
    let target = Target::Task(view.target.as_deref().unwrap_or_else(|| &set.tasks[0]));
    Ok(Asked { target, method: Some(method), similarity })
}

/// The view with every choice named, for the link. Wishes that cannot be met
/// stay as they are: the page says why, and the link keeps what was asked.
pub fn complete(loaded: &Loaded, wish: &View) -> View {
    let mut view = View {
        zoo: loaded.origin.in_link(),
        sha256: Some(loaded.sha256.clone()).filter(|hex| !hex.is_empty()),
        data: match &loaded.origin {
            Origin::Link(data) => Some(data.clone()),
            _ => None,
        },
        ..wish.clone()
    };
    let asked = match &loaded.sharded {
        Some(sharded) => sharded.answer.as_ref().ok().map(|answer| {
            (answer.method.clone(), answer.similarity, answer.ranking.target.clone())
        }),
        None => ask(loaded, wish, None)
            .ok()
            .map(|(method, similarity, ranking)| (method, similarity, ranking.target)),
    };
    if let Some((method, similarity, target)) = asked {
        view.target = Some(target);
        view.method = Some(method);
        view.similarity = Some(similarity.to_owned());
    }
    view
}

/// Whether two views are of the same file. A link without a hash takes the
/// file that is there.
pub fn same_file(shown: &View, wanted: &View) -> bool {
    shown.zoo == wanted.zoo
        && shown.data == wanted.data
        && (wanted.sha256.is_none() || wanted.sha256 == shown.sha256)
}

#[cfg(test)]
mod tests;
