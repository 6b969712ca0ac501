//! Scores of answers in words, as SQuAD's official evaluation defines them.

use std::collections::BTreeMap;

/// 1 when the prediction equals one of the gold answers after normalisation,
/// else 0. Normalised is: lower case, no ASCII punctuation, no articles, single
/// spaces.
///
/// As in SQuAD 2.0, a question without any answer (or with none that
/// normalisation leaves a word of) wants the empty prediction. Where every
/// question has an answer, this is SQuAD 1.1's definition.
pub fn exact_match<A: AsRef<str>>(answers: &[A], prediction: &str) -> f64 {
    let prediction = normalise(prediction);
    f64::from(u8::from(normalised(answers).contains(&prediction)))
}

/// F1 between the words of the prediction and those of the gold answer that it
/// is closest to, in `[0, 1]`; normalisation and questions without an answer as
/// in [`exact_match`].
pub fn answer_f1<A: AsRef<str>>(answers: &[A], prediction: &str) -> f64 {
    let prediction = normalise(prediction);
    normalised(answers).iter().map(|gold| word_f1(gold, &prediction)).fold(0.0, f64::max)
}

/// The gold answers that have words, or else the empty one.
fn normalised<A: AsRef<str>>(answers: &[A]) -> Vec<String> {
    let mut gold: Vec<String> = answers.iter().map(|a| normalise(a.as_ref())).collect();
    gold.retain(|answer| !answer.is_empty());
    if gold.is_empty() {
        gold.push(String::new());
    }
    gold
}

fn word_f1(gold: &str, prediction: &str) -> f64 {
    if gold.is_empty() || prediction.is_empty() {
        return f64::from(u8::from(gold == prediction));
    }
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut shared, mut total) = (0_usize, 0_usize);
    for word in gold.split(' ') {
        *left.entry(word).or_default() += 1;
        total += 1;
    }
    for word in prediction.split(' ') {
        total += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    2.0 * shared as f64 / total as f64
}

fn normalise(text: &str) -> String {
    let lower = text.to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    // An article is a whole word, but a word ends at any other sign, not only
    // at white space: of `the–end`, `–end` remains. So articles are taken out
    // first and words are split afterwards.
    let mut kept = String::with_capacity(plain.len());
    let mut rest = plain.as_str();
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        match &rest[..word] {
            "a" | "an" | "the" => kept.push(' '),
            other => kept.push_str(other),
        }
        rest = &rest[word..];
        let gap = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
        kept.push_str(&rest[..gap]);
        rest = &rest[gap..];
    }
    // The separators that Python's `split` knows beside Unicode's white space.
    let is_space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    kept.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normalisation_by_hand() {
        for (text, wanted) in [
            ("The  Cat's\tHat!", "cats hat"),
            ("an A the", ""),
            ("theory another", "theory another"),
            ("U.S.A.", "usa"),
            ("the–end", "–end"),
            ("A-team", "ateam"),
            ("Ünïcode IS fine", "ünïcode is fine"),
            ("one\u{a0}two\x1cthree", "one two three"),
        ] {
            assert_eq!(normalise(text), wanted, "{text}");
        }
    }

    #[test]
    fn without_an_answer_silence_is_right() {
        let none: [&str; 0] = [];
        assert_eq!((exact_match(&none, ""), answer_f1(&none, "")), (1.0, 1.0));
        assert_eq!((exact_match(&none, "the"), answer_f1(&none, "the")), (1.0, 1.0));
        assert_eq!((exact_match(&none, "word"), answer_f1(&none, "word")), (0.0, 0.0));
        assert_eq!((exact_match(&["word"], ""), answer_f1(&["word"], "")), (0.0, 0.0));
    }

    #[test]
    fn the_closest_answer_counts() {
        assert_eq!(answer_f1(&["green apple", "a red apple"], "red apple pie"), 0.8);
        assert_eq!(exact_match(&["green apple", "a red apple"], "Red apple."), 1.0);
    }

    proptest! {
        #[test]
        fn any_text_is_scored(gold in ".{0,30}", prediction in ".{0,30}") {
            let (exact, f1) = (exact_match(&[&gold], &prediction), answer_f1(&[&gold], &prediction));
            prop_assert!((0.0..=1.0).contains(&f1) && exact <= f1);
            prop_assert_eq!(exact_match(&[&gold], &gold), 1.0);
            prop_assert!(!normalise(&gold).contains("  "));
        }
    }
}
