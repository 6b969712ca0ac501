//! Hierarchical clustering by average linkage, and an order of the leaves in which
//! neighbours are alike.

use crate::Square;

/// Two clusters that become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The clusters, the smaller number first: items are `0..n`, the cluster of merge
    /// `k` is `n + k`.
    pub parts: [usize; 2],
    /// The mean distance between items of the one and of the other.
    pub height: f64,
    /// Items of the new cluster.
    pub size: usize,
}

/// Clusters `n` items by average linkage (UPGMA; Sokal and Michener 1958), the nearest
/// first: `n - 1` merges by ascending height, as scipy's `linkage` gives them. Distances
/// are those above the diagonal and must be finite. Equal ones are taken in the order of
/// the items. Follows chains of nearest neighbours (Murtagh 1983), `O(n²)`.
///
/// # Panics
/// When a distance is NaN.
pub async fn average_linkage(distances: &Square, pause: &impl AsyncFn()) -> Vec<Merge> {
    let n = distances.len();
    let mut distance: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| distances.at(i.min(j), i.max(j))).collect()).collect();
    assert!(distance.iter().flatten().all(|d| !d.is_nan()), "a distance that is a number");
    let mut sizes = vec![1_usize; n];
    // Slots of the two clusters, and the height. The merged one stays in the second.
    let mut found: Vec<(usize, usize, f64)> = Vec::with_capacity(n.saturating_sub(1));
    let mut chain: Vec<usize> = Vec::new();
    while found.len() + 1 < n {
        if chain.is_empty() {
            chain.extend(sizes.iter().position(|&size| size > 0));
        }
        pause().await;
        loop {
            let top = chain[chain.len() - 1];
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            // The one before wins ties, or the chain would run in circles.
            let mut nearest = before.map(|b| (distance[top][b], b));
            for other in (0..n).filter(|&other| other != top && sizes[other] > 0) {
                if nearest.is_none_or(|(least, _)| distance[top][other] < least) {
                    nearest = Some((distance[top][other], other));
                }
            }
            let (height, nearest) = nearest.expect("two clusters are left");
            if Some(nearest) == before {
                chain.truncate(chain.len() - 2);
                let (gone, kept) = (top.min(nearest), top.max(nearest));
                let (a, b) = (sizes[gone] as f64, sizes[kept] as f64);
                for other in (0..n).filter(|&o| o != gone && o != kept && sizes[o] > 0) {
                    let mean = (a * distance[gone][other] + b * distance[kept][other]) / (a + b);
                    distance[kept][other] = mean;
                    distance[other][kept] = mean;
                }
                sizes[kept] += sizes[gone];
                sizes[gone] = 0;
                found.push((gone, kept, height));
                break;
            }
            chain.push(nearest);
        }
    }
    by_height(n, found)
}

/// Numbers the clusters in the order of their heights. A cluster is never lower than
/// its parts, and a stable sort leaves equal ones in the order in which they arose.
fn by_height(n: usize, mut found: Vec<(usize, usize, f64)>) -> Vec<Merge> {
    found.sort_by(|a, b| a.2.total_cmp(&b.2));
    // Which cluster an item is in now, by the one with which it was merged last.
    let mut parent: Vec<usize> = (0..2 * n).collect();
    let root = |parent: &[usize], mut at: usize| {
        while parent[at] != at {
            at = parent[at];
        }
        at
    };
    let mut sizes = vec![1_usize; n];
    let mut merges = Vec::with_capacity(found.len());
    for (k, (a, b, height)) in found.into_iter().enumerate() {
        let (a, b) = (root(&parent, a), root(&parent, b));
        parent[a] = n + k;
        parent[b] = n + k;
        let size = sizes[a] + sizes[b];
        sizes.push(size);
        merges.push(Merge { parts: [a.min(b), a.max(b)], height, size });
    }
    merges
}

