//! Share links: a zoo and the view of it, in the fragment of a URL.
//!
//! `#zoo=URL&sha256=HEX&target=TASK&method=KEY&similarity=NAME&…`; every part may
//! be missing. The fragment never reaches a server. Keys that are not known are
//! passed over, so that links from later versions open.
//!
//! A zoo is pointed to by its address, by the name of a file that the receiver
//! must have, or, if it is small, it stands whole in the link: `data=` is the
//! file, deflated (RFC 1951), in base64url without padding (RFC 4648).

use crate::{Error, sha256_hex};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use form_urlencoded::Serializer;
use std::io::{Read, Write};

/// Longest fragment that is read, in bytes.
pub const MAX_FRAGMENT: usize = 1 << 20;

/// Largest zoo file that a link may hold, in bytes.
pub const MAX_INLINE: usize = 1 << 20;

/// Most values that are read of a key that may be repeated.
pub const MAX_REPEATS: usize = 100;

/// Prefix of a zoo that is a file on somebody's device and no address.
pub const FILE_SCHEME: &str = "file:";

/// Prefix of the keys of filters.
const FILTER: &str = "filter.";

/// What a link says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where the zoo is; `None` for the page's own.
    pub zoo: Option<String>,
    /// sha256 of the zoo file that the sender saw, lower-case hex.
    pub sha256: Option<String>,
    /// The zoo itself, as [`pack`] makes it of a file.
    pub data: Option<String>,
    /// The chosen target task.
    pub target: Option<String>,
    /// The chosen embedding set, or an ensemble.
    pub method: Option<String>,
    /// Further ones that are shown beside it, in order.
    pub compare: Vec<String>,
    /// The chosen similarity.
    pub similarity: Option<String>,
    /// The chosen measure of rankings, where truth is known.
    pub measure: Option<String>,
    /// The relevance that NDCG is shown by.
    pub relevance: Option<String>,
    /// The setting of the transfer matrix that rankings are judged by.
    pub truth: Option<String>,
    /// The two methods that are tested against each other.
    pub pair: Vec<String>,
    /// The plane in which tasks are shown as points.
    pub plane: Option<String>,
    /// What the list of sources is narrowed to: names and values, in order.
    pub filters: Vec<(String, String)>,
}

