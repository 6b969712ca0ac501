"""Reads a zoo file with nothing but numpy and safetensors, and ranks sources.

python read_zoo.py ZOO.safetensors [TARGET]
"""

import hashlib
import json
import sys

import numpy as np
from safetensors import safe_open

with safe_open(sys.argv[1], "numpy") as zoo:
    text = zoo.metadata()["tupate_zoo"]
    assert hashlib.sha256(text.encode()).hexdigest() == zoo.metadata()["tupate_zoo_sha256"]
    manifest = json.loads(text)
    assert manifest["schema"].split(".")[0] == "1", "a later format: update this script"
    tensors = {t["name"]: zoo.get_tensor(t["name"]) for t in manifest["tensors"]}
    for t in manifest["tensors"]:
        assert hashlib.sha256(tensors[t["name"]].tobytes()).hexdigest() == t["sha256"], t["name"]

for s in manifest["embeddings"]:
    key, tasks = s["key"], s["tasks"]
    rows = tensors["embeddings/" + key].astype(np.float64)
    if tensors["embeddings/" + key].dtype == np.int8:
        rows = tensors["mean/" + key] + tensors["scale/" + key][:, None].astype(np.float64) * rows
    rows = rows.astype(np.float32).astype(np.float64)
    target = sys.argv[2] if len(sys.argv) > 2 else tasks[0]
    own = rows[tasks.index(target)]
    cosine = rows @ own / np.linalg.norm(rows, axis=1) / np.linalg.norm(own)
    sources = sorted((-score, task) for score, task in zip(cosine, tasks) if task != target)
    for rank, (score, task) in enumerate(sources, 1):
        print(f"{key} {target} {rank} {task} {-score:.6f}")
