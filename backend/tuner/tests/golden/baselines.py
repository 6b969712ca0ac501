"""What baselines are computed from: Fisher information and log evidence.

`baseline.fisher.safetensors`: the tokens of the classification golden, a head, and
for batches of one and of two examples (the last has one) the squared gradients of
each batch's mean loss, summed, over the number of examples, averaged over each
output unit: a linear map's row and its bias, a LayerNorm's scale and shift of one
place, an embedding table's column. `SIZE.COMPONENT`, in the order of the names of
the encoder's modules.

`baseline.logme.safetensors`, in double precision: features `CASE.f` [n, D], labels
`CASE.y` [n] and the log of the maximum evidence over n, `CASE.evidence` [1]. From
the definition of the evidence (You et al. 2021, equation 2) with the matrix A
itself rather than the eigenvalues of FᵀF; alpha and beta by the published fixed
point, with its 1e-5 in both denominators, iterated until nothing changes.
"""

import numpy
import torch
from safetensors.torch import save_file

import methods
import objectives
import tiny

COMPONENTS = [
    ("layer norms", "LayerNorm"),
    ("attention query, key, value", ".attention.self."),
    ("attention output", ".attention.output."),
    ("intermediate", ".intermediate."),
    ("output", ".output."),
    ("pooler", "pooler."),
    ("embeddings", "embeddings."),
]


def component(module):
    return next(name for name, mark in COMPONENTS if mark in module)


def fisher(model, head, size):
    """By component, the Fisher information of batches of `size` examples."""
    objective = objectives.Classification()
    tokens, gold = objective.batch()
    count = len(gold["classes"])
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for first in range(0, count, size):
        rows = slice(first, first + size)
        result = model(**{name: values[rows] for name, values in tokens.items()})
        loss = objective.loss(head(result.pooler_output), {"classes": gold["classes"][rows]})
        model.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            sums[name] += parameter.grad**2
    units = {}
    for name in sorted(n for n, m in model.named_modules() if hasattr(m, "weight")):
        weight = sums[name + ".weight"]
        bias = sums.get(name + ".bias")
        if bias is None:
            mean = weight.mean(0)
        elif weight.dim() == 1:
            mean = (weight + bias) / 2
        else:
            mean = torch.cat([weight, bias[:, None]], 1).mean(1)
        units.setdefault(component(name), []).append(mean / count)
    return {f"{size}.{name}": torch.cat(parts) for name, parts in units.items()}


def evidence(f, y):
    """The log of the maximum evidence, over the number of examples."""
    n, width = f.shape
    identity = numpy.eye(width)
    alpha = beta = 1.0
    for _ in range(100_000):
        a = alpha * identity + beta * f.T @ f
        m = beta * numpy.linalg.solve(a, f.T @ y)
        gamma = width - alpha * numpy.trace(numpy.linalg.inv(a))
        before = alpha / beta
        alpha = gamma / (m @ m + 1e-5)
        beta = (n - gamma) / (numpy.sum((f @ m - y) ** 2) + 1e-5)
        if abs(alpha / beta - before) <= 1e-10 * before:
            break
    _, determinant = numpy.linalg.slogdet(alpha * identity + beta * f.T @ f)
    log = width * numpy.log(alpha) + n * numpy.log(beta) - n * numpy.log(2 * numpy.pi)
    log += -beta * numpy.sum((f @ m - y) ** 2) - alpha * m @ m - determinant
    return log / (2 * n)


def logme():
    random = numpy.random.RandomState(11)
    tall = random.normal(size=(40, 6)) + 1.0
    wide = random.normal(size=(12, 20))
    weights = random.normal(size=6)
    flat = tall.copy()
    flat[:, 2] = flat[:, 1]
    cases = {
        "numbers": (tall, tall @ weights + 0.3 * random.normal(size=40)),
        "noise": (tall, random.normal(size=40)),
        "classes": (tall, (tall @ weights > 2.0).astype(float)),
        "wide": (wide, (wide[:, 0] > 0).astype(float)),
        "twins": (flat, tall @ weights),
    }
    golden = {}
    for name, (f, y) in cases.items():
        golden[f"{name}.f"] = torch.tensor(f)
        golden[f"{name}.y"] = torch.tensor(y)
        golden[f"{name}.evidence"] = torch.tensor([evidence(f, y)], dtype=torch.float64)
    return golden


def main(out, write):
    random = numpy.random.RandomState(5)
    model = tiny.load("bert")
    head = torch.nn.Linear(tiny.HIDDEN, 3).double()
    methods.draw(random, head.weight, 0.2)
    methods.draw(random, head.bias, 0.1)
    tokens, gold = objectives.Classification().batch()
    golden = dict(tokens, **gold, **{"head.weight": head.weight, "head.bias": head.bias})
    golden.update(fisher(model, head, 1))
    golden.update(fisher(model, head, 2))
    write(out / "baseline.fisher.safetensors", golden, objectives.TEXTS)
    save_file(logme(), out / "baseline.logme.safetensors")
