//! Items as points in a plane.

use crate::{Square, eigen};

/// A picture of items in two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Each item's place, `[n]`.
    pub points: Vec<[f64; 2]>,
    /// What share of all items' variance each of the two directions has.
    pub shares: [f64; 2],
}

/// The plane in which vectors lie most spread out, from their products about any
/// origin: principal components. For cosines it is classical scaling (Torgerson 1952)
/// of the chords `√(2 − 2·cos)`, whose products about their mean are the cosines' own:
/// one function for both. Each direction points to where its farthest item lies.
pub async fn plane(products: &Square, pause: &impl AsyncFn()) -> Plane {
    let centred = products.centred();
    let total = centred.trace();
    let found = eigen::leading(&centred, 2, pause).await;
    let mut plane = Plane { points: vec![[0.0; 2]; products.len()], shares: [0.0; 2] };
    // Below this, a direction is the rounding of one that is not there.
    let least = total * 1e-14 * products.len() as f64;
    for (axis, eigen) in found.iter().enumerate().filter(|(_, eigen)| eigen.value > least) {
        plane.shares[axis] = eigen.value / total;
        let length = eigen.value.sqrt();
        for (point, x) in plane.points.iter_mut().zip(&eigen.vector) {
            point[axis] = length * x;
        }
    }
    plane
}

/// How far distances in the plane are from those they stand for: stress-1 (Kruskal 1964),
/// `√(Σ(d − d̂)² / Σd²)` over all pairs with `d̂` the plane's; 0 is perfect. As a share of
/// the true distances, as scikit-learn has it: that of a projection is at most 1. `None`
/// where all distances are 0. Awaits `pause` between points.
pub async fn stress(
    points: &[[f64; 2]],
    distance: impl Fn(usize, usize) -> f64,
    pause: &impl AsyncFn(),
) -> Option<f64> {
    let (mut error, mut whole) = (0.0, 0.0);
    for (i, a) in points.iter().enumerate() {
        pause().await;
        for (j, b) in points.iter().enumerate().take(i) {
            // Of coordinates near 1: nothing overflows, and a million `hypot` take their time.
            let there = ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt();
            let wanted = distance(i, j);
            error += (wanted - there).powi(2);
            whole += wanted * wanted;
        }
    }
    (whole > 0.0).then(|| (error / whole).sqrt())
}
