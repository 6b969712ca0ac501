//! From examples to batches of token ids.

use crate::Error;
use crate::data::{Answer, Example, Input, Label};
use crate::encoder::{Encoder, Family};
use crate::rng::Rng;
use std::ops::Range;
use tokenizers::{Encoding, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

/// Most tokens of a question; longer ones lose their end (Devlin et al. 2019).
pub const MAX_QUESTION: usize = 64;

/// How long a sequence may be, and what becomes of a context that is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens, special ones included.
    pub max_length: usize,
    /// Tokens that two neighbouring windows of a long context share.
    pub doc_stride: usize,
}

/// One tokenised example, or one window of a question's context.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// The example it comes from.
    pub example: usize,
    /// Token ids, special tokens included.
    pub input_ids: Vec<u32>,
    /// 0 for the first text, 1 for the second.
    pub token_type_ids: Vec<u32>,
    /// What is to be predicted.
    pub target: Target,
}

/// What is to be predicted from a sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The gold class.
    Class(u32),
    /// The gold number.
    Score(f32),
    /// The gold span of a window.
    Span(Window),
    /// The tokens that carry a word's label: the first of each word.
    Tags(Vec<Tag>),
}

/// A window of a context.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// First and last token of the answer; both 0, the first token of all, where
    /// this window has none.
    pub gold: (usize, usize),
    /// The tokens of the context.
    pub context: Range<usize>,
    /// For each of them, its bytes in the whole context.
    pub offsets: Vec<(usize, usize)>,
}

/// A token that carries a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Place in the sequence.
    pub token: usize,
    /// The word, counted from 0 in its sentence.
    pub word: usize,
    /// The gold class.
    pub class: u32,
}

/// A split as tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenised<'a> {
    /// The examples.
    pub examples: &'a [Example],
    /// Their sequences, in order; several for a question whose context is long.
    pub sequences: Vec<Tokens>,
    /// Examples that lost their end to the limit; a context in windows loses
    /// nothing.
    pub truncated: usize,
}

impl Tokenised<'_> {
    /// Questions that have an answer, and no window that holds all of it: they are
    /// learnt as questions without one.
    pub fn unmarked(&self) -> usize {
        let mut marked = vec![false; self.examples.len()];
        for tokens in &self.sequences {
            if let Target::Span(window) = &tokens.target {
                marked[tokens.example] |= window.gold != (0, 0);
            }
        }
        let located = |example: &Example| match &example.label {
            Label::Answers(answers) => answers.iter().any(|answer| answer.start.is_some()),
            _ => false,
        };
        self.examples.iter().zip(marked).filter(|(e, marked)| !marked && located(e)).count()
    }
}

/// `B` sequences padded to the longest of them, `S` tokens; row-major `[B, S]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `B`.
    pub size: usize,
    /// `S`.
    pub length: usize,
    /// `[B, S]`.
    pub input_ids: Vec<u32>,
    /// `[B, S]`.
    pub token_type_ids: Vec<u32>,
    /// `[B, S]`, false for padding.
    pub attention_mask: Vec<bool>,
    /// `[B]`.
    pub targets: Vec<Target>,
}

/// Tokenises examples. Texts longer than the limit are cut at the end, the longer
/// of a pair first, and counted; the context of a question is cut into windows.
///
/// # Errors
/// When the tokenizer refuses a text or the limit leaves no room.
pub fn tokenise<'a>(
    encoder: &Encoder,
    examples: &'a [Example],
    limits: Limits,
) -> Result<Tokenised<'a>, Error> {
    let cut = cutting(&encoder.tokenizer, TruncationStrategy::LongestFirst, limits, 0)?;
    let windows = match examples.first() {
        Some(Example { input: Input::Question { .. }, .. }) => {
            cutting(&encoder.tokenizer, TruncationStrategy::OnlySecond, limits, limits.doc_stride)?
        }
        _ => cut.clone(),
    };
    let mut tokenised =
        Tokenised { examples, sequences: Vec::with_capacity(examples.len()), truncated: 0 };
    for (i, example) in examples.iter().enumerate() {
        let failed = |e: tokenizers::Error| Error::Tokenise { example: i + 1, why: e.to_string() };
        let mut push = |encoding: &Encoding, target| {
            tokenised.sequences.push(Tokens {
                example: i,
                input_ids: encoding.get_ids().to_vec(),
                token_type_ids: encoding.get_type_ids().to_vec(),
                target,
            });
        };
        let truncated = match (&example.input, &example.label) {
            (Input::Question { question, context }, Label::Answers(answers)) => {
                let (question, shortened) =
                    shortened(&encoder.tokenizer, question).map_err(failed)?;
                let whole = windows.encode((question, context.as_str()), true).map_err(failed)?;
                for encoding in std::iter::once(&whole).chain(whole.get_overflowing()) {
                    push(encoding, Target::Span(window(encoding, answers)));
                }
                shortened
            }
            (Input::Words(words), Label::Tags(tags)) => {
                let encoding =
                    cut.encode(spaced(words, encoder.config().family), true).map_err(failed)?;
                push(&encoding, Target::Tags(labelled(&encoding, tags)));
                !encoding.get_overflowing().is_empty()
            }
            (input, label) => {
                let encoding = match input.texts()[..] {
                    [text] => cut.encode(text, true),
                    [first, second] => cut.encode((first, second), true),
                    _ => Err("words without a label each".into()),
                }
                .map_err(failed)?;
                let target = match label {
                    Label::Class(class) => Target::Class(*class),
                    Label::Score(score) => Target::Score(*score),
                    Label::Answers(_) | Label::Tags(_) => {
                        return Err(failed("a label of another kind than the text".into()));
                    }
                };
                push(&encoding, target);
                !encoding.get_overflowing().is_empty()
            }
        };
        tokenised.truncated += usize::from(truncated);
    }
    Ok(tokenised)
}

