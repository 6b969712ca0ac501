//! Data sets from the Hugging Face hub, as Parquet.
//!
//! A data set is downloaded beside its final folder and gets its name when it
//! is whole, so that nothing ever reads half of it. [`RECORD`] in that folder
//! says which revision it is.

use crate::failure::Failure;
use crate::hub::{connect, failed, fetch_file, hold, is_complete, make, patiently};
use crate::progress::Watch;
use futures::TryStreamExt;
use hf_hub::repository::{HFRepository, RepoTreeEntry, RepoTypeDataset};
use hf_hub::{HFClient, HFError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tupate_tuner::data::Hub;
use tupate_tuner::files::write_atomically;

/// The file that says what was downloaded.
pub const RECORD: &str = "hub.json";

/// The branch on which the hub keeps Parquet files of data sets that were
/// uploaded in another format.
const CONVERTED: &str = "refs/convert/parquet";

/// What was downloaded, and what is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Owner and name of the repository.
    pub repository: String,
    /// The configuration.
    pub config: String,
    /// What was asked for: a branch, a tag or a commit; `None` for the newest.
    pub asked: Option<String>,
    /// The commit that the files are of.
    pub revision: String,
    /// The files.
    pub files: Vec<Remote>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// Its path in the repository.
    pub path: String,
    /// Its name in the task's folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its sha256, where the hub gives one.
    pub sha256: Option<String>,
}

/// Whether a data set was here already.
#[derive(Clone, Debug, PartialEq)]
pub enum Pulled {
    /// It was downloaded now.
    Now(Record),
    /// It was here.
    Before(Record),
}

/// Gets a data set into `data/task`.
pub fn pull(
    task: &str,
    hub: &Hub,
    revision: Option<&str>,
    data: &Path,
    watch: &mut dyn Watch,
) -> Result<Pulled, Failure> {
    if let Some(record) = here(task, revision, data)? {
        return Ok(Pulled::Before(record));
    }
    let hold = hold(&data.join(task), watch)?;
    // Another program may have got it meanwhile.
    let pulled = match here(task, revision, data)? {
        Some(record) => Pulled::Before(record),
        None => {
            let (runtime, client) = connect()?;
            let work = pull_with(&client, task, hub, revision, data, watch);
            Pulled::Now(runtime.block_on(work)?)
        }
    };
    hold.done();
    Ok(pulled)
}

/// What is in `data/task` already: nothing, or the data set itself. Other
/// files there are a refusal.
fn here(task: &str, revision: Option<&str>, data: &Path) -> Result<Option<Record>, Failure> {
    let folder = data.join(task);
    match read_record(&folder)? {
        Some(record) => match revision {
            Some(wanted) if wanted != record.revision && record.asked.as_deref() != revision => {
                Err(Failure::Usage(format!(
                    "{} holds revision {} already; remove it to get {wanted}",
                    folder.display(),
                    record.revision
                )))
            }
            _ => Ok(Some(record)),
        },
        None => match std::fs::read_dir(&folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(Failure::Usage(format!(
                "{} holds other files already; remove them, or name another folder with --data",
                folder.display()
            ))),
            Ok(false) => Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Failure::Input(format!("cannot read {}: {e}", folder.display()))),
        },
    }
}

fn read_record(folder: &Path) -> Result<Option<Record>, Failure> {
    let path = folder.join(RECORD);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::Input(format!("cannot read {}: {e}", path.display()))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| {
        Failure::Input(format!(
            "{}: {e}; remove {} and pull again",
            path.display(),
            folder.display()
        ))
    })
}

async fn pull_with(
    client: &HFClient,
    task: &str,
    hub: &Hub,
    revision: Option<&str>,
    data: &Path,
    watch: &mut dyn Watch,
) -> Result<Record, Failure> {
    let (owner, name) = hub.repository;
    let repository = client.dataset(owner, name);
    let partial = data.join(format!(".{task}.partial"));
    make(&partial)?;
    // A pull that was cut off goes on with the commit that it began with, even
    // if there is a newer one by now.
    let record = match read_record(&partial)?.filter(|record| record.asked.as_deref() == revision) {
        Some(record) => record,
        None => {
            let record = plan(&repository, hub, revision).await?;
            // Files of another commit are no use.
            let unwritable = |e| Failure::Run(format!("cannot remove {}: {e}", partial.display()));
            std::fs::remove_dir_all(&partial).map_err(unwritable)?;
            make(&partial)?;
            let json = serde_json::to_vec_pretty(&record)
                .map_err(|e| Failure::Run(format!("the record cannot be written: {e}")))?;
            write_atomically(&partial.join(RECORD), &json)?;
            record
        }
    };
    for file in &record.files {
        let path: PathBuf = partial.join(&file.name);
        let sha256 = file.sha256.as_deref();
        if !is_complete(&path, sha256)? {
            fetch_file(&repository, &record.revision, &file.path, sha256, &path, watch).await?;
        }
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        if size != file.size {
            let _ = std::fs::remove_file(&path);
            return Err(Failure::Run(format!(
                "{} has {size} bytes and should have {}; it was removed, pull again",
                path.display(),
                file.size
            )));
        }
    }
    let folder = data.join(task);
    std::fs::rename(&partial, &folder)
        .map_err(|e| Failure::Run(format!("cannot make {}: {e}", folder.display())))?;
    Ok(record)
}