/// Where a link's zoo comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The page's own zoo.
    Own,
    /// An address.
    Url(&'a str),
    /// A file of this name, which the receiver must open.
    File(&'a str),
    /// The link itself; see [`unpack`].
    Inline(&'a str),
}

impl View {
    /// The fragment without its `#`; empty for an empty view.
    pub fn to_fragment(&self) -> String {
        let mut pairs = Serializer::new(String::new());
        for (key, value) in [
            ("zoo", &self.zoo),
            ("sha256", &self.sha256),
            ("target", &self.target),
            ("method", &self.method),
            ("similarity", &self.similarity),
            ("measure", &self.measure),
            ("relevance", &self.relevance),
            ("truth", &self.truth),
            ("plane", &self.plane),
        ] {
            if let Some(value) = value {
                pairs.append_pair(key, value);
            }
        }
        for (key, methods) in [("compare", &self.compare), ("pair", &self.pair)] {
            for method in methods {
                pairs.append_pair(key, method);
            }
        }
        for (name, value) in &self.filters {
            pairs.append_pair(&format!("{FILTER}{name}"), value);
        }
        // Last, so that the readable parts come first.
        if let Some(data) = &self.data {
            pairs.append_pair("data", data);
        }
        pairs.finish()
    }

    /// Reads a fragment, with or without its `#`. What cannot be understood is
    /// left out: a link is a wish, and the page shows what it made of it.
    pub fn from_fragment(fragment: &str) -> Self {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        if fragment.len() > MAX_FRAGMENT {
            return Self::default();
        }
        let mut view = Self::default();
        for (key, value) in form_urlencoded::parse(fragment.as_bytes()) {
            let place = match &*key {
                "zoo" => &mut view.zoo,
                "sha256" => &mut view.sha256,
                "data" => &mut view.data,
                "target" => &mut view.target,
                "method" => &mut view.method,
                "similarity" => &mut view.similarity,
                "measure" => &mut view.measure,
                "relevance" => &mut view.relevance,
                "truth" => &mut view.truth,
                "plane" => &mut view.plane,
                "compare" | "pair" => {
                    let (methods, most) = match &*key {
                        "pair" => (&mut view.pair, 2),
                        _ => (&mut view.compare, MAX_REPEATS),
                    };
                    if !value.is_empty() && methods.len() < most {
                        methods.push(value.into_owned());
                    }
                    continue;
                }
                key => {
                    if let Some(name) = key.strip_prefix(FILTER).filter(|name| !name.is_empty())
                        && view.filters.len() < MAX_REPEATS
                    {
                        view.filters.push((name.to_owned(), value.into_owned()));
                    }
                    continue;
                }
            };
            *place = Some(value.into_owned()).filter(|v| !v.is_empty());
        }
        view.sha256 = view.sha256.filter(|hex| is_sha256(hex));
        view
    }

    /// Where the zoo comes from. What stands in the link goes before an address,
    /// which may be where the sender once had it from.
    pub fn source(&self) -> Source<'_> {
        match (&self.data, &self.zoo) {
            (Some(data), _) => Source::Inline(data),
            (None, Some(zoo)) => match zoo.strip_prefix(FILE_SCHEME) {
                Some(name) => Source::File(name),
                None => Source::Url(zoo),
            },
            (None, None) => Source::Own,
        }
    }

    /// The same view with the zoo file `bytes` in the link instead of an
    /// address.
    ///
    /// # Errors
    /// As [`pack`].
    pub fn with_inline(&self, bytes: &[u8]) -> Result<Self, Error> {
        let (data, sha256) = (Some(pack(bytes)?), Some(sha256_hex(bytes)));
        Ok(Self { zoo: None, sha256, data, ..self.clone() })
    }
}

/// A zoo file as text for [`View::data`].
///
/// # Errors
/// When it is too large for a link.
pub fn pack(bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() > MAX_INLINE {
        return Err(too_large(bytes.len()));
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let packed = encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|e| Error::Inconsistent(format!("the zoo cannot be packed: {e}")))?;
    text_of(&packed)
}

/// The zoo file in [`View::data`], at most [`MAX_INLINE`] bytes of it.
///
/// # Errors
/// When the text was cut or changed, or unpacks to more than that.
pub fn unpack(text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(deflated_of(text)?.as_slice())
        .take(MAX_INLINE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| not_deflated(&e.to_string()))?;
    if bytes.len() > MAX_INLINE {
        return Err(too_large(bytes.len()));
    }
    Ok(bytes)
}

/// The text of a zoo file that somebody else has deflated, as a browser can by itself.
///
/// # Errors
/// When it is too large for a link.
pub fn text_of(deflated: &[u8]) -> Result<String, Error> {
    let text = URL_SAFE_NO_PAD.encode(deflated);
    // What else a link says is far below a quarter of it.
    let limit = MAX_FRAGMENT / 4 * 3;
    if text.len() > limit {
        return Err(Error::Limit {
            what: "the length of a zoo inside a link",
            found: text.len() as u64,
            limit: limit as u64,
        });
    }
    Ok(text)
}

/// The deflated bytes in [`View::data`], for somebody else to inflate, who keeps to
/// [`MAX_INLINE`].
///
/// # Errors
/// When the text was cut or changed.
pub fn deflated_of(text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|e| damaged(&format!("is no base64url ({e}); was the link cut?")))
}

/// What is wrong with deflated bytes that do not inflate.
pub fn not_deflated(why: &str) -> Error {
    damaged(&format!("cannot be unpacked ({why}); was the link cut?"))
}

/// What is wrong with a file of so many bytes, more than [`MAX_INLINE`].
pub fn too_large(bytes: usize) -> Error {
    Error::Limit {
        what: "the size of a zoo inside a link",
        found: bytes as u64,
        limit: MAX_INLINE as u64,
    }
}

fn damaged(why: &str) -> Error {
    Error::Damaged(format!("the zoo inside this link {why}"))
}

pub(crate) fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
