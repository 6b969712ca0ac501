"""A small evaluation with golden values from numpy.

Run `python evaluate.py` in an environment with numpy; it writes the folder npy/,
truth.csv and evaluate.json beside itself. Everything is drawn here: six tasks
with vectors of 4 × 5, one more without a truth, scores with a few blanks.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TASKS = ["ape", "bee", "cat", "dog", "eel", "fox"]
NOISE = "noise"

rng = np.random.default_rng(5)
base = rng.normal(0, 1, (4, 5))
vectors = {name: (base + rng.normal(0, 0.6, (4, 5))).astype("<f4") for name in TASKS}
vectors["dog"] = vectors["dog"].astype("<f8")
vectors[NOISE] = rng.normal(0, 1, (4, 5)).astype("<f4")
(HERE / "npy").mkdir(exist_ok=True)
for name, vector in vectors.items():
    np.save(HERE / "npy" / f"{name}.npy", vector)

columns = TASKS + [NOISE, "gnu"]
scores = np.round(rng.uniform(0.4, 0.95, (len(TASKS), len(columns))), 3)
scores[0, 3] = scores[0, 4]
scores[2, 1] = np.nan
scores[4, 0] = np.nan
baseline = np.round(np.nanmedian(scores, axis=1) - 0.02, 3)


def cell(x):
    return "" if np.isnan(x) else f"{x:.3f}"


lines = [",".join(["target", "no-transfer", *columns])]
for name, without, row in zip(TASKS, baseline, scores):
    lines.append(",".join([name, cell(without), *map(cell, row)]))
(HERE / "truth.csv").write_text("\n".join(lines) + "\n")


def ndcg(order, relevance):
    gains = 2.0**relevance - 1
    discounts = 1 / np.log2(np.arange(len(gains)) + 2)
    return (gains[order] * discounts).sum() / (np.sort(gains)[::-1] * discounts).sum()


def evaluate(reduce, centred, exclude):
    v = {n: reduce(x.astype(np.float64)) for n, x in vectors.items() if n not in exclude}
    if centred:
        mean = np.mean(list(v.values()), axis=0)
        v = {n: x - mean for n, x in v.items()}
    rows = []
    for target, without, row in zip(TASKS, baseline, scores):
        truth = {s: x for s, x in zip(columns, row) if s in v and s != target and not np.isnan(x)}
        t = np.array(list(truth.values()))
        own = v[target]
        p = np.array([own @ v[s] / np.linalg.norm(own) / np.linalg.norm(v[s]) for s in truth])
        order = np.argsort(-p, kind="stable")
        n = len(t)
        ranks = np.empty(n)
        ranks[np.argsort(-t, kind="stable")] = np.arange(n)
        pairs = [(i, j) for i in range(n) for j in range(i)]
        sp, st = (np.array([np.sign(x[i] - x[j]) for i, j in pairs]) for x in (p, t))
        rows.append(
            {
                "target": target,
                "sources": n,
                "rank_of_best": np.mean(np.flatnonzero(t[order] == t.max()) + 1),
                "ndcg": {
                    "percent": ndcg(order, 100 * t),
                    "fraction": ndcg(order, t),
                    "rank": ndcg(order, n - ranks),
                    "gain": ndcg(order, np.maximum(0, 100 * (t - without))),
                },
                "regret": {
                    str(k): (t.max() - t[order[:k]].max()) / t.max() for k in (1, 3, 5)
                },
                "kendall_tau": (sp * st).sum() / np.sqrt((sp**2).sum() * (st**2).sum()),
            }
        )
    return rows


golden = {
    "numpy": np.__version__,
    "cases": [
        {
            "reduce": name,
            "similarity": "centred" if centred else "cosine",
            "exclude": exclude,
            "targets": evaluate(reduce, centred, exclude),
        }
        for name, reduce in [("flatten", np.ravel), ("mean-rows", lambda x: x.mean(axis=0))]
        for centred in [False, True]
        for exclude in [[], [NOISE]]
    ],
}
(HERE / "evaluate.json").write_text(json.dumps(golden, indent=1) + "\n")
