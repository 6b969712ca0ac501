//! Where an answer stands in a text.

use std::ops::Range;

/// How much of a word an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Whole words only.
    Words,
    /// Whole words before parts of words: in scripts without spaces there are
    /// no others.
    Anything,
}

/// The first place of `answer` in `text`, as bytes: spelled exactly so before
/// differing in case.
pub(super) fn find(text: &str, answer: &str, how: Match) -> Option<Range<usize>> {
    if answer.trim().is_empty() {
        return None;
    }
    let exact = || text.match_indices(answer).map(|(start, found)| start..start + found.len());
    let whole = exact().find(|range| is_whole(text, range)).or_else(|| blind(text, answer));
    whole.or_else(|| if how == Match::Anything { exact().next() } else { None })
}

/// Whether no word is cut at either end.
fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let inside = &text[range.clone()];
    let cut_before = word(text[..range.start].chars().next_back()) && word(inside.chars().next());
    let cut_after = word(inside.chars().next_back()) && word(text[range.end..].chars().next());
    !cut_before && !cut_after
}

/// The first place where whole words differ from `answer` in case only.
fn blind(text: &str, answer: &str) -> Option<Range<usize>> {
    let answer: Vec<char> = answer.chars().flat_map(char::to_lowercase).collect();
    let mut after_word = false;
    for (start, c) in text.char_indices() {
        let cut = after_word && c.is_alphanumeric();
        after_word = c.is_alphanumeric();
        if cut || c.to_lowercase().next() != answer.first().copied() {
            continue;
        }
        let range = |length: usize| start..start + length;
        if let Some(range) = prefix(&text[start..], &answer).map(range)
            && is_whole(text, &range)
        {
            return Some(range);
        }
    }
    None
}

/// How many bytes at the beginning of `text` are `answer`, in lower case.
fn prefix(text: &str, answer: &[char]) -> Option<usize> {
    let mut rest = answer;
    for (i, c) in text.char_indices() {
        if rest.is_empty() {
            return Some(i);
        }
        for lower in c.to_lowercase() {
            let (first, others) = rest.split_first()?;
            if *first != lower {
                return None;
            }
            rest = others;
        }
    }
    rest.is_empty().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_first_and_case_last() {
        let find = |text: &str, answer, how| find(text, answer, how).map(|r| text[r].to_owned());
        let words = |text, answer| find(text, answer, Match::Words);
        assert_eq!(words("the artist made art", "art"), Some("art".into()));
        assert_eq!(words("Art is an artist's", "art"), Some("Art".into()));
        assert_eq!(words("an artist", "art"), None);
        assert_eq!(find("an artist", "art", Match::Anything), Some("art".into()));
        assert_eq!(words("costs $5.", "$5"), Some("$5".into()));
        assert_eq!(words("costs $50.", "$5"), None);
        assert_eq!(words("ÉTÉ à Orléans", "été"), Some("ÉTÉ".into()));
        assert_eq!(words("a İb c", "i\u{307}b"), Some("İb".into()));
        assert_eq!(words("a", " "), None);
        assert_eq!(words("", "a"), None);
    }

    #[test]
    fn the_first_of_equals() {
        assert_eq!(find("no, no", "no", Match::Words), Some(0..2));
        assert_eq!(find("know no", "no", Match::Words), Some(5..7));
    }
}
