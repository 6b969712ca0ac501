//! LogME: the logarithm of the maximum evidence of labels given features (You et al.
//! 2021, algorithm 1).
//!
//! A linear model `y = F·w + ε` with `w ~ N(0, 1/α)` and `ε ~ N(0, 1/β)`; α and β are
//! those that make the labels most likely, found by the fixed-point iteration
//!
//! ```text
//! γ = Σ βσ/(α + βσ)    m = β·(αI + βFᵀF)⁻¹·Fᵀy    α ← γ/‖m‖²    β ← (n − γ)/‖Fm − y‖²
//! ```
//!
//! with σ the eigenvalues of FᵀF. The published code adds 1e-5 to both denominators,
//! without which exact fits have no finite solution, and so does this one; it stops
//! at a tenth of a percent or after ten rounds, this one goes on to where the result
//! does not depend on it.

use crate::Error;
use candle_core::{Device, Tensor};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Added to both denominators.
const EPSILON: f64 = 1e-5;

/// Relative change of α/β at which the iteration ends.
const TOLERANCE: f64 = 1e-9;

/// Most rounds. Exact fits converge slowly and hardly change the evidence.
const ROUNDS: usize = 1000;

/// Features `[n, D]` with what every target needs of them.
pub struct Features {
    values: DMatrix<f64>,
    /// Eigenvalues of FᵀF, `[D]`, and eigenvectors, its columns.
    spectrum: DVector<f64>,
    basis: DMatrix<f64>,
}

impl Features {
    /// Decomposes features, row-major `[n, D]`.
    ///
    /// # Errors
    /// When a product fails.
    pub fn new(rows: usize, values: &[f64]) -> Result<Self, Error> {
        let width = values.len() / rows.max(1);
        // The large product in parallel; it is symmetric, whichever the order.
        let f = Tensor::from_slice(values, (rows, width), &Device::Cpu)?;
        let gram: Vec<f64> = f.t()?.matmul(&f)?.flatten_all()?.to_vec1()?;
        let eigen = SymmetricEigen::new(DMatrix::from_vec(width, width, gram));
        Ok(Self {
            values: DMatrix::from_row_slice(rows, width, values),
            // What is not positive is rounding.
            spectrum: eigen.eigenvalues.map(|value| value.max(0.0)),
            basis: eigen.eigenvectors,
        })
    }

    /// The logarithm of the maximum evidence of labels `[n]`, over n.
    pub fn evidence(&self, labels: &[f64]) -> f64 {
        let (n, width) = (self.values.nrows() as f64, self.values.ncols() as f64);
        let y = DVector::from_column_slice(labels);
        let projected = self.basis.tr_mul(&self.values.tr_mul(&y));
        let (mut alpha, mut beta) = (1.0_f64, 1.0_f64);
        let mut evidence = f64::NAN;
        for _ in 0..ROUNDS {
            let ratio = alpha / beta;
            let gamma: f64 = self.spectrum.iter().map(|s| s / (s + ratio)).sum();
            let weights = projected.zip_map(&self.spectrum, |p, s| p / (s + ratio));
            let square = weights.norm_squared();
            let residual = (&self.values * (&self.basis * weights) - &y).norm_squared();
            alpha = gamma / (square + EPSILON);
            beta = (n - gamma).max(0.0) / (residual + EPSILON);
            let determinant: f64 = self.spectrum.iter().map(|s| (alpha + beta * s).ln()).sum();
            evidence = (width * alpha.ln() + n * beta.ln()
                - determinant
                - beta * residual
                - alpha * square
                - n * std::f64::consts::TAU.ln())
                / (2.0 * n);
            if (alpha / beta - ratio).abs() <= TOLERANCE * ratio {
                break;
            }
        }
        evidence
    }
}
