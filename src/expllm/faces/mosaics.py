"""Four pieces of a picture in one square: a detector that sees 128 pixels looks at four places at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.faces.detectors import Detection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECES: Final = 4
PIECE_SIDE: Final = 64
"""Of a piece in the square, in pixels."""


@dataclass(frozen=True)
class MosaicPiece:
    """A square of the picture: its left and upper edge and its side, in pixels."""

    left: int
    top: int
    side: int


def piece_around(x: float, y: float, side: int, size: tuple[int, int]) -> MosaicPiece:
    """The square around a point, moved into a picture of that width and height where it can be."""
    left, top = (
        max(0, min(round(middle - side / 2), most - side)) for middle, most in zip((x, y), size, strict=True)
    )
    return MosaicPiece(left, top, side)


def mosaic(pixels: "NDArray[np.uint8]", pieces: Sequence[MosaicPiece]) -> "NDArray[np.uint8]":
    """At most four pieces side by side, [128, 128, 3]; black where there is none, or no picture."""
    import numpy as np
    from PIL import Image

    square = Image.new("RGB", (2 * PIECE_SIDE, 2 * PIECE_SIDE))
    for piece, corner in zip(pieces, _CORNERS, strict=False):
        cut = pixels[piece.top : piece.top + piece.side, piece.left : piece.left + piece.side]
        scale = PIECE_SIDE / piece.side
        high, wide = (max(1, round(scale * length)) for length in cut.shape[:2])
        way = Image.Resampling.BILINEAR if scale > 0.5 else Image.Resampling.BOX
        square.paste(Image.fromarray(np.ascontiguousarray(cut)).resize((wide, high), way), corner)
    return np.array(square)


def in_picture(found: Detection, pieces: Sequence[MosaicPiece]) -> Detection | None:
    """A face of a mosaic as a face of its picture; None where no piece is."""
    x, y = found.centre
    number = 2 * (y >= PIECE_SIDE) + (x >= PIECE_SIDE)
    if number >= len(pieces):
        return None
    piece, (left, top) = pieces[number], _CORNERS[number]
    scale = piece.side / PIECE_SIDE
    _, _, wide, high = found.box
    box = (
        piece.left + (found.box[0] - left) * scale,
        piece.top + (found.box[1] - top) * scale,
        wide * scale,
        high * scale,
    )
    points = tuple((piece.left + (u - left) * scale, piece.top + (v - top) * scale) for u, v in found.points)
    return Detection(box, found.score, points)


_CORNERS: Final = ((0, 0), (PIECE_SIDE, 0), (0, PIECE_SIDE), (PIECE_SIDE, PIECE_SIDE))
