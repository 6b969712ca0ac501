//! Matrices over all pairs of some items.

/// A square matrix, `[n, n]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Square {
    n: usize,
    values: Vec<f64>,
}

/// Columns that are multiplied at a time: those of all rows stay in a cache.
const PANEL: usize = 128;
/// Rows and columns of a block of the result.
const BLOCK: usize = 4;

impl Square {
    /// The matrix whose entry `(i, j)` is `value(i, j)`.
    pub fn of(n: usize, mut value: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(n * n);
        for i in 0..n {
            values.extend((0..n).map(|j| value(i, j)));
        }
        Self { n, values }
    }

    /// Products of all pairs of `n` vectors of `dim` values: the Gram matrix.
    /// `read(row, from, part)` writes the vector's values from column `from` on into
    /// `part`. The vectors never stand in memory as a whole.
    pub async fn products(
        n: usize,
        dim: usize,
        read: impl Fn(usize, usize, &mut [f64]),
        pause: &impl AsyncFn(),
    ) -> Self {
        // Rows beyond the last one are zeros, so that all blocks are whole.
        let rows = n.next_multiple_of(BLOCK);
        let mut all = vec![0.0; n * n];
        let mut panel = vec![0.0; rows * PANEL];
        for from in (0..dim).step_by(PANEL) {
            let width = PANEL.min(dim - from);
            for row in 0..n {
                let part = &mut panel[row * PANEL..(row + 1) * PANEL];
                read(row, from, &mut part[..width]);
                part[width..].fill(0.0);
            }
            pause().await;
            for i in (0..rows).step_by(BLOCK) {
                for j in (i..rows).step_by(BLOCK) {
                    let sums = block(&panel[i * PANEL..], &panel[j * PANEL..]);
                    for (di, sums) in sums.iter().enumerate().take(n - i.min(n)) {
                        for (dj, sum) in sums.iter().enumerate().take(n - j.min(n)) {
                            all[(i + di) * n + j + dj] += sum;
                        }
                    }
                }
                pause().await;
            }
        }
        // The lower half is the upper one.
        for i in 0..n {
            for j in 0..i {
                all[i * n + j] = all[j * n + i];
            }
        }
        Self { n, values: all }
    }

    /// The number of rows, and of columns.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// One entry.
    ///
    /// # Panics
    /// When there is no such row or column.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.row(i)[j]
    }

    /// One row, `[n]`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n..(i + 1) * self.n]
    }

    /// Cosines of the angles between vectors whose products these are, 1 on the
    /// diagonal. `None` when a vector is zero or a value is not finite.
    pub fn cosines(&self) -> Option<Self> {
        let lengths: Vec<f64> = (0..self.n).map(|i| self.at(i, i).sqrt()).collect();
        let all = Self::of(self.n, |i, j| match i == j {
            true => 1.0,
            false => (self.at(i, j) / (lengths[i] * lengths[j])).clamp(-1.0, 1.0),
        });
        let whole = lengths.iter().all(|&length| length > 0.0 && length.is_finite());
        (whole && all.values.iter().all(|value| value.is_finite())).then_some(all)
    }

    /// Products of vectors, from those of the same vectors about another origin: about
    /// the mean of all (double centring).
    pub fn centred(&self) -> Self {
        let n = self.n as f64;
        let means: Vec<f64> = (0..self.n).map(|i| self.row(i).iter().sum::<f64>() / n).collect();
        let all = means.iter().sum::<f64>() / n;
        // In this order the result is symmetric to the bit.
        Self::of(self.n, |i, j| self.at(i, j) - (means[i] + means[j]) + all)
    }

    /// The sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.at(i, i)).sum()
    }

    /// The product with a vector, `[n]`.
    ///
    /// # Panics
    /// When the vector is shorter than a row.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.n).map(|i| inner(self.row(i), &vector[..self.n])).collect()
    }
}

/// The inner product, in four running sums.
pub(crate) fn inner(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0_f64; BLOCK];
    let (a, a_rest) = a.as_chunks::<BLOCK>();
    let (b, b_rest) = b.as_chunks::<BLOCK>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..BLOCK {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// Products of [`BLOCK`] rows with [`BLOCK`] others over one panel.
fn block(a: &[f64], b: &[f64]) -> [[f64; BLOCK]; BLOCK] {
    let (a, b) = (rows(a), rows(b));
    let mut sums = [[0.0; BLOCK]; BLOCK];
    for k in 0..PANEL {
        for i in 0..BLOCK {
            for j in 0..BLOCK {
                sums[i][j] += a[i][k] * b[j][k];
            }
        }
    }
    sums
}

fn rows(all: &[f64]) -> [&[f64; PANEL]; BLOCK] {
    std::array::from_fn(|i| all[i * PANEL..].first_chunk().expect("a row of a panel"))
}
