//! Low-rank updates compared by what they do, not by how they are factored.
//!
//! LoRA's update of one linear map is `ΔW = s·B·A` with `A` `[r, in]`, `B`
//! `[out, r]` and `s = α/r` (Hu et al. 2022). The factors are defined only up to
//! a change of basis, `B·A = (B·M)(M⁻¹·A)`, which moves the cosine of raw
//! factors and not the update. So the updates themselves are compared, by
//! Frobenius' inner product, which needs no `ΔW`:
//!
//! `⟨B₁A₁, B₂A₂⟩ = tr((B₁ᵀB₂)(A₂A₁ᵀ))`, two products of `r × r` values.

/// How the factors of several maps lie in one vector: for each map its `A`,
/// row-major, then its `B`, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRank {
    /// Rank `r`; not 0.
    pub rank: usize,
    /// Input width of each map; not 0.
    pub inputs: usize,
    /// Output width of each map; not 0.
    pub outputs: usize,
    /// Number of maps.
    pub maps: usize,
    /// `α/r`.
    pub scale: f64,
}

impl LowRank {
    /// Number of values of all factors; `None` if that overflows.
    pub fn width(&self) -> Option<usize> {
        let width = self.inputs.checked_add(self.outputs)?;
        self.rank.checked_mul(width)?.checked_mul(self.maps)
    }

    /// `Σ ⟨ΔW₁, ΔW₂⟩` over all maps, in `f64`; `None` when a vector is not
    /// [`width`](Self::width) long.
    pub fn inner(&self, x: &[f32], y: &[f32]) -> Option<f64> {
        let width = self.width().filter(|&width| width > 0)?;
        if x.len() != width || y.len() != width {
            return None;
        }
        let (a, map) = (self.rank * self.inputs, width / self.maps);
        let sum: f64 = x
            .chunks_exact(map)
            .zip(y.chunks_exact(map))
            .map(|(x, y)| self.trace(x.split_at(a), y.split_at(a)))
            .sum();
        Some(self.scale * self.scale * sum)
    }

    /// `tr((B₁ᵀB₂)(A₂A₁ᵀ)) = Σ_ij (B₁ᵀB₂)_ij (A₁A₂ᵀ)_ij` of one map.
    fn trace(&self, (a1, b1): (&[f32], &[f32]), (a2, b2): (&[f32], &[f32])) -> f64 {
        let r = self.rank;
        let mut bb = vec![0.0_f64; r * r];
        for (row1, row2) in b1.chunks_exact(r).zip(b2.chunks_exact(r)) {
            for (i, &x) in row1.iter().enumerate() {
                for (j, &y) in row2.iter().enumerate() {
                    bb[i * r + j] += f64::from(x) * f64::from(y);
                }
            }
        }
        let mut sum = 0.0;
        for (i, row1) in a1.chunks_exact(self.inputs).enumerate() {
            for (j, row2) in a2.chunks_exact(self.inputs).enumerate() {
                let aa: f64 =
                    row1.iter().zip(row2).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                sum += bb[i * r + j] * aa;
            }
        }
        sum
    }

