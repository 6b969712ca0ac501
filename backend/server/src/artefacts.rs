//! Files that belong to runs: uploads, the folders that runs are tuned in, and
//! published zoos. [`LocalFolder`] is the store built in; an object store is a
//! second implementation.

use crate::ids::{Digest, RunId, UploadId};
use axum::body::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
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
    /// Removes the runs, uploads and zoos that nobody refers to, and what an earlier server
    /// left of those on their way in. What has no name of theirs stays.
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

    /// Keeps the zoo to rank against, whole or not at all.
    pub(crate) fn put_ranking(&self, content: &[u8]) -> io::Result<()> {
        let part = self.root.join("ranking.part");
        write_whole(&part, content)?;
        fs::rename(part, self.ranking())
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
///   incoming/                what is not whole yet, by numbers
/// ```
#[derive(Debug)]
pub struct LocalFolder {
    room: Arc<Room>,
    /// The first number that this server gives; lower ones are an earlier server's.
    first: u64,
    serial: AtomicU64,
}

const UPLOADS: &str = "uploads";
const RUNS: &str = "runs";
const ZOOS: &str = "zoos";
const INCOMING: &str = "incoming";
const FOLDERS: [&str; 4] = [UPLOADS, RUNS, ZOOS, INCOMING];

/// How much may be kept, and is.
#[derive(Debug)]
struct Room {
    root: PathBuf,
    limit: u64,
    /// Bytes used as of the last count, and those promised since.
    used: AtomicU64,
}

impl Room {
    /// Promises room for so many bytes.
    fn take(&self, bytes: u64) -> io::Result<()> {
        // Counting walks the folders: it is done anew only where the last count,
        // which knows nothing of what was removed since, says that it is full.
        if self.used.load(Ordering::Relaxed).saturating_add(bytes) > self.limit {
            self.used.store(counted(&self.root)?, Ordering::Relaxed);
        }
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        if used.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        self.give_back(bytes);
        let why = format!("{used} of {} bytes are used", self.limit);
        Err(io::Error::new(ErrorKind::QuotaExceeded, why))
    }

    /// Takes a promise back that was not needed.
    fn give_back(&self, bytes: u64) {
        // A count since the promise may not have seen it.
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

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
        let mut first = 0;
        // What was on its way in when an earlier server died is swept away later.
        for entry in fs::read_dir(root.join(INCOMING))? {
            first = first.max(serial(&entry?.file_name()).map_or(0, |serial| serial + 1));
        }
        let used = AtomicU64::new(counted(root)?);
        let room = Arc::new(Room { root: root.to_owned(), limit, used });
        Ok(Self { room, first, serial: AtomicU64::new(first) })
    }

    /// Something that lies where a server would keep its files in `root`, if there is
    /// anything. Beside a new store, which refers to nothing, it is nobody's or another's.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn occupied(root: &Path) -> io::Result<Option<PathBuf>> {
        for folder in FOLDERS {
            let mut entries = match fs::read_dir(root.join(folder)) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                entries => entries?,
            };
            if let Some(entry) = entries.next() {
                return Ok(Some(entry?.path()));
            }
        }
        Ok(None)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.room.root.join(name)
    }

    fn incoming(&self) -> PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.folder(INCOMING).join(serial.to_string())
    }

    fn run(&self, run: &RunId) -> PathBuf {
        self.folder(RUNS).join(run.as_str())
    }

    fn zoo_file(&self, digest: &Digest) -> PathBuf {
        self.folder(ZOOS).join(format!("{}.safetensors", digest.as_str()))
    }
}

impl ArtefactStore for LocalFolder {
    fn receive(&self, format: UploadFormat) -> io::Result<Box<dyn Receiving>> {
        self.room.take(0)?;
        let path = self.incoming();
        let file = File::create(&path)?;
        Ok(Box::new(Incoming {
            uploads: self.folder(UPLOADS),
            format,
            path,
            file,
            hash: Sha256::new(),
            room: Arc::clone(&self.room),
            taken: 0,
        }))
    }

    fn upload(&self, id: &UploadId) -> PathBuf {
        self.folder(UPLOADS).join(id.to_string())
    }

    fn remove_upload(&self, id: &UploadId) -> io::Result<()> {
        missing_is_fine(fs::remove_file(self.upload(id)))
    }

