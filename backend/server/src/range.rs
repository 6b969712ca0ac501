//! Byte ranges of a request (RFC 9110, section 14).

use std::ops::Range;

/// A range that lies outside the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsatisfiable {
    /// Length of the content.
    pub length: u64,
}

/// The one range that `header` asks for. `None` sends everything: there is no
/// header, it cannot be understood, or it asks for several ranges, which a
/// server is free to pass over.
pub(crate) fn single_range(
    header: Option<&str>,
    length: u64,
) -> Result<Option<Range<u64>>, Unsatisfiable> {
    let Some((from, to)) = header.and_then(parse) else {
        return Ok(None);
    };
    let range = match (from, to) {
        (Some(from), Some(to)) => from..to.saturating_add(1).min(length),
        (Some(from), None) => from..length,
        (None, Some(last)) => length.saturating_sub(last)..length,
        (None, None) => return Ok(None),
    };
    match range.start < range.end {
        true => Ok(Some(range)),
        false => Err(Unsatisfiable { length }),
    }
}

/// `bytes=FROM-TO`, where one of the two may be missing.
fn parse(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    let (from, to) = range.trim().split_once('-')?;
    let (from, to) = (number(from)?, number(to)?);
    let backwards = matches!((from, to), (Some(from), Some(to)) if from > to);
    (unit.eq_ignore_ascii_case("bytes") && !backwards).then_some((from, to))
}

/// An optional number; the outer `None` for anything else. More digits than fit
/// mean a place beyond the end of anything.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let of_ten = |header| single_range(Some(header), 10);
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes=5-99", 5..10),
            ("BYTES=9-9", 9..10),
            ("bytes=1-99999999999999999999999", 1..10),
        ] {
            assert_eq!(of_ten(header), Ok(Some(expected)), "{header}");
        }
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of_ten(header), Err(Unsatisfiable { length: 10 }), "{header}");
        }
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=+1-2",
        ] {
            assert_eq!(of_ten(header), Ok(None), "{header}");
        }
        assert_eq!(single_range(None, 10), Ok(None));
        assert_eq!(single_range(Some("bytes=0-"), 0), Err(Unsatisfiable { length: 0 }));
    }
}
