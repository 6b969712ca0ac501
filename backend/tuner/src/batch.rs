//! From examples to batches of token ids.

use crate::Error;
use crate::data::{Answer, Example, Input, Label};
use crate::encoder::{Encoder, Family};
use crate::rng::Rng;
use std::ops::Range;
use tokenizers::{
    Encoding, PostProcessorWrapper, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

/// What windows are made of contexts, counted up whenever others are: results of the same
/// data by another count are not of the same sequences.
pub const WINDOWS: u32 = 2;

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
            Some(Windows::new(&encoder.tokenizer, limits)?)
        }
        _ => None,
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
                let windows = windows
                    .as_ref()
                    .ok_or_else(|| failed("a question among other texts".into()))?;
                let whole = windows.of(question, context).map_err(failed)?;
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

/// Makes windows of contexts.
///
/// A tokenizer that cuts reads no more of a text than its limit, and would make windows of
/// that beginning alone. So both texts are encoded by one that cuts nothing, as it does itself
/// on the way to a pair: without a post-processor, which would shorten the offsets of
/// byte-level tokens for a first time, and the second text with its type, which windows
/// after the first take from there.
struct Windows {
    plain: Tokenizer,
    cutting: Tokenizer,
}

impl Windows {
    fn new(tokenizer: &Tokenizer, limits: Limits) -> Result<Self, Error> {
        let strategy = TruncationStrategy::OnlySecond;
        let cutting = cutting(tokenizer, strategy, limits, limits.doc_stride)?;
        let mut plain = tokenizer.clone();
        plain.with_post_processor(None::<PostProcessorWrapper>);
        Ok(Self { plain, cutting })
    }

    /// The first window; the others overflow it.
    fn of(&self, question: &str, context: &str) -> Result<Encoding, tokenizers::Error> {
        let question = self.plain.encode(question, false)?;
        let mut context = self.plain.encode(context, false)?;
        context.set_type_ids(vec![1; context.len()]);
        self.cutting.post_process(question, Some(context), true)
    }
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
mod tests;
