"""Golden values of clustering and of points in a plane, from scipy, scikit-learn and numpy.

Run `python map.py` in an environment with these packages; it writes map.json beside
itself. Vectors are drawn here, as float32. Clusters are scipy's. The cost of their best
order is found here, by trying all: scipy's optimal_leaf_ordering (1.17) misses it for
some trees, as trying all 2^15 orders of the third case shows. Principal components and
their shares are scikit-learn's, classical scaling is scikit-learn's kernel PCA of the
cosines, stress is numpy.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA, KernelPCA


def upright(points):
    """Each column's entry of the greatest amount is positive."""
    most = np.abs(points).argmax(axis=0)
    return points * np.sign(points[most, range(points.shape[1])])


def stress(points, distances):
    plane = pdist(points)
    return float(np.sqrt(((distances - plane) ** 2).sum() / (distances**2).sum()))


def least_cost(distances, tree):
    """The least sum of neighbours' distances, over the ends of every cluster's orders."""
    costs = [{(item, item): 0.0} for item in range(len(distances))]
    for a, b, *_ in tree:
        found = {}
        for (u, m), before in costs[int(a)].items():
            for (y, w), after in costs[int(b)].items():
                cost = before + distances[m, y] + after
                for ends in [(u, w), (w, u)]:
                    found[ends] = min(cost, found.get(ends, np.inf))
        costs.append(found)
    return float(min(costs[-1].values()))


def case(x):
    # Few digits make a small file.
    written = x.round(2)
    x = written.astype("<f4").astype(np.float64)
    cosines = 1 - squareform(pdist(x, "cosine"))
    condensed = squareform(1 - cosines, checks=False)
    tree = linkage(condensed, "average")
    pca = PCA(2, svd_solver="full").fit(x)
    scaling = KernelPCA(2, kernel="precomputed", eigen_solver="dense").fit(cosines)
    places = upright(scaling.transform(cosines))
    chords = np.sqrt(np.maximum(0, 2 * condensed))
    centred = cosines - cosines.mean(0) - cosines.mean(1)[:, None] + cosines.mean()
    return {
        "dim": x.shape[1],
        "vectors": written.ravel().tolist(),
        "tree": tree.tolist(),
        "order_cost": least_cost(squareform(condensed), tree),
        "pca": {
            "points": upright(pca.transform(x)).tolist(),
            "shares": pca.explained_variance_ratio_.tolist(),
            "stress": stress(pca.transform(x), pdist(x)),
        },
        "scaling": {
            "points": places.tolist(),
            "shares": (scaling.eigenvalues_ / np.trace(centred)).tolist(),
            "stress": stress(places, chords),
        },
    }


rng = np.random.default_rng(64)
cases = []
for n, dim, groups in [(3, 2, 1), (7, 5, 2), (16, 140, 3), (40, 6, 4)]:
    centres = rng.normal(0, 1, (groups, dim))
    common = rng.normal(0, 2, dim)
    cases.append(case(common + centres[rng.integers(groups, size=n)] + rng.normal(0, 0.5, (n, dim))))
golden = {
    "versions": {p: version(p) for p in ("numpy", "scipy", "scikit-learn")},
    "cases": cases,
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
