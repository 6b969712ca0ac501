"""Golden values of the ranking measures, from scikit-learn, scipy and numpy.

Run `python ranking.py` in an environment with these packages; it writes
ranking.json beside itself. NDCG is scikit-learn's with gains 2^rel − 1; the
paired test is scipy's exact permutation test; the bootstrap resamples with the
counter-based generator that the crate documents, written here a second time.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, permutation_test, rankdata, spearmanr
from sklearn.metrics import ndcg_score

MASK = (1 << 64) - 1


def draw(seed, i):
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def bootstrap(values, draws, seed):
    n = len(values)
    chosen = [[(draw(seed, d * n + j) * n) >> 64 for j in range(n)] for d in range(draws)]
    return np.percentile(np.asarray(values)[chosen].mean(axis=1), [2.5, 97.5]).tolist()


def measures(predicted, truth, without):
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    order = np.argsort(-predicted, kind="stable")
    best = truth.max()
    relevance = {
        "percent": 100 * truth,
        "fraction": truth,
        "rank": len(truth) + 1 - rankdata(-truth, method="ordinal"),
        "gain": np.maximum(0, 100 * (truth - without)),
    }
    values = {
        f"ndcg.{name}": float(ndcg_score([2.0**rel - 1], [predicted], ignore_ties=True))
        for name, rel in relevance.items()
    }
    values["rank_of_best"] = float(rankdata(-predicted)[truth == best].mean())
    for k in [1, 3, 5]:
        values[f"regret.{k}"] = float((best - truth[order[:k]].max()) / best)
    ideal = np.sort(truth)[::-1][:5].mean()
    values["regret_of_means.5"] = float((ideal - truth[order[:5]].mean()) / ideal)
    values["kendall_tau"] = float(kendalltau(predicted, truth).statistic)
    values["spearman"] = float(spearmanr(predicted, truth).statistic)
    return values


rng = np.random.default_rng(20)
cases = []
for n in [2, 3, 7, 21, 13]:
    # The last one has many equal scores.
    truth = np.round(rng.uniform(0.3, 0.9, n), 1 if n == 13 else 4)
    predicted = np.round(truth + rng.normal(0, 0.2, n), 4)
    without = float(np.round(np.median(truth) - 0.03, 4))
    cases.append(
        {
            "predicted": predicted.tolist(),
            "truth": truth.tolist(),
            "no_transfer": without,
            "measures": measures(predicted, truth, without),
        }
    )

first = np.round(rng.normal(0.70, 0.1, 11), 3)
second = np.round(first - rng.normal(0.04, 0.08, 11), 3)
exact = permutation_test(
    (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
)

golden = {
    "versions": {p: version(p) for p in ["numpy", "scipy", "scikit-learn"]},
    "cases": cases,
    "paired": {
        "first": first.tolist(),
        "second": second.tolist(),
        "difference": float(exact.statistic),
        "p_value": float(exact.pvalue),
        "draws": 2000,
        "seed": 7,
        "interval": bootstrap(first - second, 2000, 7),
    },
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
