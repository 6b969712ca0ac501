//! Products of rows, natively and in the browser: the same bits everywhere.

use tupate_metrics::dot::{
    Coarse, Codes, DIGITS_MAX, dot, f16_products, f16_squares, f16_value, f32_products, f32_squares,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Numbers without a pattern (Marsaglia's xorshift).
fn noise(n: usize, mut state: u64) -> impl Iterator<Item = u64> {
    (0..n).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

fn bytes(n: usize) -> Vec<u8> {
    noise(n, 7).map(|x| (x >> 24) as u8).collect()
}

fn query(n: usize) -> Vec<f32> {
    noise(n, 11).map(|x| (x >> 40) as f32 / (1 << 20) as f32 - 8.0).collect()
}

/// FNV-1a over the products' bits.
fn digest(products: &[f64]) -> u64 {
    products
        .iter()
        .flat_map(|x| x.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Widths with and without a rest, over one block of codes and over several.
const WIDTHS: [usize; 12] = [1, 7, 15, 16, 31, 33, 64, 100, 1023, 1024, 1025, 3000];

#[test]
fn products_of_codes_are_exact() {
    for dim in WIDTHS {
        let codes = Codes::new(bytes(3 * dim), dim);
        // Whole numbers up to the greatest digit: nothing to round.
        let largest = f32::from(DIGITS_MAX);
        let mut query: Vec<f32> = noise(dim, 5).map(|x| (x % 16383) as f32 - largest).collect();
        query[0] = largest;
        let products = codes.products(&Coarse::new(&query));
        for (row, product) in codes.bytes().chunks_exact(dim).zip(products) {
            let exact: i64 =
                row.iter().zip(&query).map(|(c, q)| i64::from(*c as i8) * *q as i64).sum();
            assert_eq!(product, exact as f64, "{dim}");
        }
        for (row, square) in codes.bytes().chunks_exact(dim).zip(codes.squares()) {
            let exact: i64 = row.iter().map(|c| i64::from(*c as i8).pow(2)).sum();
            assert_eq!(square, exact as f64, "{dim}");
        }
    }
}

#[test]
fn extreme_codes_and_digits_do_not_overflow() {
    for (code, digit) in [(-128, 1.0), (-128, -1.0), (127, 1.0), (127, -1.0_f32)] {
        let codes = Codes::new(vec![(code as i8).cast_unsigned(); 4096], 4096);
        let products = codes.products(&Coarse::new(&vec![digit; 4096]));
        let exact = f64::from(code) * f64::from(digit) * 4096.0;
        assert!((products[0] / exact - 1.0).abs() < 1e-12, "{code} {digit}");
    }
}

#[test]
fn products_of_numbers_are_those_of_plain_sums() {
    for dim in WIDTHS {
        let query = query(dim);
        let rows: Vec<f32> = self::query(3 * dim).into_iter().map(|x| x * 0.37 + 1.0).collect();
        let encoded: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        let products = f32_products(&encoded, &query);
        let squares = f32_squares(&encoded, dim);
        for (i, row) in rows.chunks_exact(dim).enumerate() {
            let sum = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
            };
            let size = sum(row, row).sqrt() * sum(&query, &query).sqrt();
            assert!((products[i] - sum(row, &query)).abs() <= 1e-14 * size, "{dim}");
            assert!((squares[i] / sum(row, row) - 1.0).abs() < 1e-14, "{dim}");
            assert_eq!(products[i], dot(row, &query), "{dim}");
        }
    }
}

#[test]
fn every_half_is_read_as_it_is() {
    for half in (0..=u16::MAX).filter(|half| half & 0x7c00 != 0x7c00) {
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 0x3ff));
        let magnitude = match exponent {
            0 => fraction * 2.0_f64.powi(-24),
            _ => (1.0 + fraction / 1024.0) * 2.0_f64.powi(exponent - 15),
        };
        let value = f16_value(half.to_le_bytes());
        assert_eq!(f64::from(value.abs()), magnitude, "{half:04x}");
        assert_eq!(value.is_sign_negative(), half & 0x8000 != 0, "{half:04x}");
        assert_eq!(f16_products(&half.to_le_bytes(), &[1.0]), [f64::from(value)]);
    }
}

#[test]
fn rounding_a_query_to_digits_costs_a_hundred_thousandth() {
    let dim = 1024;
    let (query, codes) = (query(dim), Codes::new(bytes(50 * dim), dim));
    let length = dot(&query, &query).sqrt();
    let products = codes.products(&Coarse::new(&query));
    for ((row, product), square) in
        codes.bytes().chunks_exact(dim).zip(products).zip(codes.squares())
    {
        let exact: f64 =
            row.iter().zip(&query).map(|(c, q)| f64::from(*c as i8) * f64::from(*q)).sum();
        assert!((product - exact).abs() / (length * square.sqrt()) < 1e-5);
    }
    assert_eq!(codes.products(&Coarse::new(&[0.0; 1024])), [0.0; 50]);
}

/// The digests are of the first machine that ran this. Every other one must have the
/// same, with whatever instructions: AVX-512, AVX2, NEON, plain, simd128, relaxed SIMD.
#[test]
fn the_same_bits_everywhere() {
    let dim = 1037;
    let query = query(dim);
    let codes = Codes::new(bytes(20 * dim), dim);
    // Halves and singles between 1/4 and 2, of either sign.
    let halves: Vec<u8> =
        noise(20 * dim, 3).flat_map(|x| ((x as u16 & 0x8fff) + 0x3000).to_le_bytes()).collect();
    let singles: Vec<u8> = noise(20 * dim, 9)
        .flat_map(|x| ((x as u32 & 0x81ff_ffff) + 0x3e80_0000).to_le_bytes())
        .collect();
    assert_eq!(
        [
            digest(&codes.products(&Coarse::new(&query))),
            digest(&codes.squares()),
            digest(&f16_products(&halves, &query)),
            digest(&f16_squares(&halves, dim)),
            digest(&f32_products(&singles, &query)),
            digest(&f32_squares(&singles, dim)),
        ],
        [
            0x8ef16741e27cf8f9,
            0x532ebc695b035d39,
            0x753ce508b158b2b1,
            0x80fd4dc970fcbc7c,
            0x1a03331ecf1fa303,
            0xb2b64e74fe12308b
        ]
    );
}
