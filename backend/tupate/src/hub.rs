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
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

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
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let request = || repository.download_file_stream().filename(name).revision(revision);
    let failed = |e: &HFError| failed(repository, e);

    // A file without a pinned sum cannot be told from another one cut off.
    let have = match (sha256, partial.metadata()) {
        (Some(_), Ok(metadata)) => metadata.len(),
        _ => 0,
    };
    let (length, mut stream) = request().send().await.map_err(|e| failed(&e))?;
    let mut start = 0;
    if let Some(total) = length.filter(|&total| have > 0 && have < total) {
        drop(stream);
        let (rest, resumed) = request().range(have..total).send().await.map_err(|e| failed(&e))?;
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
    while let Some(chunk) = stream.next().await {
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

/// Makes a folder and those above it.
pub fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|e| Failure::Run(format!("cannot make the folder {}: {e}", folder.display())))
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