/// Which files at which commit: of the branch asked for, or where that has no
/// Parquet, of the hub's conversion.
async fn plan(
    repository: &HFRepository<RepoTypeDataset>,
    hub: &Hub,
    asked: Option<&str>,
) -> Result<Record, Failure> {
    let branches = match asked {
        Some(revision) => vec![Some(revision)],
        None => vec![None, Some(CONVERTED)],
    };
    for branch in branches {
        let asked_for = repository.info().maybe_revision(branch).send();
        let info = match patiently(repository, asked_for).await? {
            Ok(info) => info,
            // Not every data set has been converted.
            Err(HFError::RevisionNotFound { .. }) if branch == Some(CONVERTED) => break,
            Err(e) => return Err(failed(repository, &e)),
        };
        let Some(revision) = info.sha else {
            let path = repository.repo_path();
            return Err(Failure::Run(format!("the hub does not say which commit {path} is at")));
        };
        let mut files = Vec::new();
        for (split, local) in [(hub.train, "train"), (hub.dev, "validation")] {
            files.extend(shards(repository, &revision, hub.config, split, local).await?);
        }
        if ["train-", "validation-"].iter().all(|s| files.iter().any(|f| f.name.starts_with(s))) {
            let (repository, config) = (repository.repo_path(), hub.config.to_owned());
            let asked = asked.map(str::to_owned);
            return Ok(Record { repository, config, asked, revision, files });
        }
    }
    Err(Failure::Run(format!(
        "{} has no Parquet files of the splits {} and {} of {}; name another --revision, or get the \
         original files",
        repository.repo_path(),
        hub.train,
        hub.dev,
        hub.config
    )))
}

/// The shards of one split, in order, named as the loader looks for them.
async fn shards(
    repository: &HFRepository<RepoTypeDataset>,
    revision: &str,
    config: &str,
    split: &str,
    local: &str,
) -> Result<Vec<Remote>, Failure> {
    let failed = |e: HFError| failed(repository, &e);
    let tree = repository.list_tree().revision(revision).recursive(true).send().map_err(failed)?;
    let mut tree = std::pin::pin!(tree);
    let mut entries = Vec::new();
    while let Some(entry) = patiently(repository, tree.try_next()).await?.map_err(failed)? {
        entries.push(entry);
    }
    let files = entries.into_iter().filter_map(|entry| match entry {
        RepoTreeEntry::File { path, size, .. } => Some((path, size)),
        RepoTreeEntry::Directory { .. } => None,
    });
    let mut found: Vec<_> = files.filter(|(path, _)| is_shard(path, config, split)).collect();
    found.sort();
    let total = found.len();
    let mut shards = Vec::with_capacity(total);
    for (i, (path, size)) in found.into_iter().enumerate() {
        let metadata = repository.get_file_metadata().filepath(path.clone()).revision(revision);
        let etag = patiently(repository, metadata.send()).await?.map_err(failed)?.etag;
        // The tag of a large file is its sha256; that of a small one is not.
        let is_sha256 = etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit());
        let name = format!("{local}-{i:05}-of-{total:05}.parquet");
        shards.push(Remote { path, name, size, sha256: is_sha256.then_some(etag) });
    }
    Ok(shards)
}

/// Whether a path is a shard of this split: `CONFIG/SPLIT-00000-of-00001.parquet`
/// as uploaded, `data/SPLIT-…` where there is one configuration only, or
/// `CONFIG/SPLIT/0000.parquet` as converted.
fn is_shard(path: &str, config: &str, split: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let Some((file, folders)) = parts.split_last() else { return false };
    if !file.ends_with(".parquet") {
        return false;
    }
    let numbered = file.strip_prefix(split).is_some_and(|rest| rest.starts_with('-'));
    match folders {
        [folder] if numbered => *folder == config || (*folder == "data" && config == "default"),
        [] => numbered && config == "default",
        [folder, inner] => *folder == config && *inner == split,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
