"""Golden values of the task metrics, from scikit-learn, scipy, seqeval and transformers.

Run `python tasks.py` in an environment with these packages; it writes tasks.json
beside itself. The answers' scores are those of transformers' copy of SQuAD 2.0's
official evaluation, maximised over the answers that normalisation leaves words of.
"""

import json
from importlib.metadata import version
from pathlib import Path

from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr
from seqeval.metrics import f1_score
from sklearn.metrics import fbeta_score
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, normalize_answer

PAIRS = [
    ([0.0, 1.0, 2.5, 2.5, 4.0, 5.0], [0.3, 1.1, 2.0, 3.5, 3.5, 4.8]),
    ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.5, 3.0, 3.0, -1.0]),
    ([0.1, 0.2, 0.2, 0.2, 0.9, 0.7, 0.4], [3.0, 3.0, 1.0, 2.0, 8.0, 2.0, 2.0]),
    ([1e6 + 1, 1e6 + 2, 1e6 + 4], [-0.5, 0.25, 0.125]),
]

TAGS = [
    # One span right, one with a wrong end, one with a wrong label.
    (
        [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "I-ORG", "I-ORG", "O"]],
        [["B-PER", "I-PER", "O", "B-ORG"], ["B-ORG", "I-ORG", "O", "O"]],
    ),
    # IOB1 against IOB2, adjacent spans, a label that changes under I.
    (
        [["I-A", "I-A", "B-A", "O", "I-B"], ["O", "I-A", "I-B", "B-B"]],
        [["B-A", "I-A", "I-A", "O", "B-B"], ["O", "B-A", "B-B", "B-B"]],
    ),
    # IOBES, and an I after O.
    (
        [["S-A", "B-B", "I-B", "E-B", "O", "S-A"]],
        [["S-A", "B-B", "I-B", "E-B", "I-A", "O"]],
    ),
    ([["O", "B-A"], ["O"]], [["O", "O"], ["B-A"]]),
    ([["B-X-Y", "I-X-Y", "O"]], [["B-X-Y", "I-X-Y", "B-X"]]),
]

CLASSES = [
    ([1, 0, 1, 1, 0, 0, 1, 0], [1, 0, 0, 1, 1, 0, 1, 1]),
    ([0, 0, 0, 1, 1, 0, 1, 0, 0, 1], [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]),
    ([0, 0, 1], [0, 0, 0]),
    ([2, 1, 0, 1], [2, 1, 1, 0]),
]

ANSWERS = [
    (["Saint Mary's Church"], "the saint marys church!"),
    (["in the 1990s", "1990s"], "during the late 1990s"),
    (["a red apple", "green apple"], "red red apple pie"),
    (["New York City, NY"], "York"),
    ([], ""),
    ([], "something"),
    (["The"], "an"),
    (["the", "cat"], ""),
    (["naïve Bayes"], "NAÏVE bayes classifier"),
    (["the–end"], "–end"),
    (["10,000 men"], "10000 men"),
    (["word"], ""),
]


def answer(answers, prediction):
    kept = [a for a in answers if normalize_answer(a)] or [""]
    return {
        "answers": answers,
        "prediction": prediction,
        "exact_match": float(max(compute_exact(a, prediction) for a in kept)),
        "answer_f1": float(max(compute_f1(a, prediction) for a in kept)),
    }


golden = {
    "versions": {p: version(p) for p in ["scikit-learn", "scipy", "seqeval", "transformers"]},
    "correlations": [
        {
            "a": a,
            "b": b,
            "pearson": float(pearsonr(a, b).statistic),
            "spearman": float(spearmanr(a, b).statistic),
            "kendall_tau": float(kendalltau(a, b, variant="b").statistic),
            "ranks_of_b": rankdata(b).tolist(),
        }
        for a, b in PAIRS
    ],
    "spans": [{"gold": g, "predicted": p, "f1": float(f1_score(g, p))} for g, p in TAGS],
    "f_beta": [
        {
            "gold": g,
            "predicted": p,
            "beta": beta,
            "score": float(
                fbeta_score(g, p, beta=beta, labels=[1], average=None, zero_division=0)[0]
            ),
        }
        for g, p in CLASSES
        for beta in [0.5, 1.0, 2.0]
    ],
    "answers": [answer(a, p) for a, p in ANSWERS],
}

out = Path(__file__).with_suffix(".json")
out.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
