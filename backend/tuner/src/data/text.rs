//! From a file on disk to checked text: gzip or not, UTF-8, no NUL.

use super::Error;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Gzip's two magic bytes. The content decides, not the file's name: tasks
/// are passed around renamed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The greatest text that is read. It stops a small archive that expands
/// without end, long before memory is full.
const LIMIT: u64 = 4 << 30;

/// The file's text, decompressed, without a byte order mark.
pub(super) fn read(file: &Path) -> Result<String, Error> {
    let raw = fs::read(file).map_err(|source| unreadable(file, source))?;
    let bytes = if raw.starts_with(&GZIP) { gunzip(file, &raw, LIMIT)? } else { raw };
    checked(file, bytes)
}

/// Refuses a file that holds more than this many bytes of text, unpacked,
/// and keeps nothing of it: a look at a file of strangers before it is read.
///
/// # Errors
/// When it holds more, or cannot be read.
pub fn at_most(file: &Path, limit: u64) -> Result<(), Error> {
    let unreadable = |source| unreadable(file, source);
    let mut raw = BufReader::new(File::open(file).map_err(unreadable)?);
    let bytes = match raw.fill_buf().map_err(unreadable)?.starts_with(&GZIP) {
        true => io::copy(&mut MultiGzDecoder::new(raw).take(limit + 1), &mut io::sink())
            .map_err(|error| damaged(file, &error))?,
        false => raw.get_ref().metadata().map_err(unreadable)?.len(),
    };
    match bytes > limit {
        true => Err(Error::TooLarge { file: file.into(), limit }),
        false => Ok(()),
    }
}

/// Why a file cannot be opened or read.
pub(super) fn unreadable(file: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::NoFile { file: file.into(), there: siblings(file) },
        io::ErrorKind::IsADirectory => Error::IsFolder { path: file.into() },
        _ => Error::Io { file: file.into(), source },
    }
}

fn gunzip(file: &Path, raw: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(raw.len().saturating_mul(4));
    let decoded = MultiGzDecoder::new(raw).take(limit + 1).read_to_end(&mut bytes);
    decoded.map_err(|error| damaged(file, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { file: file.into(), limit });
    }
    Ok(bytes)
}

/// Why gzip data cannot be decompressed.
fn damaged(file: &Path, error: &io::Error) -> Error {
    let detail = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        _ => error.to_string(),
    };
    Error::Gzip { file: file.into(), detail }
}

fn checked(file: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    let line_of = |byte: usize, bytes: &[u8]| 1 + line_breaks(&bytes[..byte]);
    // UTF-8 first: a UTF-16 file is full of NULs, and "save it as UTF-8" is
    // the advice that mends it.
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        Error::NotUtf8 { file: file.into(), line: line_of(byte, error.as_bytes()), byte }
    })?;
    if let Some(byte) = text.find('\0') {
        let line = line_of(byte, text.as_bytes());
        return Err(Error::Nul { file: file.into(), line, byte });
    }
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Line breaks in `bytes`: `\n`, `\r\n` and a lone `\r`, each once.
pub(super) fn line_breaks(bytes: &[u8]) -> usize {
    let lone_cr = |i: usize| bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n');
    (0..bytes.len()).filter(|&i| bytes[i] == b'\n' || lone_cr(i)).count()
}

/// The text's lines with their numbers, without their ends. Only `\n`,
/// `\r\n` and `\r` end a line: the Unicode separators occur inside sentences
/// of distributed data sets.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some((number, text));
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some((number, &text[..end]))
    })
}

/// Whether a file's name, `.gz` set aside, ends in one of these.
pub(super) fn ends_in(file: &Path, extensions: &[&str]) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    extensions.iter().any(|extension| name.ends_with(extension))
}

/// The names in a file's folder, for a message about a file that is missing.
fn siblings(file: &Path) -> Vec<String> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    names(folder).unwrap_or_default()
}

/// The sorted names in a folder, hidden ones left out.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let found: Vec<_> = lines("a\nb\r\n\nc\rd\u{2028}e").collect();
        assert_eq!(found, [(1, "a"), (2, "b"), (3, ""), (4, "c"), (5, "d\u{2028}e")]);
        assert_eq!(line_breaks(b"a\nb\r\n\nc\rd"), 4);
    }

    #[test]
    fn a_small_archive_that_expands_without_end_is_refused() {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&vec![b'a'; 100_000]).unwrap();
        let archive = gz.finish().unwrap();
        let error = gunzip(Path::new("a.csv"), &archive, 1000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.csv: more than 1000 bytes of text; split it or use a smaller file"
        );
        // The same before it is read, for text as it is, too.
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("a.csv.gz", archive), ("a.csv", vec![b'a'; 100_000])] {
            let file = dir.path().join(name);
            fs::write(&file, content).unwrap();
            assert!(at_most(&file, 100_000).is_ok());
            let error = at_most(&file, 99_999).unwrap_err();
            assert!(matches!(error, Error::TooLarge { limit: 99_999, .. }), "{error}");
        }
        let cut = dir.path().join("cut.csv");
        fs::write(&cut, GZIP).unwrap();
        assert!(at_most(&cut, 100).unwrap_err().to_string().contains("ends too early"));
        assert!(matches!(at_most(dir.path(), 100), Err(Error::IsFolder { .. })));
    }
}
