"""Makes the folder that ships, `src/expllm/assets/compact`, from a finished training.

    python scripts/ship_compact.py RUN --tower TOWER -o src/expllm/assets/compact

`--mean RUN2` ships the mean of the adapters and the projectors of both. Adapters and projector are rounded to
16-bit floats, the tower to 8 bits. The tower is taken from where it was trained (or from the folder that
ships): a stage that leaves it as it is has only a copy of it. The card keeps the recipe by names of data
sets, without paths. Behind it: `model calibrate --flip-averaging`, then `scripts/fit_label_head.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from expllm.faces.quantized_weights import quantized
from expllm.model.checkpoint import load_model, save
from expllm.model.manifest import (
    MANIFEST_NAME,
    WEIGHT_NAMES,
    Manifest,
    read_manifest,
    sha256,
    write_manifest,
)
from expllm.model.tensors import load_weights
from expllm.model.vlm import parameter_part
from expllm.model.weight_keys import check_fit
from expllm.train.step_history import History

MOST_BYTES: Final = 25_000_000
_PATHS: Final = (("model", "init_from"), ("model", "tower"), ("data", "root"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("run", type=Path, help="folder of the last stage, with its model and history")
    parser.add_argument("--tower", type=Path, required=True, help="folder that train_tower.py wrote")
    parser.add_argument("--mean", type=Path, nargs="*", default=[], help="runs to take the mean with")
    parser.add_argument("--note", type=json.loads, default={}, help="what else the card is to say, as JSON")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    manifest = read_manifest(options.run / "model")
    bundle = load_model(options.run / "model")
    tower = options.tower / "tower.safetensors"
    _fill_tower(bundle.model, tower)
    _take_mean(bundle.model, [load_model(run / "model").model for run in options.mean])
    for name, parameter in bundle.model.named_parameters():
        if parameter_part(name) != "language":
            parameter.data = parameter.data.half()
    bundle.trained = tuple(part for part in bundle.trained if part != "tower")
    before = read_manifest(options.tower) if (options.tower / MANIFEST_NAME).exists() else None
    save(options.output, bundle, _card(options, dict(manifest.card), before))
    _pack_tower(options.output, tower)
    size = sum(path.stat().st_size for path in options.output.iterdir())
    print(f"{options.output}: {size:,} bytes")
    if size > MOST_BYTES:
        raise SystemExit(f"more than {MOST_BYTES:,} bytes: nothing of this size is to be shipped")


def _fill_tower(model: torch.nn.Module, path: Path) -> None:
    """The weights as they were pretrained, in place of those that a 16-bit training rounded."""
    stored = load_weights(path)
    own = {
        name.partition("base_model.model.")[2].replace(".base_layer.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter_part(name) == "tower"
    }
    check_fit(stored, own, path)
    for name, parameter in own.items():
        parameter.data = stored[name].to(parameter.dtype)


def _pack_tower(folder: Path, tower: Path) -> None:
    """The tower in 8 bits, as it lies where it came from if it has 8 there."""
    path = folder / WEIGHT_NAMES["tower"]
    stored = load_file(tower)
    whole = all(values.dtype != np.int8 for values in stored.values())
    save_file(quantized(load_file(path)) if whole else stored, path, {"format": "pt"})
    path.chmod(0o644)
    manifest = read_manifest(folder)
    files = {**manifest.files, path.name: (sha256(path), path.stat().st_size)}
    write_manifest(folder, replace(manifest, files=files))


def _take_mean(model: torch.nn.Module, others: Sequence[torch.nn.Module]) -> None:
    """Of everything that was trained; the language model and the tower stay as they are."""
    found = [dict(other.named_parameters()) for other in others]
    for name, parameter in model.named_parameters():
        if parameter_part(name) not in ("tower", "language"):
            all_ = [parameter.data, *(other[name].data for other in found)]
            parameter.data = torch.stack([one.float() for one in all_]).mean(0).to(parameter.dtype)


def _card(options: argparse.Namespace, card: dict[str, Any], before: Manifest | None) -> dict[str, Any]:
    """How it was trained, with names in place of paths."""
    recipe = card["recipe"]
    for part, key in _PATHS:
        recipe[part][key] = None
    recipe["data"]["texts"] = ["texts of the offline engine"]
    steps = list(History(options.run / "history.jsonl"))
    card["hours"] = round(sum(step.seconds for step in steps) / 3600, 2)
    if before is not None:
        card["tower"] = before.card["tower"]
    else:
        seen = json.loads((options.tower / "history.json").read_text(encoding="utf-8"))
        card["tower"] = {"net": seen["options"]["net"], "last": seen["history"][-1]}
    return {**card, **options.note}


if __name__ == "__main__":
    main()
