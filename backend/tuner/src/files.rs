//! Writing files so that nobody ever sees half of one.

use crate::Error;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of files end that are not in place yet.
const TEMPORARY: &str = ".partial";

/// Numbers of temporary files.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file that was wanted.
    pub path: PathBuf,
    /// Why it is not there.
    pub source: io::Error,
}

/// Writes `bytes` to `path`, whole or not at all: to a temporary name in the
/// same folder, to the disk, then into place. On failure what was at `path`
/// before is still there and nothing is left behind.
///
/// A link stays one: what it leads to is written. A pipe or a device is written to as it
/// is, because nothing can take its place.
///
/// # Errors
/// When the disk is full, the folder is missing or not writable, and so on.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let fail = |source| WriteError { path: path.to_owned(), source };
    let file = match std::fs::metadata(path) {
        Ok(there) if there.is_file() => path.canonicalize().map_err(fail)?,
        Ok(_) => {
            let open = File::options().write(true).open(path);
            return open.and_then(|mut file| file.write_all(bytes)).map_err(fail);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => end_of_links(path),
        Err(error) => return Err(fail(error)),
    };
    let written = write_into(&file, bytes, |temporary| File::create_new(temporary));
    written.map_err(|error| fail(error.source))
}

/// Where links lead whose last one leads to nothing yet.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while let Ok(next) = std::fs::read_link(&path) {
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    path
}

/// As [`write_atomically`], into a file that `make` opens.
fn write_into(
    path: &Path,
    bytes: &[u8],
    make: impl Fn(&Path) -> io::Result<File>,
) -> Result<(), WriteError> {
    let fail = |source| WriteError { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| {
        fail(io::Error::new(io::ErrorKind::InvalidInput, "this is not the name of a file"))
    })?;
    let (temporary, mut file) = at_temporary(folder, name, make).map_err(fail)?;
    let written = (|| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        // The rename itself must survive a power cut.
        File::open(folder)?.sync_all()
    })();
    written.map_err(|source| {
        // The first error is the one to tell; a leftover is best removed quietly.
        let _ = std::fs::remove_file(&temporary);
        fail(source)
    })
}

/// Makes something under a temporary name that nobody else has: neither another thread, nor
/// a program of the same number in another container, nor one that was killed.
fn at_temporary<T>(
    folder: &Path,
    name: &OsStr,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.{number}{TEMPORARY}", std::process::id()));
        let temporary = folder.join(temporary);
        match make(&temporary) {
            Ok(made) => return Ok((temporary, made)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a new folder, whole or not at all: `fill` is given one of a temporary name beside
/// it, which is put into place afterwards. An empty folder may be there.
///
/// # Errors
/// Those of `fill`, and when something else is there; then nothing is left behind.
pub fn new_folder<E: From<WriteError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let name = path.file_name().ok_or_else(|| {
        let kind = io::ErrorKind::InvalidInput;
        let source = io::Error::new(kind, "this is not the name of a folder");
        WriteError { path: path.to_owned(), source }
    })?;
    let failed = |source| WriteError { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let make = |temporary: &Path| std::fs::create_dir(temporary);
    let (temporary, ()) = at_temporary(folder, name, make).map_err(failed)?;
    let written = (|| {
        fill(&temporary)?;
        std::fs::rename(&temporary, path).map_err(failed)?;
        Ok(())
    })();
    written.inspect_err(|_| {
        // The first error is the one to tell; a leftover is best removed quietly.
        let _ = std::fs::remove_dir_all(&temporary);
    })
}

/// Writes a new folder of files, given by paths relative to it, as [`new_folder`] does, and
/// to the disk.
///
/// # Errors
/// When something else is there, the disk is full, and so on; then nothing is left behind.
pub fn write_folder<'a>(
    path: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), WriteError> {
    new_folder(path, |temporary| {
        for (name, bytes) in files {
            let file = temporary.join(name);
            let write = || {
                std::fs::create_dir_all(file.parent().unwrap_or(temporary))?;
                let mut file = File::create(&file)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            // Another file than the folder may be the one that cannot be written.
            write().map_err(|source| WriteError { path: path.join(name), source })?;
        }
        Ok(())
    })
}

/// Makes a folder that `flag` names, and those above it.
pub(crate) fn make_folder(path: &Path, flag: &str) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Error::Out(format!(
            "there is a file where the folder {} should be; choose another {flag}",
            path.display()
        )),
        _ => failed("make the folder", path)(error),
    })
}

