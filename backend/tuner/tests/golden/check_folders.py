"""Loads adapter folders that this project has written with the packages they are
meant for: every key must find its place, and the hidden states must be right.

    check_folders.py FOLDER      with what `cargo run --example adapter_folders` wrote

`lora`, `ptuning-v2` and `bitfit` hold the parameters that the golden files start
from, and must give their hidden states. The others adapt every map of a family:
the same ΔW = (α/r)·B·A, added to the weights by numpy, must give the same.
"""

import json
import pathlib
import sys
import warnings

import numpy
import torch
from peft import PeftModel
from peft.utils import load_peft_weights, set_peft_model_state_dict
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file

import objectives
import tiny

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-4


def say(name, off, tensors):
    print(f"{name}: {tensors} tensors, hidden states off by {off:.1e}")
    assert off < TOLERANCE, name


def load(folder, family):
    """The adapter in the encoder, with every key of the file in its place."""
    with warnings.catch_warnings():
        # PEFT only warns of keys that find no place.
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        model = PeftModel.from_pretrained(tiny.load(family).float(), folder)
    weights = load_peft_weights(folder)
    found = set_peft_model_state_dict(model, dict(weights))
    if "prompt_embeddings" in weights:
        # PEFT copies the prefix by hand, and then calls its key unexpected.
        prefix = model.prompt_encoder["default"].embedding.weight
        assert torch.equal(prefix, weights["prompt_embeddings"])
        found.unexpected_keys.remove("prompt_embeddings")
    assert not found.unexpected_keys, found.unexpected_keys
    tuned = [k for k in found.missing_keys if "lora_" in k]
    assert not tuned, tuned
    return model.eval(), len(weights)


def inputs(family):
    tokens = objectives.texts()
    mask = tokens["attention_mask"]
    tokens["input_ids"] = tokens["input_ids"] * mask + tiny.pad_id(family) * (1 - mask)
    if family != "bert":
        del tokens["token_type_ids"]
    return tokens


def hidden(model, tokens):
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    return states * tokens["attention_mask"][:, :, None]


def against_golden(root):
    tokens = inputs("bert")
    golden = {m: load_file(HERE / f"{m}.classification.safetensors") for m in ("lora", "ptuning-v2", "bitfit")}

    model, tensors = load(root / "lora", "bert")
    off = (hidden(model, tokens) - golden["lora"]["hidden"]).abs().max()
    say("lora", off, tensors)

    # PEFT's own forward drops token types here: its prefix, transformers' forward.
    model, tensors = load(root / "ptuning-v2", "bert")
    mask = tokens["attention_mask"]
    past = model.get_prompt(len(mask))
    longer = torch.cat([torch.ones(len(mask), past[0][0].shape[2], dtype=mask.dtype), mask], dim=1)
    with torch.no_grad():
        states = model.get_base_model()(
            **{**tokens, "attention_mask": longer}, past_key_values=past
        ).last_hidden_state
    off = (states * mask[:, :, None] - golden["ptuning-v2"]["hidden"]).abs().max()
    say("ptuning-v2", off, tensors)

    model = tiny.load("bert").float()
    biases = load_file(root / "bitfit" / "bitfit.safetensors")
    found = model.load_state_dict(biases, strict=False)
    assert not found.unexpected_keys, found.unexpected_keys
    off = (hidden(model, tokens) - golden["bitfit"]["hidden"]).abs().max()
    say("bitfit", off, len(biases))


def against_merged(root, name, family):
    folder = root / name
    model, tensors = load(folder, family)
    config = json.loads((folder / "adapter_config.json").read_text())
    factors = load_numpy(folder / "adapter_model.safetensors")
    merged = tiny.load(family).float()
    state = merged.state_dict()
    front, end = "base_model.model.", ".lora_A.weight"
    maps = [key[len(front) : -len(end)] for key in factors if key.endswith(end)]
    for path in maps:
        a, b = (factors[f"{front}{path}.lora_{factor}.weight"].astype(numpy.float64) for factor in "AB")
        state[f"{path}.weight"] += torch.tensor(config["lora_alpha"] / config["r"] * (b @ a)).float()
    adapted = [n for n, m in model.named_modules() if hasattr(m, "lora_A")]
    assert len(adapted) == len(maps), (adapted, maps)
    tokens = inputs(family)
    frozen, wanted, own = (hidden(m, tokens) for m in (tiny.load(family).float(), merged, model))
    assert (frozen - wanted).abs().max() > 0.1, "the adapter has no effect to compare"
    say(name, (own - wanted).abs().max(), tensors)


def main(root):
    torch.set_num_threads(1)
    against_golden(root)
    for name, family in [
        ("lora-bert", "bert"),
        ("lora-bert-output", "bert"),
        ("lora-distilbert", "distilbert"),
        ("lora-mpnet", "mpnet"),
    ]:
        against_merged(root, name, family)
    print("7 folders load as they should")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
