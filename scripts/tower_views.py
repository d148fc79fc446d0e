"""Random views of faces, on the device that learns: turned, scaled, mirrored, coarse, lit, covered, mixed."""

from __future__ import annotations

import math
import random
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

TURN: Final = math.radians(18)
SCALE: Final = 0.15
SHIFT: Final = 0.10
COVERED: Final = 0.25
"""How often a part of the picture is covered: units under it are told all the same."""
COARSE: Final = (0.3, 0.6)
"""Least part of its side that is left of a coarse portrait (48 of 112 is 0.43); how often it is coarse."""


def views(
    pixels: Tensor, side: int, chance: torch.Generator, luck: random.Random, strength: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Random views, normalised to -1..1.

    Args:
        pixels: [N, 1 or 3, H, W] uint8.
        side: Of the views.
        chance: Draws on the device that learns, for each picture.
        luck: Draws on the host, for all at once.
        strength: How far views differ from the pictures: 0 for mirror images alone.

    Returns:
        [N, 3, side, side] float32, and [N] whether each was mirrored.
    """
    count, device = len(pixels), pixels.device
    if pixels.shape[1] == 3:
        pixels = _coarse(pixels, chance, luck, strength)
    pixels = pixels.float()

    def evenly(low: float, high: float) -> Tensor:
        return torch.rand(count, device=device, generator=chance) * (high - low) + low

    mirrored = evenly(0, 1) < 0.5
    turn, scale, shift = TURN * strength, SCALE * strength, SHIFT * strength
    angle, zoom = evenly(-turn, turn), 1 + evenly(-scale, scale)
    flip = torch.where(mirrored, -1.0, 1.0)
    stretch = 1 + evenly(-0.08, 0.08) * strength
    rows = torch.stack(
        [
            torch.stack([flip * zoom * stretch * angle.cos(), -zoom * angle.sin(), evenly(-shift, shift)], 1),
            torch.stack([flip * zoom * angle.sin(), zoom * angle.cos(), evenly(-shift, shift)], 1),
        ],
        1,
    )
    grid = affine_grid(rows, [count, 1, side, side], align_corners=False)
    seen = grid_sample(pixels, grid, "bicubic", "reflection", align_corners=False).clamp(0, 255)
    if seen.shape[1] == 1:
        seen = seen.expand(-1, 3, -1, -1)
    else:
        grey = (evenly(0, 1) < 0.4)[:, None, None, None]
        seen = torch.where(grey, seen.mean(1, keepdim=True), seen)
    return _covered(_lit(seen, chance, strength), chance, COVERED * strength), mirrored


def _lit(seen: Tensor, chance: torch.Generator, strength: float) -> Tensor:
    """In another light: contrast and brightness of each picture; [N, 3, H, W], 0-255 to -1..1."""
    draw = torch.rand(2, len(seen), 1, 1, 1, device=seen.device, generator=chance) * 2 - 1
    contrast, light = 1 + 0.35 * strength * draw[0], 1 + 0.3 * strength * draw[1]
    mean = seen.mean((1, 2, 3), keepdim=True)
    return ((seen - mean) * contrast + mean * light).clamp(0, 255) / 127.5 - 1


def _coarse(pixels: Tensor, chance: torch.Generator, luck: random.Random, strength: float) -> Tensor:
    """Some pictures as if they had been smaller: one size a batch, drawn anew."""
    share = luck.uniform(COARSE[0], 1)
    small = interpolate(pixels.float(), scale_factor=share, mode="area")
    back = interpolate(small, size=pixels.shape[-2:], mode="bicubic").clamp(0, 255).to(pixels.dtype)
    chosen = torch.rand(len(pixels), device=pixels.device, generator=chance) < COARSE[1] * strength
    return torch.where(chosen[:, None, None, None], back, pixels)


def _covered(seen: Tensor, chance: torch.Generator, share: float) -> Tensor:
    """A rectangle of up to a quarter of the picture is grey, in some of the pictures."""
    count, _, side, _ = seen.shape
    draw = torch.rand(5, count, 1, device=seen.device, generator=chance)
    area, ratio = draw[0] * 0.2 + 0.03, torch.exp((draw[1] - 0.5) * 2)
    wide, high = (area * ratio).sqrt() * side, (area / ratio).sqrt() * side
    place = torch.arange(side, device=seen.device)[None]
    x, y = draw[2] * (side - wide), draw[3] * (side - high)
    columns, rows = (place >= x) & (place < x + wide), (place >= y) & (place < y + high)
    hidden = rows[:, :, None] & columns[:, None, :] & (draw[4][:, :, None] < share)
    return seen.masked_fill(hidden[:, None], 0.0)


def plain(pixels: Tensor, side: int) -> Tensor:
    """The picture as it is answered about: [N, 3, side, side], -1..1."""
    seen = interpolate(pixels.float(), size=(side, side), mode="bicubic", antialias=True).clamp(0, 255)
    return seen.expand(-1, 3, -1, -1) / 127.5 - 1


def mixed(seen: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """Two pictures in one (mixup); `share` [N] of the first."""
    part = share[:, None, None, None]
    return seen * part + others * (1 - part)
