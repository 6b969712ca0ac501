//! F1 over labelled spans of words.

use std::collections::BTreeSet;

/// A span: its label, the index of its first word and that of its last.
type Span<'a> = (&'a str, usize, usize);

/// Micro-averaged F1 of whole spans, in `[0, 1]`: a span counts only with the
/// right label and both ends right. One list of tags a sentence, as `B-PER`,
/// `I-PER`, `O`; 0 when neither side has a span.
///
/// The tags are read leniently, as `conlleval` and seqeval's default mode do: an
/// `I-X` that follows no `X` begins a span, so that IOB1 and IOB2 both work;
/// `E-` and `S-` of IOBES are known, too.
///
/// # Panics
/// When the two sides differ in their number of sentences or words.
pub fn span_f1<G: AsRef<str>, P: AsRef<str>>(gold: &[Vec<G>], predicted: &[Vec<P>]) -> f64 {
    assert_eq!(gold.len(), predicted.len(), "a prediction for every sentence");
    let (mut correct, mut in_gold, mut in_predicted) = (0_usize, 0, 0);
    for (gold, predicted) in gold.iter().zip(predicted) {
        assert_eq!(gold.len(), predicted.len(), "a predicted tag for every word");
        let (gold, predicted) = (spans(gold), spans(predicted));
        correct += gold.intersection(&predicted).count();
        in_gold += gold.len();
        in_predicted += predicted.len();
    }
    if correct == 0 { 0.0 } else { 2.0 * correct as f64 / (in_gold + in_predicted) as f64 }
}

/// A tag's kind (its first letter) and label. What has no label, such as a bare
/// `I`, has the label `_`.
fn parts(tag: &str) -> (char, &str) {
    let mut letters = tag.chars();
    let Some(kind) = letters.next() else { return ('O', "_") };
    let rest = letters.as_str();
    let label = rest.split_once('-').map_or(rest, |(_, label)| label);
    (kind, if label.is_empty() { "_" } else { label })
}

/// The spans of one sentence (the rules of `conlleval`).
fn spans<T: AsRef<str>>(tags: &[T]) -> BTreeSet<Span<'_>> {
    let mut found = BTreeSet::new();
    let (mut before, mut label_before, mut start) = ('O', "O", 0);
    let ends = std::iter::once("O");
    for (i, tag) in tags.iter().map(AsRef::as_ref).chain(ends).enumerate() {
        let (kind, label) = parts(tag);
        let changed = label != label_before;
        let ended = matches!((before, kind), ('E' | 'S', _) | ('B' | 'I', 'B' | 'S' | 'O'))
            || (before != 'O' && before != '.' && changed);
        if ended {
            found.insert((label_before, start, i - 1));
        }
        let begins = matches!((before, kind), (_, 'B' | 'S') | ('E' | 'S' | 'O', 'E' | 'I'))
            || (kind != 'O' && kind != '.' && changed);
        if begins {
            start = i;
        }
        (before, label_before) = (kind, label);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(tags: &str) -> Vec<(String, usize, usize)> {
        let tags: Vec<&str> = tags.split(' ').collect();
        spans(&tags).into_iter().map(|(label, from, to)| (label.to_owned(), from, to)).collect()
    }

    fn expect(spans: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
        spans.iter().map(|&(label, from, to)| (label.to_owned(), from, to)).collect()
    }

    #[test]
    fn tags_become_spans() {
        assert_eq!(of("B-A I-A O B-B"), expect(&[("A", 0, 1), ("B", 3, 3)]));
        // IOB1: I begins where nothing or something else went before.
        assert_eq!(of("I-A I-A B-A I-B"), expect(&[("A", 0, 1), ("A", 2, 2), ("B", 3, 3)]));
        assert_eq!(of("S-A B-B E-B O"), expect(&[("A", 0, 0), ("B", 1, 2)]));
        assert_eq!(of("O O"), expect(&[]));
        assert_eq!(of("B-a-b I-a-b"), expect(&[("a-b", 0, 1)]));
        assert_eq!(of("B I"), expect(&[("_", 0, 1)]));
    }

    #[test]
    fn no_spans_on_either_side_are_no_success() {
        assert_eq!(span_f1(&[vec!["O", "O"]], &[vec!["O", "O"]]), 0.0);
        assert_eq!(span_f1::<&str, &str>(&[], &[]), 0.0);
    }

    #[test]
    fn a_sentence_ends_its_spans() {
        let gold = [vec!["B-A"], vec!["I-A"]];
        let predicted = [vec!["B-A"], vec!["B-A"]];
        assert_eq!(span_f1(&gold, &predicted), 1.0);
    }

    proptest! {
        #[test]
        fn any_tags_are_read(tags in proptest::collection::vec("[BIEOS.]?-?[AB]?", 0..12)) {
            let spans = spans(&tags);
            prop_assert!(spans.iter().all(|&(_, from, to)| from <= to && to < tags.len()));
            let score = span_f1(std::slice::from_ref(&tags), std::slice::from_ref(&tags));
            prop_assert!(score == 1.0 || spans.is_empty());
        }
    }
}
