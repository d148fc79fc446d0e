"""Mixes the weights of two towers of which one learned on from the other.

What the second learned by heart fades first.

    python scripts/mix_towers.py BEFORE AFTER --share 0.5 -o MIXED

Each folder holds `tower.safetensors` and `units.safetensors`, as of `train_tower.py`; so does MIXED.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from expllm.faces.quantized_weights import read_weights

KINDS = {"tower": np.float16, "units": np.float32}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the weights of AFTER")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name, kind in KINDS.items():
        before, after = (read_weights(one / f"{name}.safetensors") for one in (options.before, options.after))
        if before.keys() != after.keys():
            raise SystemExit(f"{options.before}, {options.after}: {name}.safetensors hold other tensors")
        mixed = {
            key: (before[key] * (1 - options.share) + after[key] * options.share).astype(kind)
            for key in after
        }
        save_file(mixed, options.output / f"{name}.safetensors")


if __name__ == "__main__":
    main()
