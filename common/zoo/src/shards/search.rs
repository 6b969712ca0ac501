//! What one shard is asked, and how the answers of several are joined.

use super::rank::lengths;
use crate::narrow::{Facets, Narrow};
use crate::select::RankedSource;
use crate::similarity::{Scene, Similarity};
use crate::{Error, TaskEntry, Zoo};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A target, and how its sources are wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Key of the embedding set.
    pub set: String,
    /// Name of the similarity.
    pub similarity: String,
    /// The target's id; a task of this id is no source.
    pub target: String,
    /// The target's embedding, `[D]`.
    pub vector: Vec<f32>,
    /// The mean of all tasks, `[D]`, where the similarity looks at it.
    pub mean: Option<Vec<f32>>,
}

/// The sum of the rows of one or several shards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// `[D]`.
    pub sum: Vec<f64>,
    /// The number of rows.
    pub rows: u64,
}

impl Total {
    /// Adds another shard's rows.
    ///
    /// # Panics
    /// When they are of another length.
    pub fn add(&mut self, other: &Self) {
        if self.sum.is_empty() {
            return self.clone_from(other);
        }
        assert_eq!(self.sum.len(), other.sum.len(), "rows of different lengths");
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, more)| *sum += more);
        self.rows += other.rows;
    }

    /// Takes out one of the rows.
    ///
    /// # Panics
    /// When it is of another length.
    pub fn take_out(&mut self, row: &[f32]) {
        assert_eq!(self.sum.len(), row.len(), "a row of another length");
        self.sum.iter_mut().zip(row).for_each(|(sum, value)| *sum -= f64::from(*value));
        self.rows -= 1;
    }

    /// The mean of the rows and, if it is not among them, of a target, `[D]`.
    pub fn mean(&self, target: Option<&[f32]>) -> Vec<f32> {
        let rows = self.rows + u64::from(target.is_some());
        let more = |at: usize| target.map_or(0.0, |target| f64::from(target[at]));
        let mean = |(at, sum): (usize, &f64)| ((sum + more(at)) / rows as f64) as f32;
        self.sum.iter().enumerate().map(mean).collect()
    }
}

/// A source with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The source task.
    pub task: TaskEntry,
    /// Its similarity to the target.
    pub score: f64,
}

/// The closest sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// Closest first.
    pub sources: Vec<Found>,
    /// How many there are without filters.
    pub all: u64,
    /// How many pass the filters.
    pub passing: u64,
}

impl Nearest {
    /// The closest `most` of several shards.
    pub fn join(parts: impl IntoIterator<Item = Self>, most: usize) -> Self {
        let mut joined = Self::default();
        for part in parts {
            joined.sources.extend(part.sources);
            joined.all += part.all;
            joined.passing += part.passing;
        }
        joined.sources.sort_by(|a, b| order(a.score, &a.task.id, b.score, &b.task.id));
        joined.sources.truncate(most);
        joined
    }

    /// The sources as those of a ranking.
    pub fn ranked(&self) -> Vec<RankedSource> {
        let source = |(at, found): (usize, &Found)| RankedSource {
            rank: at + 1,
            task: found.task.id.clone(),
            score: found.score,
        };
        self.sources.iter().enumerate().map(source).collect()
    }
}

/// Degrees to which a task fits what was typed.
const FITS: usize = 3;

/// What was typed, as [`fit`] wants it.
fn wanted(text: &str) -> String {
    text.trim().to_lowercase()
}

/// How well a task's id or name fits a lower-case text: 0 where it is the text, 1 where it
/// begins with it, 2 where it contains it. Among very many tasks whoever types a whole name
/// must find it.
fn fit(task: &TaskEntry, wanted: &str) -> Option<usize> {
    let of = |text: &str| match place(text, wanted)? {
        0 if text.len() == wanted.len() => Some(0),
        0 => Some(1),
        _ => Some(2),
    };
    of(&task.id).into_iter().chain(of(&task.name)).min()
}

