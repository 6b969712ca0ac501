//! From hidden states to hidden states.

use super::super::product::{Fresh, Scratch, writable};
use super::super::{gelu, norm, rows};
use super::parts::*;
use super::slopes::{self, Piece, Room};
use super::{Kept, KeptRows, Space, Step, all, block, first};
use candle_core::{CpuStorage, Result};
use rayon::prelude::*;
use std::mem::MaybeUninit;

impl Step {
    /// Of what stands in all layers, what stands in this one.
    pub(super) fn standing<'a>(&self, all: &'a [f32]) -> &'a [f32] {
        &all[self.plan.place.clone()]
    }

    /// The bias in this place.
    fn bias<'a>(&'a self, place: usize, packed: &'a [f32]) -> &'a [f32] {
        let Parts { biases, own_biases, .. } = &self.plan.parts;
        biases[place].of(if *own_biases { &self.layer.biases } else { packed })
    }

    /// The result once more, from what was kept.
    pub(super) fn result(&self, kept: &Kept, packed: &[f32]) -> Vec<f32> {
        let [_, sum] = &kept.after_attention.sums;
        let mut y = vec![0.0; sum.len()];
        let (h, _) = self.layer.widths();
        let rows = block(y.len() / h);
        let beta = self.bias(OUTPUT_NORM, packed);
        y.par_chunks_mut(rows * h).zip(sum.par_chunks(rows * h)).for_each(|(y, sum)| {
            normalise(sum, &self.layer.gammas[1], beta, self.layer.eps, y);
        });
        y
    }

    /// The result, `[M, H]`, and what the backward pass needs, if there will be one.
    pub(super) fn forward(&self, x: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Option<Kept>)> {
        let projected = self.project(x, packed);
        let [query, key, value] = &projected;
        let context = self.attention.context(
            self.plan.sizes,
            &self.places,
            [all(query), all(key), all(value)],
        )?;
        let (y, kept) = self.after_attention(x, &context, packed);
        Ok((y, kept.map(|after_attention| Kept { projected, after_attention })))
    }

    /// Queries, keys and values, with the prefix in front of a sequence's.
    #[expect(unsafe_code, reason = "see `Fresh`")]
    fn project(&self, x: &[f32], packed: &[f32]) -> [CpuStorage; 3] {
        let (h, _) = self.layer.widths();
        let rows = block(x.len() / h);
        let updates =
            self.plan.parts.low_rank.each_ref().map(|part| Some(part.as_ref()?.factors(packed)));
        let mut projected = [0; 3].map(|_| Fresh::new(x.len()));
        let [query, key, value] =
            projected.each_mut().map(|fresh| fresh.space().par_chunks_mut(rows * h));
        let outputs = query.zip(key).zip(value).zip(x.par_chunks(rows * h));
        outputs.for_each_init(Scratch::default, |scratch, (((query, key), value), x)| {
            for (p, y) in [query, key, value].into_iter().enumerate() {
                let bias = self.bias(QUERY + p, packed);
                let y = self.layer.projections[p].forward_block(x, Some(bias), scratch, y);
                if let Some(update) = &updates[p] {
                    update.add_to(x, y);
                }
            }
        });
        // SAFETY: `forward_block` has written every block of each.
        let [query, key, value] = projected.map(|fresh| unsafe { fresh.written() });
        match &self.plan.parts.prefix {
            None => [query, key, value],
            Some([of_keys, of_values]) => [
                query,
                self.in_front(of_keys.of(packed), &key),
                self.in_front(of_values.of(packed), &value),
            ],
        }
        .map(CpuStorage::F32)
    }

    /// Every sequence's own rows behind the prefix, from the places of queries to those of
    /// keys.
    fn in_front(&self, prefix: &[f32], own: &[f32]) -> Vec<f32> {
        let (h, _) = self.layer.widths();
        let mut all = Vec::with_capacity(self.places.key_rows() * h);
        for range in self.places.queries.iter().filter(|range| !range.is_empty()) {
            all.extend_from_slice(prefix);
            all.extend_from_slice(&own[range.start * h..range.end * h]);
        }
        all
    }

    /// All that follows attention, row by row.
    #[expect(unsafe_code, reason = "see `Fresh`")]
    fn after_attention(
        &self,
        x: &[f32],
        context: &[f32],
        packed: &[f32],
    ) -> (Vec<f32>, Option<KeptRows>) {
        let (h, i) = self.layer.widths();
        let m = x.len() / h;
        let rows = block(m);
        let kept = if self.keep { m } else { 0 };
        let mut y = Fresh::new(m * h);
        let mut slopes = Room::new(self.layer.precision(), kept * i);
        let mut sums = [0; 2].map(|_| Fresh::new(kept * h));
        // Where nothing is kept, there is scratch space for every block.
        let blocks = m.div_ceil(rows);
        let [of_attention, of_output] =
            sums.each_mut().map(|sum| sum.pieces(rows * h, blocks).collect::<Vec<_>>());
        let sums_of_blocks = of_attention.into_par_iter().zip(of_output);
        let kept = sums_of_blocks.zip(slopes.pieces(rows * i, blocks));
        let blocks = x.par_chunks(rows * h).zip(context.par_chunks(rows * h)).zip(kept);
        y.space().par_chunks_mut(rows * h).zip(blocks).for_each_init(
            Space::default,
            |space, (y, ((x, context), ((of_attention, of_output), slopes)))| {
                let to = [of_attention, of_output];
                self.rows_after_attention(packed, [x, context], space, to, slopes, y);
            },
        );
        // SAFETY: every block of each was written, says `rows_after_attention`.
        unsafe {
            let kept = self.keep.then(|| KeptRows {
                sums: sums.map(|sum| sum.written()),
                slopes: slopes.written(),
            });
            (y.written(), kept)
        }
    }

    /// The same for some rows by this thread alone. All of `y` and of what is to
    /// be kept is written.
    fn rows_after_attention(
        &self,
        packed: &[f32],
        [x, context]: [&[f32]; 2],
        space: &mut Space,
        [of_attention, of_output]: [Option<&mut [MaybeUninit<f32>]>; 2],
        slopes: Piece<'_>,
        y: &mut [MaybeUninit<f32>],
    ) {
        let layer = &self.layer;
        let (h, i) = layer.widths();
        let m = x.len() / h;
        let bias = |place| self.bias(place, packed);
        let Space { scratch, wide: [wide, of_wide], narrow: [normed, sum] } = space;

        let attended = of_attention.unwrap_or_else(|| writable(first(sum, m * h)));
        let attended = layer.attention_output.forward_block(
            context,
            Some(bias(ATTENTION_OUTPUT)),
            scratch,
            attended,
        );
        add(attended, x, h);
        let normed = first(normed, m * h);
        normalise(attended, &layer.gammas[0], bias(ATTENTION_NORM), layer.eps, normed);

        let (inner, rounded) = match slopes {
            Piece::F32(slopes) => (slopes, None),
            Piece::Bf16(slopes) => (None, slopes),
        };
        let inner = inner.unwrap_or_else(|| writable(first(of_wide, m * i)));
        let inner =
            layer.intermediate.forward_block(normed, Some(bias(INTERMEDIATE)), scratch, inner);
        let wide = first(wide, m * i);
        rows::both(
            [wide, inner],
            i,
            #[inline(always)]
            |wide, inner| {
                for (y, x) in wide.iter_mut().zip(inner) {
                    (*y, *x) = gelu::both(*x);
                }
            },
        );
        if let Some(rounded) = rounded {
            slopes::round(inner, rounded);
        }
        // What went into the first LayerNorm is of no use any more, or is kept elsewhere.
        let output = of_output.unwrap_or_else(|| writable(first(sum, m * h)));
        let output = layer.output.forward_block(wide, Some(bias(OUTPUT)), scratch, output);
        add(output, normed, h);
        let y = y.write_copy_of_slice(output);
        normalise(output, &layer.gammas[1], bias(OUTPUT_NORM), layer.eps, y);
    }
}

/// `to += values`, rows of `width`.
pub(super) fn add(to: &mut [f32], values: &[f32], width: usize) {
    rows::alone(
        to,
        width,
        #[inline(always)]
        |r, row| {
            for (to, value) in row.iter_mut().zip(&values[r * width..]) {
                *to += value;
            }
        },
    );
}

/// The LayerNorm of every row of `x`, written to `y`.
fn normalise(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, y: &mut [f32]) {
    let h = gamma.len();
    rows::alone(
        y,
        h,
        #[inline(always)]
        |r, y| norm::row(&x[r * h..][..h], gamma, beta, eps, y),
    );
}
