//! Where the rows of each sequence of a batch are: every sequence as long as the longest, its
//! padding at its end, or one sequence's own rows behind the other's.

use super::rows;
use candle_core::{Result, Storage, Tensor, bail};
use std::borrow::Cow;
use std::ops::Range;

/// Rows of queries and of keys, of all sequences.
pub(super) struct Places {
    pub queries: Vec<Range<usize>>,
    pub keys: Vec<Range<usize>>,
    /// Rows of a sequence with its padding, `S`.
    padded: usize,
}

impl Places {
    /// With padding, `S` queries and `K` keys in each of `batch` sequences.
    pub fn padded(batch: usize, queries: usize, keys: usize) -> Self {
        let equal = |each: usize| (0..batch).map(|i| i * each..(i + 1) * each).collect();
        Self { queries: equal(queries), keys: equal(keys), padded: queries }
    }

    /// Without padding. `mask` is `[B, K]`, 0 for a key that may be attended: a sequence ends
    /// behind the last one. One without any has no rows.
    ///
    /// # Errors
    /// When the mask is not on the CPU.
    pub fn compact(mask: &Tensor, queries: usize) -> Result<Self> {
        let keys = mask.dim(1)?;
        let (storage, layout) = mask.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("a mask is not on the CPU") };
        let mut places = Self { queries: Vec::new(), keys: Vec::new(), padded: queries };
        for mask in rows::slice(storage, layout)?.chunks_exact(keys) {
            let (keys, queries) = real(mask, queries);
            for (ranges, rows) in [(&mut places.queries, queries), (&mut places.keys, keys)] {
                let start = ranges.last().map_or(0, |last: &Range<usize>| last.end);
                ranges.push(start..start + rows);
            }
        }
        Ok(places)
    }

    /// Rows of all queries.
    pub fn rows(&self) -> usize {
        self.queries.last().map_or(0, |last| last.end)
    }

    /// Rows of all keys.
    pub fn key_rows(&self) -> usize {
        self.keys.last().map_or(0, |last| last.end)
    }

    /// Of padded rows `[B·S, width]` those that have a place.
    pub fn gather<'a>(&self, padded: &'a [f32], width: usize) -> Cow<'a, [f32]> {
        if self.rows() == self.queries.len() * self.padded {
            return Cow::Borrowed(padded);
        }
        let mut own = Vec::with_capacity(self.rows() * width);
        for (range, all) in self.queries.iter().zip(padded.chunks_exact(self.padded * width)) {
            own.extend_from_slice(&all[..range.len() * width]);
        }
        Cow::Owned(own)
    }

    /// The way back; padding is zero.
    pub fn scatter(&self, own: Vec<f32>, width: usize) -> Vec<f32> {
        let padded = self.queries.len() * self.padded;
        if self.rows() == padded {
            return own;
        }
        let mut all = vec![0.0; padded * width];
        for (range, all) in self.queries.iter().zip(all.chunks_exact_mut(self.padded * width)) {
            all[..range.len() * width]
                .copy_from_slice(&own[range.start * width..range.end * width]);
        }
        all
    }
}

/// Keys of a sequence without its padding, and its queries, of which `queries` would be
/// there with it.
pub(super) fn real(mask: &[f32], queries: usize) -> (usize, usize) {
    let keys = mask.iter().rposition(|&m| m == 0.0).map_or(0, |last| last + 1);
    match keys.saturating_sub(mask.len() - queries) {
        0 => (0, 0),
        queries => (keys, queries),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MASKED;
    use super::*;
    use candle_core::Device;

    /// Three sequences of four, two keys in front: full, of one row, of none.
    fn compact() -> Places {
        let (on, off) = (0.0, MASKED);
        let mask = [[on; 6], [on, on, on, off, off, off], [on, on, off, off, off, off]];
        Places::compact(&Tensor::new(&mask, &Device::Cpu).unwrap(), 4).unwrap()
    }

    #[test]
    fn a_sequence_ends_behind_its_last_token() {
        let places = compact();
        assert_eq!(places.queries, [0..4, 4..5, 5..5]);
        assert_eq!(places.keys, [0..6, 6..9, 9..9]);
        assert_eq!((places.rows(), places.key_rows()), (5, 9));
        let padded = Places::padded(3, 4, 6);
        assert_eq!(padded.queries, [0..4, 4..8, 8..12]);
        assert_eq!((padded.rows(), padded.key_rows()), (12, 18));
    }

    #[test]
    fn what_was_gathered_goes_back() {
        let places = compact();
        let all: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let own = places.gather(&all, 2).into_owned();
        assert_eq!(own, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let mut wanted = all;
        wanted[10..].fill(0.0);
        assert_eq!(places.scatter(own, 2), wanted);
    }

    #[test]
    fn a_batch_without_padding_stays_where_it_is() {
        let mask = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let places = Places::compact(&mask, 3).unwrap();
        let all = vec![1.0; 12];
        assert!(matches!(places.gather(&all, 2), Cow::Borrowed(_)));
        assert_eq!(places.scatter(all.clone(), 2), all);
    }
}
