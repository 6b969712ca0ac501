//! A server's folder.

use crate::failure::Failure;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use tupate_server::{LocalFolder, SqliteStore};

/// The file with runs and tokens.
pub fn file(data: &Path) -> PathBuf {
    data.join("tupate.sqlite")
}

/// Makes the folder if it is missing.
pub fn make(data: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(data)
        .map_err(|e| Failure::Input(format!("cannot make the folder {}: {e}", data.display())))
}

/// Opens what is remembered, or begins to, where nothing lies in the way: what is not
/// remembered is swept away.
pub fn open(data: &Path) -> Result<SqliteStore, Failure> {
    make(data)?;
    let unreadable = |e| Failure::Run(format!("cannot read {}: {e}", data.display()));
    if !file(data).exists()
        && let Some(found) = LocalFolder::occupied(data).map_err(unreadable)?
    {
        return Err(Failure::Usage(format!(
            "{} is no file of a server: in --data, the folders runs, uploads, zoos and incoming \
             are a server's own; name another folder, such as {}, or put back the tupate.sqlite \
             that was here",
            found.display(),
            data.join("state").display(),
        )));
    }
    Ok(SqliteStore::open(&file(data))?)
}

/// Takes the folder for one server, until what is returned is dropped or the
/// process ends, however it does.
pub fn lock(data: &Path) -> Result<File, Failure> {
    let path = data.join("server.lock");
    let failed = |e| Failure::Run(format!("cannot lock {}: {e}", path.display()));
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Usage(format!(
            "another server uses {}; stop it, or name another folder with --data",
            data.display()
        ))),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}
