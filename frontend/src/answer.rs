//! From a zoo and the visitor's wishes to what is shown.

use crate::failure::Failure;
use crate::narrow::Narrow;
use crate::words;
use std::collections::BTreeMap;
use tupate_embedding::TaskEmbedding;
use tupate_tasks::Checkpoint;
use tupate_zoo::link::{FILE_SCHEME, MAX_INLINE, View};
use tupate_zoo::{
    EmbeddingSet, Error, FUSIONS, Fusion, Query, Ranking, SIMILARITIES, Similarity, Target, Zoo,
    choose, rank, sha256_hex,
};

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
}

impl Loaded {
    /// A zoo of which the whole file is there.
    ///
    /// # Errors
    /// As [`Zoo::parse`].
    pub fn whole(file: &[u8], origin: Origin, modified: Option<String>) -> Result<Self, Error> {
        let zoo = Zoo::parse(file)?;
        Ok(Self {
            sets: zoo.sets().cloned().collect(),
            zoo,
            origin,
            bytes: file.len() as u64,
            sha256: sha256_hex(file),
            modified,
            whole: true,
            small: (file.len() <= MAX_INLINE).then(|| file.to_vec()),
        })
    }

    /// The methods and ensembles that there are to choose from: names and labels.
    pub fn methods(&self) -> Vec<(String, String)> {
        let mut entries: Vec<_> =
            self.sets.iter().map(|set| (set.key.clone(), words::set_label(set))).collect();
        let possible = FUSIONS.iter().filter(|fusion| {
            // A set of that very name goes before.
            self.sets.iter().all(|set| set.key != fusion.name)
                && fusion.is_possible(&self.sets, None)
        });
        entries.extend(possible.map(|f| (f.name.to_owned(), words::fusion_label(f).to_owned())));
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
    /// The same by another method.
    pub beside: Option<Result<Beside, Failure>>,
    /// What training on the sources first did, where it was measured.
    pub gains: Option<Gains>,
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
    /// What the zoo knows of a target, from the first setting in which it was measured.
    pub fn find(zoo: &Zoo, target: &str) -> Option<Self> {
        zoo.transfer().iter().find_map(|matrix| {
            let row = matrix.targets.iter().position(|name| name == target)?;
            let baseline = matrix.baseline(row);
            let of: BTreeMap<_, _> = matrix
                .sources
                .iter()
                .enumerate()
                .filter(|(_, source)| *source != target)
                .filter_map(|(column, source)| {
                    let score = matrix.score(row, column)?;
                    Some((source.clone(), score - baseline.unwrap_or(0.0)))
                })
                .collect();
            let (setting, metric) = (matrix.setting.clone(), matrix.metric.clone());
            (!of.is_empty()).then_some(Self { setting, metric, baseline, of })
        })
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
        Err(error) => match wish.filter(|wish| Fusion::is_named(wish)) {
            Some(wish) => Ok((wish.to_owned(), choose_set(sets, None)?)),
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

/// The same for an embedding that comes from outside of the zoo.
///
/// # Errors
/// When it cannot be compared with the zoo's.
pub fn answer_guest(
    loaded: &Loaded,
    view: &View,
    guest: &TaskEmbedding,
) -> Result<Answer, Failure> {
    let similarity = choose_similarity(view.similarity.as_deref());
    let ranked = similarity.and_then(|similarity| {
        let query = Query { target: Target::Embedding(guest), method: None, similarity };
        Ok((similarity, rank(&loaded.zoo, &query)?))
    });
    let (similarity, ranking) = ranked.map_err(|error| Failure::ranking(&error))?;
    let set = loaded.sets.iter().find(|set| set.recipe == ranking.recipe);
    let method = set.map_or_else(String::new, |set| set.key.clone());
    let alone = View { compare: Vec::new(), ..view.clone() };
    Ok(finish(loaded, &alone, method, similarity.name, ranking))
}

/// Filters a ranking, and adds what is shown beside it.
fn finish(
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
                let ranks = ranking.sources.into_iter().map(|s| (s.task, s.rank)).collect();
                Beside { method, ranks }
            })
            .map_err(|error| refusal(loaded, &error))
    });
    narrow.apply(&loaded.zoo, &mut ranking);
    let gains = Gains::find(&loaded.zoo, &ranking.target);
    Answer { method, similarity, ranking, all, beside, gains }
}

