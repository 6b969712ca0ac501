//! What stands in a layer beside its frozen weights, as one vector: an operation takes few
//! tensors, and gives each of them one gradient.

use super::super::low_rank::{Factors, transposed};
use super::Standing;
use candle_core::{Result, Tensor, bail};
use std::ops::Range;

/// Places in [`Standing::biases`]; keys and values follow queries.
pub(super) const QUERY: usize = 0;
pub(super) const ATTENTION_OUTPUT: usize = 3;
pub(super) const ATTENTION_NORM: usize = 4;
pub(super) const INTERMEDIATE: usize = 5;
pub(super) const OUTPUT: usize = 6;
pub(super) const OUTPUT_NORM: usize = 7;

/// Where a tensor's values are.
#[derive(Clone)]
pub(super) struct Part {
    pub place: Range<usize>,
    /// Whether anybody asks for its gradient.
    pub learns: bool,
}

impl Part {
    pub fn of<'a>(&self, all: &'a [f32]) -> &'a [f32] {
        &all[self.place.clone()]
    }

    pub fn of_mut<'a>(&self, all: &'a mut [f32]) -> &'a mut [f32] {
        &mut all[self.place.clone()]
    }
}

/// `A` and `B` of a low-rank update.
pub(super) struct LowRankParts {
    pub a: Part,
    pub b: Part,
    pub rank: usize,
    pub scale: f32,
}

impl LowRankParts {
    pub fn factors<'a>(&self, all: &'a [f32]) -> Factors<'a> {
        Factors::new(self.a.of(all), self.b.of(all), self.rank, self.scale)
    }

    /// Where the gradients of `A` and of `Bᵀ` are summed.
    pub fn gradients<'a>(&self, all: &'a mut [f32]) -> [&'a mut [f32]; 2] {
        // `A` was put there before `B`.
        let Range { start, end } = self.b.place;
        let (before, b) = all[..end].split_at_mut(start);
        [self.a.of_mut(before), b]
    }

    /// Turns the gradient of `Bᵀ` into that of `B`.
    pub fn turn(&self, all: &mut [f32]) {
        let of_b = self.b.of_mut(all);
        let turned = transposed(of_b, of_b.len() / self.rank);
        of_b.copy_from_slice(&turned);
    }
}

/// All of them.
pub(super) struct Parts {
    /// As in [`Standing::biases`]; keys follow queries, and values keys.
    pub biases: [Part; 8],
    /// Whether they are the layer's own, and in its vector of them.
    pub own_biases: bool,
    /// Of queries, keys and values.
    pub low_rank: [Option<LowRankParts>; 3],
    /// Keys and values that stand in front.
    pub prefix: Option<[Part; 2]>,
}

impl Parts {
    /// Adds everything that stands in a layer of `H` and `I` to `flat`, one vector after the
    /// other; gives where in them it is, and how many values there are.
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn pack(
        standing: &Standing<'_>,
        (h, i): (usize, usize),
        flat: &mut Vec<Tensor>,
    ) -> Result<(Self, usize)> {
        let width = |place| if place == INTERMEDIATE { i } else { h };
        let mut end = 0;
        let mut put = |tensor: &Tensor, dims: &[usize]| {
            if tensor.dims() != dims {
                bail!("a layer was given {:?} where {dims:?} belongs", tensor.dims());
            }
            let place = end..end + tensor.elem_count();
            end = place.end;
            flat.push(tensor.flatten_all()?);
            Ok(Part { place, learns: tensor.track_op() })
        };
        let mut biases = Vec::with_capacity(8);
        if let Some(given) = &standing.biases {
            for (place, bias) in given.iter().enumerate() {
                biases.push(put(bias, &[width(place)])?);
            }
        }
        // All of `A` one after the other: one product serves them, where that pays.
        let mut of_a = [None, None, None];
        for (given, own) in standing.low_rank.iter().zip(&mut of_a) {
            let Some(given) = given else { continue };
            *own = Some(put(given.a, &[given.a.dim(0)?, h])?);
        }
        let mut low_rank = [None, None, None];
        for ((given, a), own) in standing.low_rank.iter().zip(of_a).zip(&mut low_rank) {
            let (Some(given), Some(a)) = (given, a) else { continue };
            let rank = given.a.dim(0)?;
            let b = put(given.b, &[h, rank])?;
            *own = Some(LowRankParts { a, b, rank, scale: given.scale as f32 });
        }
        let prefix = match standing.prefix {
            None => None,
            Some((key, value)) => {
                let p = key.dim(0)?;
                Some([put(key, &[p, h])?, put(value, &[p, h])?])
            }
        };
        let own_biases = biases.is_empty();
        if own_biases {
            let mut start = 0;
            for place in 0..8 {
                let end = start + width(place);
                biases.push(Part { place: start..end, learns: false });
                start = end;
            }
        }
        let biases = biases.try_into().unwrap_or_else(|_| unreachable!("eight of eight"));
        Ok((Self { biases, own_biases, low_rank, prefix }, end))
    }

    /// Number of keys and values that stand in front, `P`.
    pub fn prefix_length(&self, h: usize) -> usize {
        self.prefix.as_ref().map_or(0, |[key, _]| key.place.len() / h)
    }
}
