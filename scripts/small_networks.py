"""The two small networks as PyTorch modules, and the asset that `expllm.convnets` reads."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

ASSETS = Path(__file__).parent.parent / "src" / "expllm" / "assets"


class PlaceNetwork(nn.Module):
    """[N, 3, H, W] in -0.5 to 0.5 -> log odds [N, H / 4, W / 4] that a small face has its middle there."""

    strides = (2, 2, 1, 1, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 16, 24, 24, 24)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride, 1)
            for before, after, stride in zip(widths, widths[1:], self.strides, strict=False)
        )
        last = nn.Conv2d(widths[-1], 1, 1)
        last.bias = nn.Parameter(torch.full((1,), -4.0))  # faces are rare
        self.layers.append(last)

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


def ship(network: PlaceNetwork | PartNetwork, name: str) -> None:
    """Writes the weights as the asset of that name, in 16 bits."""
    arrays: dict[str, np.ndarray] = {"strides": np.array(network.strides)}
    for number, layer in enumerate(network.layers):
        values = layer.state_dict()
        arrays[f"w{number}"] = values["weight"].numpy().astype(np.float16)
        arrays[f"b{number}"] = values["bias"].numpy().astype(np.float16)
    np.savez_compressed(ASSETS / f"{name}.npz", **arrays)  # type: ignore[arg-type]
