//! Compressed forms of the page's files, and which of them a client takes.

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// A compressed form that browsers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The smaller one.
    Brotli,
    /// The one that everything takes.
    Gzip,
}

/// Every coding, the preferred one first.
pub(crate) const CODINGS: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

/// Below this many bytes compression does not save a packet.
const WORTHWHILE: usize = 1024;

impl Coding {
    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The ending of a twin's file name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    /// Compresses; `None` when that saves nothing. Meant for pages that were
    /// built without twins, so it takes middling effort: it runs at start.
    pub fn compress(self, content: &[u8]) -> Option<Bytes> {
        if content.len() < WORTHWHILE {
            return None;
        }
        let compressed = match self {
            Self::Brotli => brotli(content),
            Self::Gzip => gzip(content),
        };
        compressed.ok().filter(|c| c.len() < content.len()).map(Bytes::from)
    }
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams { quality: 6, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}

/// Whether an `Accept-Encoding` header takes this coding (RFC 9110, section
/// 12.5.3). No header takes none: who wants compressed files says so.
pub(crate) fn accepts(header: Option<&str>, coding: Coding) -> bool {
    let mut any = false;
    for entry in header.unwrap_or_default().split(',') {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let name = name.trim();
        let wanted = !is_zero(parameters);
        if name.eq_ignore_ascii_case(coding.name()) {
            return wanted;
        }
        any |= name == "*" && wanted;
    }
    any
}

/// Whether the parameters are `q=0`, which forbids.
fn is_zero(parameters: &str) -> bool {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .any(|(key, value)| key.eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_they_take() {
        let taken = |header| CODINGS.map(|coding| accepts(Some(header), coding));
        assert_eq!(taken("gzip, deflate, br, zstd"), [true, true]);
        assert_eq!(taken("gzip"), [false, true]);
        assert_eq!(taken("br;q=1.0, gzip;q=0"), [true, false]);
        assert_eq!(taken("BR; Q=0.000 , *"), [false, true]);
        assert_eq!(taken("*;q=0"), [false, false]);
        assert_eq!(taken("identity"), [false, false]);
        assert_eq!(taken(""), [false, false]);
        assert!(!accepts(None, Coding::Gzip));
    }

    #[test]
    fn compression_is_kept_only_where_it_saves() {
        for coding in CODINGS {
            assert!(coding.compress(&[7; 5000]).is_some_and(|c| c.len() < 100));
            assert_eq!(coding.compress(b"short"), None);
        }
    }
}
