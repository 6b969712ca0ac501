//! Randomness that is the same on every machine and in every version.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A seeded stream of random numbers for one purpose.
///
/// The purpose is part of the seed, so that drawing more numbers for one thing
/// never shifts another: the order of batches does not depend on the size of
/// the head.
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream for `purpose` under `seed`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.0.next_u32() >> 8) as f32 / (1_u32 << 24) as f32;
        low + (high - low) * unit
    }

    /// Normal with mean 0 (Box and Muller 1958).
    pub fn normal(&mut self, deviation: f32) -> f32 {
        let u = 1.0 - f64::from(self.uniform(0.0, 1.0));
        let angle = 2.0 * std::f64::consts::PI * f64::from(self.uniform(0.0, 1.0));
        (f64::from(deviation) * (-2.0 * u.ln()).sqrt() * angle.cos()) as f32
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            // 64 random bits modulo a length: the bias is below 2⁻³² for any
            // dataset that fits into memory.
            let j = (self.0.next_u64() % (i as u64 + 1)) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_separate() {
        let draw = |seed, purpose| {
            let mut rng = Rng::new(seed, purpose);
            [rng.uniform(0.0, 1.0), rng.uniform(0.0, 1.0)]
        };
        assert_eq!(draw(0, "a"), draw(0, "a"));
        assert_ne!(draw(0, "a"), draw(1, "a"));
        assert_ne!(draw(0, "a"), draw(0, "b"));
    }

    #[test]
    fn shuffles_keep_everything() {
        let mut items: Vec<u32> = (0..1000).collect();
        Rng::new(3, "test").shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn normals_are_normal() {
        let mut rng = Rng::new(5, "test");
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(rng.normal(2.0))).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.05 && (variance.sqrt() - 2.0).abs() < 0.05);
    }
}
