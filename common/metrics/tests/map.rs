//! Clustering and points in a plane against scipy, scikit-learn and numpy
//! (`golden/map.py`), and what holds for any items.

use proptest::prelude::*;
use serde_json::Value;
use tupate_metrics::{
    Merge, Plane, Square, at_once, average_linkage, cosine, leading, no_pause, optimal_order,
    plane, random, stress, tree_order,
};

fn list(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Products of vectors, `[n, dim]`.
fn products(vectors: &[f32], dim: usize) -> Square {
    let read = |row: usize, from: usize, part: &mut [f64]| {
        let values = &vectors[row * dim + from..];
        part.iter_mut().zip(values).for_each(|(to, &x)| *to = f64::from(x));
    };
    at_once(Square::products(vectors.len() / dim, dim, read, &no_pause))
}

fn distances(similarities: &Square) -> Square {
    Square::of(similarities.len(), |i, j| 1.0 - similarities.at(i, j))
}

fn tree(distances: &Square) -> Vec<Merge> {
    at_once(average_linkage(distances, &no_pause))
}

fn best(distances: &Square, merges: &[Merge]) -> Vec<usize> {
    at_once(optimal_order(distances, merges, &no_pause))
}

fn cost(distances: &Square, order: &[usize]) -> f64 {
    order.windows(2).map(|pair| distances.at(pair[0], pair[1])).sum()
}

/// `n` vectors of `dim` values in a few groups.
fn drawn(seed: u64, n: usize, dim: usize) -> Vec<f32> {
    let number = |i: u64| random(seed, i) as f32 / u64::MAX as f32 - 0.5;
    (0..n * dim)
        .map(|i| {
            let (row, column) = (i / dim, i % dim);
            2.0 * number((row % 3 * dim + column) as u64) + number((1 << 40) + i as u64)
        })
        .collect()
}

#[track_caller]
fn close(found: f64, wanted: f64, what: &str) {
    assert!((found - wanted).abs() < 1e-8, "{what}: {found} instead of {wanted}");
}

#[test]
fn trees_and_planes_are_those_of_the_references() {
    let golden: Value = serde_json::from_str(include_str!("golden/map.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let dim = case["dim"].as_u64().unwrap() as usize;
        let vectors: Vec<f32> = serde_json::from_value(case["vectors"].clone()).unwrap();
        let products = products(&vectors, dim);
        let cosines = products.cosines().unwrap();
        let far = distances(&cosines);
        let merges = tree(&far);
        let wanted = case["tree"].as_array().unwrap();
        assert_eq!(merges.len(), wanted.len());
        for (merge, wanted) in merges.iter().zip(wanted) {
            let wanted = list(wanted);
            assert_eq!(merge.parts.map(|part| part as f64), wanted[..2], "{merge:?}");
            close(merge.height, wanted[2], "height");
            assert_eq!(merge.size as f64, wanted[3]);
        }
        let order = best(&far, &merges);
        close(cost(&far, &order), case["order_cost"].as_f64().unwrap(), "cost of the order");

        let length = |i, j| {
            let square: f64 = products.at(i, i) + products.at(j, j) - 2.0 * products.at(i, j);
            square.max(0.0).sqrt()
        };
        let chord = |i, j| (2.0 * far.at(i, j)).max(0.0).sqrt();
        type Distance<'a> = &'a dyn Fn(usize, usize) -> f64;
        let planes: [(&str, &Square, Distance<'_>); 2] =
            [("pca", &products, &length), ("scaling", &cosines, &chord)];
        for (name, products, distance) in planes {
            let Plane { points, shares } = at_once(plane(products, &no_pause));
            let wanted = &case[name];
            for (point, wanted) in points.iter().zip(wanted["points"].as_array().unwrap()) {
                let wanted = list(wanted);
                close(point[0], wanted[0], name);
                close(point[1], wanted[1], name);
            }
            let wanted_shares = list(&wanted["shares"]);
            close(shares[0], wanted_shares[0], "first share");
            close(shares[1], wanted_shares[1], "second share");
            let found = at_once(stress(&points, distance, &no_pause)).unwrap();
            close(found, wanted["stress"].as_f64().unwrap(), "stress");
        }
    }
}

#[test]
fn equal_eigenvalues_are_all_found() {
    // Three groups of 20 that have nothing in common: the greatest value three times.
    let of = |i: usize| i % 3;
    let matrix = Square::of(60, |i, j| f64::from(u8::from(of(i) == of(j))));
    let found = at_once(leading(&matrix, 4, &no_pause));
    let values: Vec<f64> = found.iter().map(|eigen| (eigen.value * 1e6).round() / 1e6).collect();
    assert_eq!(values, [20.0, 20.0, 20.0, 0.0]);
    // The corners of a regular triangle.
    let Plane { points, shares } = at_once(plane(&matrix, &no_pause));
    assert!((shares[0] - 0.5).abs() < 1e-9 && (shares[1] - 0.5).abs() < 1e-9, "{shares:?}");
    let side =
        |i: usize, j: usize| (points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1]);
    for (i, j) in [(0, 1), (1, 2), (0, 2)] {
        close(side(i, j), 2.0_f64.sqrt(), "side");
        close(side(i, i + 3), 0.0, "one corner");
    }
}

#[test]
fn few_or_equal_items_have_a_place() {
    for n in 0..4 {
        let same = products(&vec![1.0; 3 * n], 3);
        let far = distances(&same.cosines().unwrap());
        let merges = tree(&far);
        assert_eq!(merges.len(), n.saturating_sub(1));
        assert_eq!(best(&far, &merges), (0..n).collect::<Vec<_>>());
        assert_eq!(tree_order(n, &merges), (0..n).collect::<Vec<_>>());
        let Plane { points, shares } = at_once(plane(&same, &no_pause));
        assert_eq!(points, vec![[0.0; 2]; n]);
        assert_eq!(shares, [0.0; 2]);
        assert_eq!(at_once(stress(&points, |_, _| 0.0, &no_pause)), None);
    }
    // Two items lie on a line.
    let Plane { points, shares } = at_once(plane(&products(&[1.0, 0.0, 0.0, 1.0], 2), &no_pause));
    close(shares[0], 1.0, "share");
    assert_eq!((shares[1], points[0][1], points[1][1]), (0.0, 0.0, 0.0));
    assert!(points[0][0] == -points[1][0] && points[0][0] > 0.0, "{points:?}");
}

#[test]
fn what_is_not_finite_has_no_angles_and_no_eigenvalues() {
    assert_eq!(products(&[1.0, f32::NAN], 1).cosines(), None);
    assert_eq!(products(&[1.0, 0.0], 1).cosines(), None);
    assert_eq!(products(&[f32::INFINITY, 1.0], 1).cosines(), None);
    let bad = Square::of(40, |i, j| if i + j == 3 { f64::NAN } else { 1.0 });
    assert!(at_once(leading(&bad, 2, &no_pause)).is_empty());
}

/// The least cost of all orders in which the tree allows the items to stand.
fn least_cost(far: &Square, merges: &[Merge]) -> f64 {
    let n = far.len();
    (0..1_u32 << merges.len())
        .map(|flips| {
            let mut orders: Vec<Vec<usize>> = (0..n).map(|item| vec![item]).collect();
            for (k, merge) in merges.iter().enumerate() {
                let [a, b] = merge.parts;
                let (a, b) = if flips >> k & 1 == 1 { (b, a) } else { (a, b) };
                orders.push([&*orders[a], &orders[b]].concat());
            }
            cost(far, &orders.pop().unwrap())
        })
        .fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn products_are_those_of_each_pair(seed: u64, n in 1_usize..14, dim in 1_usize..300) {
        let vectors = drawn(seed, n, dim);
        let rows: Vec<&[f32]> = vectors.chunks_exact(dim).collect();
        if let Some(found) = products(&vectors, dim).cosines() {
            for i in 0..n {
                for j in 0..n {
                    let wanted = cosine(rows[i], rows[j]).unwrap();
                    prop_assert!((found.at(i, j) - wanted).abs() < 1e-12);
                    prop_assert_eq!(found.at(i, j), found.at(j, i));
                }
            }
        }
    }

    #[test]
    fn no_order_of_the_tree_is_better(seed: u64, n in 2_usize..9) {
        let far = distances(&products(&drawn(seed, n, 4), 4).cosines().unwrap());
        let merges = tree(&far);
        let order = best(&far, &merges);
        prop_assert!((cost(&far, &order) - least_cost(&far, &merges)).abs() < 1e-12);
        prop_assert!(order[0] < order[n - 1]);
    }

    #[test]
    fn a_tree_has_every_item_once_and_grows_upwards(seed: u64, n in 1_usize..40, steps in 1_i32..5) {
        // Few different distances, so that many are equal.
        let far = Square::of(n, |i, j| {
            let pair = (i.min(j) * n + i.max(j)) as u64;
            f64::from((random(seed, pair) % steps as u64) as u32)
        });
        let merges = tree(&far);
        prop_assert!(merges.windows(2).all(|pair| pair[0].height <= pair[1].height));
        let mut parts: Vec<usize> = merges.iter().flat_map(|merge| merge.parts).collect();
        parts.sort_unstable();
        prop_assert_eq!(parts, (0..(2 * n).saturating_sub(2)).collect::<Vec<_>>());
        for order in [best(&far, &merges), tree_order(n, &merges)] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
        }
        prop_assert!(cost(&far, &best(&far, &merges)) <= cost(&far, &tree_order(n, &merges)));
    }

    #[test]
    fn the_plane_is_the_same_wherever_the_origin_is(seed: u64, n in 5_usize..60, shift in -3.0_f32..3.0) {
        let dim = 7;
        let vectors = drawn(seed, n, dim);
        let shifted: Vec<f32> = vectors.iter().map(|x| x + shift).collect();
        let [a, b] = [vectors, shifted].map(|v| at_once(plane(&products(&v, dim), &no_pause)));
        prop_assume!(a.shares[0] - a.shares[1] > 0.02 && a.shares[1] > 0.05);
        prop_assert!((a.shares[0] - b.shares[0]).abs() < 1e-5);
        for (p, q) in a.points.iter().zip(&b.points) {
            prop_assert!((p[0] - q[0]).abs() < 1e-3, "{p:?} {q:?}");
        }
    }
}
