//! Files from the Hugging Face hub, at a fixed revision, resumable, and their
//! checksums.
//!
//! The address of the hub, a token and a proxy come from the usual environment
//! variables (`HF_ENDPOINT`, `HF_TOKEN`, `HTTPS_PROXY`).

use crate::failure::Failure;
use crate::progress::Watch;
use futures::StreamExt;
use hf_hub::repository::{HFRepository, RepoType};
use hf_hub::{HFClient, HFError};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the hub may keep silent: the client that asks it would wait for ever.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

/// A runtime and a client for downloads.
pub fn connect() -> Result<(tokio::runtime::Runtime, HFClient), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::Run(format!("no runtime for downloads: {e}")))?;
    let client = HFClient::builder()
        .build()
        .map_err(|e| Failure::Run(format!("cannot use the Hugging Face hub: {e}")))?;
    Ok((runtime, client))
}

/// What went wrong with a repository.
pub fn failed<T: RepoType>(repository: &HFRepository<T>, error: &HFError) -> Failure {
    let path = repository.repo_path();
    Failure::Run(format!("cannot get {path} from the Hugging Face hub: {error}"))
}

/// What comes of a request, or of the next part of an answer, if anything does.
pub async fn patiently<T: RepoType, F: IntoFuture>(
    repository: &HFRepository<T>,
    request: F,
) -> Result<F::Output, Failure> {
    tokio::time::timeout(PATIENCE, request.into_future()).await.map_err(|_| {
        Failure::Run(format!(
            "cannot get {} from the Hugging Face hub: it has said nothing for {} seconds; pull \
             again to continue",
            repository.repo_path(),
            PATIENCE.as_secs()
        ))
    })
}

/// Gets the file called `name` in a repository to `path`. What was cut off is
/// continued where a sum says whether it is the same file.
pub async fn fetch_file<T: RepoType>(
    repository: &HFRepository<T>,
    revision: &str,
    name: &str,
    sha256: Option<&str>,
    path: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    let unwritable = |e: std::io::Error| {
        Failure::Run(format!("cannot write {}: {e}; pull again to continue", path.display()))
    };
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    let partial = &on_its_way(path);
    let request = || repository.download_file_stream().filename(name).revision(revision);
    let failed = |e: &HFError| failed(repository, e);

    // A file without a pinned sum cannot be told from another one cut off.
    let have = match (sha256, partial.metadata()) {
        (Some(_), Ok(metadata)) => metadata.len(),
        _ => 0,
    };
    let first = patiently(repository, request().send()).await?;
    let (length, mut stream) = first.map_err(|e| failed(&e))?;
    let mut start = 0;
    if let Some(total) = length.filter(|&total| have > 0 && have < total) {
        drop(stream);
        let second = patiently(repository, request().range(have..total).send()).await?;
        let (rest, resumed) = second.map_err(|e| failed(&e))?;
        stream = resumed;
        // A host that ignores ranges sends everything again.
        if rest.is_none_or(|rest| rest == total - have) {
            start = have;
        }
    }
    let mut out: File = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(partial)
        .map_err(unwritable)?;
    out.set_len(start).map_err(unwritable)?;
    out.seek(SeekFrom::Start(start)).map_err(unwritable)?;
    let mut done = start;
    watch.download(name, done, length);
    while let Some(chunk) = patiently(repository, stream.next()).await? {
        let chunk = chunk.map_err(|e| failed(&e))?;
        out.write_all(&chunk).map_err(unwritable)?;
        done += chunk.len() as u64;
        watch.download(name, done, length);
    }
    out.sync_all().map_err(unwritable)?;
    drop(out);
    if length.is_some_and(|total| total != done) {
        return Err(Failure::Run(format!(
            "{} ended after {done} of {} bytes; pull again to continue",
            name,
            length.unwrap_or_default()
        )));
    }
    check(partial, sha256)?;
    std::fs::rename(partial, path).map_err(unwritable)
}

/// Holds what is pulled to `folder` for one program at a time: two would write the same
/// files. Waits for the other one. [`Hold::done`] when it is there.
pub fn hold(folder: &Path, watch: &mut dyn Watch) -> Result<Hold, Failure> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let path = folder.with_file_name(format!(".{name}.lock"));
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    let failed = |e: std::io::Error| Failure::Run(format!("cannot lock {}: {e}", path.display()));
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            watch.note(&format!("another program is getting {name}; waiting for it"));
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    Ok(Hold { path, _file: file })
}

/// See [`hold`].
pub struct Hold {
    path: PathBuf,
    _file: File,
}

impl Hold {
    /// What was pulled is there: whoever waits finds it, and nobody needs the lock again.
    pub fn done(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes a folder and those above it.
pub fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|e| Failure::Run(format!("cannot make the folder {}: {e}", folder.display())))
}

/// What a file is called while it is downloaded.
pub fn on_its_way(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

/// Checks a file's sha256. A wrong file is removed: the next pull gets it anew.
pub fn check(path: &Path, expected: Option<&str>) -> Result<(), Failure> {
    let Some(expected) = expected else { return Ok(()) };
    let found = sha256_of(path).map_err(|e| Failure::Run(format!("{}: {e}", path.display())))?;
    if found == expected {
        return Ok(());
    }
    let _ = std::fs::remove_file(path);
    Err(Failure::Run(format!(
        "{} has sha256 {found} and should have {expected}; it was removed, pull again",
        path.display()
    )))
}

/// Whether a file is there and has this sha256.
pub fn is_complete(path: &Path, expected: Option<&str>) -> Result<bool, Failure> {
    match (sha256_of(path), expected) {
        (Ok(found), Some(expected)) => Ok(found == expected),
        // Without a pinned sum, a file under its final name was whole when it
        // got that name.
        (Ok(_), None) => Ok(true),
        (Err(e), _) if e.kind() == ErrorKind::NotFound => Ok(false),
        (Err(e), _) => Err(Failure::Run(format!("{}: {e}", path.display()))),
    }
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    use std::fmt::Write as _;
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hasher.update(&block[..n]),
        }
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    }))
}
