//! The layers on a GPU: the same operation, made of products and of the kernels in
//! `kernels.cu`.
//!
//! Weights, and what goes into products and comes out of them, are of one kind, f32 or
//! bf16; sums of products, hidden states, LayerNorms, softmax and all gradients of what
//! learns are f32. The gradient of hidden states comes in two halves, that past a layer's
//! parts and that through them, which the next LayerNorm adds.

mod backward;
mod forward;
mod operation;
#[cfg(test)]
mod tests;

pub use operation::{OnGpu, Planned, layers};

use super::parts::{Parts, QUERY};
use crate::kernels::gpu::{
    self, Argument, At, Kind, Machine, Matrix, Product, Rounding, Values, Work,
};
use candle_core::Result;

/// The frozen weights of a layer in a machine's memory.
pub struct Weights<M: Machine> {
    /// Of queries, keys and values, `[3·H, H]`.
    pub projections: Values<M>,
    /// After attention, `[H, H]`.
    pub attention_output: Values<M>,
    /// `W₁`, `[I, H]`.
    pub intermediate: Values<M>,
    /// `W₂`, `[H, I]`.
    pub output: Values<M>,
    /// Scales of the LayerNorms after attention and at the end, `[H]` each, f32.
    pub gammas: [Values<M>; 2],
    /// Their ε.
    pub eps: f32,
    /// The layer's own biases, one after the other, f32.
    pub biases: Values<M>,
    /// Of products.
    pub kind: Kind,
    pub rounding: Rounding,
}

/// The sizes of a batch in a layer.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub batch: usize,
    pub heads: usize,
    /// Width of a head, `d`.
    pub width: usize,
    /// `S`.
    pub queries: usize,
    /// `P`.
    pub prefix: usize,
    /// `I`.
    pub intermediate: usize,
}

impl Sizes {
    /// `H`.
    fn hidden(&self) -> usize {
        self.heads * self.width
    }

    /// `M`.
    fn rows(&self) -> usize {
        self.batch * self.queries
    }

    /// `K`.
    fn keys(&self) -> usize {
        self.prefix + self.queries
    }

    /// Heads of all sequences.
    fn all_heads(&self) -> usize {
        self.batch * self.heads
    }
}

/// A layer on its way through a batch.
pub struct Step<'a, M: Machine> {
    pub machine: &'a M,
    pub weights: &'a Weights<M>,
    pub sizes: Sizes,
    /// What stands in the layer, and where in `standing`.
    pub parts: &'a Parts,
    /// In f32.
    pub standing: At,
    /// The same in the kind of the products.
    pub rounded: At,
    /// `[B, K]`.
    pub mask: At,
    /// Added to scores, `[N, S, K]`.
    pub bias: Option<At>,
}

/// Hidden states, or the gradient of some.
struct Hidden<M: Machine> {
    exact: Values<M>,
    /// As they are multiplied, where that is not f32.
    rounded: Option<Values<M>>,
}

/// What the backward pass needs of a layer.
pub struct Kept<M: Machine> {
    /// Queries `[B, N, S, d]`, keys and values `[B, N, K, d]`.
    projected: [Values<M>; 3],
    /// What went into the LayerNorms after attention and at the end, `[M, H]`.
    sums: [Values<M>; 2],
    /// The derivatives of GELU, `[M, I]`.
    slopes: Values<M>,
    /// Where there are low-rank updates, what they were given, `[M, H]`, and `A·x` of all of
    /// them, `[M, R]`.
    low_rank: Option<[Values<M>; 2]>,
}

/// `values`, f32, in the kind of products.
pub fn round<M: Machine>(machine: &M, values: At, kind: Kind, len: usize) -> Result<Values<M>> {
    let rounded = Values::new(machine, kind, len)?;
    let arguments = [values.into(), rounded.at(machine).into(), Argument::Long(len as i64)];
    gpu::run(machine, ("cast", kind), Work::Values(len), &arguments)?;
    Ok(rounded)
}

impl<M: Machine> Hidden<M> {
    /// Room for hidden states of a batch.
    fn new(step: &Step<'_, M>) -> Result<Self> {
        let len = step.sizes.rows() * step.sizes.hidden();
        let rounded = match step.weights.kind {
            Kind::F32 => None,
            Kind::Bf16 => Some(step.fresh(len)?),
        };
        Ok(Self { exact: step.floats(len)?, rounded })
    }

    fn exact(&self, step: &Step<'_, M>) -> At {
        self.exact.at(step.machine)
    }

    /// As a product takes them. In f32 they are where the exact ones are.
    fn operand(&self, step: &Step<'_, M>) -> At {
        self.rounded.as_ref().unwrap_or(&self.exact).at(step.machine)
    }

