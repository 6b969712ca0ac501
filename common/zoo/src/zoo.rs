//! A zoo in memory.

use crate::choose;
use crate::format::{self, Dtype};
use crate::manifest::{Manifest, TensorDigest};
use crate::outline::Outline;
use crate::rows::Rows;
use crate::{EmbeddingSet, Error, Facts, Preferred, ScoreTable, TaskEntry, TransferMatrix};
use std::collections::{BTreeMap, BTreeSet};
use tupate_tasks::{Aggregation, ParameterSet, Projection, Recipe, Values};

/// Task embeddings that belong together, with the facts about their tasks.
/// Holding one is the proof that it is consistent: rows fit the manifest, all
/// values are finite, no embedding is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Zoo {
    name: String,
    description: String,
    tasks: Vec<TaskEntry>,
    sets: Vec<(EmbeddingSet, SetValues)>,
    pub(crate) beside: Beside,
}

/// What a zoo may hold beside embeddings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Beside {
    pub transfer: Vec<TransferMatrix>,
    pub scores: Vec<ScoreTable>,
    pub preferred: Option<Preferred>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetValues {
    /// `[tasks, D]`.
    pub rows: Rows,
    /// `[D]`.
    pub initial: Option<Vec<f32>>,
}

impl SetValues {
    /// Whether they are those of the set, and what they should be.
    fn check(&self, set: &EmbeddingSet) -> Result<(), Error> {
        if (self.rows.len(), self.rows.dim()) != (set.tasks.len(), set.dim)
            || self.initial.as_ref().is_some_and(|v| v.len() != set.dim)
            || self.initial.is_some() != set.has_initial
        {
            return Err(Error::Inconsistent(format!(
                "the values of {} do not fit its shape",
                set.key
            )));
        }
        self.rows.check(&set.key, |row| set.tasks[row].clone())?;
        if let Some(initial) = &self.initial
            && initial.iter().any(|v| !v.is_finite())
        {
            return Err(Error::Inconsistent(format!(
                "the initial values of {} are not finite",
                set.key
            )));
        }
        Ok(())
    }
}

/// One embedding on its way into a zoo.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEmbedding {
    /// The task, with what is known of it.
    pub task: TaskEntry,
    /// How the vector came about.
    pub recipe: Recipe,
    /// The vector, `[D]`.
    pub values: Vec<f32>,
    /// The vector of the same parameters before training, `[D]`.
    pub initial: Option<Vec<f32>>,
}

impl Zoo {
    /// Gathers embeddings: one set a recipe, one row a task, tasks by id.
    ///
    /// # Errors
    /// When two embeddings are for the same task and recipe, facts about one
    /// task contradict each other, or vectors of a recipe differ in length.
    pub fn pack(
        name: &str,
        description: &str,
        embeddings: impl IntoIterator<Item = NewEmbedding>,
    ) -> Result<Self, Error> {
        let mut tasks: BTreeMap<String, TaskEntry> = BTreeMap::new();
        let mut groups: Vec<(Recipe, BTreeMap<String, NewEmbedding>)> = Vec::new();
        for embedding in embeddings {
            let id = embedding.task.id.clone();
            match tasks.get_mut(&id) {
                None => {
                    tasks.insert(id.clone(), embedding.task.clone());
                }
                Some(known) => known.take_in(&embedding.task)?,
            }
            let group = groups
                .iter()
                .position(|(recipe, _)| recipe.differences(&embedding.recipe).is_empty());
            let rows = match group {
                Some(i) => &mut groups[i].1,
                None => {
                    groups.push((embedding.recipe.clone(), BTreeMap::new()));
                    &mut groups.last_mut().expect("just pushed").1
                }
            };
            let recipe = embedding.recipe.clone();
            if rows.insert(id.clone(), embedding).is_some() {
                return Err(Error::Inconsistent(format!(
                    "two embeddings of {id} by {} ({}); pack one of them, or their mean",
                    recipe.method,
                    recipe.checkpoint.name()
                )));
            }
        }
        let mut sets: Vec<(EmbeddingSet, SetValues)> = Vec::new();
        for (recipe, rows) in groups {
            sets.push(gather(recipe, rows)?);
        }
        sets.sort_by_cached_key(|(set, _)| sort_key(set));
        let mut used: BTreeMap<String, usize> = BTreeMap::new();
        for (set, _) in &mut sets {
            let n = used.entry(set.key.clone()).or_default();
            *n += 1;
            if *n > 1 {
                set.key = format!("{}.{n}", set.key);
            }
        }
        let tasks = tasks.into_values().collect();
        Self::new(name.to_owned(), description.to_owned(), tasks, sets, Beside::default())
    }

