"""Where small faces may be: a small network proposes places, for a detector to look at closely.

A detector that sees a whole picture at 128 pixels misses every face below a sixth of it, and tiles fine
enough for faces of 28 pixels are hundreds in a large picture. The network sees the picture at a half, a
quarter, ... of its size and marks faces of 11 to 27 of these pixels, every eighth pixel: for a picture of
500 pixels that costs less than one look of the detector.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.faces.convnets import read_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

SMALL_FACES_ASSET: Final = "small_faces"
LARGEST: Final = 27
"""Longer side of the largest face that the network knows, in pixels of its level."""

SEEN_WHOLE: Final = 0.2
"""Part of the picture's longer side from which a face is seen by the detector that looks at the whole."""

LIKELY: Final = 0.25
"""Probability from which a place is worth a look of 3 ms."""

PIECE: Final = 40
"""Side of the piece around a place that the detector sees, in pixels of its level: a face takes 28 to 68
percent of it."""


@dataclass(frozen=True)
class FacePlace:
    """A place where a face may be.

    Attributes:
        x: Column of its middle, in pixels of the picture.
        y: Row.
        side: Of the square to look at around it.
        likely: The network's probability.
    """

    x: float
    y: float
    side: int
    likely: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x, self.y


def places(pixels: "NDArray[np.uint8]", reduction: int = 2) -> list[FacePlace]:
    """Places where a face of 22 pixels up to a fifth of the picture may be, the most likely first.

    Args:
        pixels: The picture, [H, W, 3].
        reduction: How many times smaller the network first sees it: with 3, faces count from 33 pixels.
    """
    from PIL import Image

    level = Image.fromarray(pixels).reduce(reduction)
    found = _places_of_level(level, reduction)
    while LARGEST * reduction < SEEN_WHOLE * max(pixels.shape[:2]):
        level, reduction = level.reduce(2), 2 * reduction
        found += _places_of_level(level, reduction)
    return sorted(found, key=lambda place: -place.likely)


def _places_of_level(level: "Image.Image", reduction: int) -> list[FacePlace]:
    """Peaks of the network's map over the picture brought down by a whole factor."""
    import numpy as np

    network = read_network(SMALL_FACES_ASSET)
    scores = network.map(np.asarray(level))[:, :, 0]  # [h, w], log odds
    around = np.pad(scores, 1, constant_values=-np.inf)
    high, wide = scores.shape
    best = np.maximum.reduce([around[i : i + high, j : j + wide] for i in range(3) for j in range(3)])
    rows, columns = np.nonzero((scores == best) & (scores > np.log(LIKELY / (1 - LIKELY))))
    chances = 1 / (1 + np.exp(-scores[rows, columns]))
    step = network.stride * reduction
    return [
        FacePlace((x + 0.5) * step, (y + 0.5) * step, PIECE * reduction, likely)
        for y, x, likely in zip(rows.tolist(), columns.tolist(), chances.tolist(), strict=True)
    ]
