"""A photograph whose nose is wrinkled by hand: the public-domain portrait of an astronaut, warped and shaded.

The wings of the nose and the upper lip go up, the inner brows down and together, the skin beside the nose
is gathered; furrows run over the root and the sides of the nose. That is what FACS (Ekman & Friesen)
describes for action unit 9. No photograph of somebody else is needed, and none is shipped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOVES = {
    # landmark: toward the middle of the face, up, reach; in distances of the outer eye corners
    48: (0.0, 0.075, 0.09), 278: (0.0, 0.075, 0.09), 98: (0.0, 0.06, 0.08), 327: (0.0, 0.06, 0.08),
    198: (0.0, 0.05, 0.08), 420: (0.0, 0.05, 0.08), 37: (0.0, 0.05, 0.10), 267: (0.0, 0.05, 0.10),
    55: (0.035, -0.07, 0.14), 285: (0.035, -0.07, 0.14), 107: (0.02, -0.06, 0.14), 336: (0.02, -0.06, 0.14),
    120: (0.0, 0.035, 0.12), 349: (0.0, 0.035, 0.12),
}  # fmt: skip
FURROWS = (
    # ends of a furrow (two landmarks each, with the share of the second), depth
    ((193, 417, 0.0), (193, 417, 1.0), 0.37), ((122, 351, 0.05), (122, 351, 0.95), 0.27),
    ((188, 198, 0.2), (196, 3, 0.4), 0.32), ((412, 420, 0.2), (419, 248, 0.4), 0.32),
    ((174, 198, 0.6), (236, 3, 0.5), 0.27), ((399, 420, 0.6), (456, 248, 0.5), 0.27),
    ((48, 129, 0.8), (203, 206, 0.6), 0.37), ((278, 358, 0.8), (423, 426, 0.6), 0.37),
    ((55, 9, 0.27), (107, 9, 0.37), 0.27), ((285, 9, 0.27), (336, 9, 0.37), 0.27),
)  # fmt: skip
THIN = 0.022
"""Width of a furrow, in distances of the outer eye corners."""


def wrinkled(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.floating[Any]], strength: float = 1.0
) -> NDArray[np.uint8]:
    """The picture with its nose wrinkled.

    Args:
        pixels: [H, W, 3].
        landmarks: [478, 2 or more] in its pixels.
        strength: 0 leaves the picture as it is.
    """
    points = landmarks[:, :2].astype(float)
    across = points[263] - points[33]
    unit = float(np.linalg.norm(across))
    right, up = across / unit, np.array([across[1], -across[0]]) / unit
    height, width = pixels.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)
    moved = np.zeros_like(grid)
    for index, (inward, upward, reach) in MOVES.items():
        side = 1.0 if (points[index] - points[168]) @ right < 0 else -1.0
        there = strength * unit * (side * inward * right + upward * up)
        far = ((grid - points[index]) ** 2).sum(axis=-1) / (2 * (reach * unit) ** 2)
        moved += np.exp(-far)[..., None] * there
    shaded = _sampled(pixels.astype(float), grid - moved) * _furrows(grid, points, unit, strength)[..., None]
    return np.clip(np.rint(shaded), 0, 255).astype(np.uint8)


def _furrows(grid: Array, points: Array, unit: float, strength: float) -> Array:
    """What is left of the light: dark lines with a bright edge below."""
    light = np.ones(grid.shape[:2])
    for (a, b, begin), (c, d, end), depth in FURROWS:
        start = points[a] + begin * (points[b] - points[a])
        stop = points[c] + end * (points[d] - points[c])
        along = stop - start
        share = np.clip(((grid - start) @ along) / (along @ along), 0, 1)
        far = np.linalg.norm(grid - start - share[..., None] * along, axis=-1) / (THIN * unit)
        light *= 1 - strength * depth * np.exp(-(far**2) / 2)
    return light


def _sampled(pixels: Array, at: Array) -> Array:
    """Bilinear values of a picture: [H, W, 3] at [H, W, 2]."""
    height, width = pixels.shape[:2]
    x, y = np.clip(at[..., 0], 0, width - 1.001), np.clip(at[..., 1], 0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    dx, dy = (x - left)[..., None], (y - top)[..., None]
    upper = pixels[top, left] * (1 - dx) + pixels[top, left + 1] * dx
    lower = pixels[top + 1, left] * (1 - dx) + pixels[top + 1, left + 1] * dx
    found: Array = upper * (1 - dy) + lower * dy
    return found
