//! The embeddings of a set as their file has them.
//!
//! Nothing is converted beforehand: a large zoo would take four times its size, and
//! reading is what ranking costs. Only a small set of codes is decoded when it is
//! read, because it may have so few dimensions that rounding a target to digits shows.

use crate::{Error, int8};
use std::ops::Range;
use tupate_metrics::dot::{
    Coarse, Codes, Shifted, dot, f16_products, f16_shifted, f16_squares, f16_value, f32_products,
    f32_shifted, f32_squares,
};

/// Values from which on codes stay codes.
pub(crate) const MANY: usize = 1 << 20;

/// A squared length below this share of its parts was mostly cancelled.
const CANCELLED: f64 = 1e-2;

/// Rows of equal length.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    dim: usize,
    stored: Stored,
    /// `[n]`.
    squares: Vec<f64>,
}

#[derive(Clone, Debug)]
enum Stored {
    /// `[n, D]`, little-endian.
    F32(Vec<u8>),
    /// `[n, D]`, little-endian.
    F16(Vec<u8>),
    Int8 {
        /// `[D]`.
        mean: Vec<f32>,
        /// `[n]`.
        scales: Vec<f32>,
        /// `[n, D]`.
        codes: Codes,
    },
}

impl Rows {
    /// Rows `[n, dim]`.
    pub fn of_values(values: &[f32], dim: usize) -> Self {
        Self::of_f32(values.iter().flat_map(|v| v.to_le_bytes()).collect(), dim)
    }

    /// Rows `[n, dim]` in little-endian `f32`.
    pub fn of_f32(bytes: Vec<u8>, dim: usize) -> Self {
        let squares = f32_squares(&bytes, dim);
        Self { dim, stored: Stored::F32(bytes), squares }
    }

    /// Rows `[n, dim]` in little-endian `f16`.
    pub fn of_f16(bytes: Vec<u8>, dim: usize) -> Self {
        let squares = f16_squares(&bytes, dim);
        Self { dim, stored: Stored::F16(bytes), squares }
    }

    /// Rows of codes.
    pub fn of_codes(coded: int8::Coded) -> Self {
        if coded.codes.len() < MANY {
            return Self::of_values(&int8::decode(&coded), coded.mean.len());
        }
        Self::of_many_codes(coded)
    }

    fn of_many_codes(coded: int8::Coded) -> Self {
        let int8::Coded { mean, scales, codes } = coded;
        let dim = mean.len();
        let codes = codes.into_iter().map(i8::cast_unsigned).collect();
        let stored = Stored::Int8 { mean, scales, codes: Codes::new(codes, dim) };
        let mut rows = Self { dim, stored, squares: Vec::new() };
        rows.squares = rows.shifted(&vec![0.0; dim], &vec![0.0; dim]).squares;
        rows
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// The length of a row.
    pub fn dim(&self) -> usize {
        self.dim
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
        let place = row * self.dim + columns.start..row * self.dim + columns.end;
        match &self.stored {
            Stored::F32(bytes) => {
                let values = &bytes.as_chunks().0[place];
                values.iter().copied().map(f32::from_le_bytes).collect()
            }
            Stored::F16(bytes) => {
                bytes.as_chunks().0[place].iter().copied().map(f16_value).collect()
            }
            Stored::Int8 { mean, scales, codes } => {
                decoded(&mean[columns], scales[row], &codes.bytes()[place]).collect()
            }
        }
    }

    /// All rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Vec<f32>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// The rows of these numbers.
    pub fn select(&self, rows: &[usize]) -> Self {
        let bytes = |all: &[u8], size: usize| -> Vec<u8> {
            let width = size * self.dim;
            rows.iter().flat_map(|row| &all[row * width..(row + 1) * width]).copied().collect()
        };
        let stored = match &self.stored {
            Stored::F32(all) => Stored::F32(bytes(all, 4)),
            Stored::F16(all) => Stored::F16(bytes(all, 2)),
            Stored::Int8 { mean, scales, codes } => Stored::Int8 {
                mean: mean.clone(),
                scales: rows.iter().map(|row| scales[*row]).collect(),
                codes: Codes::new(bytes(codes.bytes(), 1), self.dim),
            },
        };
        let squares = rows.iter().map(|row| self.squares[*row]).collect();
        Self { dim: self.dim, stored, squares }
    }

    /// Cosine of each row with `target`, `[D]`; `None` where one of them is zero.
    pub fn cosines(&self, target: &[f32]) -> Vec<Option<f64>> {
        let products = match &self.stored {
            Stored::F32(bytes) => f32_products(bytes, target),
            Stored::F16(bytes) => f16_products(bytes, target),
            Stored::Int8 { mean, scales, codes } => {
                let common = dot(mean, target);
                let own = codes.products(&Coarse::new(target));
                own.iter().zip(scales).map(|(own, s)| common + f64::from(*s) * own).collect()
            }
        };
        angles(&products, &self.squares, dot(target, target))
    }

    /// Cosine of each row with `target`, both minus `origin`, `[D]`; `None` where one
    /// of the differences is zero.
    pub fn cosines_about(&self, origin: &[f32], target: &[f32]) -> Vec<Option<f64>> {
        let direction = tupate_metrics::subtract(target, origin);
        let Shifted { products, squares } = self.shifted(origin, &direction);
        angles(&products, &squares, dot(&direction, &direction))
    }

    /// The mean of `more` and all rows but `without`, `[D]`.
    pub fn mean(&self, without: Option<usize>, more: &[f32]) -> Vec<f32> {
        let mut sum: Vec<f64> = more.iter().copied().map(f64::from).collect();
        let rows = 1 + self.add_to(&mut sum, without);
        sum.into_iter().map(|sum| (sum / rows as f64) as f32).collect()
    }

    /// The sum of all rows, `[D]`.
    pub fn sum(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.dim];
        self.add_to(&mut sum, None);
        sum
    }