fn cutting(
    tokenizer: &Tokenizer,
    strategy: TruncationStrategy,
    limits: Limits,
    stride: usize,
) -> Result<Tokenizer, Error> {
    let mut tokenizer = tokenizer.clone();
    let direction = TruncationDirection::Right;
    let params = TruncationParams { max_length: limits.max_length, strategy, stride, direction };
    tokenizer
        .with_truncation(Some(params))
        .map_err(|e| Error::Setting(format!("--max-length {}: {e}", limits.max_length)))?;
    Ok(tokenizer)
}

/// A question without what is behind its first tokens, and whether that is
/// anything.
fn shortened<'a>(
    tokenizer: &Tokenizer,
    question: &'a str,
) -> Result<(&'a str, bool), tokenizers::Error> {
    let encoding = tokenizer.encode(question, false)?;
    match encoding.get_offsets().get(MAX_QUESTION - 1..) {
        Some([(_, end), _, ..]) => Ok((&question[..*end], true)),
        _ => Ok((question, false)),
    }
}

/// The words as the tokenizer wants them: a family that takes the space in front
/// for part of a word must see it.
fn spaced(words: &[String], family: Family) -> Vec<String> {
    let space = if family == Family::Roberta { " " } else { "" };
    words.iter().map(|word| format!("{space}{word}")).collect()
}

fn window(encoding: &Encoding, answers: &[Answer]) -> Window {
    let inside = |sequence: &Option<usize>| *sequence == Some(1);
    let sequences = encoding.get_sequence_ids();
    let first = sequences.iter().position(inside).unwrap_or(sequences.len());
    let end = sequences.iter().rposition(inside).map_or(first, |last| last + 1);
    let offsets = encoding.get_offsets()[first..end].to_vec();
    let gold = answers.iter().find_map(visible);
    let gold = gold.and_then(|(start, end)| {
        let from = offsets.iter().position(|(s, e)| *s <= start && start < *e)?;
        let to = offsets.iter().rposition(|(s, e)| *s < end && end <= *e)?;
        (from <= to).then_some((first + from, first + to))
    });
    Window { gold: gold.unwrap_or((0, 0)), context: first..end, offsets }
}

/// Where an answer begins and ends, without what may lie in no token at its ends:
/// spaces, and characters that are not seen, which many tokenizers leave out.
fn visible(answer: &Answer) -> Option<(usize, usize)> {
    let unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    let begun = answer.text.trim_start_matches(unseen);
    let start = answer.start? + answer.text.len() - begun.len();
    Some((start, start + begun.trim_end_matches(unseen).len()))
}

fn labelled(encoding: &Encoding, tags: &[u32]) -> Vec<Tag> {
    let mut labelled = Vec::with_capacity(tags.len());
    let mut before = None;
    for (token, word) in encoding.get_word_ids().iter().enumerate() {
        if let Some(word) = word.filter(|_| *word != before)
            && let Some(&class) = tags.get(word as usize)
        {
            labelled.push(Tag { token, word: word as usize, class });
        }
        before = *word;
    }
    labelled
}

/// The indices of one epoch's batches. Sequences are shuffled, then sorted by
/// length within stretches of many batches, so that batches hold sequences of
/// like length and little padding; the order of batches is shuffled again.
pub fn shuffled(sequences: &[Tokens], batch_size: usize, rng: &mut Rng) -> Vec<Vec<usize>> {
    const STRETCH: usize = 32;
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    rng.shuffle(&mut order);
    let mut batches = Vec::with_capacity(sequences.len().div_ceil(batch_size));
    for stretch in order.chunks_mut(STRETCH * batch_size) {
        stretch.sort_by_key(|&i| sequences[i].input_ids.len());
        batches.extend(stretch.chunks(batch_size).map(<[usize]>::to_vec));
    }
    rng.shuffle(&mut batches);
    batches
}

