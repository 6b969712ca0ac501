//! The embeddings of a set as their file has them.
//!
//! Nothing is converted beforehand: a large zoo would take four times its size, and
//! reading is what ranking costs. Only a small set of codes is decoded when it is
//! read, because it may have so few dimensions that rounding a target to digits shows.
//!
//! Rows lie in blocks. What looks at all of them takes a block at a time, so that whoever
//! asks may do something else between two of them; results are the same to the bit.

use crate::{Error, int8};
use std::ops::Range;
use tupate_metrics::dot::{
    Coarse, Codes, Shifted, dot, f16_products, f16_shifted, f16_squares, f16_value, f32_products,
    f32_shifted, f32_squares,
};

/// Values from which on codes stay codes.
pub(crate) const MANY: usize = 1 << 20;

/// Values of a block, if that is a row or more: a page compares them in some three
/// milliseconds. Tests have many blocks.
const BLOCK: usize = if cfg!(test) { 100 } else { 1 << 20 };

/// A squared length below this share of its parts was mostly cancelled.
const CANCELLED: f64 = 1e-2;

/// Rows of equal length.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    dim: usize,
    stored: Stored,
    /// `[n]`.
    squares: Vec<f64>,
    /// The first row that has a value that is not finite, or is zero.
    wrong: Option<usize>,
}

/// Blocks of rows, each of [`per_block`] but the last, which may have fewer.
#[derive(Clone, Debug)]
enum Stored {
    /// `[n, D]`, little-endian.
    F32(Vec<Vec<u8>>),
    /// `[n, D]`, little-endian.
    F16(Vec<Vec<u8>>),
    Int8 {
        /// `[D]`.
        mean: Vec<f32>,
        /// `[n]`.
        scales: Vec<f32>,
        /// `[n, D]`.
        codes: Vec<Codes>,
    },
}

/// What rows are compared with, see [`Rows::cosines`].
#[derive(Clone, Debug)]
pub(crate) struct Against {
    /// `[D]`, minus the origin.
    target: Vec<f32>,
    /// What is subtracted from the rows, `[D]`.
    origin: Option<Vec<f32>>,
    /// The target's squared length.
    square: f64,
    /// For rows of codes.
    codes: Option<AgainstCodes>,
}

/// `row − origin = common + scale · codes`.
#[derive(Clone, Debug)]
struct AgainstCodes {
    target: Coarse,
    common: Coarse,
    common_product: f64,
    common_square: f64,
}

impl Against {
    /// What is subtracted from the rows, `[D]`.
    pub fn origin(&self) -> Option<&[f32]> {
        self.origin.as_deref()
    }
}

/// How many rows are in a block.
fn per_block(dim: usize) -> usize {
    (BLOCK / dim.max(1)).max(1)
}

impl Rows {
    /// No rows yet, of little-endian `f32`, `[dim]` each.
    pub fn f32(dim: usize) -> Self {
        Self { dim, stored: Stored::F32(Vec::new()), squares: Vec::new(), wrong: None }
    }

    /// No rows yet, of little-endian `f16`, `[dim]` each.
    pub fn f16(dim: usize) -> Self {
        Self { dim, stored: Stored::F16(Vec::new()), squares: Vec::new(), wrong: None }
    }

    /// No rows yet, of codes, with their mean, `[D]`, and the scales of all that will come.
    pub fn codes(mean: Vec<f32>, scales: Vec<f32>) -> Self {
        let (dim, codes) = (mean.len(), Vec::new());
        let stored = Stored::Int8 { mean, scales, codes };
        Self { dim, stored, squares: Vec::new(), wrong: None }
    }

    /// Rows `[n, dim]`.
    pub fn of_values(values: &[f32], dim: usize) -> Self {
        let mut rows = Self::f32(dim);
        for block in values.chunks(per_block(dim) * dim) {
            rows.push(block.iter().flat_map(|v| v.to_le_bytes()).collect());
        }
        rows
    }

    /// Rows of codes that are too few to stay ones.
    pub fn of_few_codes(codes: &[u8], mean: Vec<f32>, scales: Vec<f32>) -> Self {
        let (dim, codes) = (mean.len(), codes.iter().map(|code| code.cast_signed()).collect());
        Self::of_values(&int8::decode(&int8::Coded { mean, scales, codes }), dim)
    }

    /// The bytes of a block.
    pub fn block_bytes(&self) -> usize {
        let size = match self.stored {
            Stored::F32(_) => 4,
            Stored::F16(_) => 2,
            Stored::Int8 { .. } => 1,
        };
        size * per_block(self.dim) * self.dim
    }

