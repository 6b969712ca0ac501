"""Makes all golden files anew and compares them with those that are committed.

    golden.py check    fails when a number has changed beyond 1e-6
    golden.py write    writes what has changed
"""

import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file

import make_adapters
import make_golden

HERE = pathlib.Path(__file__).parent
ADAPTERS = HERE.parents[3] / "common/embedding/tests/folders"
# What makes the files, where they lie, and which of those there are made.
MAKERS = [
    (make_golden.main, HERE, "*.*.safetensors"),
    (make_adapters.main, ADAPTERS, "**/*.*"),
]
TOLERANCE = 1e-6


def differences(committed, made):
    """What differs, in words; nothing when the files say the same."""
    if not committed.exists():
        return ["is not there"]
    if not made.exists():
        return ["is made by no script"]
    if made.suffix == ".json":
        same = json.loads(committed.read_text()) == json.loads(made.read_text())
        return [] if same else ["differs"]
    before, after = load_file(committed), load_file(made)
    found = [f"holds {key} no longer" for key in before.keys() - after.keys()]
    found += [f"lacks {key}" for key in after.keys() - before.keys()]
    for key in sorted(before.keys() & after.keys()):
        one, other = before[key], after[key]
        if one.shape != other.shape or one.dtype != other.dtype:
            found.append(f"{key} is {one.dtype} {list(one.shape)}, not {other.dtype} {list(other.shape)}")
        elif one.dtype.is_floating_point:
            off = (one.double() - other.double()).abs()
            if not bool((off <= TOLERANCE * other.double().abs().clamp(min=1.0)).all()):
                found.append(f"{key} is off by {off.max().item():.2e}")
        elif not torch.equal(one, other):
            found.append(f"{key} differs")
    return found


def compare(mode, made, committed, pattern):
    """Compares a folder's files, and says how many there are and how many differ."""
    paths = {p.relative_to(made) for p in made.glob("**/*") if p.is_file()}
    paths |= {p.relative_to(committed) for p in committed.glob(pattern) if p.is_file()}
    wrong = 0
    for path in sorted(paths):
        found = differences(committed / path, made / path)
        for what in found:
            print(f"{path}: {what}", file=sys.stderr)
        if found and mode == "write":
            target = committed / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if (made / path).exists():
                # The copy, unlike the original, has the permissions of a source.
                target.write_bytes((made / path).read_bytes())
            else:
                target.unlink()
        wrong += bool(found)
    return len(paths), wrong


def main(mode):
    files, wrong = 0, 0
    for maker, committed, pattern in MAKERS:
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder)
            maker(made)
            more, differ = compare(mode, made, committed, pattern)
            files, wrong = files + more, wrong + differ
    print(f"{files} files, {wrong} {'written' if mode == 'write' else 'changed'}")
    return 0 if mode == "write" or not wrong else 1


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["write"]):
        sys.exit("golden.py check|write")
    sys.exit(main(sys.argv[1]))