/// The indices of all sequences in batches of like length, shortest first.
pub fn sorted(sequences: &[Tokens], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| sequences[i].input_ids.len());
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

impl Batch {
    /// The batch of these sequences.
    ///
    /// # Panics
    /// When `indices` is empty or points outside `sequences`.
    pub fn new(sequences: &[Tokens], indices: &[usize], pad_token_id: u32) -> Self {
        let length = indices.iter().map(|&i| sequences[i].input_ids.len()).max();
        let length = length.expect("a batch holds at least one sequence");
        let cells = indices.len() * length;
        let mut batch = Self {
            size: indices.len(),
            length,
            input_ids: Vec::with_capacity(cells),
            token_type_ids: Vec::with_capacity(cells),
            attention_mask: Vec::with_capacity(cells),
            targets: Vec::with_capacity(indices.len()),
        };
        for (row, &i) in indices.iter().enumerate() {
            let tokens = &sequences[i];
            let end = (row + 1) * length;
            batch.input_ids.extend_from_slice(&tokens.input_ids);
            batch.input_ids.resize(end, pad_token_id);
            batch.token_type_ids.extend_from_slice(&tokens.token_type_ids);
            batch.token_type_ids.resize(end, 0);
            batch.attention_mask.resize(row * length + tokens.input_ids.len(), true);
            batch.attention_mask.resize(end, false);
            batch.targets.push(tokens.target.clone());
        }
        batch
    }

