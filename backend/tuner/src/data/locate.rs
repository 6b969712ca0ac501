//! Which files hold a task's splits.

use super::Error;
use super::known::{self, Known};
use super::records::Format;
use super::text::names;
use super::{Request, samples};
use std::path::{Path, PathBuf};
use tupate_tasks::{TaskInfo, task};

/// What a request's task turned out to be.
pub(super) enum Found {
    /// A task that this program generates.
    Sample(&'static samples::Sample),
    /// A task in files.
    Files(Files),
}

/// A task in files.
pub(super) struct Files {
    pub(super) task: String,
    /// The row in the task table, for a task that has a name of its own.
    pub(super) info: Option<&'static TaskInfo>,
    /// How its distributed files are laid out, if they are known.
    pub(super) known: Option<&'static Known>,
    pub(super) train: Vec<PathBuf>,
    /// Empty: hold examples out of the training files.
    pub(super) dev: Vec<PathBuf>,
}

/// The extensions that a split's file may have when it is found by pattern.
const EXTENSIONS: [&str; 11] = [
    ".tsv", ".csv", ".jsonl", ".txt", ".json", ".conll", ".conllu", ".parquet", ".ptb", ".mrg",
    ".auto",
];

/// Finds the files of a request.
pub(super) fn locate(request: &Request<'_>) -> Result<Found, Error> {
    let id = request.task;
    let explicit = request.train_file.is_some() || request.dev_file.is_some();
    if let Some(sample) = samples::find(id) {
        return match explicit {
            true => Err(Error::SampleTakesNoFiles { task: id.to_owned() }),
            false => Ok(Found::Sample(sample)),
        };
    }
    let known = known::find(id);
    let info = task(id);
    let path = Path::new(id);
    let is_path = is_path(path) || (request.data_dir.is_none() && path.is_file());
    if info.is_none() && is_path {
        return own_file(request).map(Found::Files);
    }
    let folder = match (request.data_dir, request.train_file, request.dev_file) {
        (_, Some(_), Some(_)) => None,
        (Some(dir), ..) => Some(task_folder(dir, id)?),
        (None, Some(_), None) => None,
        (None, ..) => return Err(Error::NoData { task: id.to_owned() }),
    };
    let train = match (request.train_file, &folder) {
        (Some(file), _) => vec![file.to_owned()],
        (None, Some(folder)) => split(folder, "train", known)?.ok_or_else(|| {
            let wanted = known.map_or_else(|| own_names("train*"), Known::train_names);
            no_split(folder, id, "train", wanted)
        })?,
        (None, None) => return Err(Error::NoData { task: id.to_owned() }),
    };
    let dev = match (request.dev_file, &folder) {
        (Some(file), _) => vec![file.to_owned()],
        (None, None) => Vec::new(),
        (None, Some(folder)) => match (split(folder, "dev", known)?, known) {
            (Some(files), _) => files,
            // A score on examples held out of a known task's training set
            // would pass for a score on its development set, unless who asks
            // for it names the training file himself.
            (None, Some(known)) if request.train_file.is_none() => {
                return Err(no_split(folder, id, "dev", known.dev_names()));
            }
            (None, _) => Vec::new(),
        },
    };
    Ok(Found::Files(Files { task: id.to_owned(), info, known, train, dev }))
}

/// The folders in `dir` that hold a task which no table knows: those with a training
/// split that is found by its name. Sorted; none where `dir` cannot be read.
pub fn own_folders(dir: &Path) -> Vec<String> {
    let there = names(dir).unwrap_or_default();
    let own = |id: &String| {
        let registered = task(id).is_some() || known::find(id).is_some();
        let here = !registered && samples::find(id).is_none();
        here && !is_path(Path::new(id))
            && matches!(split(&dir.join(id), "train", None), Ok(Some(_)))
    };
    there.into_iter().filter(own).collect()
}

/// Whether the task is given as a file rather than by name.
fn is_path(task: &Path) -> bool {
    task.components().count() > 1 || task.is_absolute() || Format::of(task).is_some()
}

fn own_file(request: &Request<'_>) -> Result<Files, Error> {
    let file = Path::new(request.task);
    if file.is_dir() {
        return Err(Error::IsFolder { path: file.to_owned() });
    }
    if let Some(other) = request.train_file {
        return Err(Error::TwoTrainingFiles { file: file.to_owned(), other: other.to_owned() });
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    Ok(Files {
        task: stem.to_owned(),
        info: None,
        known: None,
        train: vec![file.to_owned()],
        dev: request.dev_file.map(Path::to_owned).into_iter().collect(),
    })
}

/// Lower case without `-` and `_`, so that a folder may be called `SST-2`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// `DIR/task`, or the one folder whose name differs in case and hyphens only.
fn task_folder(dir: &Path, id: &str) -> Result<PathBuf, Error> {
    let there = names(dir).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotADirectory => Error::NotAFolder { path: dir.to_owned() },
        std::io::ErrorKind::NotFound => {
            Error::NoFolder { folder: dir.to_owned(), task: id.to_owned(), there: Vec::new() }
        }
        _ => Error::Io { file: dir.to_owned(), source },
    })?;
    let there: Vec<_> = there.into_iter().filter(|name| dir.join(name).is_dir()).collect();
    if there.iter().any(|name| name == id) {
        return Ok(dir.join(id));
    }
    let found: Vec<_> = there.iter().filter(|name| plain(name) == plain(id)).cloned().collect();
    match found.as_slice() {
        [one] => Ok(dir.join(one)),
        [] => Err(Error::NoFolder { folder: dir.to_owned(), task: id.to_owned(), there }),
        _ => Err(Error::AmbiguousFolder { folder: dir.to_owned(), task: id.to_owned(), found }),
    }
}

