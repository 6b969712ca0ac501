//! What is measured, natively and in the browser alike.

#![allow(dead_code, reason = "one of the two programs leaves one out")]

use tupate_metrics::dot::{Coarse, Codes, f16_products, f32_products};

/// Rows and width of the large zoo.
pub const LARGE: (usize, usize) = (100_000, 1_024);
/// Rows and width of one with long embeddings: BitFit on BERT-base.
pub const LONG: (usize, usize) = (2_000, 8_448);

/// A name, the bytes that are read, and what is done with them.
pub struct Case {
    pub name: &'static str,
    pub bytes: usize,
    pub work: Box<dyn FnMut() -> f64>,
}

/// Every case is made when its turn comes: together they would take 640 MB.
pub const CASES: &[fn() -> Case] = &[int8, f16, f32, read];

/// Values between 1/4 and 2, of either sign, whatever their type: the last byte of
/// each is `top` or a little more.
fn bytes(n: usize, size: usize, top: u8) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..n)
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let byte = (state >> 32) as u8;
            if size > 1 && i % size == size - 1 { top | (byte & 0x80) } else { byte }
        })
        .collect()
}

/// A target's embedding.
pub fn query(dim: usize) -> Vec<f32> {
    (0..dim).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn int8() -> Case {
    let (n, dim) = LARGE;
    let rows = Codes::new(bytes(n * dim, 1, 0), dim);
    let query = query(dim);
    let work = move || rows.products(&Coarse::new(&query))[n / 2];
    Case { name: "int8", bytes: n * dim, work: Box::new(work) }
}

fn f16() -> Case {
    let (n, dim) = LONG;
    let rows = bytes(2 * n * dim, 2, 0x38);
    let query = query(dim);
    let work = move || f16_products(&rows, &query)[n / 2];
    Case { name: "f16", bytes: 2 * n * dim, work: Box::new(work) }
}

fn f32() -> Case {
    let (n, dim) = LARGE;
    let rows = bytes(4 * n * dim, 4, 0x3f);
    let query = query(dim);
    let work = move || f32_products(&rows, &query)[n / 2];
    Case { name: "f32", bytes: 4 * n * dim, work: Box::new(work) }
}

/// Nothing but reading: what the memory gives.
fn read() -> Case {
    let n = 400 << 20;
    let rows = bytes(n, 1, 0);
    let work = move || {
        // Hidden, or the same sum would be taken once for all times.
        let words = std::hint::black_box(&rows).as_chunks::<8>().0;
        let mut sums = [0_u64; 16];
        for words in words.as_chunks::<16>().0 {
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(u64::from_le_bytes(*word));
            }
        }
        sums.iter().fold(0_u64, |s, x| s.wrapping_add(*x)) as f64
    };
    Case { name: "read", bytes: n, work: Box::new(work) }
}
