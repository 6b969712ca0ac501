//! Files that belong to runs: uploads, the folders that runs are tuned in, and
//! published zoos. [`LocalFolder`] is the store built in; an object store is a
//! second implementation.

use crate::ids::{Digest, RunId, UploadId};
use axum::body::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tupate_api::UploadFormat;

/// Where files are kept. Everything here may block: it is called off the async
/// threads. Names are types that hold no more than their pattern.
pub trait ArtefactStore: Send + Sync + 'static {
    /// Begins an upload.
    ///
    /// # Errors
    /// When there is no room, or the store fails.
    fn receive(&self, format: UploadFormat) -> io::Result<Box<dyn Receiving>>;
    /// A local file with the content of an upload, which must be there.
    fn upload(&self, id: &UploadId) -> PathBuf;
    /// Removes an upload, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    fn remove_upload(&self, id: &UploadId) -> io::Result<()>;
    /// Makes the folder of a run, with a copy of the upload that it is tuned on.
    ///
    /// # Errors
    /// When there is no room or no such upload, or the store fails.
    fn make_run(&self, run: &RunId, upload: Option<&UploadId>) -> io::Result<()>;
    /// A local folder with all that was kept of a run.
    ///
    /// # Errors
    /// When the store fails.
    fn open_run(&self, run: &RunId) -> io::Result<Workspace>;
    /// Keeps what is in the local folder of a run.
    ///
    /// # Errors
    /// When the store fails.
    fn keep_run(&self, run: &RunId) -> io::Result<()>;
    /// Removes all of a run, if there is anything.
    ///
    /// # Errors
    /// When the store fails.
    fn remove_run(&self, run: &RunId) -> io::Result<()>;
    /// Keeps a zoo, whole or not at all.
    ///
    /// # Errors
    /// When there is no room, or the store fails.
    fn put_zoo(&self, content: &[u8]) -> io::Result<Digest>;
    /// The content of a zoo.
    ///
    /// # Errors
    /// When the store fails, or the content is not what it was.
    fn zoo(&self, digest: &Digest) -> io::Result<Bytes>;
    /// Removes a zoo, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    fn remove_zoo(&self, digest: &Digest) -> io::Result<()>;
    /// Removes the runs, uploads and zoos that nobody refers to. What is on its way in is
    /// none of them.
    ///
    /// # Errors
    /// When the store fails.
    fn sweep(&self, keep: &Referred) -> io::Result<()>;
}

/// What is referred to, and stays.
#[derive(Clone, Debug, Default)]
pub struct Referred {
    /// Runs.
    pub runs: HashSet<String>,
    /// Uploads.
    pub uploads: HashSet<String>,
    /// Digests of zoos.
    pub zoos: HashSet<String>,
}

/// The local folder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The run's folder as the tuner makes it.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// The zoo to rank against.
    pub fn ranking(&self) -> PathBuf {
        self.root.join("ranking.safetensors")
    }

    /// The upload to tune on.
    pub fn data(&self, format: UploadFormat) -> PathBuf {
        self.root.join(format!("data.{}", format.ending()))
    }
}

/// An upload on its way in; dropped before it is finished, it leaves nothing.
pub trait Receiving: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When there is no room, or the store fails.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Keeps it.
    ///
    /// # Errors
    /// When the store fails.
    fn finish(self: Box<Self>) -> io::Result<UploadId>;
}

/// Files in a folder of this machine.
///
/// ```text
/// ROOT/
///   uploads/SHA256.csv       what was sent
///   runs/ID/data.csv         the upload that the run is tuned on
///   runs/ID/out/             the run's folder, as `tupate tune` makes it
///   zoos/SHA256.safetensors  what was published
///   incoming/                what is not whole yet; emptied at start
/// ```
#[derive(Debug)]
pub struct LocalFolder {
    root: PathBuf,
    limit: u64,
    /// Bytes used as of the last count, and those promised since.
    used: Arc<AtomicU64>,
    serial: AtomicU64,
}

const INCOMING: &str = "incoming";
const FOLDERS: [&str; 4] = ["uploads", "runs", "zoos", INCOMING];

impl LocalFolder {
    /// Files in `root`, which is made if it is missing, up to `limit` bytes all
    /// together: beyond that nothing new is taken.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(root: &Path, limit: u64) -> io::Result<Self> {
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        // What was on its way in when an earlier server died.
        for entry in fs::read_dir(root.join(INCOMING))? {
            fs::remove_file(entry?.path())?;
        }
        let used =
            FOLDERS.iter().map(|folder| size_of(&root.join(folder))).sum::<io::Result<_>>()?;
        let (used, serial) = (Arc::new(AtomicU64::new(used)), AtomicU64::new(0));
        Ok(Self { root: root.to_owned(), limit, used, serial })
    }

    fn room(&self, bytes: u64) -> io::Result<()> {
        let counted = || {
            FOLDERS.iter().map(|folder| size_of(&self.root.join(folder))).sum::<io::Result<u64>>()
        };
        // Counting walks the folders: it is done anew only where the last count,
        // which knows nothing of what was removed since, says that it is full.
        if self.used.load(Ordering::Relaxed).saturating_add(bytes) > self.limit {
            self.used.store(counted()?, Ordering::Relaxed);
        }
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        match used.saturating_add(bytes) > self.limit {
            false => Ok(()),
            true => {
                self.used.fetch_sub(bytes, Ordering::Relaxed);
                Err(full(used, self.limit))
            }
        }
    }

    fn incoming(&self) -> PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.root.join(INCOMING).join(serial.to_string())
    }

    fn run(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    fn zoo_file(&self, digest: &Digest) -> PathBuf {
        self.root.join("zoos").join(format!("{}.safetensors", digest.as_str()))
    }
}