    pub(crate) fn new(
        name: String,
        description: String,
        tasks: Vec<TaskEntry>,
        sets: Vec<(EmbeddingSet, SetValues)>,
        beside: Beside,
    ) -> Result<Self, Error> {
        let zoo = Self { name, description, tasks, sets, beside };
        zoo.manifest(Vec::new()).check()?;
        zoo.sets.iter().try_for_each(|(set, values)| values.check(set))?;
        Ok(zoo)
    }

    /// Adds a set whose manifest was checked with those of the others.
    pub(crate) fn add(&mut self, set: EmbeddingSet, values: SetValues) -> Result<(), Error> {
        values.check(&set)?;
        self.sets.push((set, values));
        Ok(())
    }

    /// The zoo with another description.
    #[must_use]
    pub fn described(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// The zoo with these facts about its tasks, by id.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn with_facts(mut self, facts: BTreeMap<String, Facts>) -> Result<Self, Error> {
        for (id, Facts { name, family, licence, link }) in facts {
            let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) else {
                let known = self.tasks.into_iter().map(|task| task.id).collect();
                return Err(Error::UnknownTask { task: id, known });
            };
            task.name = name.unwrap_or_else(|| std::mem::take(&mut task.name));
            task.family = family.unwrap_or_else(|| std::mem::take(&mut task.family));
            task.licence = licence.or_else(|| task.licence.take());
            task.link = link.or_else(|| task.link.take());
        }
        Ok(self)
    }

    /// The zoo with measured transfer, in the order of the settings' names.
    ///
    /// # Errors
    /// When a matrix contradicts itself or two are of one setting.
    pub fn with_transfer(mut self, transfer: Vec<TransferMatrix>) -> Result<Self, Error> {
        self.beside.transfer = transfer;
        self.beside.transfer.sort_by(|a, b| a.setting.cmp(&b.setting));
        self.manifest(Vec::new()).check()?;
        Ok(self)
    }

    /// The zoo with tables of scores, in the order of their names.
    ///
    /// # Errors
    /// When a table contradicts itself, or is called like another or like a method.
    pub fn with_scores(mut self, scores: Vec<ScoreTable>) -> Result<Self, Error> {
        self.beside.scores = scores;
        self.beside.scores.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest(Vec::new()).check()?;
        Ok(self)
    }

    /// The zoo with all embeddings in fewer dimensions, which the recipes say.
    ///
    /// # Errors
    /// When one is projected already or too short, or a row becomes zero.
    pub fn projected(&self, projection: Projection) -> Result<Self, Error> {
        let project = |set: &EmbeddingSet, values: &[f32]| match set.recipe.projection {
            Some(_) => Err(Error::Inconsistent(format!("{} is projected already", set.key))),
            None => tupate_embedding::project(values, &projection)
                .map_err(|e| Error::Inconsistent(format!("{}: {e}", set.key))),
        };
        let mut embeddings = Vec::new();
        for set in self.sets() {
            let recipe = Recipe { projection: Some(projection), ..set.recipe.clone() };
            let initial = self.initial(set).map(|values| project(set, values)).transpose()?;
            for (id, row) in set.tasks.iter().zip(self.rows(set)) {
                embeddings.push(NewEmbedding {
                    task: self.task(id).expect("a zoo knows the tasks of its sets").clone(),
                    recipe: recipe.clone(),
                    values: project(set, &row)?,
                    initial: initial.clone(),
                });
            }
        }
        Self::pack(&self.name, &self.description, embeddings)?
            .with_transfer(self.beside.transfer.clone())?
            .with_scores(self.beside.scores.clone())
    }

    /// Measured transfer between tasks, a matrix a setting; may be empty.
    pub fn transfer(&self) -> &[TransferMatrix] {
        &self.beside.transfer
    }

    /// The matrix with the most targets, of equals the first: what speaks where nobody chose a
    /// setting.
    pub fn widest_transfer(&self) -> Option<&TransferMatrix> {
        self.beside.transfer.iter().rev().max_by_key(|matrix| matrix.targets.len())
    }

    /// What others than the zoo's embeddings say of its tasks, such as baselines; may be
    /// empty.
    pub fn scores(&self) -> &[ScoreTable] {
        &self.beside.scores
    }

    /// Reads a zoo file. Every checksum in it is checked.
    ///
    /// # Errors
    /// When the bytes are not a zoo, are damaged, contradict themselves or are
    /// of a later major version. Never panics and allocates no more than a
    /// small multiple of `bytes.len()`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Outline::parse(bytes)?.open_whole(bytes)
    }

    /// The file's bytes: the same zoo always gives the same bytes.
    ///
    /// # Errors
    /// When a value is too large for `dtype`.
    pub fn to_bytes(&self, dtype: Dtype) -> Result<Vec<u8>, Error> {
        format::write(self, dtype)
    }

    /// The zoo's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the zoo is, in words; may be empty.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// All tasks, in the file's order.
    pub fn tasks(&self) -> &[TaskEntry] {
        &self.tasks
    }

    /// The facts about one task.
    pub fn task(&self, id: &str) -> Option<&TaskEntry> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The embedding sets, one a recipe.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = &EmbeddingSet> {
        self.sets.iter().map(|(set, _)| set)
    }

    /// The names of the methods that the zoo has embeddings of, without
    /// repetition, in the file's order.
    pub fn methods(&self) -> Vec<&'static str> {
        choose::methods(self.sets())
    }

    /// The set with this key, or that of a method; see [`choose::set`].
    ///
    /// # Errors
    /// When there is none, or more than one fits.
    pub fn set(&self, wanted: Option<&str>) -> Result<&EmbeddingSet, Error> {
        choose::set(self.sets(), wanted)
    }

    /// The embeddings of a set, `[D]` each, in the order of
    /// [`EmbeddingSet::tasks`], decoded one by one.
    pub fn rows(&self, set: &EmbeddingSet) -> impl ExactSizeIterator<Item = Vec<f32>> {
        self.values(set).rows.iter()
    }

    /// One task's embedding in a set, `[D]`.
    pub fn row(&self, set: &EmbeddingSet, task: &str) -> Option<Vec<f32>> {
        let row = set.tasks.iter().position(|t| t == task)?;
        Some(self.values(set).rows.row(row))
    }

    /// The embedding of the untrained parameters, `[D]`, where the zoo has it.
    pub fn initial(&self, set: &EmbeddingSet) -> Option<&[f32]> {
        self.values(set).initial.as_deref()
    }

    pub(crate) fn values(&self, set: &EmbeddingSet) -> &SetValues {
        let found = self.sets.iter().find(|(own, _)| own.key == set.key);
        &found.expect("a set of this zoo").1
    }

    /// The zoo without some of its tasks, as if they had never been in it.
    /// Names that it does not have are passed over; a set that loses all its
    /// tasks goes.
    #[must_use]
    pub fn without(&self, tasks: &[String]) -> Self {
        let gone: BTreeSet<&str> = tasks.iter().map(String::as_str).collect();
        let kept = |ids: &[&str]| (0..ids.len()).filter(|i| !gone.contains(ids[*i])).collect();
        self.keeping(kept)
    }

    /// The zoo with some of its tasks alone; see [`Zoo::without`].
    #[must_use]
    pub fn with_only(&self, tasks: &[String]) -> Self {
        let wanted: BTreeSet<&str> = tasks.iter().map(String::as_str).collect();
        self.keeping(|ids| match ids.is_sorted() {
            // As files have them; of very many tasks few are looked up, and none scanned.
            true => wanted.iter().filter_map(|id| ids.binary_search(id).ok()).collect(),
            false => (0..ids.len()).filter(|i| wanted.contains(ids[*i])).collect(),
        })
    }

    /// One zoo of parts of it, which hold other tasks each; see [`Zoo::with_only`].
    ///
    /// # Errors
    /// When a task is in two of them, or sets of one key are not alike.
    pub fn together(name: &str, description: &str, parts: &[Self]) -> Result<Self, Error> {
        let mut tasks = Vec::new();
        let mut sets: Vec<(EmbeddingSet, Vec<f32>, Option<Vec<f32>>)> = Vec::new();
        for part in parts {
            tasks.extend_from_slice(&part.tasks);
            for (set, values) in &part.sets {
                let rows = values.rows.iter().flatten();
                match sets.iter_mut().find(|(known, ..)| known.key == set.key) {
                    None => sets.push((set.clone(), rows.collect(), values.initial.clone())),
                    Some((known, all, initial)) => {
                        let differences = known.recipe.differences(&set.recipe);
                        if !differences.is_empty() {
                            return Err(Error::Incomparable { differences });
                        }
                        if known.dim != set.dim || *initial != values.initial {
                            return Err(Error::Inconsistent(format!(
                                "{} is of other lengths or initial values in another part",
                                set.key
                            )));
                        }
                        known.tasks.extend_from_slice(&set.tasks);
                        all.extend(rows);
                    }
                }
            }
        }
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        sets.sort_by(|(a, ..), (b, ..)| a.key.cmp(&b.key));
        let sets = sets.into_iter().map(|(set, rows, initial)| {
            let rows = Rows::of_values(&rows, set.dim);
            (set, SetValues { rows, initial })
        });
        let (name, description) = (name.to_owned(), description.to_owned());
        Self::new(name, description, tasks, sets.collect(), Beside::default())
    }

    /// The zoo with those tasks alone whose places among given ids `kept` gives.
    fn keeping(&self, kept: impl Fn(&[&str]) -> Vec<usize>) -> Self {
        let sets = self.sets.iter().filter_map(|(set, values)| {
            let ids: Vec<&str> = set.tasks.iter().map(String::as_str).collect();
            let kept = kept(&ids);
            let tasks: Vec<String> = kept.iter().map(|i| set.tasks[*i].clone()).collect();
            let values =
                SetValues { rows: values.rows.select(&kept), initial: values.initial.clone() };
            let (key, recipe) = (set.key.clone(), set.recipe.clone());
            let set =
                EmbeddingSet { key, recipe, tasks, dim: set.dim, has_initial: set.has_initial };
            (!set.tasks.is_empty()).then_some((set, values))
        });
        let ids: Vec<&str> = self.tasks.iter().map(|task| task.id.as_str()).collect();
        Self {
            name: self.name.clone(),
            description: self.description.clone(),
            tasks: kept(&ids).into_iter().map(|i| self.tasks[i].clone()).collect(),
            sets: sets.collect(),
            beside: self.beside.clone(),
        }
    }

    pub(crate) fn manifest(&self, tensors: Vec<TensorDigest>) -> Manifest {
        let mut manifest = Manifest {
            schema: String::new(),
            name: self.name.clone(),
            description: self.description.clone(),
            tasks: self.tasks.clone(),
            embeddings: self.sets().cloned().collect(),
            tensors,
            transfer: self.beside.transfer.clone(),
            scores: self.beside.scores.clone(),
            preferred: self.beside.preferred.clone(),
        };
        manifest.schema = manifest.least_schema();
        manifest
    }
}

