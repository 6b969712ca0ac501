//! Long embeddings in fewer dimensions.

use crate::Error;
use tupate_tasks::Projection;

/// A random projection, `[D]` → `[dim]`, that keeps lengths and angles
/// approximately: the sparse one of Kane and Nelson ("Sparser Johnson-Lindenstrauss
/// transforms", 2014, the block construction). The result is `dim` numbers in
/// [`Projection::TIMES`] blocks. Each value goes to one place of every block, with a
/// random sign, divided by the square root of the number of blocks.
///
/// Place and sign of value `j` in block `b` are those of the number `8·j + b` of the
/// SplitMix64 sequence of the seed: its lowest bit is the sign, 1 for minus, and the
/// upper word of its product with the block's length is the place. Sums are in `f64`,
/// in the order of `j`.
///
/// # Errors
/// When `dim` is no multiple of the number of blocks, or not less than `D`.
pub fn project(values: &[f32], projection: &Projection) -> Result<Vec<f32>, Error> {
    const TIMES: usize = Projection::TIMES;
    let Projection { dim, seed } = *projection;
    if dim == 0 || !dim.is_multiple_of(TIMES) || dim >= values.len() {
        return Err(Error::Recipe(format!(
            "a projection of {} values goes to fewer dimensions, a multiple of {TIMES}, not to {dim}",
            values.len()
        )));
    }
    let block = dim / TIMES;
    let mut sums = vec![0.0_f64; dim];
    for (j, &value) in values.iter().enumerate() {
        for b in 0..TIMES {
            let number = splitmix64(seed, (TIMES * j + b) as u64);
            let place = ((u128::from(number) * block as u128) >> 64) as usize;
            let value = f64::from(value);
            sums[b * block + place] += if number & 1 == 1 { -value } else { value };
        }
    }
    let scale = (TIMES as f64).sqrt();
    Ok(sums.into_iter().map(|sum| (sum / scale) as f32).collect())
}

/// Number `i` of a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
fn splitmix64(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_256: Projection = Projection { dim: 256, seed: 3 };

    fn vector(seed: u64) -> Vec<f32> {
        (0..5000).map(|i| (splitmix64(seed, i) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn angles_are_kept_and_a_seed_decides() {
        let (a, other) = (vector(1), vector(2));
        let b: Vec<f32> = a.iter().zip(&other).map(|(x, y)| x + 0.5 * y).collect();
        let (p, q) = (project(&a, &TO_256).unwrap(), project(&b, &TO_256).unwrap());
        // Four standard deviations: (1 − cos²) / √dim each.
        assert!((cosine(&a, &b) - cosine(&p, &q)).abs() < 0.05);
        assert!(cosine(&p, &project(&other, &TO_256).unwrap()).abs() < 4.0 / 16.0);
        assert_eq!(p, project(&a, &TO_256).unwrap());
        assert_ne!(p, project(&a, &Projection { seed: 4, ..TO_256 }).unwrap());
    }

    #[test]
    fn it_is_linear() {
        let (a, b) = (vector(1), vector(2));
        let sum: Vec<f32> = a.iter().zip(&b).map(|(x, y)| x + y).collect();
        let (p, q) = (project(&a, &TO_256).unwrap(), project(&b, &TO_256).unwrap());
        for ((x, y), s) in p.iter().zip(&q).zip(project(&sum, &TO_256).unwrap()) {
            assert!((x + y - s).abs() < 1e-4);
        }
    }

    #[test]
    fn a_value_goes_to_one_place_of_each_block() {
        // The first numbers of seed 0 are published with the generator.
        assert_eq!(splitmix64(0, 0), 0xe220_a839_7b1d_cdaf);
        let mut values = [0.0; 20];
        values[0] = 8.0_f32.sqrt();
        let projected = project(&values, &Projection { dim: 16, seed: 0 }).unwrap();
        for block in projected.chunks_exact(2) {
            assert!(block.iter().filter(|x| **x == 0.0).count() == 1, "{block:?}");
            assert!(block.iter().any(|x| (x.abs() - 1.0).abs() < 1e-6));
        }
        // An odd number in the upper half of its range.
        assert_eq!(projected[..2], [0.0, -1.0]);
    }

    #[test]
    fn what_is_no_projection_is_refused() {
        for dim in [0, 12, 24, 32] {
            assert!(project(&[1.0; 24], &Projection { dim, seed: 0 }).is_err(), "{dim}");
        }
    }
}
