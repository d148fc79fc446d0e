"""Where the face is: found once for each picture, and cut out with a margin.

As in the ExpLLM paper: RAF-DB is used with its own aligned pictures and needs no box; for the other data sets
a detector gives the box. A picture without a face has no box, and never the whole picture in its place:
whether to take the whole picture then is for the caller to say.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from expllm.core.records import Rect
from expllm.faces.box_cache import BoxCache
from expllm.files.images import open_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from expllm.faces.landmarks import Face
    from expllm.files.images import Picture

MARGIN: Final = 0.1
"""Part of a box's longer side that a crop adds on each side. Our boxes end at the landmarks, below the hair;
those of SCRFD, the paper's detector, reach higher: on 396 portraits by 8 % of that side (median; 14 % at the
95th percentile), and hardly further elsewhere. With this margin a crop holds all of SCRFD's box on 75 % of
them, and 99.5 % of its area on average (benchmarks/face_boxes.py)."""


CUT_OUT: Final = ("rafdb", "ferplus", "fer2013")
"""Kinds of data sets whose pictures are cut to the face already."""


def needs_boxes(boxes: bool | str, kind: str) -> bool:
    """Whether the faces of a data set are boxed first.

    Args:
        boxes: As in a recipe: yes, no, or `auto`: where they do not come cut out.
        kind: Of the data set, a key of `KINDS`.
    """
    return kind not in CUT_OUT if boxes == "auto" else bool(boxes)


def trained_boxes(card: Mapping[str, Any]) -> bool | str:
    """What the recipe in a model's card says of boxes: yes, no, or `auto`; no where it says nothing."""
    recipe = card.get("recipe", {})
    found = recipe.get("data", {}).get("boxes", False) if isinstance(recipe, dict) else False
    return found if found == "auto" else bool(found)


class Finder(Protocol):
    """Finds the faces of a picture, as `facefinder.FaceFinder` does."""

    def find(self, picture: "Picture") -> "list[Face]": ...


def boxed(
    data: bytes, finder: Finder, cache: BoxCache | None = None, *, near: Rect | None = None
) -> Rect | None:
    """The box of the largest face; None if the picture shows none.

    Args:
        data: The encoded picture, as `image_bytes` gives it.
        finder: Looks where the cache knows nothing.
        cache: Remembers what was found, and also that nothing was.
        near: Where the data set says that the face is (`Sample.box`): the face that overlaps it most is taken
            instead of the largest, and none if no face does.

    Returns:
        Left, top, width, height in pixels of the upright, full-size picture.

    Raises:
        ImageError: the picture cannot be read.
        OutputError, RecordError: the cache cannot be used.
    """
    digest = hashlib.sha256(data).digest()
    found = cache.get(digest) if cache else None
    if found is None:
        found = tuple(face.box for face in finder.find(open_image(data)))
        if cache:
            cache.put(digest, found)
    best = nearest_box(found, near)
    return None if best is None else found[best]


def nearest_box(boxes: Sequence[Rect], near: Rect | None) -> int | None:
    """Which of some faces a data set means: the largest, or the one that overlaps `near` most.

    Returns:
        Its place; None where there is no face, or none that overlaps `near`.
    """
    scores = [box[2] * box[3] if near is None else overlap(box, near) for box in boxes]
    best = max(range(len(boxes)), key=scores.__getitem__, default=None)
    return best if near is None or (best is not None and scores[best] > 0) else None


def crop(picture: "Picture", box: Rect, margin: float = MARGIN) -> "NDArray[np.uint8]":
    """A square around a box with a margin: [side, side, 3] uint8 RGB.

    It is moved into the picture where it fits in, and black where the picture ends before it does.

    Args:
        picture: Open it with `analysis_side=None`, or the face has no more pixels than were searched.
        box: Left, top, width, height in pixels of the full-size picture.
        margin: Part of the box's longer side that is added on each side.
    """
    import numpy as np

    left, width = box[0] / picture.scale_x, box[2] / picture.scale_x
    top, height = box[1] / picture.scale_y, box[3] / picture.scale_y
    side = max(1, round(max(width, height) * (1 + 2 * margin)))
    high, wide = picture.pixels.shape[:2]
    x, y = _start(left + width / 2, side, wide), _start(top + height / 2, side, high)
    square = np.zeros((side, side, 3), np.uint8)
    seen = picture.pixels[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
    square[max(-y, 0) : max(-y, 0) + seen.shape[0], max(-x, 0) : max(-x, 0) + seen.shape[1]] = seen
    return square


def _start(centre: float, side: int, length: int) -> int:
    """Where a piece of a side begins: around its centre, but in the picture if it fits in."""
    start = round(centre - side / 2)
    return min(max(start, 0), length - side) if side <= length else start


def overlap(box: Rect, other: Rect) -> float:
    """Shared area as part of the area that either covers, 0-1."""
    wide = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    high = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    return shared / max(box[2] * box[3] + other[2] * other[3] - shared, 1e-9)
