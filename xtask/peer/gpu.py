#!/usr/bin/env python3
"""Tunes on a GPU with `tupate` and, in turns, with PyTorch, transformers and PEFT.

Prints a table in Markdown: texts a second, without what comes before the first epoch and
without that one, in which both sides warm up. The encoders have the sizes of MiniLM and of
BERT-base and random weights, the texts random words. It needs no network and nothing of
this project but the program, so that it also runs where there is no Rust:

    gpu.py --program target/cuda/release/tupate --folder /tmp/bench
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

PEER = Path(__file__).with_name("peer.py")
WORDS = (
    "water house small under light never music paper green story "
    "river table quick sound north bread cloud early glass plant"
).split()
SIZES = {"6 × 384": (6, 384, 12, 1536), "12 × 768": (12, 768, 12, 3072)}
RATES = {"lora": "5e-4", "bitfit": "4e-4", "ptuning-v2": "1e-2"}
# The words that a text has at least and at most, and with which methods it is tuned.
TEXTS = {"32 × 128": (160, 160, ["lora", "bitfit", "ptuning-v2"]), "mixed lengths": (4, 120, ["lora"])}
# How each precision is asked of the peer.
PEERS = {"f32": [], "tf32": ["--tf32"], "bf16": ["--bf16"]}
EPOCHS = 3


def make_encoder(folder, layers, hidden, heads, intermediate):
    """An encoder with random weights, whose tokens are words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    if (folder / "tokenizer.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    shape = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
    BertModel(BertConfig(intermediate_size=intermediate, **shape)).save_pretrained(folder)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = {word: i for i, word in enumerate(specials + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.add_special_tokens(specials)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    with open(folder / "tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", **names}, file)
    tokenizer.save(str(folder / "tokenizer.json"))


def make_texts(file, count, least, most):
    """Texts of random words in two classes, their lengths even on a logarithmic scale."""
    generator = random.Random(0)
    with open(file, "w", encoding="utf-8") as out:
        print("text", "label", sep="\t", file=out)
        for i in range(count):
            length = round(least * math.exp(math.log(most / least) * generator.random()))
            print(" ".join(generator.choices(WORDS, k=length)), ["no", "yes"][i % 2], sep="\t", file=out)


def last_line(command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Setup:
    """What both sides are given."""

    def __init__(self, args, encoder, file, method):
        self.args = args
        self.common = [file, "--dev", file, "--max-dev", "32", "--encoder", encoder]
        self.common += ["--method", method, "--lr", RATES[method]]

    def own(self, precision):
        """Texts a second and the loss of the first epoch."""
        took = {}
        for epochs in (1, EPOCHS):
            out = self.args.folder / f"run-{time.monotonic_ns()}"
            flags = ["--device", self.args.device, "--precision", precision, "--epochs", str(epochs), "--out", out]
            run = last_line([self.args.program, "tune", *self.common, *flags, "--json"])["candidates"][0]
            took[epochs] = run["seconds"]
        rest = took[EPOCHS] - took[1]
        return (EPOCHS - 1) * self.args.texts / rest, run["curve"][0]["loss"]

    def peer(self, precision):
        flags = [*PEERS[precision], "--epochs", str(EPOCHS), "--threads", "4"]
        run = last_line([sys.executable, "-B", PEER, "tune", *self.common, *flags])
        rest = sum(run["seconds_of_epochs"][1:])
        steps = len(run["losses"]) // EPOCHS
        return (EPOCHS - 1) * self.args.texts / rest, sum(run["losses"][:steps]) / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where encoders, texts and runs go")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--texts", type=int, default=2048)
    parser.add_argument("--precisions", default="f32,tf32,bf16")
    parser.add_argument("--sizes", default=",".join(SIZES))
    args = parser.parse_args()
    import torch

    if args.device != "cpu" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU here")
    where = torch.cuda.get_device_name() if args.device != "cpu" else "the CPU"
    precisions = args.precisions.split(",")
    print(f"Texts a second on {where}, beside PyTorch {torch.__version__}; the mean loss of the first epoch.\n")
    columns = [f"tupate {p} | PEFT {p} | ratio | loss | PEFT's" for p in precisions]
    print(f"| encoder | texts | method | {' | '.join(columns)} |")
    print(f"|---|---|---|{'--:|' * (5 * len(precisions))}", flush=True)
    for size in args.sizes.split(","):
        encoder = args.folder / size.replace(" × ", "x")
        make_encoder(encoder, *SIZES[size])
        for name, (least, most, methods) in TEXTS.items():
            file = args.folder / f"{args.texts}-{least}-{most}.tsv"
            make_texts(file, args.texts, least, most)
            for method in methods:
                setup, cells = Setup(args, encoder, file, method), []
                for precision in precisions:
                    (own, loss), (peer, peer_loss) = setup.own(precision), setup.peer(precision)
                    cells.append(f"{own:.0f} | {peer:.0f} | {own / peer:.2f} | {loss:.4f} | {peer_loss:.4f}")
                print(f"| {size} | {name}, {args.texts} | {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
