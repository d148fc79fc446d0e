"""Gives a model adapters of a higher rank, or on more layers, without changing a single answer of it.

    python scripts/widen_adapter.py compact --rank 16 -o WIDE \\
        --targets q_proj k_proj v_proj o_proj gate_proj up_proj down_proj
    expllm train recipes/compact.yaml model.init_from=WIDE 'model.lora={rank: 16, alpha: 32, targets: [...]}'

The old products stand in the first rows of the new ones; what is behind them begins as new adapters do, at
nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from torch import Tensor, nn

from expllm.core.errors import UsageError
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.manifest import read_manifest
from expllm.model.shipped import model_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", help="compact, or a folder")
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--targets", nargs="+", required=True, help="ends of the names of layers")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    folder = model_folder(options.model)
    wide = widened(load_model(folder), options.rank, tuple(options.targets))
    manifest = read_manifest(folder)
    save(options.output, wide, manifest.card, manifest.extra)
    print(options.output)


def widened(bundle: Bundle, rank: int, targets: tuple[str, ...]) -> Bundle:
    """The same model with adapters of this rank on these layers; the scale of their products stays.

    Raises:
        UsageError: an adapter that says something would be lost.
    """
    old = bundle.preset.lora
    lora = replace(old, rank=rank, alpha=round(old.alpha / old.rank * rank), targets=targets)
    wide = new_bundle(replace(bundle.preset, lora=lora), bundle.labels)
    wide.questions, wide.trained = bundle.questions, bundle.trained
    taken = dict(wide.model.named_parameters())
    for name, parameter in bundle.model.named_parameters():
        if ".lora_" not in name:
            _take_over(name, parameter, taken)
        elif name in taken:
            _widen(taken[name], parameter.data, in_rows=".lora_A." in name)
        elif ".lora_B." in name and bool(parameter.any()):
            raise UsageError(f"{name} has learned something: name its layer among --targets")
    return wide


def _take_over(name: str, parameter: nn.Parameter, taken: dict[str, nn.Parameter]) -> None:
    """Copies what is no adapter: it is called otherwise where only one of the models has an adapter on it."""
    own = {one.replace(".base_layer.", "."): one for one in taken}[name.replace(".base_layer.", ".")]
    taken[own].data = parameter.data.to(taken[own].dtype)


@torch.no_grad()
def _widen(new: Tensor, old: Tensor, *, in_rows: bool) -> None:
    """Puts the old rows (of A) or columns (of B) first; columns behind them are 0."""
    if in_rows:
        new[: len(old)] = old
    else:
        new.zero_()
        new[:, : old.shape[1]] = old


if __name__ == "__main__":
    main()
