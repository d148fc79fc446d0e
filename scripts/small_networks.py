"""The two small networks as PyTorch modules, and the assets that `expllm.faces.convnets` reads."""

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

ASSETS = Path(__file__).parent.parent / "src" / "expllm" / "assets"


class PlaceNetwork(nn.Module):
    """[N, 3, H, W] in -0.5 to 0.5 -> log odds [N, H / 8, W / 8] that a small face has its middle there."""

    strides = (4, 2, 1, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        patches = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 24, 2, 2)
        last = nn.Conv2d(24, 1, 1)
        last.bias = nn.Parameter(torch.full((1,), -4.0))  # faces are rare
        self.layers = nn.ModuleList([*patches, nn.Conv2d(24, 24, 3, 1, 1), nn.Conv2d(24, 24, 3, 1, 1), last])

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            pictures = torch.relu(layer(pictures))
        scores: torch.Tensor = self.layers[-1](pictures)[:, 0]
        return scores


class PartNetwork(nn.Module):
    """[N, 3, 64, 64] in -0.5 to 0.5 -> log odds [N, 6] that a part of the face is covered."""

    strides = (2, 2, 2, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 48)
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, 2, 1) for before, after in pairwise(widths))
        self.layers.append(nn.Linear(8 * 8 * widths[-1], 32))
        self.layers.append(nn.Linear(32, 6))
        self.drop = nn.Dropout(0.3)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:3]:
            faces = torch.relu(layer(faces))
        features = torch.relu(self.layers[3](faces.permute(0, 2, 3, 1).flatten(1)))
        scores: torch.Tensor = self.layers[4](self.drop(features))
        return scores


RESEARCH_ONLY = "photographs of people, for research only"
LEARNED_FROM = {
    "portraits_train-*.parquet": {"set": "portraits, mostly of LFW", "terms": RESEARCH_ONLY},
    "ferplus_train-*.parquet": {"set": "FER+ train", "terms": RESEARCH_ONLY},
    "renders": {"set": "heads of scripts/render_heads.py", "terms": "MakeHuman data, CC0"},
}


def ship(network: PlaceNetwork | PartNetwork, name: str, learned_from: Sequence[str], held_out: str) -> None:
    """Writes the asset of that name, weights in 16 bits, and its card.

    Args:
        network: What was trained.
        name: Of the asset.
        learned_from: Keys of `LEARNED_FROM`.
        held_out: What it does on faces that it has not seen.
    """
    arrays: dict[str, np.ndarray] = {"strides": np.array(network.strides)}
    for number, layer in enumerate(network.layers):
        values = layer.state_dict()
        arrays[f"w{number}"] = values["weight"].numpy().astype(np.float16)
        arrays[f"b{number}"] = values["bias"].numpy().astype(np.float16)
    np.savez_compressed(ASSETS / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    card = {
        "asset": f"{name}.npz",
        "script": f"scripts/{Path(sys.argv[0]).name}",
        "learned_from": [LEARNED_FROM[one] for one in learned_from],
        "held_out": held_out,
    }
    (ASSETS / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")
