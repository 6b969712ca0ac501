//! Zoos given as files at start, kept in memory.

use crate::{CatalogueError, Error, StoredZoo, ZooCatalogue, ZooSummary};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tupate_zoo::{Zoo, sha256_hex};

const EXTENSION: &str = "safetensors";
/// Longest name in a URL, without the extension.
const MAX_NAME: usize = 100;

/// Zoo files, read and checked once and then served from memory: what is
/// served is what was checked, whatever happens to the files afterwards.
#[derive(Debug, Default)]
pub struct ZooFiles {
    zoos: Vec<(ZooSummary, StoredZoo)>,
}

impl ZooFiles {
    /// Reads files, and of each folder all its `.safetensors` files by name.
    ///
    /// # Errors
    /// When one cannot be read or is not a sound zoo, or a folder has none;
    /// the error names the path.
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let mut zoos = Self::default();
        let mut names = BTreeSet::new();
        for path in paths {
            for file in files_at(path.as_ref())? {
                zoos.add(file, &mut names)?;
            }
        }
        Ok(zoos)
    }

    /// What there is, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&ZooSummary, &StoredZoo)> {
        self.zoos.iter().map(|(summary, zoo)| (summary, zoo))
    }

    fn add(&mut self, path: PathBuf, names: &mut BTreeSet<String>) -> Result<(), Error> {
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(source) => return Err(Error::ReadZoo { path, source }),
        };
        let zoo = match Zoo::parse(&content) {
            Ok(zoo) => zoo,
            Err(source) => return Err(Error::Zoo { path, source }),
        };
        let sha256 = sha256_hex(&content);
        let summary = ZooSummary {
            file_name: unique_name(&path, names),
            name: zoo.name().to_owned(),
            bytes: content.len() as u64,
            sha256: sha256.clone(),
            tasks: zoo.tasks().len() as u64,
        };
        self.zoos.push((summary, StoredZoo { sha256, content: content.into() }));
        Ok(())
    }
}

#[async_trait::async_trait]
impl ZooCatalogue for ZooFiles {
    async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError> {
        Ok(self.zoos.iter().map(|(summary, _)| summary.clone()).collect())
    }

    async fn open(&self, file_name: &str) -> Result<Option<StoredZoo>, CatalogueError> {
        let found = self.zoos.iter().find(|(summary, _)| summary.file_name == file_name);
        Ok(found.map(|(_, zoo)| zoo.clone()))
    }
}

/// The path itself, or the zoo files of the folder that it is.
fn files_at(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::ReadZoo { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == EXTENSION) && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Error::EmptyFolder { path: path.to_owned() });
    }
    files.sort();
    Ok(files)
}

/// A name for URLs, from the file's: nothing in it needs escaping or means
/// anything in a path, and no two are alike.
fn unique_name(path: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let mut name = String::new();
    for c in stem.chars().take(MAX_NAME) {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' => name.push(c),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = match name.trim_matches(['-', '.']) {
        "" => "zoo",
        name => name,
    };
    let numbered = (2..).map(|n| format!("{name}-{n}.{EXTENSION}"));
    let unique = std::iter::once(format!("{name}.{EXTENSION}"))
        .chain(numbered)
        .find(|candidate| !taken.contains(candidate))
        .expect("numbers do not run out");
    taken.insert(unique.clone());
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_unique() {
        let mut taken = BTreeSet::new();
        let mut name = |path: &str| unique_name(Path::new(path), &mut taken);
        assert_eq!(name("dir/glue_v1.2.safetensors"), "glue_v1.2.safetensors");
        assert_eq!(name("other/glue_v1.2.safetensors"), "glue_v1.2-2.safetensors");
        assert_eq!(name("third/glue_v1.2.safetensors"), "glue_v1.2-3.safetensors");
        assert_eq!(name("my zoo (März).safetensors"), "my-zoo-M-rz.safetensors");
        assert_eq!(name("…"), "zoo.safetensors");
        assert_eq!(name("..hidden"), "zoo-2.safetensors");
        assert_eq!(name("%2e%2e.safetensors"), "2e-2e.safetensors");
        assert!(name(&"x".repeat(5000)).len() < 120);
    }
}
