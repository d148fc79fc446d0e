"""The tower as it learns: `ConvTower`, a head for expressions, one that reads action units from regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, dropout, relu
from tower_faces import LABELS

from expllm.faces.quantized_weights import read_weights
from expllm.faces.unit_network import CHANNELS, FACS
from expllm.model.presets import CONV_TOWER
from expllm.model.vision import ConvConfig, ConvTower

PREFIX: Final = "model.vision_tower."
REGIONS: Final = 3
HIDDEN: Final = 256


@dataclass(frozen=True)
class Seen:
    """What the network says of N faces.

    Attributes:
        logits: [N, 8] of the labels.
        units: [N, 17] standardised action units of FACS.
        channels: [N, 45] MediaPipe's channels, standardised.
        clear: [N] logit of whether the teacher could be trusted here.
    """

    logits: Tensor
    units: Tensor
    channels: Tensor
    clear: Tensor


class UnitHead(nn.Module):
    """The mean feature and the means of 3 x 3 regions -> 256 -> units, channels, clearness."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width * (1 + REGIONS**2), HIDDEN)
        self.out = nn.Linear(HIDDEN, len(FACS) + len(CHANNELS) + 1)

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        regions = adaptive_avg_pool2d(grid, REGIONS).flatten(1)
        features = torch.cat([grid.mean((2, 3)), regions], 1)
        out = self.out(dropout(relu(self.hidden(dropout(features, 0.1, self.training))), 0.1, self.training))
        units, channels, clear = out.split([len(FACS), len(CHANNELS), 1], 1)
        return units, channels, clear[:, 0]


class Seeing(nn.Module):
    """A tower that names expressions and reads action units."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = ConvTower(ConvConfig(CONV_TOWER.widths, CONV_TOWER.image))
        width = CONV_TOWER.widths[-1]
        self.label, self.units = nn.Linear(width, len(LABELS)), UnitHead(width)

    def forward(self, pixels: Tensor) -> Seen:
        hidden = self.tower(pixels).last_hidden_state
        side = int((hidden.shape[1] - 1) ** 0.5)
        grid = hidden[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        logits = self.label(dropout(hidden[:, 0], 0.3, self.training))
        return Seen(logits, *self.units(grid))


def begun(folder: Path) -> Seeing:
    """A network whose tower is that of a folder; its heads are new unless the folder has them, too."""
    net = Seeing()
    net.tower.load_state_dict(tower_state(folder))
    nn.init.zeros_(net.label.weight)
    heads = folder / "units.safetensors"
    if heads.exists():
        net.load_state_dict({**net.state_dict(), **head_state(folder)})
    return net


def trained(folder: Path) -> Seeing:
    """The network of a folder with `tower.safetensors` and `units.safetensors`, in 32 bits."""
    net = Seeing().eval()
    state = {f"tower.{name}": part for name, part in tower_state(folder).items()}
    net.load_state_dict(state | head_state(folder))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def tower_state(folder: Path) -> dict[str, Tensor]:
    """Tensors of the tower alone; files in 8, 16 and 32 bits are read."""
    stored = read_weights(folder / "tower.safetensors")
    return {name.removeprefix(PREFIX): torch.from_numpy(part) for name, part in stored.items()}


def head_state(folder: Path) -> dict[str, Tensor]:
    """Tensors of the heads, less the scales of their units."""
    stored = read_weights(folder / "units.safetensors")
    return {name: torch.from_numpy(part) for name, part in stored.items() if not name.startswith("scale.")}