    fn into_operand(self) -> Values<M> {
        self.rounded.unwrap_or(self.exact)
    }
}

impl<M: Machine> Step<'_, M> {
    /// Room in the kind of products.
    fn fresh(&self, len: usize) -> Result<Values<M>> {
        Values::new(self.machine, self.weights.kind, len)
    }

    fn floats(&self, len: usize) -> Result<Values<M>> {
        Values::new(self.machine, Kind::F32, len)
    }

    fn at(&self, values: &Values<M>) -> At {
        values.at(self.machine)
    }

    /// Where the bias in `place` is, f32.
    fn bias_at(&self, place: usize) -> At {
        let all = match self.parts.own_biases {
            true => self.at(&self.weights.biases),
            false => self.standing,
        };
        all.plus(self.parts.biases[place].place.start)
    }

    /// Runs a kernel for the kind of the products.
    fn run(&self, name: &str, work: Work, arguments: &[Argument]) -> Result<()> {
        gpu::run(self.machine, (name, self.weights.kind), work, arguments)
    }

    /// `c = a·b`.
    fn product(&self, sizes: (usize, usize, usize), a: Matrix, b: Matrix, c: Matrix) -> Result<()> {
        self.scaled(sizes, a, b, c, (1.0, 0.0))
    }

    /// `c = alpha·a·b + beta·c`.
    fn scaled(
        &self,
        sizes: (usize, usize, usize),
        a: Matrix,
        b: Matrix,
        c: Matrix,
        (alpha, beta): (f32, f32),
    ) -> Result<()> {
        let rounding = self.weights.rounding;
        self.machine.multiply(&Product { sizes, batch: 1, a, b, c, alpha, beta, rounding })
    }

    /// `c = a·b` in every head of every sequence.
    fn in_heads(
        &self,
        sizes: (usize, usize, usize),
        a: Matrix,
        b: Matrix,
        c: Matrix,
    ) -> Result<()> {
        let (batch, rounding) = (self.sizes.all_heads(), self.weights.rounding);
        self.machine.multiply(&Product { sizes, batch, a, b, c, alpha: 1.0, beta: 0.0, rounding })
    }

    /// The low-rank updates, which projection each belongs to, and where it starts in the
    /// ranks of all.
    fn low_rank(&self) -> impl Iterator<Item = (usize, usize, &super::parts::LowRankParts)> {
        let all = self.parts.low_rank.iter().enumerate();
        let there = all.filter_map(|(p, update)| Some((p, update.as_ref()?)));
        there.scan(0, |end, (p, update)| {
            let start = *end;
            *end += update.rank;
            Some((p, start, update))
        })
    }

    /// `R`, the ranks of all low-rank updates together, and where the `A` of the first is in
    /// what stands in the layer; those of the others are behind it.
    fn ranks(&self) -> Option<(usize, usize)> {
        let total = self.low_rank().map(|(_, _, update)| update.rank).sum();
        self.low_rank().next().map(|(_, _, first)| (total, first.a.place.start))
    }

    /// The attention probabilities, `[B, N, S, K]`.
    fn probabilities(&self, query: At, key: At) -> Result<Values<M>> {
        let Sizes { heads, width, queries, .. } = self.sizes;
        let (keys, rows) = (self.sizes.keys(), self.sizes.all_heads() * queries);
        let scores = self.floats(rows * keys)?;
        self.in_heads(
            (queries, keys, width),
            query.matrix(width).each(queries * width),
            key.matrix(width).each(keys * width).t(),
            self.at(&scores).matrix(keys).each(queries * keys),
        )?;
        let probabilities = self.fresh(rows * keys)?;
        self.run(
            "softmax",
            Work::Rows(rows),
            &[
                self.at(&scores).into(),
                self.mask.into(),
                self.bias.into(),
                self.at(&probabilities).into(),
                Argument::Long(rows as i64),
                Argument::Int(heads as i32),
                Argument::Int(queries as i32),
                Argument::Int(keys as i32),
                (1.0 / (width as f32).sqrt()).into(),
            ],
        )?;
        Ok(probabilities)
    }

    /// The last arguments of the kernels that go into heads and back.
    fn heads(&self, prefix: usize) -> [Argument; 5] {
        let Sizes { batch, heads, width, queries, .. } = self.sizes;
        [batch, queries, prefix, heads, width].map(|size| Argument::Int(size as i32))
    }

    /// The biases of queries, keys and values, `[3·H]`: they were put there one after the
    /// other.
    fn projection_biases(&self) -> At {
        self.bias_at(QUERY)
    }
}
