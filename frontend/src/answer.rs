//! From a zoo and the visitor's wishes to what is shown.

use crate::failure::Failure;
use tupate_tasks::Checkpoint;
use tupate_zoo::link::View;
use tupate_zoo::{
    EmbeddingSet, Error, Query, Ranking, SIMILARITIES, Similarity, Target, Zoo, rank,
};

/// Prefix of a link's zoo that is a file on somebody's device and no address.
pub const FILE_SCHEME: &str = "file:";

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
}

impl Origin {
    /// The origin as a link states it; `None` for the page's own zoo.
    pub fn in_link(&self) -> Option<String> {
        match self {
            Self::Server { first: true, .. } => None,
            Self::Server { url, .. } | Self::Url(url) => Some(url.clone()),
            Self::File(name) => Some(format!("{FILE_SCHEME}{name}")),
        }
    }

    /// Where the file can be had; a file on a device cannot be had.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Server { url, .. } | Self::Url(url) => Some(url),
            Self::File(_) => None,
        }
    }
}

/// A zoo that was read, with the facts of its file.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// The zoo.
    pub zoo: Zoo,
    /// Where it came from.
    pub origin: Origin,
    /// The file's size.
    pub bytes: u64,
    /// The file's sha256, lower-case hex.
    pub sha256: String,
}

/// A ranking with the choices that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Key of the embedding set.
    pub set: String,
    /// The similarity's name.
    pub similarity: &'static str,
    /// The sources, closest first.
    pub ranking: Ranking,
}

/// The set that is wished for, or else the first method's, late before early.
///
/// # Errors
/// When a wish was made that the zoo cannot meet, or the zoo is empty.
pub fn choose_set<'a>(zoo: &'a Zoo, wish: Option<&str>) -> Result<&'a EmbeddingSet, Error> {
    if let Some(wish) = wish {
        return zoo.set(Some(wish));
    }
    let of_first: Vec<_> = match zoo.methods().first() {
        Some(first) => zoo.sets().filter(|set| set.recipe.method.name() == *first).collect(),
        None => return Err(Error::Inconsistent("it holds no embeddings".into())),
    };
    let late = of_first.iter().find(|set| set.recipe.checkpoint == Checkpoint::Late);
    Ok(late.unwrap_or(&of_first[0]))
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
pub fn answer(zoo: &Zoo, view: &View) -> Result<Answer, Failure> {
    ask(zoo, view).map_err(|error| Failure::ranking(&error))
}

fn ask(zoo: &Zoo, view: &View) -> Result<Answer, Error> {
    let set = choose_set(zoo, view.method.as_deref())?;
    let similarity = choose_similarity(view.similarity.as_deref())?;
    // A set is never empty: the zoo was checked when it was read.
    let target = view.target.as_deref().unwrap_or_else(|| &set.tasks[0]);
    let query = Query { target: Target::Task(target), method: Some(&set.key), similarity };
    let ranking = rank(zoo, &query)?;
    Ok(Answer { set: set.key.clone(), similarity: similarity.name, ranking })
}

/// The view with every choice named, for the link. Wishes that cannot be met
/// stay as they are: the page says why, and the link keeps what was asked.
pub fn complete(loaded: &Loaded, wish: &View) -> View {
    let mut view =
        View { zoo: loaded.origin.in_link(), sha256: Some(loaded.sha256.clone()), ..wish.clone() };
    if let Ok(answer) = ask(&loaded.zoo, wish) {
        view.target = Some(answer.ranking.target);
        view.method = Some(answer.set);
        view.similarity = Some(answer.similarity.to_owned());
    }
    view
}

/// Whether two views are of the same file. A link without a hash takes the
/// file that is there.
pub fn same_file(shown: &View, wanted: &View) -> bool {
    shown.zoo == wanted.zoo && (wanted.sha256.is_none() || wanted.sha256 == shown.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::{EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
    use tupate_zoo::{NewEmbedding, TaskEntry};

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
        Loaded { zoo, origin, bytes: 1, sha256: "cd".repeat(32) }
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
        let found = answer(&loaded.zoo, &wish(Some("a"), Some("lora"), None)).unwrap();
        assert_eq!(found.set, "lora.late");
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
            let failure = answer(&loaded.zoo, &view).unwrap_err();
            assert!(failure.detail.contains(part), "{failure:?}");
            let kept = complete(&loaded, &view);
            assert_eq!(
                (kept.target, kept.method, kept.similarity),
                (view.target, view.method, view.similarity)
            );
        }
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
