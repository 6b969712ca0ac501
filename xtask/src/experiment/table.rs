//! Results, one JSON object a line: small, in an order that does not depend on which
//! came first, and written whole or not at all.

use crate::files::json;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What a result is of; also the order of the lines.
pub type Key = (u64, String, String);

/// A result.
pub trait Row: Serialize + DeserializeOwned {
    /// What it is of.
    fn key(&self) -> Key;
    /// The options that it was made with.
    fn options(&self) -> &str;
    /// What examples it is of, and the sha256 of these: the same for all results of them.
    fn data(&self) -> Option<((u64, &str), &str)>;
}

/// The results of one kind.
pub struct Table<R> {
    path: PathBuf,
    rows: BTreeMap<Key, R>,
}

impl<R: Row> Table<R> {
    /// Reads what is there. Results that were made with other options are an error:
    /// nothing could be compared with them.
    pub fn open(path: PathBuf, options: impl Fn(&R) -> String) -> Result<Self> {
        let rows = Self::read(&path)?;
        for (number, row) in rows.iter().enumerate() {
            let wanted = options(row);
            if row.options() != wanted {
                bail!(
                    "{}, line {}: made with `{}`, and the experiment now says `{wanted}`; give \
                     the other one another name, or remove the file to begin anew",
                    path.display(),
                    number + 1,
                    row.options()
                );
            }
        }
        let mut data = BTreeMap::new();
        for (number, row) in rows.iter().enumerate() {
            let Some((of, sha256)) = row.data() else { continue };
            let (line, first) = *data.entry(of).or_insert((number + 1, sha256));
            if first != sha256 {
                bail!(
                    "{}, line {}: made of other examples of {} than line {line} (sha256 {sha256} \
                     and {first}); remove those of one of the two",
                    path.display(),
                    number + 1,
                    of.1
                );
            }
        }
        let rows = rows.into_iter().map(|row| (row.key(), row)).collect();
        Ok(Self { path, rows })
    }

    /// The results of a file, in its order; none of one that is not there.
    pub fn read(path: &Path) -> Result<Vec<R>> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        let (mut rows, mut keys) = (Vec::new(), BTreeSet::new());
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{shown}, line {}", number + 1);
            let row: R = serde_json::from_str(line).with_context(place)?;
            if !keys.insert(row.key()) {
                bail!("{}: there twice", place());
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// A result.
    pub fn get(&self, key: &Key) -> Option<&R> {
        self.rows.get(key)
    }

    /// Whether there is a result.
    pub fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }

    /// Adds results, and writes all, with those that came into the file meanwhile.
    pub fn add(&mut self, new: Vec<R>) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        for row in Self::read(&self.path)? {
            self.rows.entry(row.key()).or_insert(row);
        }
        self.rows.extend(new.into_iter().map(|row| (row.key(), row)));
        let mut text = String::new();
        for row in self.rows.values() {
            text += &serde_json::to_string(row)?;
            text.push('\n');
        }
        write(&self.path, text.as_bytes())
    }
}

/// Writes a file aside and moves it into place.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = || format!("cannot write {}", path.display());
    let aside = path.with_extension("partial");
    fs::write(&aside, bytes).with_context(writing)?;
    fs::rename(&aside, path).with_context(writing)
}

/// Score and loss of an epoch.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    loss: f64,
    pub score: f64,
}

/// What a run's ledger found, in short.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub ok: bool,
    /// Tensors that were trained, each of which got a gradient and moved.
    tensors: usize,
    /// The shortest way that one of them moved.
    least_moved: f64,
    keys_loaded: u64,
    truncated_train: u64,
    truncated_dev: u64,
    beats_majority: bool,
}

/// A task, tuned by a method.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    pub seed: u64,
    pub method: String,
    pub task: String,
    pub metric: String,
    pub score: f64,
    pub majority: f64,
    pub curve: Vec<Epoch>,
    train_examples: u64,
    pub seconds: f64,
    pub ledger: Ledger,
    version: String,
    encoder_sha256: String,
    data_sha256: String,
    options: String,
}

