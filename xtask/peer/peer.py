#!/usr/bin/env python3
"""Tunes a task with PyTorch, transformers and PEFT by the recipe of `tupate tune`.

What Tupate is compared with, in scores and in speed: the same encoder, files, method,
batch size, epochs, learning rate, weight decay and clipping; no dropout; the mean over
tokens and a linear head where the encoder pools so. Padding goes up to the longest text
of a batch; `--group` makes batches of like length, as Tupate does.

    peer.py encoder DIR --like MINILM_DIR
    peer.py rate
    peer.py cut train.tsv.gz --text sentence --label label --rows 2000 --out cut.tsv
    peer.py tune cut.tsv --dev dev.tsv --encoder DIR --method lora --lr 5e-4 --epochs 2
"""

import argparse
import csv
import gzip
import json
import random
import resource
import time
import warnings
from pathlib import Path

# The paper's hyperparameters (section 4.3), those of `tupate tune`.
RANK, ALPHA, PREFIX = 8, 8, 20
BATCH, WEIGHT_DECAY, LONGEST_GRADIENT = 32, 0.01, 1.0


def rows(path, delimiter="\t", fields=None):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, fields, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def cut(args):
    """Writes a random subset with the columns `text`, `text_b` and `label`."""
    fields = args.fields.split(",") if args.fields else None
    wanted = {"text": args.text, "text_b": args.text_b, "label": args.label}
    wanted = {name: column for name, column in wanted.items() if column}
    kept = [{name: row[column] for name, column in wanted.items()} for row in rows(args.file, fields=fields)]
    random.Random(args.seed).shuffle(kept)
    with open(args.out, "w", encoding="utf-8", newline="") as file:
        print(*wanted, sep="\t", file=file)
        for row in kept[: args.rows]:
            print(*(value.replace('"', "'") for value in row.values()), sep="\t", file=file)


def make_encoder(args):
    """Writes an encoder of BERT-base's size with random weights and another's tokenizer."""
    import shutil

    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    args.out.mkdir(parents=True, exist_ok=True)
    BertModel(BertConfig()).save_pretrained(args.out)
    shutil.copy(args.like / "tokenizer.json", args.out)


def rate(args):
    """Prints the rate of matrix products, GFLOP/s, in f32 or bf16 by one thread."""
    import torch

    torch.set_num_threads(1)
    dtype = torch.bfloat16 if args.bf16 else torch.float32
    left, right = torch.randn(4096, 768).to(dtype), torch.randn(768, 3072).to(dtype)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - started)
    print(json.dumps({"gflops": 2 * 4096 * 768 * 3072 / best / 1e9}))


class Task:
    """The texts, and what is to be predicted: classes, or numbers."""

    def __init__(self, train, dev, most):
        self.splits = {"train": list(rows(train)), "dev": list(rows(dev))[:most]}
        labels = {row["label"] for split in self.splits.values() for row in split}
        self.names = sorted(labels)
        self.regression = len(self.names) > 20

    def targets(self, split):
        value = float if self.regression else self.names.index
        return [value(row["label"]) for row in self.splits[split]]

    def score(self, predicted):
        import numpy

        def ranks(values):
            _, place, counts = numpy.unique(values, return_inverse=True, return_counts=True)
            return (counts.cumsum() - (counts - 1) / 2)[place]

        gold, predicted = numpy.array(self.targets("dev")), numpy.array(predicted)
        if not self.regression:
            return float((gold == predicted).mean())
        pearson = numpy.corrcoef(gold, predicted)[0, 1]
        spearman = numpy.corrcoef(ranks(gold), ranks(predicted))[0, 1]
        return float((pearson + spearman) / 2)