    /// The cosine of the angle between two updates, in `[-1, 1]`. `None` when
    /// the lengths do not fit, an update is zero, or a value is not finite.
    pub fn cosine(&self, x: &[f32], y: &[f32]) -> Option<f64> {
        let norm = |v: &[f32]| self.inner(v, v).map(|square| square.max(0.0).sqrt());
        let value = self.inner(x, y)? / (norm(x)? * norm(y)?);
        value.is_finite().then(|| value.clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: LowRank = LowRank { rank: 2, inputs: 3, outputs: 4, maps: 2, scale: 1.5 };
    const WIDTH: usize = 2 * (2 * 3 + 4 * 2);

    /// Every `ΔW`, materialised, maps one after the other.
    fn updates(shape: &LowRank, x: &[f32]) -> Vec<f64> {
        let (r, inputs, outputs) = (shape.rank, shape.inputs, shape.outputs);
        let mut all = Vec::new();
        for map in x.chunks_exact(r * (inputs + outputs)) {
            let (a, b) = map.split_at(r * inputs);
            for o in 0..outputs {
                for i in 0..inputs {
                    let sum: f64 = (0..r)
                        .map(|k| f64::from(b[o * r + k]) * f64::from(a[k * inputs + i]))
                        .sum();
                    all.push(shape.scale * sum);
                }
            }
        }
        all
    }

    /// The same update from other factors: `B·M` and `M⁻¹·A`, `M` 2 × 2.
    fn other_basis(x: &[f32], m: [f64; 4]) -> Vec<f32> {
        let determinant = m[0] * m[3] - m[1] * m[2];
        let inverse = [m[3], -m[1], -m[2], m[0]].map(|v| v / determinant);
        let mut all = Vec::new();
        for map in x.chunks_exact(WIDTH / 2) {
            let (a, b) = map.split_at(6);
            for k in 0..2 {
                for i in 0..3 {
                    let sum: f64 =
                        (0..2).map(|l| inverse[k * 2 + l] * f64::from(a[l * 3 + i])).sum();
                    all.push(sum as f32);
                }
            }
            for row in b.chunks_exact(2) {
                for k in 0..2 {
                    let sum: f64 = (0..2).map(|l| f64::from(row[l]) * m[l * 2 + k]).sum();
                    all.push(sum as f32);
                }
            }
        }
        all
    }

    fn vector() -> impl Strategy<Value = Vec<f32>> {
        proptest::collection::vec(-2.0_f32..2.0, WIDTH)
    }

    #[test]
    fn by_hand() {
        // ΔW = B·A: [[2]]·[[3]] = 6 against [[5]]·[[−1]] = −5, scaled by ½ each.
        let shape = LowRank { rank: 1, inputs: 1, outputs: 1, maps: 1, scale: 0.5 };
        assert_eq!(shape.inner(&[3.0, 2.0], &[-1.0, 5.0]), Some(-7.5));
        assert_eq!(shape.cosine(&[3.0, 2.0], &[-1.0, 5.0]), Some(-1.0));
    }

    #[test]
    fn what_has_no_angle() {
        assert_eq!(SHAPE.cosine(&[1.0; WIDTH], &[1.0; WIDTH - 1]), None);
        assert_eq!(SHAPE.cosine(&[0.0; WIDTH], &[1.0; WIDTH]), None);
        assert_eq!(SHAPE.cosine(&[f32::NAN; WIDTH], &[1.0; WIDTH]), None);
        assert_eq!(LowRank { rank: usize::MAX, ..SHAPE }.width(), None);
        assert_eq!(LowRank { maps: 0, ..SHAPE }.cosine(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn equal_to_the_materialised_updates(x in vector(), y in vector()) {
            let (dx, dy) = (updates(&SHAPE, &x), updates(&SHAPE, &y));
            let wanted: f64 = dx.iter().zip(&dy).map(|(a, b)| a * b).sum();
            prop_assert!((SHAPE.inner(&x, &y).unwrap() - wanted).abs() < 1e-9);
        }

        #[test]
        fn another_basis_is_the_same_update(
            x in vector(), y in vector(), m in proptest::array::uniform4(-1.0_f64..1.0),
        ) {
            let m = [m[0] + 2.0, m[1], m[2], m[3] + 2.0];
            if let (Some(own), Some(other)) =
                (SHAPE.cosine(&x, &y), SHAPE.cosine(&other_basis(&x, m), &y))
            {
                prop_assert!((own - other).abs() < 1e-4, "{own} {other}");
            }
            if let Some(own) = SHAPE.cosine(&x, &other_basis(&x, m)) {
                prop_assert!((own - 1.0).abs() < 1e-4, "{own}");
            }
        }
    }
}
