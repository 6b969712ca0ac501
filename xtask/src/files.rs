//! The repository's own files, and what they hold in one number.

use anyhow::{Context as _, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold products and never sources, wherever they lie.
const PRODUCTS: &[&str] =
    &[".git", "target", "dist", "artifacts", "runs", "node_modules", "__pycache__"];

/// All files below a folder, or the file itself, in the order of their
/// paths; products of builds are left out.
pub fn sources(at: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(at, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(at: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("cannot read {}", at.display());
    // A link is named but not followed: it could lead anywhere.
    if !fs::symlink_metadata(at).with_context(reading)?.is_dir() {
        found.push(at.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(at).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if !PRODUCTS.iter().any(|product| entry.file_name() == *product) {
            walk(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// One sha256 over the names and contents of these files, in this order, and
/// over the notes; names are relative to `root`, so that a moved checkout
/// has the same one.
pub fn digest(root: &Path, files: &[PathBuf], notes: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    for note in notes {
        part(&mut hash, note.as_bytes());
    }
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(file);
        part(&mut hash, name.as_os_str().as_encoded_bytes());
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        part(&mut hash, &content);
    }
    Ok(hexadecimal(hash))
}

/// One sha256 over what is in memory, piece by piece.
pub fn digest_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    pieces.into_iter().for_each(|piece| part(&mut hash, piece));
    hexadecimal(hash)
}

/// Every part is preceded by its length: no two lists run into one another.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a folder with all that is in it, if there is one.
pub fn remove_if_there(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A document's text with another result between the marks of that name.
pub fn between_marks(document: &str, text: &str, name: &str, result: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let parts =
        text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| {
        format!("{document} lacks the lines `{}` and `{}`", begin.trim(), end.trim())
    })?;
    Ok(format!("{before}{begin}{}\n{end}{after}", result.trim_end()))
}

/// Writes a result between the marks of that name in a document below `root`.
pub fn write_between_marks(root: &Path, document: &str, name: &str, result: &str) -> Result<()> {
    let path = root.join(document);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let text = between_marks(document, &text, name, result)?;
    fs::write(&path, text).with_context(|| format!("cannot write {document}"))
}

/// Reads a JSON file.
pub fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        fs::create_dir_all(root.join("b/target")).unwrap();
        fs::write(root.join("b/target/product"), "x").unwrap();
        fs::write(root.join("b/file"), "one").unwrap();
        fs::write(root.join("a"), "two").unwrap();
        (folder, root)
    }

    #[test]
    fn a_result_replaces_what_stood_between_its_marks() {
        let text = "# B\n\n<!-- begin zoo -->\nold\n<!-- end zoo -->\nafter\n";
        assert_eq!(
            between_marks("B.md", text, "zoo", "new\n\n").unwrap(),
            "# B\n\n<!-- begin zoo -->\nnew\n<!-- end zoo -->\nafter\n"
        );
        assert_eq!(
            between_marks("B.md", text, "page", "").unwrap_err().to_string(),
            "B.md lacks the lines `<!-- begin page -->` and `<!-- end page -->`"
        );
    }

    #[test]
    fn products_are_no_sources() {
        let (_folder, root) = tree();
        assert_eq!(sources(&root).unwrap(), [root.join("a"), root.join("b/file")]);
        assert_eq!(sources(&root.join("a")).unwrap(), [root.join("a")]);
        assert!(sources(&root.join("none")).is_err());
    }

    #[test]
    fn a_digest_follows_names_contents_and_notes_but_not_the_place() {
        let (_one, root) = tree();
        let (_two, other) = tree();
        let of =
            |root: &Path, notes: &[&str]| digest(root, &sources(root).unwrap(), notes).unwrap();
        let first = of(&root, &["v1"]);
        assert_eq!(first.len(), 64);
        assert_eq!(first, of(&other, &["v1"]));
        assert_ne!(first, of(&root, &["v2"]));
        fs::write(other.join("a"), "three").unwrap();
        assert_ne!(first, of(&other, &["v1"]));
        fs::rename(root.join("a"), root.join("c")).unwrap();
        assert_ne!(first, of(&root, &["v1"]));
    }
}