fn sort_key(set: &EmbeddingSet) -> (String, String) {
    // The recipe's text decides between sets of one key, so that the order in
    // which embeddings arrived never shows in the bytes.
    (set.key.clone(), format!("{:?}", set.recipe))
}

fn gather(
    recipe: Recipe,
    embeddings: BTreeMap<String, NewEmbedding>,
) -> Result<(EmbeddingSet, SetValues), Error> {
    let mut key = format!("{}.{}", recipe.method.name(), recipe.checkpoint.name());
    // What is not the paper's recipe says so in its name.
    for part in [
        (recipe.parameters == ParameterSet::KeysOnly).then_some("keys-only"),
        match recipe.aggregation {
            Aggregation::LayerMean => None,
            Aggregation::Flatten => Some("flatten"),
            Aggregation::PositionMean => Some("position-mean"),
        },
        (recipe.values == Values::Delta).then_some("delta"),
        recipe.projection.is_some().then_some("projected"),
    ]
    .into_iter()
    .flatten()
    {
        key.push('.');
        key.push_str(part);
    }
    let first = embeddings.values().next().expect("a group has a first member");
    let dim = first.values.len();
    // The initial values are one vector for all tasks of a recipe: same
    // encoder, same seed. Where runs disagree, something else differed.
    let initial = first.initial.clone();
    let mut rows = Vec::with_capacity(dim * embeddings.len());
    for (task, embedding) in &embeddings {
        if embedding.values.len() != dim {
            return Err(Error::Inconsistent(format!(
                "the embedding of {task} has {} values, that of {} has {dim}",
                embedding.values.len(),
                first.task.id
            )));
        }
        if embedding.initial != initial {
            return Err(Error::Inconsistent(format!(
                "{task} and {} started from different initial parameters though their recipes agree",
                first.task.id
            )));
        }
        rows.extend_from_slice(&embedding.values);
    }
    let set = EmbeddingSet {
        key,
        recipe,
        tasks: embeddings.into_keys().collect(),
        dim,
        has_initial: initial.is_some(),
    };
    let rows = Rows::of_values(&rows, dim);
    Ok((set, SetValues { rows, initial }))
}
