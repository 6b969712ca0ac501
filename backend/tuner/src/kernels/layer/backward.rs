//! From the gradient of a layer's result to those of its input and of what stands in it.

use super::super::attention::Values;
use super::super::product::{Fresh, writable};
use super::super::{norm, rows};
use super::forward::add;
use super::parts::{ATTENTION_OUTPUT, Part, QUERY};
use super::{Kept, KeptRows, Space, Step, all, block, first};
use candle_core::{CpuStorage, Result};
use rayon::prelude::*;
use std::mem::MaybeUninit;

impl Step {
    /// Whether the backward pass reads what went in.
    pub(super) fn reads_input(&self) -> bool {
        self.plan.parts.low_rank.iter().any(Option::is_some)
    }

    /// The gradients of `x` `[M, H]`, of use where it was asked for, and of `packed`, from
    /// `dy` `[M, H]`. `x` may be empty where it is not read.
    pub(super) fn backward(
        &self,
        x: &[f32],
        packed: &[f32],
        dy: &[f32],
        kept: Kept,
        of_x: bool,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let Kept { projected, after_attention } = kept;
        let (of_attended, of_context, mut of_packed) =
            self.before_attention(packed.len(), dy, after_attention);
        let of_context = CpuStorage::F32(of_context);
        let [query, key, value] = projected.each_ref().map(all);
        let inputs: [Values<'_>; 4] = [query, key, value, all(&of_context)];
        let [of_query, of_key, of_value] =
            self.attention.gradients(self.plan.sizes, &self.places, inputs)?;
        drop((projected, of_context));
        let of_projected = match &self.plan.parts.prefix {
            None => [of_query, of_key, of_value],
            Some([keys, values]) => [
                of_query,
                self.behind(keys, &of_key, &mut of_packed),
                self.behind(values, &of_value, &mut of_packed),
            ],
        };
        // The input goes past the attention, too.
        let mut dx = of_attended;
        let by_projections = self.before_projections(x, packed, &of_projected, of_x, &mut dx);
        rows::add_columns(&by_projections, &mut of_packed);
        for update in self.plan.parts.low_rank.iter().flatten() {
            update.turn(&mut of_packed);
        }
        Ok((dx, of_packed))
    }

    /// What belongs to every sequence's own rows, from the places of keys to those of queries;
    /// the sum of the prefix's is added to `of_packed`.
    fn behind(&self, prefix: &Part, gradient: &[f32], of_packed: &mut [f32]) -> Vec<f32> {
        let (h, _) = self.layer.widths();
        let of_prefix = prefix.of_mut(of_packed);
        let mut own = Vec::with_capacity(gradient.len());
        for range in self.places.keys.iter().filter(|range| !range.is_empty()) {
            let sequence = &gradient[range.start * h..range.end * h];
            let (in_front, behind) = sequence.split_at(of_prefix.len());
            rows::add_columns(in_front, of_prefix);
            own.extend_from_slice(behind);
        }
        own
    }

    /// The gradients of what went into the LayerNorm after attention, `[M, H]`, of the
    /// context, `[M, H]`, and of the biases since, in a vector of `of_packed`.
    #[expect(unsafe_code, reason = "see `Fresh`")]
    fn before_attention(
        &self,
        of_packed: usize,
        dy: &[f32],
        kept: KeptRows,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let (h, i) = self.layer.widths();
        let rows = block(dy.len() / h);
        let [mut of_attended, mut of_context] = [0; 2].map(|_| Fresh::new(dy.len()));
        let KeptRows { sums: of_norms, slopes } = kept;
        let [attended, output] = of_norms.each_ref().map(|sum| sum.par_chunks(rows * h));
        let inputs = dy.par_chunks(rows * h).zip(attended).zip(output).enumerate();
        let outputs = of_attended.space().par_chunks_mut(rows * h);
        let outputs = outputs.zip(of_context.space().par_chunks_mut(rows * h));
        let sums: Vec<Vec<f32>> = outputs
            .zip(inputs)
            .map_init(Space::default, |space, (outputs, (block, ((dy, attended), output)))| {
                let through_gelu = |d: &mut [f32]| slopes.multiply(block * rows * i, d);
                let kept = [attended, output];
                let outputs: [_; 2] = outputs.into();
                self.rows_before_attention(of_packed, dy, kept, through_gelu, space, outputs)
            })
            .collect();
        // SAFETY: every block of both was written, says `rows_before_attention`.
        unsafe { (of_attended.written(), of_context.written(), sum(&sums, of_packed)) }
    }

    /// The same for some rows by this thread alone. All of both outputs is written.
    fn rows_before_attention(
        &self,
        of_packed: usize,
        dy: &[f32],
        [attended, output]: [&[f32]; 2],
        through_gelu: impl Fn(&mut [f32]),
        space: &mut Space,
        [of_attended, of_context]: [&mut [MaybeUninit<f32>]; 2],
    ) -> Vec<f32> {
        let layer = &self.layer;
        let (h, i) = layer.widths();
        let m = dy.len() / h;
        let Space { scratch, wide: [wide, _], narrow: [of_output, of_normed] } = space;

        let of_output = first(of_output, m * h);
        normalise_backward(output, dy, &layer.gammas[1], layer.eps, of_output);
        let of_inner = writable(first(wide, m * i));
        let of_inner = layer.output.backward_block(of_output, scratch, of_inner);
        through_gelu(of_inner);
        let of_normed = writable(first(of_normed, m * h));
        let of_normed = layer.intermediate.backward_block(of_inner, scratch, of_normed);
        add(of_normed, of_output, h);

        let of_attended = of_attended.write_copy_of_slice(of_normed);
        normalise_backward(attended, of_normed, &layer.gammas[0], layer.eps, of_attended);
        layer.attention_output.backward_block(of_attended, scratch, of_context);

        let of_biases: [&[f32]; 5] = [of_attended, of_normed, of_inner, of_output, dy];
        self.of_biases(ATTENTION_OUTPUT, &of_biases, of_packed)
    }

    /// The gradients of the biases from `start` on, each the sum of the gradients of the
    /// rows it was added to, in a vector of `len`; an empty one where none of them learns.
    fn of_biases(&self, start: usize, of_rows: &[&[f32]], len: usize) -> Vec<f32> {
        let biases = &self.plan.parts.biases[start..][..of_rows.len()];
        if !biases.iter().any(|bias| bias.learns) {
            return Vec::new();
        }
        let mut sums = vec![0.0; len];
        for (bias, of_rows) in biases.iter().zip(of_rows) {
            if bias.learns {
                rows::add_columns(of_rows, bias.of_mut(&mut sums));
            }
        }
        sums
    }

    /// Adds the gradient of `x` by queries, keys and values to `dx`, if asked for; gives
    /// that of what stands in them, in a vector like `packed`.
    fn before_projections(
        &self,
        x: &[f32],
        packed: &[f32],
        of_projected: &[Vec<f32>; 3],
        of_x: bool,
        dx: &mut [f32],
    ) -> Vec<f32> {
        let (h, _) = self.layer.widths();
        let rows = block(dx.len() / h);
        let updates = self.plan.parts.low_rank.each_ref().map(|part| {
            let part = part.as_ref()?;
            Some((part, part.factors(packed)))
        });
        let [query, key, value] = of_projected.each_ref().map(|of| of.par_chunks(rows * h));
        let sums: Vec<Vec<f32>> = dx
            .par_chunks_mut(rows * h)
            .zip(query.zip(key).zip(value).enumerate())
            .map_init(Space::default, |space, (dx, (block, ((query, key), value)))| {
                let of_projected = [query, key, value];
                let mut sums = self.of_biases(QUERY, &of_projected, packed.len());
                for (p, dy) in of_projected.into_iter().enumerate() {
                    if of_x {
                        let by_this = writable(first(&mut space.narrow[0], dy.len()));
                        let weight = &self.layer.projections[p];
                        add(dx, weight.backward_block(dy, &mut space.scratch, by_this), h);
                    }
                    if let Some((part, update)) = &updates[p] {
                        sums.resize(packed.len(), 0.0);
                        let x = &x[block * rows * h..][..dy.len()];
                        let dx = of_x.then_some(&mut *dx);
                        update.backward(x, dy, dx, part.gradients(&mut sums));
                    }
                }
                sums
            })
            .collect();
        sum(&sums, packed.len())
    }
}

/// The sum of vectors of `len`, in their order; empty ones count for nothing.
fn sum(vectors: &[Vec<f32>], len: usize) -> Vec<f32> {
    let mut total = vec![0.0; len];
    for vector in vectors {
        rows::add_columns(vector, &mut total);
    }
    total
}

/// The gradient of every row of `x`, `dy` those of their LayerNorms, written to `dx`.
fn normalise_backward(x: &[f32], dy: &[f32], gamma: &[f32], eps: f32, dx: &mut [f32]) {
    let h = gamma.len();
    rows::alone(
        dx,
        h,
        #[inline(always)]
        |r, dx| {
            let at = r * h;
            norm::row_backward(&x[at..][..h], &dy[at..][..h], gamma, eps, dx);
        },
    );
}