impl Row for Tuned {
    fn key(&self) -> Key {
        (self.seed, self.method.clone(), self.task.clone())
    }

    fn options(&self) -> &str {
        &self.options
    }

    fn data(&self) -> Option<((u64, &str), &str)> {
        Some(((self.seed, &self.task), &self.data_sha256))
    }
}

/// A target after transfer from a source.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Transferred {
    pub seed: u64,
    pub target: String,
    /// `None` for no transfer.
    pub source: Option<String>,
    metric: String,
    pub score: f64,
    majority: f64,
    curve: Vec<Epoch>,
    train_examples: u64,
    pub seconds: f64,
    pub ledger: Ledger,
    version: String,
    encoder_sha256: String,
    data_sha256: String,
    source_sha256: Option<String>,
    options: String,
}

impl Row for Transferred {
    fn key(&self) -> Key {
        (self.seed, self.target.clone(), self.source.clone().unwrap_or_default())
    }

    fn options(&self) -> &str {
        &self.options
    }

    fn data(&self) -> Option<((u64, &str), &str)> {
        Some(((self.seed, &self.target), &self.data_sha256))
    }
}

/// By target and source, greater is closer.
pub type Scores = BTreeMap<String, BTreeMap<String, f64>>;

/// Scores as `tupate` reads them.
pub fn to_csv(scores: &Scores) -> String {
    let sources: BTreeSet<&str> =
        scores.values().flat_map(|row| row.keys().map(String::as_str)).collect();
    let mut text = String::from("target");
    sources.iter().for_each(|source| text += &format!(",{source}"));
    for (target, row) in scores {
        text += &format!("\n{target}");
        for source in &sources {
            text.push(',');
            text += &row.get(*source).map_or_else(String::new, f64::to_string);
        }
    }
    text + "\n"
}

/// Scores with eight digits, which set apart whatever differs: a page reads all of them
/// before it shows anything, and longer numbers take several times as long.
pub fn rounded(scores: &Scores) -> Scores {
    let eight = |score: &f64| format!("{score:.7e}").parse().unwrap_or(*score);
    let row =
        |row: &BTreeMap<String, f64>| row.iter().map(|(k, v)| (k.clone(), eight(v))).collect();
    scores.iter().map(|(target, all)| (target.clone(), row(all))).collect()
}

/// All tasks as sources of each other, ranked by a baseline.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    seed: u64,
    pub baseline: String,
    pub scores: Scores,
    seconds: f64,
    #[serde(flatten)]
    provenance: Provenance,
    options: String,
}

/// What made a result.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The program's.
    pub version: String,
    /// Of the weights' file.
    pub encoder_sha256: String,
    /// Of all tasks' files.
    pub data_sha256: String,
}

impl Row for Ranked {
    fn key(&self) -> Key {
        (self.seed, String::new(), self.baseline.clone())
    }

    fn options(&self) -> &str {
        &self.options
    }

    fn data(&self) -> Option<((u64, &str), &str)> {
        None
    }
}

impl Ranked {
    /// From the table that `tupate baseline` wrote.
    pub fn of_csv(
        (seed, baseline): (u64, &str),
        path: &Path,
        provenance: Provenance,
        seconds: f64,
        options: String,
    ) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // Tasks' names have neither commas nor quotes.
        let mut lines = text.lines().map(|line| line.split(','));
        let sources: Vec<&str> = lines.next().context("an empty table")?.skip(1).collect();
        let mut scores = BTreeMap::new();
        for mut cells in lines {
            let target = cells.next().unwrap_or_default().to_owned();
            let mut row = BTreeMap::new();
            for (source, cell) in sources.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                let score =
                    cell.parse().with_context(|| format!("{}: {cell:?}", path.display()))?;
                row.insert((*source).to_owned(), score);
            }
            scores.insert(target, row);
        }
        Ok(Self { seed, baseline: baseline.to_owned(), scores, seconds, provenance, options })
    }

    /// Whether it is of these tasks.
    pub fn is_of(&self, tasks: &[&str]) -> bool {
        self.scores.len() == tasks.len() && tasks.iter().all(|task| self.scores.contains_key(*task))
    }
}

