"""Makes all golden files anew and compares them with those that are committed.

    golden.py check    fails when a number has changed beyond 1e-6
    golden.py write    writes what has changed
"""

import pathlib
import shutil
import sys
import tempfile

import torch
from safetensors.torch import load_file

import make_golden

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-6


def differences(committed, made):
    """What differs, in words; nothing when the files say the same."""
    if not committed.exists():
        return ["is not there"]
    if not made.exists():
        return ["is made by no script"]
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


def main(mode):
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder)
        make_golden.main(made)
        names = {p.name for p in [*HERE.glob("*.*.safetensors"), *made.glob("*.safetensors")]}
        wrong = 0
        for name in sorted(names):
            found = differences(HERE / name, made / name)
            for what in found:
                print(f"{name}: {what}", file=sys.stderr)
            if found and mode == "write":
                shutil.copyfile(made / name, HERE / name)
            wrong += bool(found)
        verb = "written" if mode == "write" else "changed"
        print(f"{len(names)} golden files, {wrong} {verb}")
        return 0 if mode == "write" or not wrong else 1


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["write"]):
        sys.exit("golden.py check|write")
    sys.exit(main(sys.argv[1]))
