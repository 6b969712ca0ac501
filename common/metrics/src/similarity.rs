//! Vector similarities. Greater is closer.

/// Cosine of the angle between `a` and `b`, both `[D]` (paper, section 3.2).
///
/// `None` when the lengths differ, either vector is zero or empty, or a value
/// is not finite: there is no angle then, and a number would be a lie.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (mut dot, mut aa, mut bb) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    let value = dot / (aa.sqrt() * bb.sqrt());
    value.is_finite().then(|| value.clamp(-1.0, 1.0))
}

/// `a - b`, both `[D]`.
///
/// # Panics
/// When the lengths differ.
pub fn subtract(a: &[f32], b: &[f32]) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    a.iter().zip(b).map(|(x, y)| x - y).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hand_made_angles() {
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[3.0, 4.0], &[3.0, 4.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[-5.0, 0.0]), Some(-1.0));
        let diagonal = cosine(&[1.0, 0.0], &[1.0, 1.0]).unwrap();
        assert!((diagonal - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_angle_has_no_cosine() {
        assert_eq!(cosine(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 2.0]), None);
        assert_eq!(cosine(&[f32::NAN], &[1.0]), None);
        assert_eq!(cosine(&[], &[]), None);
    }

    #[test]
    fn large_vectors_do_not_overflow() {
        assert_eq!(cosine(&[f32::MAX; 4], &[f32::MAX; 4]), Some(1.0));
    }

    proptest! {
        #[test]
        fn cosine_is_bounded_symmetric_and_scale_free(
            pair in proptest::collection::vec((-10.0_f32..10.0, -10.0_f32..10.0), 1..64),
            scale in 0.01_f32..100.0,
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pair.into_iter().unzip();
            if let Some(value) = cosine(&a, &b) {
                prop_assert!((-1.0..=1.0).contains(&value));
                prop_assert_eq!(Some(value), cosine(&b, &a));
                let scaled: Vec<f32> = a.iter().map(|x| x * scale).collect();
                prop_assert!((cosine(&scaled, &b).unwrap() - value).abs() < 1e-5);
            }
        }
    }
}