/// The parts of a record that both kinds have, by their names there.
struct Record<'a>(&'a Value);

impl Record<'_> {
    fn text(&self, pointer: &str) -> Result<String> {
        let value = self.0.pointer(pointer).and_then(Value::as_str);
        Ok(value.with_context(|| format!("no {pointer}"))?.to_owned())
    }

    fn number(&self, pointer: &str) -> Result<f64> {
        self.0.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("no {pointer}"))
    }

    fn count(&self, pointer: &str) -> Result<u64> {
        self.0.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no {pointer}"))
    }

    fn list(&self, pointer: &str) -> Result<&Vec<Value>> {
        self.0.pointer(pointer).and_then(Value::as_array).with_context(|| format!("no {pointer}"))
    }

    fn curve(&self, pointer: &str) -> Result<Vec<Epoch>> {
        let epoch = |value: &Value| {
            let of = Record(value);
            Ok(Epoch { loss: of.number("/loss")?, score: of.number("/score")? })
        };
        self.list(pointer)?.iter().map(epoch).collect()
    }

    fn ledger(&self, at: &str) -> Result<Ledger> {
        let flag = |name: &str| {
            let value = self.0.pointer(&format!("{at}/{name}")).and_then(Value::as_bool);
            value.with_context(|| format!("no {at}/{name}"))
        };
        let trained = self.list(&format!("{at}/trained"))?;
        let moved = trained.iter().map(|tensor| Record(tensor).number("/moved"));
        Ok(Ledger {
            ok: flag("ok")?,
            tensors: trained.len(),
            least_moved: moved.collect::<Result<Vec<_>>>()?.into_iter().fold(f64::MAX, f64::min),
            keys_loaded: self.count(&format!("{at}/keys_loaded"))?,
            truncated_train: self.count(&format!("{at}/truncated_train"))?,
            truncated_dev: self.count(&format!("{at}/truncated_dev"))?,
            beats_majority: flag("beats_majority")?,
        })
    }
}

impl Tuned {
    /// From a run's folder.
    pub fn of_run(run: &Path, options: String) -> Result<Self> {
        let path = run.join("run.json");
        let value = json(&path)?;
        let of = Record(&value);
        (|| -> Result<Self> {
            Ok(Self {
                seed: of.count("/settings/seed")?,
                method: of.text("/method")?,
                task: of.text("/task")?,
                metric: of.text("/metric")?,
                score: of.number("/score")?,
                majority: of.number("/majority")?,
                curve: of.curve("/candidates/0/curve")?,
                train_examples: of.count("/train_examples")?,
                seconds: of.number("/seconds")?,
                ledger: of.ledger("/ledger")?,
                version: of.text("/version")?,
                encoder_sha256: of.text("/recipe/encoder/weights_sha256")?,
                data_sha256: of.text("/data_sha256")?,
                options,
            })
        })()
        .with_context(|| format!("{}", path.display()))
    }
}

impl Transferred {
    /// From a sweep's file of a cell.
    pub fn of_cell(path: &Path, options: String) -> Result<Self> {
        let value = json(path)?;
        let of = Record(&value);
        (|| -> Result<Self> {
            Ok(Self {
                seed: of.count("/seed")?,
                target: of.text("/target")?,
                source: value["source"].as_str().map(ToOwned::to_owned),
                metric: of.text("/metric")?,
                score: of.number("/fine_tuning/score")?,
                majority: of.number("/fine_tuning/majority")?,
                curve: of.curve("/fine_tuning/curve")?,
                train_examples: of.count("/fine_tuning/train_examples")?,
                seconds: of.number("/fine_tuning/seconds")?,
                ledger: of.ledger("/fine_tuning/ledger")?,
                version: of.text("/provenance/version")?,
                encoder_sha256: of.text("/provenance/encoder/weights_sha256")?,
                data_sha256: of.text("/provenance/target_sha256")?,
                source_sha256: of.text("/provenance/source_sha256").ok(),
                options,
            })
        })()
        .with_context(|| format!("{}", path.display()))
    }
}