/// Where a text contains a lower-case one, in any case.
fn place(text: &str, wanted: &str) -> Option<usize> {
    // A million names are looked through: without a copy of each.
    if text.is_ascii() && !wanted.is_empty() {
        let mut windows = text.as_bytes().windows(wanted.len());
        return windows.position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()));
    }
    text.to_lowercase().find(wanted)
}

/// Descending score, ties by id.
fn order(a: f64, a_id: &str, b: f64, b_id: &str) -> Ordering {
    // 0 is added because −0 and 0 are equal scores.
    (b + 0.0).total_cmp(&(a + 0.0)).then_with(|| a_id.cmp(b_id))
}

/// What a shard can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// The embedding of a task, if the shard has it.
    Find {
        /// Key of the embedding set.
        set: String,
        /// The task's id.
        task: String,
    },
    /// The sum of all rows of a set.
    Total {
        /// Its key.
        set: String,
    },
    /// The closest sources that pass the filters.
    Nearest {
        /// Of which target.
        ask: Ask,
        /// The filters, as a link holds them.
        filters: Vec<(String, String)>,
        /// How many at most.
        most: usize,
    },
    /// Tasks whose id or name contains a text, in any case; those that begin with it first.
    Search {
        /// Key of the embedding set that must have them.
        set: String,
        /// The text.
        text: String,
        /// How many at most.
        most: usize,
    },
    /// What the tasks of a set can be filtered by.
    Facets {
        /// Its key.
        set: String,
    },
}

/// What a shard answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Question::Find`].
    Find(Option<Vec<f32>>),
    /// To [`Question::Total`].
    Total(Total),
    /// To [`Question::Nearest`].
    Nearest(Nearest),
    /// To [`Question::Search`].
    Search(Vec<TaskEntry>),
    /// To [`Question::Facets`].
    Facets(Facets),
}

/// A shard that can be asked.
#[derive(Clone, Debug)]
pub struct Shard {
    zoo: Zoo,
    /// For each set the place of each row's task among the zoo's tasks.
    places: BTreeMap<String, Vec<usize>>,
    /// Sums that were asked for: a pass over all rows each.
    totals: BTreeMap<String, Total>,
}

impl Shard {
    /// Of a zoo.
    pub fn new(zoo: Zoo) -> Self {
        let mut of = BTreeMap::new();
        for (place, task) in zoo.tasks().iter().enumerate() {
            of.insert(task.id.as_str(), place);
        }
        let rows = |tasks: &[String]| tasks.iter().map(|id| of[id.as_str()]).collect();
        let places = zoo.sets().map(|set| (set.key.clone(), rows(&set.tasks))).collect();
        Self { zoo, places, totals: BTreeMap::new() }
    }

    /// The zoo.
    pub fn zoo(&self) -> &Zoo {
        &self.zoo
    }

    /// Answers.
    ///
    /// # Errors
    /// When the shard has no such set, or the similarity is undefined.
    pub fn answer(&mut self, question: &Question) -> Result<Reply, Error> {
        Ok(match question {
            Question::Find { set, task } => Reply::Find(self.find(set, task)?),
            Question::Total { set } => Reply::Total(self.total(set)?),
            Question::Nearest { ask, filters, most } => {
                Reply::Nearest(self.nearest(ask, &Narrow::of(filters), *most)?)
            }
            Question::Search { set, text, most } => Reply::Search(self.search(set, text, *most)?),
            Question::Facets { set } => Reply::Facets(self.facets(set)?),
        })
    }

    fn find(&self, key: &str, task: &str) -> Result<Option<Vec<f32>>, Error> {
        let set = self.zoo.set(Some(key))?;
        Ok(self.zoo.row(set, task))
    }

    fn task(&self, key: &str, row: usize) -> &TaskEntry {
        &self.zoo.tasks()[self.places[key][row]]
    }

    fn total(&mut self, key: &str) -> Result<Total, Error> {
        if let Some(total) = self.totals.get(key) {
            return Ok(total.clone());
        }
        let rows = &self.zoo.values(self.zoo.set(Some(key))?).rows;
        let total = Total { sum: rows.sum(), rows: rows.len() as u64 };
        self.totals.insert(key.to_owned(), total.clone());
        Ok(total)
    }

