"""A small residual network (He et al. 2016) as plain PyTorch, its norms folded into its weights."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

STRIDE: Final = 16
"""Pixels of the picture to one feature."""
STRIDES: Final = (2, 2, 2, 1)
"""Of the stages; the stem halves as well. The last keeps its grid: a small face needs a fine one."""


class Residual(nn.Module):
    """Two convolutions, and what they are given beside them: [N, C, H, W]."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        changes = stride > 1 or before != after
        self.around = nn.Conv2d(before, after, 1, stride) if changes else None

    def forward(self, pixels: Tensor) -> Tensor:
        beside = pixels if self.around is None else self.around(pixels)
        return relu(beside + self.second(relu(self.first(pixels))))


def stem_of(widths: Sequence[int]) -> nn.Conv2d:
    """The first convolution, from RGB."""
    return nn.Conv2d(3, widths[0], 5, 2, 2)


def blocks_of(widths: Sequence[int]) -> nn.ModuleList:
    """Two blocks a stage."""
    before, blocks = widths[0], []
    for width, stride in zip(widths, STRIDES, strict=True):
        blocks += [Residual(before, width, stride), Residual(width, width, 1)]
        before = width
    return nn.ModuleList(blocks)


def look(stem: nn.Module, blocks: nn.ModuleList, pixels: Tensor) -> Tensor:
    """[batch, 3, side, side] normalised pixels to [batch, 1 + cells, width]: the mean, then row by row."""
    features = relu(stem(pixels))
    for block in blocks:
        features = block(features)
    cells = features.flatten(2).transpose(1, 2)
    return torch.cat([cells.mean(1, keepdim=True), cells], 1)