/// The files of one split: by a known name, else by pattern.
fn split(
    folder: &Path,
    which: &'static str,
    known: Option<&Known>,
) -> Result<Option<Vec<PathBuf>>, Error> {
    let there: Vec<_> = files(folder)?;
    let sets =
        known.map_or(&[][..], |known| if which == "train" { known.train } else { known.dev });
    if let Some(found) = by_name(folder, which, sets, &there)? {
        return Ok(Some(found));
    }
    let fits = |name: &&String| {
        let name = name.to_ascii_lowercase();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let readable = match known {
            Some(_) => EXTENSIONS.iter().any(|extension| stem.ends_with(extension)),
            None => Format::of(Path::new(stem)).is_some(),
        };
        let begins = match which {
            "train" => stem.starts_with("train"),
            _ => stem.starts_with("dev") || stem.starts_with("val"),
        };
        readable && begins
    };
    let found: Vec<_> = there.iter().filter(fits).cloned().collect();
    match found.as_slice() {
        [] => Ok(None),
        [name, ..] if shard(name).is_some() => shards(folder, which, found).map(Some),
        [one] => Ok(Some(vec![folder.join(one)])),
        _ => Err(Error::AmbiguousSplit { folder: folder.to_owned(), split: which, found }),
    }
}

/// `train-00001-of-00003.parquet` → `train`, 1 and 3. The hub once wrote a
/// shard's hash behind the number of all.
fn shard(name: &str) -> Option<(&str, usize, usize)> {
    let (rest, total) = name.strip_suffix(".parquet")?.rsplit_once("-of-")?;
    let is_hash = |hash: &str| !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let total = total.split_once('-').filter(|(_, hash)| is_hash(hash)).map_or(total, |(n, _)| n);
    let (split, number) = rest.rsplit_once('-')?;
    Some((split, number.parse().ok()?, total.parse().ok()?))
}

/// The shards of one split, all of them and no other file. `found` is sorted.
fn shards(folder: &Path, which: &'static str, found: Vec<String>) -> Result<Vec<PathBuf>, Error> {
    let of = |name: &String| shard(name).map(|(split, _, total)| (split.to_owned(), total));
    let first = found.first().and_then(of);
    if found.iter().any(|name| of(name) != first) {
        return Err(Error::AmbiguousSplit { folder: folder.to_owned(), split: which, found });
    }
    let total = first.map_or(0, |(_, total)| total);
    let whole = found.iter().enumerate().all(|(i, name)| shard(name).is_some_and(|s| s.1 == i));
    match whole && found.len() == total {
        true => Ok(found.iter().map(|name| folder.join(name)).collect()),
        false => Err(Error::MissingShards { folder: folder.to_owned(), found, total }),
    }
}

/// The one set of known names that is there in full.
fn by_name(
    folder: &Path,
    which: &'static str,
    sets: &[&[&str]],
    there: &[String],
) -> Result<Option<Vec<PathBuf>>, Error> {
    let has = |name: &str| there.iter().any(|n| n.strip_suffix(".gz").unwrap_or(n) == name);
    let whole: Vec<_> = sets.iter().filter(|set| set.iter().all(|name| has(name))).collect();
    // A set that is part of another one is no rival of it.
    let part = |set: &[&str]| {
        whole.iter().any(|w| w.len() > set.len() && set.iter().all(|name| w.contains(name)))
    };
    let sets: Vec<_> = whole.iter().filter(|set| !part(set)).collect();
    let wanted: Vec<&str> = sets.iter().flat_map(|set| set.iter().copied()).collect();
    let found: Vec<_> = there
        .iter()
        .filter(|name| wanted.contains(&name.strip_suffix(".gz").unwrap_or(name)))
        .cloned()
        .collect();
    match sets.as_slice() {
        [] => Ok(None),
        [set] if found.len() == set.len() => {
            Ok(Some(found.iter().map(|name| folder.join(name)).collect()))
        }
        _ => Err(Error::AmbiguousSplit { folder: folder.to_owned(), split: which, found }),
    }
}

/// The names of the files in a folder.
fn files(folder: &Path) -> Result<Vec<String>, Error> {
    let names = names(folder).map_err(|source| Error::Io { file: folder.to_owned(), source })?;
    Ok(names.into_iter().filter(|name| folder.join(name).is_file()).collect())
}

fn no_split(folder: &Path, id: &str, split: &'static str, wanted: Vec<String>) -> Error {
    let there = files(folder).unwrap_or_default();
    Error::NoSplit { folder: folder.to_owned(), task: id.to_owned(), split, wanted, there }
}

/// What is looked for in the folder of a task that no table knows.
fn own_names(pattern: &str) -> Vec<String> {
    [".csv", ".tsv", ".jsonl", ".json", ".conll", ".conllu", ".parquet"]
        .map(|extension| format!("{pattern}{extension}"))
        .into()
}