def adapted(args, encoder):
    """The encoder in which the method's parameters alone learn."""
    from peft import LoraConfig, PrefixTuningConfig, TaskType, get_peft_model

    kind = TaskType.FEATURE_EXTRACTION
    if args.method == "lora":
        config = LoraConfig(task_type=kind, r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"])
        return get_peft_model(encoder, config)
    if args.method == "ptuning-v2":
        return get_peft_model(encoder, PrefixTuningConfig(task_type=kind, num_virtual_tokens=PREFIX))
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad = name.startswith("encoder.") and name.endswith(".bias")
    return encoder


def tune(args):
    """Prints one JSON object: what came out and what it took."""
    import numpy
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high" if args.tf32 else "highest")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    encoder = AutoModel.from_pretrained(args.encoder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    mean = (Path(args.encoder) / "1_Pooling").exists()
    task = Task(args.train, args.dev, args.max_dev)
    model = adapted(args, encoder).to(device)
    head = torch.nn.Linear(encoder.config.hidden_size, 1 if task.regression else len(task.names)).to(device)
    torch.nn.init.normal_(head.weight, std=0.02)
    torch.nn.init.zeros_(head.bias)
    parameters = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=args.lr, weight_decay=WEIGHT_DECAY)

    def tokens(split):
        texts = [[row["text"]] + ([row["text_b"]] if "text_b" in row else []) for row in task.splits[split]]
        return [tokenizer(*text, truncation=True, max_length=args.max_length) for text in texts]

    def outputs(examples):
        batch = tokenizer.pad(examples, return_tensors="pt").to(device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=args.bf16):
            result = model(**batch)
            hidden = result.last_hidden_state
            if mean:
                weight = batch["attention_mask"].unsqueeze(-1)
                pooled = (hidden * weight).sum(1) / weight.sum(1)
            else:
                pooled = result.pooler_output
            return head(pooled).float()

    def synchronise():
        if device == "cuda":
            torch.cuda.synchronize()

    def batches(lengths, generator):
        order = generator.permutation(len(lengths))
        if args.group:
            stretch = 32 * args.batch_size
            order = numpy.concatenate(
                [sorted(order[i : i + stretch], key=lengths.__getitem__) for i in range(0, len(order), stretch)]
            )
        parts = [order[i : i + args.batch_size] for i in range(0, len(order), args.batch_size)]
        return [parts[i] for i in generator.permutation(len(parts))]

    train, dev = tokens("train"), tokens("dev")
    targets = torch.tensor(task.targets("train"), device=device)
    targets = targets.float() if task.regression else targets
    lengths = [len(example["input_ids"]) for example in train]
    spent = {"forward": 0.0, "backward": 0.0, "optimizer": 0.0}
    losses, curve, steps, seconds_of_epochs = [], [], 0, []
    started = time.perf_counter()
    for epoch in range(args.epochs):
        model.train()
        for indices in batches(lengths, numpy.random.default_rng([args.seed, epoch])):
            t0 = time.perf_counter()
            out = outputs([train[i] for i in indices])
            gold = targets[torch.as_tensor(indices, device=device)]
            if task.regression:
                loss = torch.nn.functional.mse_loss(out.squeeze(-1), gold)
            else:
                loss = torch.nn.functional.cross_entropy(out, gold)
            losses.append(loss.item())
            t1 = time.perf_counter()
            loss.backward()
            synchronise()
            t2 = time.perf_counter()
            torch.nn.utils.clip_grad_norm_(parameters, LONGEST_GRADIENT)
            optimizer.step()
            optimizer.zero_grad()
            synchronise()
            t3 = time.perf_counter()
            spent["forward"] += t1 - t0
            spent["backward"] += t2 - t1
            spent["optimizer"] += t3 - t2
            steps += 1
        model.eval()
        predicted = []
        with torch.no_grad():
            for i in range(0, len(dev), args.batch_size):
                out = outputs(dev[i : i + args.batch_size])
                predicted += (out.squeeze(-1) if task.regression else out.argmax(-1)).tolist()
        curve.append(task.score(predicted))
        seconds_of_epochs.append(time.perf_counter() - started - sum(seconds_of_epochs))
    result = {
        "method": args.method,
        "seed": args.seed,
        "score": max(curve),
        "curve": curve,
        "loss": sum(losses) / len(losses),
        "losses": losses,
        "steps": steps,
        "seconds": time.perf_counter() - started,
        "seconds_of": spent,
        "seconds_of_epochs": seconds_of_epochs,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "trainable": sum(p.numel() for p in parameters),
        "torch": torch.__version__,
        "device": device,
    }
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("cut", help="a random subset of a tab-separated file")
    command.add_argument("file")
    command.add_argument("--fields", help="names of the columns where the file has no header")
    command.add_argument("--text", required=True)
    command.add_argument("--text-b")
    command.add_argument("--label", required=True)
    command.add_argument("--rows", type=int)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", required=True)
    command.set_defaults(run=cut)
    command = commands.add_parser("encoder", help="an encoder of BERT-base's size, random weights")
    command.add_argument("out", type=Path)
    command.add_argument("--like", type=Path, required=True, help="a folder with a tokenizer.json")
    command.set_defaults(run=make_encoder)
    command = commands.add_parser("rate", help="how fast this machine multiplies")
    command.add_argument("--bf16", action="store_true")
    command.set_defaults(run=rate)
    command = commands.add_parser("tune", help="tune, and print what came out as JSON")
    command.add_argument("train")
    command.add_argument("--dev", required=True)
    command.add_argument("--max-dev", type=int, help="rows of it that are scored")
    command.add_argument("--encoder", required=True, help="a Hugging Face folder")
    command.add_argument("--method", choices=["lora", "bitfit", "ptuning-v2"], required=True)
    command.add_argument("--lr", type=float, required=True)
    command.add_argument("--epochs", type=int, default=2)
    command.add_argument("--batch-size", type=int, default=BATCH)
    command.add_argument("--max-length", type=int, default=128)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--bf16", action="store_true")
    command.add_argument("--tf32", action="store_true", help="on a GPU")
    command.add_argument("--group", action="store_true", help="batches of like length")
    command.set_defaults(run=tune)
    warnings.filterwarnings("ignore")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
