//! Names that come from requests and end in paths or queries. Each type can only
//! hold what its pattern allows, so that no request reaches the file system
//! unchecked: whoever has one has checked it.

use sha2::{Digest as _, Sha256};
use std::fmt;
use tupate_api::UploadFormat;

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `N` bytes that nobody can guess.
///
/// # Panics
/// When the system has no randomness to give, without which no id is unique and
/// no secret is one.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A run's id: 128 random bits as 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// A new one.
    pub fn random() -> Self {
        Self(hex(&random::<16>()))
    }

    /// The id that a request names, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text, 32).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sha256 of a content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(content: &[u8]) -> Self {
        Self(hex(&Sha256::digest(content)))
    }

    /// The digest that a text is, in lower-case hex.
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text, 64).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An upload's id: the digest of its content and the ending of its form,
/// `SHA256.csv`. The same bytes as another form are another upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId {
    digest: Digest,
    format: UploadFormat,
}

impl UploadId {
    /// The upload of this content and form.
    pub fn new(digest: Digest, format: UploadFormat) -> Self {
        Self { digest, format }
    }

    /// The id that a request names, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let (digest, ending) = text.split_once('.')?;
        let format = UploadFormat::ALL.into_iter().find(|format| format.ending() == ending)?;
        Some(Self { digest: Digest::parse(digest)?, format })
    }

    /// Its form.
    pub fn format(&self) -> UploadFormat {
        self.format
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.digest.as_str(), self.format.ending())
    }
}

/// A name that people give to a task or a zoo, and that becomes part of URLs and
/// file names: letters, digits, `_`, `-` and `.`, with a letter or digit in
/// front, at most 100.
pub fn is_plain_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_pattern_is_an_id() {
        let id = RunId::random();
        assert_eq!(RunId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(RunId::random(), id);
        let long = "0".repeat(33);
        let slashes = "/".repeat(32);
        for text in ["", "..", "../../etc/passwd", &id.as_str().to_uppercase(), &long, &slashes] {
            assert_eq!(RunId::parse(text), None, "{text}");
        }
        let digest = Digest::of(b"abc");
        assert!(digest.as_str().starts_with("ba7816bf8f01cfea414140de5dae2223"));
        let upload = UploadId::new(digest, UploadFormat::Tsv);
        assert_eq!(UploadId::parse(&upload.to_string()), Some(upload.clone()));
        let text = upload.to_string();
        let bad = [text.replace("tsv", "exe"), text.replace("tsv", "csv.."), format!("../{text}")];
        assert!(bad.iter().all(|text| UploadId::parse(text).is_none()));
        for name in ["", ".", "..", ".a", "a/b", "a\\b", "a b", "ä", "-x", &"x".repeat(101)] {
            assert!(!is_plain_name(name), "{name}");
        }
        assert!(is_plain_name("my-Zoo_1.0"));
    }
}