fn ask(
    loaded: &Loaded,
    view: &View,
    instead: Option<&str>,
) -> Result<(String, &'static str, Ranking), Error> {
    let (method, set) = choose_method(&loaded.sets, instead.or(view.method.as_deref()))?;
    let similarity = choose_similarity(view.similarity.as_deref())?;
    // A set is never empty: the zoo was checked when it was read.
    let target = view.target.as_deref().unwrap_or_else(|| &set.tasks[0]);
    let query = Query { target: Target::Task(target), method: Some(&method), similarity };
    let ranking = rank(&loaded.zoo, &query)?;
    Ok((method, similarity.name, ranking))
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
    if let Ok((method, similarity, ranking)) = ask(loaded, wish, None) {
        view.target = Some(ranking.target);
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
mod tests {
    use super::*;
    use tupate_tasks::{EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
    use tupate_zoo::{NewEmbedding, TaskEntry, TransferMatrix};

    fn embedding(id: &str, method: MethodSpec, moment: Checkpoint, values: &[f32]) -> NewEmbedding {
        let encoder = EncoderRef {
            name: "tiny".into(),
            weights_sha256: "ab".repeat(32),
            layers: 2,
            hidden_size: 4,
        };
        NewEmbedding {
            task: TaskEntry {
                id: id.into(),
                name: id.to_uppercase(),
                class: TaskClass::ClassificationRegression,
                family: "test".into(),
                train_examples: 10,
                metric: Metric::Accuracy,
                score: None,
                majority: None,
                licence: None,
                link: None,
            },
            recipe: Recipe::paper(encoder, method, 0, moment),
            values: values.to_vec(),
            initial: None,
        }
    }

    fn loaded() -> Loaded {
        let lora = || MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] };
        let zoo = Zoo::pack(
            "test",
            "",
            [
                embedding("a", lora(), Checkpoint::Early, &[1.0, 0.0]),
                embedding("b", lora(), Checkpoint::Early, &[1.0, 0.1]),
                embedding("a", lora(), Checkpoint::Late, &[1.0, 0.0]),
                embedding("b", lora(), Checkpoint::Late, &[1.0, 1.0]),
                embedding("c", lora(), Checkpoint::Late, &[1.0, 0.2]),
                embedding("a", MethodSpec::BitFit, Checkpoint::Early, &[1.0]),
                embedding("b", MethodSpec::BitFit, Checkpoint::Early, &[-1.0]),
            ],
        )
        .unwrap();
        let origin = Origin::Server { url: "/zoos/z.safetensors".into(), first: true };
        let sets = zoo.sets().cloned().collect();
        let (modified, small, sha256) = (None, None, "cd".repeat(32));
        Loaded { zoo, sets, origin, bytes: 1, sha256, modified, whole: true, small }
    }

    fn wish(target: Option<&str>, method: Option<&str>, similarity: Option<&str>) -> View {
        View {
            target: target.map(Into::into),
            method: method.map(Into::into),
            similarity: similarity.map(Into::into),
            ..View::default()
        }
    }

    #[test]
    fn no_wish_is_met_with_defaults_and_the_link_names_them() {
        let loaded = loaded();
        let view = complete(&loaded, &View::default());
        assert_eq!(
            view,
            View {
                zoo: None,
                sha256: Some("cd".repeat(32)),
                target: Some("a".into()),
                method: Some("bitfit.early".into()),
                similarity: Some("cosine".into()),
                ..View::default()
            }
        );
        assert_eq!(complete(&loaded, &view), view);
    }

    #[test]
    fn a_method_means_its_late_set() {
        let loaded = loaded();
        let found = answer(&loaded, &wish(Some("a"), Some("lora"), None)).unwrap();
        assert_eq!(found.method, "lora.late");
        let order: Vec<_> = found.ranking.sources.iter().map(|s| s.task.as_str()).collect();
        assert_eq!(order, ["c", "b"]);
    }

    #[test]
    fn wishes_that_cannot_be_met_are_named_and_kept() {
        let loaded = loaded();
        for (view, part) in [
            (wish(Some("zzz"), None, None), "zzz"),
            (wish(Some("c"), Some("lora.early"), None), "“c”"),
            (wish(None, Some("none"), None), "none"),
            (wish(None, None, Some("gauge")), "gauge"),
            (wish(None, None, Some("delta")), "initial parameters"),
        ] {
            let failure = answer(&loaded, &view).unwrap_err();
            assert!(failure.detail.contains(part), "{failure:?}");
            let kept = complete(&loaded, &view);
            assert_eq!(
                (kept.target, kept.method, kept.similarity),
                (view.target, view.method, view.similarity)
            );
        }
    }

    #[test]
    fn ensembles_are_offered_where_they_can_be_made() {
        // LoRA and BitFit are both there early; a, b, and c are not all in both late.
        let names: Vec<_> = loaded().methods().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bitfit.early", "lora.early", "lora.late", "ensemble", "rrf"]);
        let found = answer(&loaded(), &wish(Some("a"), Some("ensemble"), None)).unwrap();
        assert_eq!((&*found.method, found.ranking.ensemble.len()), ("ensemble", 2));
        let mut alone = loaded();
        alone.sets.retain(|set| set.key != "bitfit.early");
        assert!(alone.methods().iter().all(|(name, _)| !Fusion::is_named(name)));
    }

    #[test]
    fn a_second_method_ranks_what_passes_the_filters() {
        let loaded = loaded();
        let view = View {
            compare: vec!["lora.early".into()],
            filters: vec![("max".into(), "10".into())],
            ..wish(Some("a"), Some("lora.late"), None)
        };
        let found = answer(&loaded, &view).unwrap();
        assert_eq!((found.all, found.ranking.sources.len()), (2, 2));
        let beside = found.beside.unwrap().unwrap();
        assert_eq!(beside.method, "lora.early");
        assert_eq!(beside.ranks, BTreeMap::from([("b".to_owned(), 1)]));

        let filters = vec![("max".into(), "9".into())];
        let none = answer(&loaded, &View { filters, ..view.clone() }).unwrap();
        assert_eq!((none.all, none.ranking.sources.len()), (2, 0));
        let compare = vec!["none".into()];
        let failure = answer(&loaded, &View { compare, ..view }).unwrap().beside.unwrap();
        assert!(failure.unwrap_err().detail.contains("none"));
    }

    #[test]
    fn gains_are_against_the_score_without_transfer() {
        let matrix = |no_transfer: Option<f64>| TransferMatrix {
            setting: "full-limited".into(),
            metric: "accuracy".into(),
            seeds: vec![0, 1],
            targets: vec!["a".into()],
            sources: vec!["a".into(), "b".into(), "c".into()],
            scores: vec![vec![
                vec![Some(0.9), Some(0.9)],
                vec![Some(0.5), Some(0.75)],
                vec![None, None],
            ]],
            no_transfer: vec![vec![no_transfer, None]],
        };
        let zoo = |no_transfer| loaded().zoo.with_transfer(vec![matrix(no_transfer)]).unwrap();
        let gains = Gains::find(&zoo(Some(0.5)), "a").unwrap();
        // Not of itself, and not where nothing was run.
        assert_eq!(gains.of, BTreeMap::from([("b".to_owned(), 0.125)]));
        assert_eq!(gains.baseline, Some(0.5));
        let scores = Gains::find(&zoo(None), "a").unwrap();
        assert_eq!(scores.of, BTreeMap::from([("b".to_owned(), 0.625)]));
        assert_eq!(Gains::find(&zoo(None), "b"), None);
    }

    #[test]
    fn what_is_on_its_way_is_told_from_what_is_not_there() {
        let mut part = loaded();
        part.whole = false;
        let title = |loaded: &Loaded| {
            answer(loaded, &wish(Some("a"), Some("none"), None)).unwrap_err().title
        };
        assert_eq!(title(&part), Failure::on_its_way().title);
        part.whole = true;
        assert_ne!(title(&part), Failure::on_its_way().title);
    }

    #[test]
    fn links_tell_files_apart() {
        let shown = View { zoo: None, sha256: Some("ab".repeat(32)), ..View::default() };
        assert!(same_file(&shown, &View::default()));
        assert!(same_file(&shown, &View { target: Some("a".into()), ..shown.clone() }));
        assert!(!same_file(&shown, &View { sha256: Some("cd".repeat(32)), ..View::default() }));
        assert!(!same_file(&shown, &View { zoo: Some("/x".into()), ..View::default() }));
        assert_eq!(Origin::File("z".into()).in_link().as_deref(), Some("file:z"));
        assert_eq!(Origin::Url("https://a/z".into()).in_link().as_deref(), Some("https://a/z"));
    }
}