impl ArtefactStore for LocalFolder {
    fn receive(&self, format: UploadFormat) -> io::Result<Box<dyn Receiving>> {
        self.room(0)?;
        let path = self.incoming();
        let file = File::create(&path)?;
        Ok(Box::new(Incoming {
            uploads: self.root.join("uploads"),
            format,
            path,
            file,
            hash: Sha256::new(),
            used: Arc::clone(&self.used),
            limit: self.limit,
        }))
    }

    fn upload(&self, id: &UploadId) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    fn remove_upload(&self, id: &UploadId) -> io::Result<()> {
        missing_is_fine(fs::remove_file(self.upload(id)))
    }

    fn make_run(&self, run: &RunId, upload: Option<&UploadId>) -> io::Result<()> {
        // A run's folder holds its tuned parameters a few times over.
        const RUN: u64 = 32 << 20;
        self.room(RUN)?;
        self.used.fetch_sub(RUN, Ordering::Relaxed);
        let folder = self.run(run);
        fs::create_dir(&folder)?;
        if let Some(id) = upload {
            // A second name, not a second copy: uploads are never changed.
            let data = Workspace { root: folder.clone() }.data(id.format());
            fs::hard_link(self.upload(id), data)?;
        }
        sync(&folder)?;
        sync(&self.root.join("runs"))
    }

    fn open_run(&self, run: &RunId) -> io::Result<Workspace> {
        let root = self.run(run);
        fs::create_dir_all(&root)?;
        Ok(Workspace { root })
    }

    fn keep_run(&self, run: &RunId) -> io::Result<()> {
        let bytes = size_of(&self.run(run))?;
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn remove_run(&self, run: &RunId) -> io::Result<()> {
        missing_is_fine(fs::remove_dir_all(self.run(run)))
    }

    fn put_zoo(&self, content: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(content);
        self.room(content.len() as u64)?;
        let path = self.incoming();
        let written = write_whole(&path, content)
            .and_then(|()| fs::rename(&path, self.zoo_file(&digest)))
            .and_then(|()| sync(&self.root.join("zoos")));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written.map(|()| digest)
    }

    fn zoo(&self, digest: &Digest) -> io::Result<Bytes> {
        let content = fs::read(self.zoo_file(digest))?;
        match Digest::of(&content) == *digest {
            true => Ok(content.into()),
            false => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("the zoo {} is damaged", digest.as_str()),
            )),
        }
    }

    fn remove_zoo(&self, digest: &Digest) -> io::Result<()> {
        missing_is_fine(fs::remove_file(self.zoo_file(digest)))
    }

    fn sweep(&self, keep: &Referred) -> io::Result<()> {
        let kept = [&keep.uploads, &keep.runs, &keep.zoos];
        for (folder, kept) in FOLDERS.iter().zip(kept) {
            for entry in fs::read_dir(self.root.join(folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let name = name.strip_suffix(".safetensors").unwrap_or(&name);
                if kept.contains(name) {
                    continue;
                }
                match entry.file_type()?.is_dir() {
                    true => fs::remove_dir_all(entry.path())?,
                    false => fs::remove_file(entry.path())?,
                }
            }
        }
        Ok(())
    }
}

struct Incoming {
    uploads: PathBuf,
    format: UploadFormat,
    path: PathBuf,
    file: File,
    hash: Sha256,
    used: Arc<AtomicU64>,
    limit: u64,
}

impl Receiving for Incoming {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        let used = self.used.fetch_add(more, Ordering::Relaxed);
        if used.saturating_add(more) > self.limit {
            return Err(full(used, self.limit));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<UploadId> {
        self.file.sync_all()?;
        let digest = crate::ids::hex(&self.hash.clone().finalize());
        let digest = Digest::parse(&digest).expect("a sha256 is 64 digits");
        let id = UploadId::new(digest, self.format);
        fs::rename(&self.path, self.uploads.join(id.to_string()))?;
        sync(&self.uploads)?;
        Ok(id)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already where the upload was finished.
        let _ = fs::remove_file(&self.path);
    }
}

fn full(used: u64, limit: u64) -> io::Error {
    io::Error::new(ErrorKind::QuotaExceeded, format!("{used} of {limit} bytes are used"))
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Brings the names in a folder to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn missing_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Bytes of all files below a folder. What goes away meanwhile counts nothing.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}