    fn nearest(&self, ask: &Ask, narrow: &Narrow, most: usize) -> Result<Nearest, Error> {
        let set = self.zoo.set(Some(&ask.set))?;
        let rows = &self.zoo.values(set).rows;
        let wrong = |vector: &Vec<f32>| vector.len() != set.dim;
        if wrong(&ask.vector) || ask.mean.as_ref().is_some_and(wrong) {
            return Err(lengths(ask.vector.len(), set.dim));
        }
        let similarity = Similarity::named(&ask.similarity)?;
        let own = set.tasks.iter().position(|id| *id == ask.target);
        let scene = Scene {
            zoo: &self.zoo,
            set,
            rows,
            own,
            target: &ask.vector,
            mean: ask.mean.as_deref(),
        };
        let scores = similarity.compare(&scene)?.finish();
        let (mut passing, mut all) = (Vec::new(), 0);
        for (row, score) in scores.into_iter().enumerate() {
            if Some(row) == own {
                continue;
            }
            all += 1;
            let score = score.ok_or_else(|| similarity.undefined(&ask.target, &set.tasks[row]))?;
            if narrow.is_open() || narrow.passes(self.task(&ask.set, row)) {
                passing.push((score, row));
            }
        }
        let count = passing.len() as u64;
        let by_score = |&(a, i): &(f64, usize), &(b, j): &(f64, usize)| {
            order(a, &set.tasks[i], b, &set.tasks[j])
        };
        // The order of those that nobody will see costs more than the products.
        if most < passing.len() {
            passing.select_nth_unstable_by(most, by_score);
            passing.truncate(most);
        }
        passing.sort_unstable_by(by_score);
        let found =
            |(score, row): (f64, usize)| Found { task: self.task(&ask.set, row).clone(), score };
        Ok(Nearest { sources: passing.into_iter().map(found).collect(), all, passing: count })
    }

    fn search(&self, key: &str, text: &str, most: usize) -> Result<Vec<TaskEntry>, Error> {
        let wanted = wanted(text);
        let set = self.zoo.set(Some(key))?;
        let mut found: [Vec<&TaskEntry>; FITS] = Default::default();
        for row in 0..set.tasks.len() {
            let task = self.task(key, row);
            if let Some(found) = fit(task, &wanted).map(|fit| &mut found[fit])
                && found.len() < most
            {
                found.push(task);
            }
        }
        Ok(found.into_iter().flatten().take(most).cloned().collect())
    }

    fn facets(&self, key: &str) -> Result<Facets, Error> {
        let set = self.zoo.set(Some(key))?;
        Ok(Facets::of((0..set.tasks.len()).map(|row| self.task(key, row))))
    }
}

impl Question {
    /// The answer of several shards by theirs. Answers to other questions are passed over.
    pub fn join(&self, replies: impl IntoIterator<Item = Reply>) -> Reply {
        let replies = replies.into_iter();
        match self {
            Self::Find { .. } => Reply::Find(replies.into_iter().find_map(|reply| match reply {
                Reply::Find(found) => found,
                _ => None,
            })),
            Self::Total { .. } => {
                let mut all = Total::default();
                for reply in replies {
                    if let Reply::Total(total) = reply {
                        all.add(&total);
                    }
                }
                Reply::Total(all)
            }
            Self::Nearest { most, .. } => {
                let parts = replies.filter_map(|reply| match reply {
                    Reply::Nearest(nearest) => Some(nearest),
                    _ => None,
                });
                Reply::Nearest(Nearest::join(parts, *most))
            }
            Self::Search { text, most, .. } => {
                let parts = replies.filter_map(|reply| match reply {
                    Reply::Search(tasks) => Some(tasks),
                    _ => None,
                });
                let (wanted, mut all) = (wanted(text), parts.flatten().collect::<Vec<_>>());
                all.sort_by_cached_key(|task| fit(task, &wanted));
                all.truncate(*most);
                Reply::Search(all)
            }
            Self::Facets { .. } => {
                let mut all = Facets::default();
                for reply in replies {
                    if let Reply::Facets(facets) = reply {
                        all.join(facets);
                    }
                }
                Reply::Facets(all)
            }
        }
    }
}
