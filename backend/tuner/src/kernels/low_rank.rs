//! What LoRA adds to a linear map: `scale·B·A·x` (Hu et al. 2022, eq. 3).

use super::{math, rows};
use candle_core::{Result, Tensor};

/// `scale·B·A`, which may be added to a linear map.
#[derive(Clone, Copy, Debug)]
pub struct LowRank<'a> {
    /// `[r, in]`.
    pub a: &'a Tensor,
    /// `[out, r]`.
    pub b: &'a Tensor,
    /// α/r.
    pub scale: f64,
}

impl LowRank<'_> {
    /// Of `x`, `[B, S, in]` → `[B, S, out]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn of(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, s, inner) = x.dims3()?;
        let x = x.reshape((batch * s, inner))?;
        // [B·S, in]·[in, r] → [B·S, r]; the scale on the narrow side is cheap.
        let low = (x.matmul(&self.a.t()?)? * self.scale)?;
        low.matmul(&self.b.t()?)?.reshape((batch, s, ()))
    }
}

/// The same as its rows are multiplied: for each of the `r` the row of `A` and the column
/// of `B`.
pub(super) struct Factors<'a> {
    /// `[r, in]`.
    a: &'a [f32],
    /// `Bᵀ`, `[r, out]`.
    b: Vec<f32>,
    rank: usize,
    scale: f32,
}

impl<'a> Factors<'a> {
    /// Of `a` `[r, in]` and `b` `[out, r]`.
    pub fn new(a: &'a [f32], b: &[f32], rank: usize, scale: f32) -> Self {
        Self { a, b: transposed(b, rank), rank, scale }
    }

    /// The rows of `A` beside those of `Bᵀ`.
    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let (inner, out) = (self.a.len() / self.rank, self.b.len() / self.rank);
        self.a.chunks_exact(inner).zip(self.b.chunks_exact(out))
    }

    /// Adds what belongs to the rows `x`, `[m, in]`, to `y`, `[m, out]`.
    pub fn add_to(&self, x: &[f32], y: &mut [f32]) {
        let (inner, out) = (self.a.len() / self.rank, self.b.len() / self.rank);
        rows::alone(
            y,
            out,
            #[inline(always)]
            |i, y| {
                let x = &x[i * inner..][..inner];
                for (a, b) in self.each() {
                    math::add_scaled(self.scale * math::dot(a, x), b, y);
                }
            },
        );
    }

    /// From the gradient `dy` `[m, out]` of what was added for `x` `[m, in]`: adds that of
    /// `A` to `of_a` `[r, in]`, that of `Bᵀ` to `of_b` `[r, out]`, and that of `x` to `dx`,
    /// if it is given.
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        mut dx: Option<&mut [f32]>,
        [of_a, of_b]: [&mut [f32]; 2],
    ) {
        let (inner, out) = (self.a.len() / self.rank, self.b.len() / self.rank);
        rows::dispatch(
            #[inline(always)]
            || {
                let both = x.chunks_exact(inner).zip(dy.chunks_exact(out));
                for (i, (x, dy)) in both.enumerate() {
                    let gradients = of_a.chunks_exact_mut(inner).zip(of_b.chunks_exact_mut(out));
                    for ((a, b), (of_a, of_b)) in self.each().zip(gradients) {
                        math::add_scaled(self.scale * math::dot(a, x), dy, of_b);
                        let of_low = self.scale * math::dot(b, dy);
                        math::add_scaled(of_low, x, of_a);
                        if let Some(dx) = &mut dx {
                            math::add_scaled(of_low, a, &mut dx[i * inner..][..inner]);
                        }
                    }
                }
            },
        );
    }
}

/// `[.., width]` → `[width, ..]`.
pub(super) fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let column = |c| values.iter().skip(c).step_by(width);
    (0..width).flat_map(column).copied().collect()
}
