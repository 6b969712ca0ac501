//! Rows in every storage against the same rows in `f32` and in one block.

use super::*;
use proptest::prelude::*;
use tupate_metrics::cosine;

fn exact(rows: &Rows, origin: &[f32], target: &[f32]) -> Vec<Option<f64>> {
    let target = tupate_metrics::subtract(target, origin);
    rows.iter().map(|row| cosine(&target, &tupate_metrics::subtract(&row, origin))).collect()
}

fn compare(rows: &Rows, against: &Against) -> Vec<Option<f64>> {
    (0..rows.blocks()).flat_map(|block| rows.cosines(block, against)).collect()
}

fn cosines(rows: &Rows, target: &[f32]) -> Vec<Option<f64>> {
    compare(rows, &rows.against(target))
}

fn cosines_about(rows: &Rows, origin: &[f32], target: &[f32]) -> Vec<Option<f64>> {
    compare(rows, &rows.about(origin, target))
}

/// The sum of `more` and all rows but `without`.
fn sum(rows: &Rows, without: Option<usize>, more: &[f32]) -> Vec<f64> {
    let mut sum: Vec<f64> = more.iter().copied().map(f64::from).collect();
    let added: usize = (0..rows.blocks()).map(|block| rows.add_to(block, &mut sum, without)).sum();
    assert_eq!(added, rows.len() - usize::from(without.is_some()));
    sum
}

fn pushed(mut rows: Rows, bytes: &[u8]) -> Rows {
    for block in bytes.chunks(rows.block_bytes()) {
        rows.push(block.to_vec());
    }
    rows
}

fn of_f16(bytes: &[u8], dim: usize) -> Rows {
    pushed(Rows::f16(dim), bytes)
}

fn of_many_codes(coded: &int8::Coded) -> Rows {
    let codes: Vec<u8> = coded.codes.iter().map(|code| code.cast_unsigned()).collect();
    pushed(Rows::codes(coded.mean.clone(), coded.scales.clone()), &codes)
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
        let halves: Vec<u8> = halves.collect();
        for rows in [Rows::of_values(&values, dim), of_f16(&halves, dim)] {
            let zero = vec![0.0; dim];
            prop_assert!(close(&cosines(&rows, &target), &exact(&rows, &zero, &target), 1e-12));
            let about = cosines_about(&rows, origin, &target);
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
        let rows = of_many_codes(&coded);
        let decoded = Rows::of_values(&int8::decode(&coded), dim);
        prop_assert!(rows == decoded);
        prop_assert_eq!(rows.part(4, 100..300), &decoded.row(4)[100..300]);
        let target = rows.row(7);
        prop_assert!(close(&cosines(&rows, &target), &cosines(&decoded, &target), 1e-5));
        let mean: Vec<f32> = sum(&rows, Some(7), &target).into_iter().map(|sum| (sum / 50.0) as f32).collect();
        prop_assert_eq!(sum(&rows, Some(7), &target), sum(&decoded, Some(7), &target));
        let (own, exact) =
            (cosines_about(&rows, &mean, &target), cosines_about(&decoded, &mean, &target));
        // What docs/ZOO_FORMAT.md says of the rounding, six times.
        let direction = tupate_metrics::subtract(&target, &mean);
        let largest = direction.iter().fold(0.0_f32, |l, x| l.max(x.abs()));
        let deviation = f64::from(largest) / (28374.0 * dot(&direction, &direction).sqrt());
        prop_assert!((1e-6..4e-6).contains(&deviation));
        prop_assert!(close(&own, &exact, 6.0 * deviation));
        let kept = rows.select(&[7, 3]);
        prop_assert_eq!(cosines(&kept, &target)[0], cosines(&rows, &target)[7]);
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
    let (rows, decoded) = (of_many_codes(&coded), Rows::of_values(&int8::decode(&coded), dim));
    let target = decoded.row(1);
    assert!(close(&cosines(&rows, &target), &cosines(&decoded, &target), 2e-3));
    assert!(rows.squares.iter().zip(&decoded.squares).all(|(a, b)| (a / b - 1.0).abs() < 1e-3));
}

#[test]
fn rows_in_blocks_are_what_they_are_in_one() {
    let (n, dim) = (17, 30);
    let values = embeddings(n, dim, 3);
    let (target, origin) = (embeddings(1, dim, 8), embeddings(1, dim, 9));
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let rows = pushed(Rows::f32(dim), &bytes);
    // Three rows have room in a block of a hundred values.
    assert_eq!((rows.blocks(), rows.len()), (6, n));
    assert_eq!((rows.rows_of(0), rows.rows_of(5)), (0..3, 15..17));
    assert!(rows == Rows::of_values(&values, dim));
    // To the bit.
    let whole = f32_products(&bytes, &target);
    let squares = f32_squares(&bytes, dim);
    assert_eq!(cosines(&rows, &target), angles(&whole, &squares, dot(&target, &target)));
    let direction = tupate_metrics::subtract(&target, &origin);
    let Shifted { products, squares } = f32_shifted(&bytes, &origin, &direction);
    let about = angles(&products, &squares, dot(&direction, &direction));
    assert_eq!(cosines_about(&rows, &origin, &target), about);
    for rows in [rows, of_many_codes(&int8::encode(&values, dim))] {
        let last = rows.select(&[16, 0, 4, 9]);
        assert_eq!((last.row(0), last.row(3)), (rows.row(16), rows.row(9)));
        assert_eq!((last.blocks(), last.len()), (2, 4));
    }
}

#[test]
fn what_is_not_finite_or_zero_is_named() {
    let name = |row: usize| format!("t{row}");
    let infinite = of_f16(&[0x00, 0x3c, 0x00, 0x7c], 1);
    let error = infinite.check("k", name).unwrap_err().to_string();
    assert!(error.contains("embedding of t1 holds values that are not finite"), "{error}");
    let zero = Rows::of_values(&[1.0, 0.0, -0.0, 0.0], 2);
    let error = zero.check("k", name).unwrap_err().to_string();
    assert!(error.contains("embedding of t1 is all zeros"), "{error}");
    // The least number above zero is none.
    assert!(Rows::of_values(&[f32::from_bits(1)], 1).check("k", name).is_ok());
    assert!(of_f16(&[1, 0], 1).check("k", name).is_ok());
    assert!(Rows::of_values(&[f32::NAN], 1).check("k", name).is_err());
}
