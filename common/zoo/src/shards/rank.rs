//! Ranking over all shards, wherever they are held.

use super::{Ask, Index, Nearest, Question, Reply, Shard};
use crate::{EmbeddingSet, Error, Fusion, Ranking, Similarity, Target, Zoo, choose};
use tupate_embedding::TaskEmbedding;

/// What is wanted of a zoo in shards.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The target.
    pub target: Target<'a>,
    /// Method or key of an embedding set; `None` for the only method.
    pub method: Option<&'a str>,
    /// How embeddings are compared.
    pub similarity: &'a Similarity,
    /// The filters, as a link holds them.
    pub filters: &'a [(String, String)],
    /// How many sources at most.
    pub most: usize,
}

/// The closest sources of a target among all shards.
#[derive(Clone, Debug, PartialEq)]
pub struct Closest {
    /// Key of the embedding set.
    pub set: String,
    /// The ranking of those that pass the filters.
    pub ranking: Ranking,
    /// The sources with what is known of them, and how many there are.
    pub nearest: Nearest,
}

/// Ranks; `answer` puts a question to all shards and joins what they answer
/// ([`Question::join`]).
///
/// # Errors
/// As [`rank`](crate::rank), and those of `answer`.
pub async fn rank<E: From<Error>>(
    index: &Index,
    wish: &Wish<'_>,
    answer: &impl AsyncFn(Question) -> Result<Reply, E>,
) -> Result<Closest, E> {
    let target = wish.target.task()?;
    let (set, guest) = chosen(index, wish)?;
    let key = set.key.clone();
    let of_all = wish.similarity.of_all;
    let row = match guest.is_none() || of_all {
        true => {
            let find = Question::Find { set: key.clone(), task: target.to_owned() };
            match answer(find).await? {
                Reply::Find(row) => row,
                _ => return Err(strange().into()),
            }
        }
        false => None,
    };
    let Some(vector) = guest.map(|guest| &guest.values).or(row.as_ref()).cloned() else {
        return Err(Error::Ambiguous(format!(
            "no task {target} has {key} embeddings in the {} tasks of {}",
            index.tasks, index.name
        ))
        .into());
    };
    let mean = match of_all {
        false => None,
        true => match answer(Question::Total { set: key.clone() }).await? {
            Reply::Total(mut total) if total.sum.len() == vector.len() => {
                // A target from elsewhere stands among the rows, too: in the place of the
                // row of its name.
                if let (Some(_), Some(row)) = (guest, &row) {
                    total.take_out(row);
                }
                Some(total.mean(guest.map(|guest| &*guest.values)))
            }
            _ => return Err(lengths(vector.len(), set.dim).into()),
        },
    };
    let similarity = wish.similarity.name.to_owned();
    let ask = Ask {
        set: key.clone(),
        similarity: similarity.clone(),
        target: target.to_owned(),
        vector,
        mean,
    };
    let question = Question::Nearest { ask, filters: wish.filters.to_vec(), most: wish.most };
    let Reply::Nearest(nearest) = answer(question).await? else {
        return Err(strange().into());
    };
    let ranking = Ranking {
        target: target.to_owned(),
        recipe: set.recipe,
        ensemble: Vec::new(),
        similarity,
        sources: nearest.ranked(),
    };
    Ok(Closest { set: key, ranking, nearest })
}

/// The set, and what is compared with it of a target from elsewhere.
fn chosen<'a>(
    index: &Index,
    wish: &Wish<'a>,
) -> Result<(EmbeddingSet, Option<&'a TaskEmbedding>), Error> {
    let sets = index.sets();
    if let Some(fusion) = wish.method.filter(|method| Fusion::is_named(method))
        && sets.iter().all(|set| set.key != fusion)
    {
        return Err(Error::Ambiguous(format!(
            "{fusion} takes smaller zoos, in one file; here choose one of {}",
            sets.iter().map(|set| &*set.key).collect::<Vec<_>>().join(", ")
        )));
    }
    match wish.target {
        Target::Task(_) => Ok((choose::set(&sets, wish.method)?.clone(), None)),
        Target::Embeddings([_, _, ..]) if wish.method.is_none() => Err(Error::Ambiguous(
            "the target has embeddings of several methods, and a zoo in shards is ranked by one: \
             choose it"
                .into(),
        )),
        Target::Embeddings(embeddings) => {
            let (set, own) =
                choose::matching(&sets.iter().collect::<Vec<_>>(), wish.method, embeddings)?;
            match own.values.len() == set.dim {
                true => Ok((set.clone(), Some(own))),
                false => Err(lengths(own.values.len(), set.dim)),
            }
        }
    }
}

fn strange() -> Error {
    Error::Inconsistent("the shards answer another question".into())
}

pub(super) fn lengths(found: usize, wanted: usize) -> Error {
    Error::Inconsistent(format!(
        "the target's embedding has {found} values, the zoo's have {wanted}"
    ))
}

/// The name of a file that is the only shard of its zoo.
const ONLY: &str = "zoo.safetensors";

/// Shards that are held in one place.
#[derive(Clone, Debug)]
pub struct Shards {
    index: Index,
    shards: Vec<Shard>,
}

impl Shards {
    /// None yet.
    pub fn new(index: Index) -> Self {
        Self { index, shards: Vec::new() }
    }

    /// A zoo file as the only shard of its zoo; `None` where it holds measured transfer or
    /// tables of scores, which shards know nothing of.
    ///
    /// # Errors
    /// As [`Zoo::parse`], and when it is larger than a shard may be.
    pub fn of_file(file: &[u8]) -> Result<Option<Self>, Error> {
        let zoo = Zoo::parse(file)?;
        if !zoo.transfer().is_empty() || !zoo.scores().is_empty() {
            return Ok(None);
        }
        let mut index = Index::new(zoo.name(), zoo.description());
        index.add(ONLY, file, &zoo)?;
        Ok(Some(Self { index, shards: vec![Shard::new(zoo)] }))
    }

    /// What they are shards of.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Takes in the file of this name.
    ///
    /// # Errors
    /// When the index names no such file, and as [`Index::open`].
    pub fn open(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let shard = self.index.shards.iter().find(|shard| shard.file == file);
        let shard =
            shard.ok_or_else(|| Error::Inconsistent(format!("the index names no {file}")))?;
        self.hold(self.index.open(shard, bytes)?);
        Ok(())
    }

    /// Takes in the zoo that [`Index::open`] gave.
    pub fn hold(&mut self, zoo: Zoo) {
        self.shards.push(Shard::new(zoo));
    }

    /// Whether one of them has a task of this id.
    pub fn knows(&self, task: &str) -> bool {
        self.shards.iter().any(|shard| shard.zoo().task(task).is_some())
    }

    /// Puts a question to all of them.
    ///
    /// # Errors
    /// As [`Shard::answer`].
    pub fn answer(&mut self, question: &Question) -> Result<Reply, Error> {
        let replies: Result<Vec<_>, _> =
            self.shards.iter_mut().map(|shard| shard.answer(question)).collect();
        Ok(question.join(replies?))
    }

    /// A zoo of these tasks, as far as they are held; `None` if none is.
    ///
    /// # Errors
    /// When two shards have the same task.
    pub fn gather(&self, tasks: &[String]) -> Result<Option<Zoo>, Error> {
        let parts: Vec<_> = self
            .shards
            .iter()
            .map(|shard| shard.zoo().with_only(tasks))
            .filter(|zoo| !zoo.tasks().is_empty())
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        Zoo::together(&self.index.name, &self.index.description, &parts).map(Some)
    }
}
