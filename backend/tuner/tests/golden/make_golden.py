"""Makes the golden values that encoders and tuning must give.

    cargo xtask golden --write

Everything is computed by PyTorch, transformers and peft, which share no code
with this project, in double precision, and written in single precision.

`METHOD.OBJECTIVE.safetensors`, B examples of S tokens:

    input_ids, token_type_ids, attention_mask   [B, S]
    classes [B] | scores [B] | starts, ends [B] and candidates [B, S] | tags [B, S]
    hidden      [B, S, H] at step 0, zero at padding
    logits      [B, C] or [B, S, C] at step 0, the latter zero at padding
    unshifted   hidden, were the positions of a prefixed sequence counted from 0
    losses      [10], before each of ten AdamW steps
    start.NAME, gradient.NAME, end.NAME         before, at step 0, and after them

NAME is LAYER.TENSOR, or transformers' name for `full`, whose start is the
encoder's weights file; `head.weight` [C, H] and `head.bias` [C] beside it. The
texts stand as JSON in the file's metadata.

Some gradients are zero because the loss cannot see the parameter: a key's bias
(softmax ignores what all keys share), and under span-extraction the head's bias
and the last LayerNorm's. In double precision these stay below 1e-12; in single
precision Adam turns their rounding noise into steps, so that `end` of a tensor
whose `gradient` is below 1e-12 says nothing.

`encoder.FAMILY.safetensors` holds `hidden`, and `pooled` where there is a
pooler, of the frozen encoder. `baseline.*.safetensors` are those of `baselines.py`.
"""

import json
import pathlib
import sys
import zlib

import numpy
import torch
from safetensors.torch import save_file

import baselines
import methods
import objectives
import tiny

LEARNING_RATE, WEIGHT_DECAY, STEPS = 1e-2, 0.01, 10


def write(path, tensors, texts):
    single = {
        name: (t.detach().float() if t.dtype.is_floating_point else t).clone().contiguous()
        for name, t in tensors.items()
    }
    save_file(single, path, metadata={"texts": json.dumps(texts)})


def encoders(out):
    for family in tiny.FAMILIES:
        tokens = objectives.texts()
        mask = tokens["attention_mask"]
        tokens["input_ids"] = tokens["input_ids"] * mask + tiny.pad_id(family) * (1 - mask)
        if family != "bert":
            tokens["token_type_ids"] = torch.zeros_like(mask)
        inputs = {"input_ids": tokens["input_ids"], "attention_mask": mask}
        if family == "bert":
            inputs["token_type_ids"] = tokens["token_type_ids"]
        with torch.no_grad():
            result = tiny.load(family)(**inputs)
        golden = dict(tokens, hidden=result.last_hidden_state * mask[:, :, None])
        if result.get("pooler_output") is not None:
            golden["pooled"] = result.pooler_output
        write(out / f"encoder.{family}.safetensors", golden, objectives.TEXTS)


def train(method, objective):
    """The golden tensors of one method and objective."""
    random = numpy.random.RandomState(zlib.crc32(f"{method.name}.{objective.name}".encode()))
    model, named = method.apply(tiny.load("bert"), random, objective.pooled)
    head = torch.nn.Linear(tiny.HIDDEN, objective.outputs).double()
    methods.draw(random, head.weight, 0.2)
    methods.draw(random, head.bias, 0.1)
    named["head.weight"], named["head.bias"] = head.weight, head.bias
    tokens, gold = objective.batch()
    real = tokens["attention_mask"][:, :, None]
    golden = dict(tokens, **gold)

    def put(kind, values):
        for name, value in values.items():
            split = methods.PTuningV2.split(value) if name == "prefix" else {name: value}
            for name, part in split.items():
                golden[f"{kind}.{name}"] = part.detach().clone()

    def kept(of):
        all_kept = method.name != "full" or objective.name == "classification"
        return {
            name: of(parameter)
            for name, parameter in named.items()
            if all_kept or name in methods.Full.KEPT or name.startswith("head.")
        }

    put("start", {n: p for n, p in kept(lambda p: p).items() if method.name != "full" or "head." in n})
    optimizer = torch.optim.AdamW(
        list(named.values()), lr=LEARNING_RATE, eps=method.epsilon, weight_decay=WEIGHT_DECAY
    )
    losses = []
    for step in range(STEPS):
        result = model(**tokens)
        logits = head(result.pooler_output if objective.pooled else result.last_hidden_state)
        loss = objective.loss(logits, gold)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            golden["hidden"] = result.last_hidden_state * real
            golden["logits"] = logits if objective.pooled else logits * real
            put("gradient", kept(lambda p: p.grad))
            if method.name == "ptuning-v2":
                positions = torch.arange(real.shape[1])[None]
                with torch.no_grad():
                    result = model(**tokens, position_ids=positions)
                golden["unshifted"] = result.last_hidden_state * real
        optimizer.step()
    golden["losses"] = torch.tensor(losses, dtype=torch.float64)
    put("end", kept(lambda p: p))
    return golden


def main(out):
    torch.set_num_threads(1)
    tiny.make_missing()
    encoders(out)
    for method in methods.ALL:
        for objective in objectives.ALL:
            golden = train(method, objective)
            write(out / f"{method.name}.{objective.name}.safetensors", golden, objective.texts)
    baselines.main(out, write)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
