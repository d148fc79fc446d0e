"""Where small faces may be: a small network proposes places, for a detector to look at closely.

A detector that sees a whole picture at 128 pixels misses every face below a sixth of it, and tiles fine
enough for faces of 28 pixels are hundreds in a large picture. The network sees the picture at a half, a
quarter, ... of its size and marks faces of 11 to 27 of these pixels, so two to four looks are enough where
there is nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.convnets import read_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ASSET: Final = "small_faces"
LARGEST: Final = 27 * 2
"""Longer side of the largest face that the first level is made for, in pixels."""

SEEN_WHOLE: Final = 0.2
"""Part of the picture's longer side from which a face is seen by the detector that looks at the whole."""

LIKELY: Final = 0.4
"""Probability from which a place is worth a look of 2 ms."""

TILE: Final = 80
"""Side of the tile around a place, in pixels of its level: a face takes 14 to 34 percent of it."""


@dataclass(frozen=True)
class Place:
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

    def beside(self, other: "Place") -> bool:
        """Whether a look at the other place has shown this one, too."""
        reach = 0.3 * self.side
        return self.side == other.side and abs(self.x - other.x) < reach and abs(self.y - other.y) < reach


def places(pixels: "NDArray[np.uint8]") -> list[Place]:
    """Places where a face of 22 pixels up to a fifth of the picture may be, the most likely first."""
    found: list[Place] = []
    reduction = 2
    while True:
        found += _places_of_level(pixels, reduction)
        if LARGEST * reduction / 2 >= SEEN_WHOLE * max(pixels.shape[:2]):
            return sorted(found, key=lambda place: -place.likely)
        reduction *= 2


def _places_of_level(pixels: "NDArray[np.uint8]", reduction: int) -> list[Place]:
    """Peaks of the network's map over the picture brought down by a whole factor."""
    import numpy as np
    from PIL import Image

    level = np.asarray(Image.fromarray(pixels).reduce(reduction), np.float32) / np.float32(255) - np.float32(
        0.5
    )
    network = read_network(ASSET)
    scores = network.map(level)[:, :, 0]  # [h, w], log odds
    around = np.pad(scores, 1, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3))
    least = np.log(LIKELY / (1 - LIKELY))
    rows, columns = np.nonzero((scores >= windows.max(axis=(2, 3))) & (scores > least))
    step = network.stride * reduction
    return [
        Place((x + 0.5) * step, (y + 0.5) * step, TILE * reduction, float(1 / (1 + np.exp(-scores[y, x]))))
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