    /// Takes in the next block, of [`Rows::block_bytes`] if it is not the last.
    pub fn push(&mut self, bytes: Vec<u8>) {
        let (before, dim) = (self.len(), self.dim);
        match &mut self.stored {
            Stored::F32(blocks) => {
                self.squares.extend(f32_squares(&bytes, dim));
                blocks.push(bytes);
            }
            Stored::F16(blocks) => {
                self.squares.extend(f16_squares(&bytes, dim));
                blocks.push(bytes);
            }
            Stored::Int8 { codes, .. } => {
                codes.push(Codes::new(bytes, dim));
                let block = codes.len() - 1;
                let zero = self.about(&vec![0.0; dim], &vec![0.0; dim]);
                let squares = self.shifted(block, &zero).squares;
                self.squares.extend(squares);
            }
        }
        let wrong = |row: &usize| !self.is_finite(*row) || self.is_zero(*row);
        self.wrong = self.wrong.or_else(|| (before..self.len()).find(wrong));
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// The length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.len().div_ceil(per_block(self.dim))
    }

    /// The rows of a block.
    fn rows_of(&self, block: usize) -> Range<usize> {
        let per_block = per_block(self.dim);
        block * per_block..self.len().min((block + 1) * per_block)
    }

    /// One row, `[D]`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> Vec<f32> {
        self.part(row, 0..self.dim)
    }

    /// Some values of a row.
    ///
    /// # Panics
    /// When there is no such row, or it has fewer values.
    pub fn part(&self, row: usize, columns: Range<usize>) -> Vec<f32> {
        assert!(columns.end <= self.dim, "columns of the row");
        let (block, place) = self.place(row, columns.clone());
        match &self.stored {
            Stored::F32(blocks) => {
                let values = &blocks[block].as_chunks().0[place];
                values.iter().copied().map(f32::from_le_bytes).collect()
            }
            Stored::F16(blocks) => {
                blocks[block].as_chunks().0[place].iter().copied().map(f16_value).collect()
            }
            Stored::Int8 { mean, scales, codes } => {
                decoded(&mean[columns], scales[row], &codes[block].bytes()[place]).collect()
            }
        }
    }

    /// The block in which some values of a row lie, and their place in it.
    fn place(&self, row: usize, columns: Range<usize>) -> (usize, Range<usize>) {
        let per_block = per_block(self.dim);
        let start = row % per_block * self.dim;
        (row / per_block, start + columns.start..start + columns.end)
    }

    /// All rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Vec<f32>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// The rows of these numbers.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut selected = match &self.stored {
            Stored::F32(_) => Self::f32(self.dim),
            Stored::F16(_) => Self::f16(self.dim),
            Stored::Int8 { mean, scales, .. } => {
                Self::codes(mean.clone(), rows.iter().map(|row| scales[*row]).collect())
            }
        };
        for rows in rows.chunks(per_block(self.dim)) {
            selected.push(rows.iter().flat_map(|row| self.bytes(*row)).copied().collect());
        }
        selected
    }

    /// A row as it is stored.
    fn bytes(&self, row: usize) -> &[u8] {
        let (block, place) = self.place(row, 0..self.dim);
        match &self.stored {
            Stored::F32(blocks) => &blocks[block][4 * place.start..4 * place.end],
            Stored::F16(blocks) => &blocks[block][2 * place.start..2 * place.end],
            Stored::Int8 { codes, .. } => &codes[block].bytes()[place],
        }
    }

    /// To compare rows with `target`, `[D]`.
    pub fn against(&self, target: &[f32]) -> Against {
        self.prepared(target.to_vec(), None)
    }

    /// To compare rows minus `origin`, `[D]`, with `target` minus `origin`.
    pub fn about(&self, origin: &[f32], target: &[f32]) -> Against {
        self.prepared(tupate_metrics::subtract(target, origin), Some(origin.to_vec()))
    }

    fn prepared(&self, target: Vec<f32>, origin: Option<Vec<f32>>) -> Against {
        let codes = match &self.stored {
            Stored::F32(_) | Stored::F16(_) => None,
            Stored::Int8 { mean, .. } => {
                let shifted = origin.as_ref().map(|origin| tupate_metrics::subtract(mean, origin));
                let common = shifted.as_ref().unwrap_or(mean);
                Some(AgainstCodes {
                    target: Coarse::new(&target),
                    common: Coarse::new(common),
                    common_product: dot(common, &target),
                    common_square: dot(common, common),
                })
            }
        };
        Against { square: dot(&target, &target), target, origin, codes }
    }

    /// Cosine with each row of a block; `None` where one of the vectors is zero.
    pub fn cosines(&self, block: usize, against: &Against) -> Vec<Option<f64>> {
        if against.origin.is_some() {
            let Shifted { products, squares } = self.shifted(block, against);
            return angles(&products, &squares, against.square);
        }
        let target = &against.target;
        let products = match (&self.stored, &against.codes) {
            (Stored::F32(blocks), _) => f32_products(&blocks[block], target),
            (Stored::F16(blocks), _) => f16_products(&blocks[block], target),
            (Stored::Int8 { scales, codes, .. }, Some(against)) => {
                let own = codes[block].products(&against.target);
                let scales = &scales[self.rows_of(block)];
                let product = |(own, s): (f64, &f32)| against.common_product + f64::from(*s) * own;
                own.into_iter().zip(scales).map(product).collect()
            }
            (Stored::Int8 { .. }, None) => unreachable!("codes are compared with what they made"),
        };
        angles(&products, &self.squares[self.rows_of(block)], against.square)
    }

    /// Adds the rows of a block but `without`, and says how many.
    pub fn add_to(&self, block: usize, sum: &mut [f64], without: Option<usize>) -> usize {
        let rows = self.rows_of(block).filter(|row| Some(*row) != without);
        rows.map(|row| {
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, x)| *sum += f64::from(x));
        })
        .count()
    }

    /// The sum of all rows, `[D]`.
    pub fn sum(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.dim];
        for block in 0..self.blocks() {
            self.add_to(block, &mut sum, None);
        }
        sum
    }

    /// Of the rows of a block minus the origin: products with the target, and squared lengths.
    fn shifted(&self, block: usize, against: &Against) -> Shifted {
        let Against { target, origin, codes, .. } = against;
        let origin = origin.as_deref().unwrap_or_default();
        let (scales, block_codes) = match &self.stored {
            Stored::F32(blocks) => return f32_shifted(&blocks[block], origin, target),
            Stored::F16(blocks) => return f16_shifted(&blocks[block], origin, target),
            Stored::Int8 { scales, codes, .. } => (scales, &codes[block]),
        };
        let against = codes.as_ref().expect("codes are compared with what they made");
        let products = block_codes.products(&against.target);
        let crossed = block_codes.products(&against.common);
        let mut all = Shifted { products: Vec::new(), squares: Vec::new() };
        let parts = products.iter().zip(crossed).zip(block_codes.squares());
        for (row, ((product, crossed), square)) in (block * per_block(self.dim)..).zip(parts) {
            let scale = f64::from(scales[row]);
            let (own, both) = (scale * scale * square, 2.0 * scale * crossed);
            let sum = against.common_square + both + own;
            if sum > CANCELLED * (against.common_square + own) {
                all.products.push(against.common_product + scale * product);
                all.squares.push(sum);
            } else {
                let encoded: Vec<u8> = self.row(row).iter().flat_map(|x| x.to_le_bytes()).collect();
                let exact = f32_shifted(&encoded, origin, target);
                all.products.extend(exact.products);
                all.squares.extend(exact.squares);
            }
        }
        all
    }

    /// Whether every value is finite and no row is zero; `name` says whose a row is.
    pub fn check(&self, key: &str, name: impl Fn(usize) -> String) -> Result<(), Error> {
        let Some(row) = self.wrong else { return Ok(()) };
        let how = match self.is_finite(row) {
            true => "is all zeros",
            false => "holds values that are not finite",
        };
        Err(Error::Inconsistent(format!("the {key} embedding of {} {how}", name(row))))
    }

    fn is_finite(&self, row: usize) -> bool {
        match &self.stored {
            // A sum of squares of finite `f32` is finite in `f64`.
            Stored::F32(_) => self.squares[row].is_finite(),
            Stored::F16(_) => self.bytes(row).as_chunks::<2>().0.iter().all(|half| {
                // All bits of the exponent are set otherwise.
                u16::from_le_bytes(*half) & 0x7c00 != 0x7c00
            }),
            Stored::Int8 { mean, scales, .. } => {
                decoded(mean, scales[row], self.bytes(row)).all(f32::is_finite)
            }
        }
    }

    fn is_zero(&self, row: usize) -> bool {
        match &self.stored {
            // The square of the least `f32` is above zero in `f64`.
            Stored::F32(_) | Stored::F16(_) => self.squares[row] == 0.0,
            Stored::Int8 { mean, scales, .. } => {
                decoded(mean, scales[row], self.bytes(row)).all(|value| value == 0.0)
            }
        }
    }
}

/// One row of codes.
fn decoded(mean: &[f32], scale: f32, codes: &[u8]) -> impl Iterator<Item = f32> {
    codes.iter().zip(mean).map(move |(code, &m)| int8::value(m, scale, code.cast_signed()))
}

/// Equal rows, however they are stored.
impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.dim == other.dim && self.iter().eq(other.iter())
    }
}

fn angles(products: &[f64], squares: &[f64], target: f64) -> Vec<Option<f64>> {
    let length = target.sqrt();
    let cosine = |(product, square): (&f64, &f64)| {
        let value = product / (length * square.sqrt());
        value.is_finite().then(|| value.clamp(-1.0, 1.0))
    };
    products.iter().zip(squares).map(cosine).collect()
}

#[cfg(test)]
mod tests;
