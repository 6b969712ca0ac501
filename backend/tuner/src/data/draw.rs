//! Seeded choices that come out the same on every machine.
//!
//! The stream cipher behind them is specified to the bit, and the two ways in
//! which its words are used here are written out, so that a sample task or a
//! subset of a training file does not change with a release of a library.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of choices is for: one seed gives independent streams.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    /// Which training examples are kept.
    MaxTrain = 1,
    /// Which examples are held out for development.
    HoldOut = 2,
    /// The sample tasks.
    Samples = 3,
    /// Which development examples are kept.
    MaxDev = 4,
}

/// A stream of choices.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of this seed for this purpose.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `n`; 0 when `n` is 0. The bias of scaling 64 bits down
    /// is below n/2⁶⁴ and bought with code that has one branch less.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// One of two, as likely as the other.
    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// One of `items`, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Puts `items` in a random order (Fisher and Yates, from the end).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_fixed_by_seed_and_purpose() {
        let first = |seed, purpose| {
            let mut draw = Draw::new(seed, purpose);
            (0..6).map(|_| draw.below(1000)).collect::<Vec<_>>()
        };
        // Computed from the specification of ChaCha8, not with this library.
        assert_eq!(first(0, Purpose::MaxTrain), [249, 318, 370, 604, 265, 306]);
        assert_ne!(first(0, Purpose::MaxTrain), first(0, Purpose::HoldOut));
        assert_ne!(first(0, Purpose::MaxTrain), first(1, Purpose::MaxTrain));
    }

    #[test]
    fn every_value_is_drawn_and_a_shuffle_loses_none() {
        let mut draw = Draw::new(7, Purpose::Samples);
        let mut seen = [0; 5];
        for _ in 0..5000 {
            seen[draw.below(5)] += 1;
        }
        assert!(seen.iter().all(|&n| (900..1100).contains(&n)), "{seen:?}");
        let mut items: Vec<_> = (0..50).collect();
        draw.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