    /// `[B, S]`: one over the number of real tokens for each of them, 0 for
    /// padding; a product with it is a mean over the real tokens.
    pub fn token_weights(&self) -> Vec<f32> {
        self.attention_mask
            .chunks_exact(self.length)
            .flat_map(|row| {
                let weight = 1.0 / row.iter().filter(|real| **real).count().max(1) as f32;
                row.iter().map(move |&real| if real { weight } else { 0.0 })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::default_doc_stride;
    use crate::train::golden::{encoder, here};

    fn tokens(length: usize) -> Tokens {
        Tokens {
            example: 0,
            input_ids: vec![9; length],
            token_type_ids: vec![1; length],
            target: Target::Class(1),
        }
    }

    fn limits(max_length: usize) -> Limits {
        Limits { max_length, doc_stride: 4 }
    }

    fn question(question: &str, context: &str, answer: Option<&str>) -> Example {
        let answers = answer.map(|text| Answer { text: text.into(), start: context.find(text) });
        Example {
            input: Input::Question { question: question.into(), context: context.into() },
            label: Label::Answers(answers.into_iter().collect()),
        }
    }

    #[test]
    fn padding_fills_up_to_the_longest() {
        let batch = Batch::new(&[tokens(1), tokens(3), tokens(2)], &[2, 0], 7);
        assert_eq!((batch.size, batch.length), (2, 2));
        assert_eq!(batch.input_ids, [9, 9, 9, 7]);
        assert_eq!(batch.token_type_ids, [1, 1, 1, 0]);
        assert_eq!(batch.attention_mask, [true, true, true, false]);
        assert_eq!(batch.token_weights(), [0.5, 0.5, 1.0, 0.0]);
    }

    #[test]
    fn an_epoch_visits_every_example_once_in_batches_of_like_length() {
        let examples: Vec<Tokens> = (0..1000).map(|i| tokens(1 + i * 7 % 60)).collect();
        let batches = shuffled(&examples, 8, &mut Rng::new(1, "test"));
        let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
        let spread: usize = batches
            .iter()
            .map(|b| {
                let lengths = b.iter().map(|&i| examples[i].input_ids.len());
                lengths.clone().max().unwrap() - lengths.min().unwrap()
            })
            .sum();
        assert!(spread < 4 * batches.len(), "{spread} over {} batches", batches.len());
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn windows_cover_the_context_and_each_knows_the_answer_it_holds() {
        // A character is a token here; é takes two bytes.
        let context = "é ab cd ef gh ij kl mn op";
        let examples = [question("q", context, Some("gh"))];
        let tokenised = tokenise(&encoder(), &examples, limits(16)).unwrap();
        assert!(tokenised.sequences.len() > 1);
        assert_eq!(tokenised.truncated, 0);
        let (mut covered, mut found) = (vec![false; context.len()], 0);
        for sequence in &tokenised.sequences {
            let Target::Span(window) = &sequence.target else { panic!("no span") };
            assert!(sequence.input_ids.len() <= 16);
            assert_eq!(window.offsets.len(), window.context.len());
            for (start, end) in &window.offsets {
                covered[*start..*end].fill(true);
            }
            let (from, to) = window.gold;
            if from > 0 {
                found += 1;
                let at = |token: usize| window.offsets[token - window.context.start];
                assert_eq!(&context[at(from).0..at(to).1], "gh");
            }
        }
        assert!(found >= 1);
        let missed: String =
            context.char_indices().filter(|(i, _)| !covered[*i]).map(|(_, c)| c).collect();
        assert_eq!(missed.trim(), "", "only spaces lie in no token");
    }

    #[test]
    fn what_is_not_seen_at_an_answer_s_ends_is_no_part_of_it() {
        let context = "é ab\u{200b} cd\u{ad} ef gh ij kl mn op";
        let span = |answer: &str, max_length| {
            let examples = [question("q", context, Some(answer))];
            let tokenised = tokenise(&encoder(), &examples, limits(max_length)).unwrap();
            let found = tokenised.sequences.iter().filter_map(|sequence| {
                let Target::Span(window) = &sequence.target else { panic!("no span") };
                let at = |token: usize| window.offsets[token - window.context.start];
                let (from, to) = window.gold;
                (from > 0).then(|| context[at(from).0..at(to).1].to_owned())
            });
            (found.collect::<Vec<_>>(), tokenised.unmarked())
        };
        for answer in [" cd\u{ad} ", "\u{200b} cd", "cd\u{ad}", " cd", "cd"] {
            assert_eq!(span(answer, 64), (vec!["cd".to_owned()], 0), "{answer:?}");
        }
        assert_eq!(span(" ", 64), (vec![], 1), "nothing of it is seen");
        assert_eq!(span(&context[3..], 16), (vec![], 1), "no window is long enough");
    }

    #[test]
    fn a_question_without_an_answer_points_at_the_first_token() {
        let examples = [question("q", "ab cd", None)];
        let tokenised = tokenise(&encoder(), &examples, limits(32)).unwrap();
        let Target::Span(window) = &tokenised.sequences[0].target else { panic!("no span") };
        assert_eq!(window.gold, (0, 0));
    }

    #[test]
    fn an_endless_question_leaves_room_for_the_context_and_is_counted() {
        let examples = [question(&"word ".repeat(60), "ab cd", Some("cd"))];
        let tokenised = tokenise(&encoder(), &examples, limits(100)).unwrap();
        assert_eq!((tokenised.truncated, tokenised.sequences.len()), (1, 1));
        let Target::Span(window) = &tokenised.sequences[0].target else { panic!("no span") };
        assert_ne!(window.gold, (0, 0));
    }

    #[test]
    fn the_shortest_windows_leave_room_for_the_context_of_the_longest_question() {
        let text = "ab cd ef gh ij kl mn op qr st uv wx yz abc def ghi jkl opq rst";
        for family in ["bert", "roberta"] {
            let folder = here().join(format!("fixtures/tiny-{family}"));
            let encoder = Encoder::load(family, &folder, &candle_core::Device::Cpu).unwrap();
            let examples = [question(&"word ".repeat(60), text, Some("mn"))];
            for max_length in [69, 70, 96] {
                let doc_stride = default_doc_stride(max_length);
                let limits = Limits { max_length, doc_stride };
                let tokenised = tokenise(&encoder, &examples, limits).unwrap();
                let mut covered = vec![false; text.len()];
                for sequence in &tokenised.sequences {
                    let Target::Span(window) = &sequence.target else { panic!("no span") };
                    assert!(sequence.input_ids.len() <= max_length);
                    for (start, end) in &window.offsets {
                        covered[*start..*end].fill(true);
                    }
                }
                let missed =
                    text.bytes().zip(&covered).filter(|(c, covered)| *c != b' ' && !**covered);
                assert_eq!(missed.count(), 0, "{family}, {max_length}");
                assert!(max_length < 96 || tokenised.sequences.len() > 1, "{family}");
            }
        }
    }

    #[test]
    fn the_first_token_of_a_word_carries_its_label() {
        let words = ["ab", "c", "def"].map(str::to_owned).to_vec();
        let examples = [Example { input: Input::Words(words), label: Label::Tags(vec![5, 6, 7]) }];
        let tokenised = tokenise(&encoder(), &examples, limits(32)).unwrap();
        let tag = |token, word, class| Tag { token, word, class };
        // [CLS] a ##b c d ##e ##f [SEP]
        let expected = vec![tag(1, 0, 5), tag(3, 1, 6), tag(4, 2, 7)];
        assert_eq!(tokenised.sequences[0].target, Target::Tags(expected));
        let cut = tokenise(&encoder(), &examples, limits(8)).unwrap();
        assert_eq!(cut.truncated, 0);
        let cut = tokenise(&encoder(), &examples, limits(5)).unwrap();
        assert_eq!(cut.truncated, 1);
        let expected = vec![tag(1, 0, 5), tag(3, 1, 6)];
        assert_eq!(cut.sequences[0].target, Target::Tags(expected));
    }
}
