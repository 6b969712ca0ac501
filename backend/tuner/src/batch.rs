//! From examples to batches of token ids.

use crate::Error;
use crate::data::{Example, Label};
use crate::rng::Rng;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

/// One tokenised example.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Token ids, special tokens included.
    pub input_ids: Vec<u32>,
    /// 0 for the first text, 1 for the second.
    pub token_type_ids: Vec<u32>,
    /// The gold class.
    pub class: u32,
}

/// Tokenised examples and what was cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenised {
    /// The examples, in the order given.
    pub examples: Vec<Tokens>,
    /// How many were longer than the limit and lost their end.
    pub truncated: usize,
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
    pub classes: Vec<u32>,
}

/// Tokenises examples; texts longer than `max_length` tokens are cut at the end,
/// the longer of a pair first, and counted.
///
/// # Errors
/// When the tokenizer refuses a text.
pub fn tokenise(
    tokenizer: &Tokenizer,
    examples: &[Example],
    max_length: usize,
) -> Result<Tokenised, Error> {
    let mut tokenizer = tokenizer.clone();
    tokenizer
        .with_truncation(Some(TruncationParams {
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
            direction: TruncationDirection::Right,
        }))
        .map_err(|e| Error::Setting(format!("--max-length {max_length}: {e}")))?;
    let mut tokenised = Tokenised { examples: Vec::with_capacity(examples.len()), truncated: 0 };
    for (i, example) in examples.iter().enumerate() {
        let encoding = match example.input.texts()[..] {
            [text] => tokenizer.encode(text, true),
            [first, second] => tokenizer.encode((first, second), true),
            _ => unreachable!("only texts and pairs are tuned on"),
        }
        .map_err(|e| Error::Tokenise { example: i + 1, why: e.to_string() })?;
        tokenised.truncated += usize::from(!encoding.get_overflowing().is_empty());
        let Label::Class(class) = example.label else { unreachable!("only classes") };
        tokenised.examples.push(Tokens {
            input_ids: encoding.get_ids().to_vec(),
            token_type_ids: encoding.get_type_ids().to_vec(),
            class,
        });
    }
    Ok(tokenised)
}

/// The indices of one epoch's batches. Examples are shuffled, then sorted by
/// length within stretches of many batches, so that batches hold sequences of
/// like length and little padding; the order of batches is shuffled again.
pub fn shuffled(examples: &[Tokens], batch_size: usize, rng: &mut Rng) -> Vec<Vec<usize>> {
    const STRETCH: usize = 32;
    let mut order: Vec<usize> = (0..examples.len()).collect();
    rng.shuffle(&mut order);
    let mut batches = Vec::with_capacity(examples.len().div_ceil(batch_size));
    for stretch in order.chunks_mut(STRETCH * batch_size) {
        stretch.sort_by_key(|&i| examples[i].input_ids.len());
        batches.extend(stretch.chunks(batch_size).map(<[usize]>::to_vec));
    }
    rng.shuffle(&mut batches);
    batches
}

/// The indices of all examples in batches of like length, shortest first.
pub fn sorted(examples: &[Tokens], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|&i| examples[i].input_ids.len());
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

impl Batch {
    /// The batch of these examples.
    ///
    /// # Panics
    /// When `indices` is empty or points outside `examples`.
    pub fn new(examples: &[Tokens], indices: &[usize], pad_token_id: u32) -> Self {
        let length = indices.iter().map(|&i| examples[i].input_ids.len()).max();
        let length = length.expect("a batch holds at least one example");
        let cells = indices.len() * length;
        let mut batch = Self {
            size: indices.len(),
            length,
            input_ids: Vec::with_capacity(cells),
            token_type_ids: Vec::with_capacity(cells),
            attention_mask: Vec::with_capacity(cells),
            classes: Vec::with_capacity(indices.len()),
        };
        for (row, &i) in indices.iter().enumerate() {
            let tokens = &examples[i];
            let end = (row + 1) * length;
            batch.input_ids.extend_from_slice(&tokens.input_ids);
            batch.input_ids.resize(end, pad_token_id);
            batch.token_type_ids.extend_from_slice(&tokens.token_type_ids);
            batch.token_type_ids.resize(end, 0);
            batch.attention_mask.resize(row * length + tokens.input_ids.len(), true);
            batch.attention_mask.resize(end, false);
            batch.classes.push(tokens.class);
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

    fn tokens(length: usize) -> Tokens {
        Tokens { input_ids: vec![9; length], token_type_ids: vec![1; length], class: 1 }
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
}
