//! The leading eigenvectors of a symmetric matrix.

use crate::square::inner;
use crate::{Square, random};

/// Vectors that are multiplied together; more than are wanted, so that equal
/// eigenvalues are all found.
const BLOCK: usize = 4;
/// Multiplications of a block before the best vectors are taken for a fresh start.
const DEPTH: usize = 8;
/// Fresh starts at most. Each makes the error smaller by orders of magnitude.
const STARTS: usize = 60;
/// A vector is found when `‖A·x − λ·x‖` is below this share of the greatest eigenvalue.
const PRECISION: f64 = 1e-11;
/// A direction whose length is below this share of what it was is rounding.
const NOTHING: f64 = 1e-10;

/// An eigenvalue with its vector of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// The value.
    pub value: f64,
    /// The vector, `[n]`. Its entry of the greatest amount is positive.
    pub vector: Vec<f64>,
}

/// The `count` greatest eigenvalues of a symmetric matrix, greatest first; all where it
/// has fewer. At most four. By restarted block Krylov iteration with Rayleigh–Ritz
/// values (Golub and Underwood 1977); the same matrix gives the same bits. A matrix that
/// is not finite has none.
pub async fn leading(matrix: &Square, count: usize, pause: &impl AsyncFn()) -> Vec<Eigen> {
    let (n, count) = (matrix.len(), count.min(BLOCK).min(matrix.len()));
    if (0..n).any(|i| matrix.row(i).iter().any(|value| !value.is_finite())) {
        return Vec::new();
    }
    let mut seed = 0;
    let mut draw = || -> Vec<f64> {
        seed += 1;
        (0..n as u64).map(|i| random(seed, i) as f64 / u64::MAX as f64 - 0.5).collect()
    };
    let mut block: Vec<Vec<f64>> = (0..BLOCK.min(n)).map(|_| draw()).collect();
    let mut found = Vec::new();
    for _ in 0..STARTS {
        let (mut basis, mut images): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for vector in block {
                if let Some(vector) = beside(&basis, vector) {
                    let image = matrix.times(&vector);
                    next.push(image.clone());
                    basis.push(vector);
                    images.push(image);
                }
                pause().await;
            }
            block = next;
        }
        // What the products no longer lead to may still be there.
        while basis.len() < (BLOCK + count).min(n) {
            let Some(vector) = beside(&basis, draw()) else { break };
            images.push(matrix.times(&vector));
            basis.push(vector);
        }
        let (values, inside) =
            all(&Square::of(basis.len(), |i, j| inner(&basis[i.min(j)], &images[i.max(j)])));
        let out = |vectors: &[Vec<f64>], weights: &[f64]| -> Vec<f64> {
            let mut sum = vec![0.0; n];
            for (vector, weight) in vectors.iter().zip(weights) {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * x);
            }
            sum
        };
        block = inside.iter().take(BLOCK).map(|weights| out(&basis, weights)).collect();
        let scale = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let settled = (0..count).all(|k| {
            let error = out(&images, &inside[k]);
            let error = error.iter().zip(&block[k]).map(|(a, x)| a - values[k] * x);
            error.map(|e| e * e).sum::<f64>().sqrt() <= PRECISION * scale
        });
        found = (0..count)
            .map(|k| Eigen { value: values[k], vector: upright(block[k].clone()) })
            .collect();
        if settled {
            break;
        }
        pause().await;
    }
    found
}

/// The part of a vector that is orthogonal to `basis`, of length 1; `None` where
/// nothing of it is left.
fn beside(basis: &[Vec<f64>], mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let whole = inner(&vector, &vector).sqrt();
    // Twice is enough (Kahan, in Parlett 1980).
    for _ in 0..2 {
        for other in basis {
            let share = inner(other, &vector);
            vector.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
        }
    }
    let length = inner(&vector, &vector).sqrt();
    // Not of NaN either.
    if length.is_nan() || length <= NOTHING * whole {
        return None;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Some(vector)
}

/// With the sign that makes the entry of the greatest amount positive; of equal ones
/// the first counts.
fn upright(mut vector: Vec<f64>) -> Vec<f64> {
    let most = vector.iter().fold(0.0_f64, |most, &x| if x.abs() > most.abs() { x } else { most });
    if most < 0.0 {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
    vector
}

/// All eigenvalues of a small symmetric matrix, greatest first, with their vectors, by
/// Jacobi's rotations (cyclic; Golub and Van Loan, section 8.5).
fn all(matrix: &Square) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut a: Vec<Vec<f64>> = (0..n).map(|i| matrix.row(i).to_vec()).collect();
    // Row `k` becomes vector `k`.
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let scale = a.iter().flatten().map(|x| x * x).sum::<f64>();
    for _ in 0..50 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off <= 1e-30 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let tau = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = 1.0_f64.copysign(tau) / (tau.abs() + tau.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
                rotate(&mut a, p, q, c, s);
                rotate(&mut v, p, q, c, s);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    (order.iter().map(|&i| a[i][i]).collect(), order.iter().map(|&i| v[i].clone()).collect())
}

fn rotate(rows: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (first, second) = rows.split_at_mut(q);
    for (x, y) in first[p].iter_mut().zip(&mut second[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}
