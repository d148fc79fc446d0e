"""Networks that learn to see faces: a residual network, and DINOv2's architecture beside it.

Both take [N, 3, side, side] and give 8 logits and 24 action units. The first becomes a `ConvTower`: its batch
norms are folded into its weights, which changes nothing but rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn
from torch.nn.functional import dropout, relu

from expllm.model.convnet import STRIDES
from expllm.model.convtower import ConvConfig, ConvTower
from expllm.model.expllm import PatchTower, tower_config
from expllm.model.presets import CONV_TOWER, Tower

EPSILON: Final = 1e-3


@dataclass(frozen=True)
class Seen:
    """What a network says of N faces: [N, 8] logits and [N, 24] action units."""

    logits: Tensor
    aus: Tensor


class Heads(nn.Module):
    """Two linear heads on the mean of the features."""

    def __init__(self, width: int, drop: float = 0.3) -> None:
        super().__init__()
        self.drop = drop
        self.label, self.aus = nn.Linear(width, 8), nn.Linear(width, 24)

    def forward(self, features: Tensor) -> Seen:
        features = features.float()
        kept = dropout(features, self.drop, self.training)
        return Seen(self.label(kept), self.aus(features).sigmoid())


class Normed(nn.Module):
    """A convolution and its batch norm."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels, eps=EPSILON, momentum=0.01)

    def forward(self, pixels: Tensor) -> Tensor:
        normal: Tensor = self.norm(self.convolution(pixels))
        return normal

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution that does the same as both, once trained."""
        variance, mean = self.norm.running_var, self.norm.running_mean
        assert variance is not None
        assert mean is not None
        scale = self.norm.weight.double() / (variance.double() + EPSILON).sqrt()
        weight = self.convolution.weight.double() * scale[:, None, None, None]
        return weight.float(), (self.norm.bias.double() - mean.double() * scale).float()


class Residual(nn.Module):
    """A basic residual block."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = Normed(nn.Conv2d(before, after, 3, stride, 1, bias=False))
        self.second = Normed(nn.Conv2d(after, after, 3, 1, 1, bias=False))
        changes = stride > 1 or before != after
        self.around = Normed(nn.Conv2d(before, after, 1, stride, bias=False)) if changes else None

    def forward(self, pixels: Tensor) -> Tensor:
        beside = pixels if self.around is None else self.around(pixels)
        return relu(beside + self.second(relu(self.first(pixels))))


class ResNet(nn.Module):
    """`ConvTower` as it is trained: with norms, and two heads on the mean of its features."""

    def __init__(self, widths: tuple[int, ...] = CONV_TOWER.widths) -> None:
        super().__init__()
        self.widths = widths
        self.stem = Normed(nn.Conv2d(3, widths[0], 5, 2, 2, bias=False))
        layers, before = [], widths[0]
        for width, stride in zip(widths, STRIDES, strict=True):
            layers += [Residual(before, width, stride), Residual(width, width, 1)]
            before = width
        self.layers, self.heads = nn.Sequential(*layers), Heads(before)

    def forward(self, pixels: Tensor) -> Seen:
        features: Tensor = self.layers(relu(self.stem(pixels)))
        seen: Seen = self.heads(features.mean((2, 3)))
        return seen

    def folded(self, image_size: int) -> ConvTower:
        """The tower, without norms and heads."""
        tower = ConvTower(ConvConfig(self.widths, image_size))
        state: dict[str, Tensor] = {}
        for name, module in self.named_modules():
            if isinstance(module, Normed):
                ours = name.replace("layers.", "blocks.")
                state[f"{ours}.weight"], state[f"{ours}.bias"] = module.folded()
        tower.load_state_dict(state)
        tower.eval()
        return tower


VIT: Final = Tower(hidden=384, layers=8, heads=6, patch=12, image=96, native_image=96)
"""DINOv2's architecture at a size that fits beside the others; 14 million weights."""


class ViT(nn.Module):
    """DINOv2's architecture from scratch."""

    def __init__(self, tower: Tower = VIT) -> None:
        super().__init__()
        self.tower = PatchTower(tower_config(tower))
        self.heads = Heads(tower.hidden)

    def forward(self, pixels: Tensor) -> Seen:
        seen: Seen = self.heads(self.tower(pixels).last_hidden_state[:, 1:].mean(1))
        return seen


def network(name: str) -> tuple[nn.Module, int]:
    """A network by name, and the side of the pictures that it is given."""
    return (ResNet(), CONV_TOWER.image) if name == "resnet" else (ViT(), VIT.image)