    /// Adds all rows but `without`, and says how many.
    fn add_to(&self, sum: &mut [f64], without: Option<usize>) -> usize {
        let rows = (0..self.len()).filter(|row| Some(*row) != without);
        rows.map(|row| {
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, x)| *sum += f64::from(x));
        })
        .count()
    }

    /// Products with `direction` and squared lengths of the rows minus `origin`.
    fn shifted(&self, origin: &[f32], direction: &[f32]) -> Shifted {
        let (mean, scales, codes) = match &self.stored {
            Stored::F32(bytes) => return f32_shifted(bytes, origin, direction),
            Stored::F16(bytes) => return f16_shifted(bytes, origin, direction),
            Stored::Int8 { mean, scales, codes } => (mean, scales, codes),
        };
        // row − origin = common + scale · codes
        let common = tupate_metrics::subtract(mean, origin);
        let (common_product, common_square) = (dot(&common, direction), dot(&common, &common));
        let products = codes.products(&Coarse::new(direction));
        let crossed = codes.products(&Coarse::new(&common));
        let mut all = Shifted { products: Vec::new(), squares: Vec::new() };
        let parts = products.iter().zip(crossed).zip(codes.squares()).zip(scales);
        for (row, (((product, crossed), square), scale)) in parts.enumerate() {
            let scale = f64::from(*scale);
            let (own, both) = (scale * scale * square, 2.0 * scale * crossed);
            let sum = common_square + both + own;
            if sum > CANCELLED * (common_square + own) {
                all.products.push(common_product + scale * product);
                all.squares.push(sum);
            } else {
                let encoded: Vec<u8> = self.row(row).iter().flat_map(|x| x.to_le_bytes()).collect();
                let exact = f32_shifted(&encoded, origin, direction);
                all.products.extend(exact.products);
                all.squares.extend(exact.squares);
            }
        }
        all
    }

    /// Whether every value is finite and no row is zero; `name` says whose a row is.
    pub fn check(&self, key: &str, name: impl Fn(usize) -> String) -> Result<(), Error> {
        for row in 0..self.len() {
            if !self.is_finite(row) {
                return Err(Error::Inconsistent(format!(
                    "the {key} embedding of {} holds values that are not finite",
                    name(row)
                )));
            }
            if self.is_zero(row) {
                return Err(Error::Inconsistent(format!(
                    "the {key} embedding of {} is all zeros",
                    name(row)
                )));
            }
        }
        Ok(())
    }

    fn is_finite(&self, row: usize) -> bool {
        let place = row * self.dim..(row + 1) * self.dim;
        match &self.stored {
            // A sum of squares of finite `f32` is finite in `f64`.
            Stored::F32(_) => self.squares[row].is_finite(),
            Stored::F16(bytes) => bytes.as_chunks::<2>().0[place]
                .iter()
                .all(|half| u16::from_le_bytes(*half) & 0x7c00 != 0x7c00),
            Stored::Int8 { mean, scales, codes } => {
                let codes = &codes.bytes()[place];
                decoded(mean, scales[row], codes).all(f32::is_finite)
            }
        }
    }

    fn is_zero(&self, row: usize) -> bool {
        let place = row * self.dim..(row + 1) * self.dim;
        match &self.stored {
            // The square of the least `f32` is above zero in `f64`.
            Stored::F32(_) | Stored::F16(_) => self.squares[row] == 0.0,
            Stored::Int8 { mean, scales, codes } => {
                decoded(mean, scales[row], &codes.bytes()[place]).all(|value| value == 0.0)
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tupate_metrics::cosine;

    fn exact(rows: &Rows, origin: &[f32], target: &[f32]) -> Vec<Option<f64>> {
        let target = tupate_metrics::subtract(target, origin);
        rows.iter().map(|row| cosine(&target, &tupate_metrics::subtract(&row, origin))).collect()
    }

    fn close(found: &[Option<f64>], exact: &[Option<f64>], tolerance: f64) -> bool {
        found.iter().zip(exact).all(|pair| match pair {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance,
            (a, b) => a.is_none() && b.is_none(),
        })
    }

    /// `[n, dim]` that share most of their length, as raw embeddings do.
    fn embeddings(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let noise = |i: u64| {
            let x = i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((x >> 40) as f32) / (1 << 23) as f32 - 1.0
        };
        (0..n * dim).map(|i| noise((i % dim) as u64 + (1 << 40)) + 0.15 * noise(i as u64)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_storage_compares_its_rows_as_they_are(seed: u64, dim in 1_usize..70) {
            let (values, target) = (embeddings(9, dim, seed), embeddings(1, dim, !seed));
            let origin = &values[..dim];
            let halves = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes());
            for rows in [Rows::of_values(&values, dim), Rows::of_f16(halves.collect(), dim)] {
                let zero = vec![0.0; dim];
                prop_assert!(close(&rows.cosines(&target), &exact(&rows, &zero, &target), 1e-12));
                let about = rows.cosines_about(origin, &target);
                // The reference subtracts in f32.
                prop_assert!(close(&about, &exact(&rows, origin, &target), 1e-5));
                prop_assert_eq!(rows.select(&[3, 1]).row(1), rows.row(1));
                prop_assert_eq!(rows.part(4, dim / 3..dim), &rows.row(4)[dim / 3..]);
            }
        }

        #[test]
        fn many_codes_are_compared_as_if_decoded(seed: u64) {
            let (n, dim) = (50, 1024);
            let coded = int8::encode(&embeddings(n, dim, seed), dim);
            let rows = Rows::of_many_codes(coded.clone());
            let decoded = Rows::of_values(&int8::decode(&coded), dim);
            prop_assert!(rows == decoded);
            prop_assert_eq!(rows.part(4, 100..300), &decoded.row(4)[100..300]);
            let target = rows.row(7);
            prop_assert!(close(&rows.cosines(&target), &decoded.cosines(&target), 1e-5));
            let mean = rows.mean(Some(7), &target);
            prop_assert_eq!(&mean, &decoded.mean(Some(7), &target));
            let (own, exact) =
                (rows.cosines_about(&mean, &target), decoded.cosines_about(&mean, &target));
            prop_assert!(close(&own, &exact, 1e-5));
            let kept = rows.select(&[7, 3]);
            prop_assert_eq!(kept.cosines(&target)[0], rows.cosines(&target)[7]);
            prop_assert!(kept.check("k", |row| row.to_string()).is_ok());
        }
    }

    #[test]
    fn rows_of_codes_near_zero_keep_their_angle() {
        // The mean of two opposite rows and a third: its difference nearly cancels it.
        let dim = 64;
        let mut values = embeddings(3, dim, 5);
        values[..dim].iter_mut().for_each(|v| *v *= 1e-3);
        let coded = int8::encode(&values, dim);
        let (rows, decoded) =
            (Rows::of_many_codes(coded.clone()), Rows::of_values(&int8::decode(&coded), dim));
        let target = decoded.row(1);
        assert!(close(&rows.cosines(&target), &decoded.cosines(&target), 2e-3));
        assert!(rows.squares.iter().zip(&decoded.squares).all(|(a, b)| (a / b - 1.0).abs() < 1e-3));
    }

    #[test]
    fn what_is_not_finite_or_zero_is_named() {
        let name = |row: usize| format!("t{row}");
        let infinite = Rows::of_f16([0x00, 0x3c, 0x00, 0x7c].to_vec(), 1);
        let error = infinite.check("k", name).unwrap_err().to_string();
        assert!(error.contains("embedding of t1 holds values that are not finite"), "{error}");
        let zero = Rows::of_values(&[1.0, 0.0, -0.0, 0.0], 2);
        let error = zero.check("k", name).unwrap_err().to_string();
        assert!(error.contains("embedding of t1 is all zeros"), "{error}");
        // The least number above zero is none.
        assert!(Rows::of_values(&[f32::from_bits(1)], 1).check("k", name).is_ok());
        assert!(Rows::of_f16([1, 0].to_vec(), 1).check("k", name).is_ok());
        assert!(Rows::of_values(&[f32::NAN], 1).check("k", name).is_err());
    }
}