    fn make_run(&self, run: &RunId, upload: Option<&UploadId>) -> io::Result<()> {
        // A run's folder holds its tuned parameters a few times over.
        const RUN: u64 = 32 << 20;
        self.room.take(RUN)?;
        self.room.give_back(RUN);
        let folder = self.run(run);
        fs::create_dir(&folder)?;
        if let Some(id) = upload {
            // A second name, not a second copy: uploads are never changed.
            let data = Workspace { root: folder.clone() }.data(id.format());
            fs::hard_link(self.upload(id), data)?;
        }
        sync(&folder)?;
        sync(&self.folder(RUNS))
    }

    fn open_run(&self, run: &RunId) -> io::Result<Workspace> {
        let root = self.run(run);
        fs::create_dir_all(&root)?;
        Ok(Workspace { root })
    }

    fn keep_run(&self, run: &RunId) -> io::Result<()> {
        let bytes = size_of(&self.run(run), &mut HashSet::new())?;
        self.room.used.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn remove_run(&self, run: &RunId) -> io::Result<()> {
        missing_is_fine(fs::remove_dir_all(self.run(run)))
    }

    fn put_zoo(&self, content: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(content);
        self.room.take(content.len() as u64)?;
        let path = self.incoming();
        let written = write_whole(&path, content)
            .and_then(|()| fs::rename(&path, self.zoo_file(&digest)))
            .and_then(|()| sync(&self.folder(ZOOS)));
        if written.is_err() {
            let _ = fs::remove_file(&path);
            self.room.give_back(content.len() as u64);
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
        for folder in FOLDERS {
            for entry in fs::read_dir(self.folder(folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let text = name.to_string_lossy();
                // `None` for names that this store gives to nothing.
                let kept = match folder {
                    UPLOADS => UploadId::parse(&text).map(|_| keep.uploads.contains(&*text)),
                    RUNS => RunId::parse(&text).map(|_| keep.runs.contains(&*text)),
                    ZOOS => text
                        .strip_suffix(".safetensors")
                        .and_then(Digest::parse)
                        .map(|digest| keep.zoos.contains(digest.as_str())),
                    _ => serial(&name).map(|serial| serial >= self.first),
                };
                let is_folder = entry.file_type()?.is_dir();
                match (kept, is_folder) {
                    (Some(false), true) if folder == RUNS => fs::remove_dir_all(entry.path())?,
                    (Some(false), false) if folder != RUNS => fs::remove_file(entry.path())?,
                    _ => {}
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
    room: Arc<Room>,
    /// Bytes that were promised to it.
    taken: u64,
}

impl Receiving for Incoming {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.room.take(bytes.len() as u64)?;
        self.taken += bytes.len() as u64;
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    fn finish(mut self: Box<Self>) -> io::Result<UploadId> {
        self.file.sync_all()?;
        let digest = crate::ids::hex(&self.hash.clone().finalize());
        let digest = Digest::parse(&digest).expect("a sha256 is 64 digits");
        let id = UploadId::new(digest, self.format);
        fs::rename(&self.path, self.uploads.join(id.to_string()))?;
        self.taken = 0;
        sync(&self.uploads)?;
        Ok(id)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already where the upload was finished.
        let _ = fs::remove_file(&self.path);
        self.room.give_back(self.taken);
    }
}

/// The number that a file on its way in has for a name.
fn serial(name: &OsStr) -> Option<u64> {
    name.to_str()?.parse().ok()
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

/// Bytes of all that is kept in a store's folder.
fn counted(root: &Path) -> io::Result<u64> {
    let mut linked = HashSet::new();
    FOLDERS.iter().map(|folder| size_of(&root.join(folder), &mut linked)).sum()
}

/// Bytes of all files below a folder. What goes away meanwhile counts nothing, and what has
/// several names, which are noted in `linked`, counts once.
fn size_of(folder: &Path, linked: &mut HashSet<(u64, u64)>) -> io::Result<u64> {
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
                Ok(metadata) => {
                    let again =
                        metadata.nlink() > 1 && !linked.insert((metadata.dev(), metadata.ino()));
                    bytes += if again { 0 } else { metadata.len() };
                }
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}