/// Whether a file is one that [`write_atomically`] was about to put into place.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(TEMPORARY))
}

/// What went wrong with a file of a run.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

/// [`write_atomically`] for the files of a run.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|e| failed("write", &e.path)(e.source))
}

/// A document as JSON that people can read, whole or not at all.
pub(crate) fn write_json(path: &Path, document: &impl Serialize) -> Result<(), Error> {
    let mut json = serde_json::to_vec_pretty(document)
        .map_err(|e| Error::Out(format!("{}: {e}", path.display())))?;
    json.push(b'\n');
    write(path, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let link = |to: &Path, from: &str| {
            std::os::unix::fs::symlink(to, dir.path().join(from)).unwrap();
            dir.path().join(from)
        };
        std::fs::create_dir(dir.path().join("far")).unwrap();
        std::fs::write(dir.path().join("far/there.bin"), b"old").unwrap();
        let there = link(Path::new("far/there.bin"), "one");
        // The second of two links leads to nothing yet.
        link(Path::new("far/new.bin"), "two");
        let new = link(Path::new("two"), "three");
        for (path, file) in [(there, "far/there.bin"), (new, "far/new.bin")] {
            write_atomically(&path, b"new").unwrap();
            assert!(path.is_symlink(), "{file}");
            assert_eq!(std::fs::read(dir.path().join(file)).unwrap(), b"new");
        }
        assert_eq!(std::fs::read_dir(dir.path().join("far")).unwrap().count(), 2);
        let round = link(Path::new("round"), "round");
        assert!(write_atomically(&round, b"new").is_err() && round.is_symlink());
    }

    #[test]
    fn a_pipe_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Opened for both, it waits for nobody.
        let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
        write_atomically(&path, b"value").unwrap();
        assert!(!path.is_file(), "replaced");
        let mut read = [0; 5];
        io::Read::read_exact(&mut pipe, &mut read).unwrap();
        assert_eq!(&read, b"value");
    }

    #[test]
    fn several_threads_write_one_file_and_what_was_killed_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        // As of a program of this number that was killed.
        let next = NUMBER.load(Ordering::Relaxed);
        let mut left = 0;
        for number in next..next + 100 {
            let name = format!(".a.bin.{}.{number}{TEMPORARY}", std::process::id());
            left += usize::from(File::create_new(dir.path().join(name)).is_ok());
        }
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    (0..50).for_each(|_| write_atomically(path, &[thread; 1000]).unwrap());
                });
            }
        });
        let found = std::fs::read(&path).unwrap();
        assert!(found.len() == 1000 && found.iter().all(|byte| *byte == found[0]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), left + 1);
    }

    #[test]
    fn a_full_disk_is_told_and_the_old_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write_atomically(&path, b"old").unwrap();
        // /dev/full takes no byte: stands for the temporary file of a full disk.
        let full = |temporary: &Path| {
            std::os::unix::fs::symlink("/dev/full", temporary)?;
            File::options().write(true).open(temporary)
        };
        let error = write_into(&path, b"new", full).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().starts_with("cannot write"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/site");
        let files = [("index.html", &b"page"[..]), ("zoos/a", b"zoo")];
        write_folder(&path, files).unwrap();
        assert_eq!(std::fs::read(path.join("zoos/a")).unwrap(), b"zoo");
        // What is there stays as it is.
        let error = write_folder(&path, [("index.html", &b"other"[..])]).unwrap_err();
        assert!(error.to_string().contains("new/site"), "{error}");
        assert_eq!(std::fs::read(path.join("index.html")).unwrap(), b"page");
        // A file cannot be a folder, too.
        let other = dir.path().join("new/other");
        std::fs::create_dir(&other).unwrap();
        let error = write_folder(&other, [("a", &b"1"[..]), ("a/b", b"2")]).unwrap_err();
        assert!(error.to_string().contains("new/other/a/b"), "{error}");
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 2);
        // An empty folder is as good as none.
        write_folder(&other, files).unwrap();
        assert_eq!(std::fs::read(other.join("index.html")).unwrap(), b"page");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_atomically(Path::new("/nonexistent/a.bin"), b"x").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/a.bin"), "{error}");
    }
}