/// The items in the order of the tree's leaves in which the distances of neighbours have
/// the least sum (Bar-Joseph, Gifford and Jaakkola 2001, with minima over one side at a
/// time: `O(n³)`). Of an order and its reverse, the one whose first item has the smaller
/// number.
///
/// # Panics
/// When the merges are not of these items.
pub async fn optimal_order(
    distances: &Square,
    merges: &[Merge],
    pause: &impl AsyncFn(),
) -> Vec<usize> {
    let n = distances.len();
    if n < 2 {
        return (0..n).collect();
    }
    let leaves = leaves(n, merges);
    let ends = Ends { n, merges, leaves: &leaves };
    // The least sum of an order of the items' common cluster that begins with the one
    // and ends with the other. Every pair has one smallest common cluster.
    let mut least = vec![0.0_f64; n * n];
    let mut inner = Vec::new();
    for merge in merges {
        let [left, right] = merge.parts;
        let (lefts, rights) = (&leaves[left], &leaves[right]);
        // From each left end `u` over the best inner end to each right item `y`.
        inner.clear();
        inner.resize(lefts.len() * rights.len(), f64::INFINITY);
        for (row, &u) in inner.chunks_exact_mut(rights.len()).zip(lefts) {
            for &m in ends.opposite(left, u) {
                let before = least[u * n + m];
                let near = distances.row(m);
                for (sum, &y) in row.iter_mut().zip(rights) {
                    *sum = sum.min(before + near[y]);
                }
            }
            pause().await;
        }
        let place: Vec<usize> = {
            let mut place = vec![0; n];
            rights.iter().enumerate().for_each(|(at, &y)| place[y] = at);
            place
        };
        for &w in rights {
            let opposite = ends.opposite(right, w);
            for (row, &u) in inner.chunks_exact(rights.len()).zip(lefts) {
                let sums = opposite.iter().map(|&y| row[place[y]] + least[w * n + y]);
                let sum = sums.fold(f64::INFINITY, f64::min);
                least[u * n + w] = sum;
                least[w * n + u] = sum;
            }
            pause().await;
        }
    }
    let root = n + merges.len() - 1;
    let [left, right] = merges[merges.len() - 1].parts;
    let mut best = (f64::INFINITY, 0, 0);
    for &u in &leaves[left] {
        for &w in &leaves[right] {
            if least[u * n + w] < best.0 {
                best = (least[u * n + w], u, w);
            }
        }
    }
    let mut order = Vec::with_capacity(n);
    // Clusters still to be written, with their first and last items.
    let mut open = vec![(root, best.1, best.2)];
    while let Some((cluster, first, last)) = open.pop() {
        if cluster < n {
            order.push(cluster);
            continue;
        }
        let [a, b] = merges[cluster - n].parts;
        let (left, right) = if leaves[a].contains(&first) { (a, b) } else { (b, a) };
        let mut best = (f64::INFINITY, first, last);
        for &m in ends.opposite(left, first) {
            for &y in ends.opposite(right, last) {
                let sum = least[first * n + m] + distances.at(m, y) + least[y * n + last];
                if sum < best.0 {
                    best = (sum, m, y);
                }
            }
        }
        open.push((right, best.2, last));
        open.push((left, first, best.1));
    }
    if order.first() > order.last() {
        order.reverse();
    }
    order
}

/// The items in the order of the tree's leaves, of two parts the one with the smallest
/// item first.
pub fn tree_order(n: usize, merges: &[Merge]) -> Vec<usize> {
    match merges.len() {
        0 => (0..n).collect(),
        _ => leaves(n, merges).pop().expect("a tree has a root"),
    }
}

/// The items of each cluster, its smallest first, and so on in its parts.
fn leaves(n: usize, merges: &[Merge]) -> Vec<Vec<usize>> {
    let mut leaves: Vec<Vec<usize>> = (0..n).map(|item| vec![item]).collect();
    for merge in merges {
        let [a, b] = merge.parts;
        let (a, b) = if leaves[a][0] < leaves[b][0] { (a, b) } else { (b, a) };
        leaves.push([&*leaves[a], &leaves[b]].concat());
    }
    leaves
}

/// Which items an order of a cluster may end with.
struct Ends<'a> {
    n: usize,
    merges: &'a [Merge],
    leaves: &'a [Vec<usize>],
}

impl Ends<'_> {
    /// The last items of the orders of `cluster` that begin with `first`.
    fn opposite(&self, cluster: usize, first: usize) -> &[usize] {
        if cluster < self.n {
            return &self.leaves[cluster];
        }
        let [a, b] = self.merges[cluster - self.n].parts;
        if self.leaves[a].contains(&first) { &self.leaves[b] } else { &self.leaves[a] }
    }
}
