"""Which frames of an animated picture, or pages of a document, are looked at for a face."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.files import tiff

if TYPE_CHECKING:
    from PIL import Image

TRIED: Final = 12
"""Frames that are searched for a face: spread over all of them, the first and the last included."""

MOST: Final = 1000
"""Frames that are counted."""

_MOST_PIXELS: Final = 400_000_000
"""Pixels that may be decoded on the way to the last frame tried: each frame builds on those before."""

_ANIMATED: Final = ("WEBP", "PNG", "AVIF", "HEIC")
"""JPEG is not among them: the second picture of a phone's MPO file is a map of depth or brightness."""


@dataclass(frozen=True)
class Frames:
    """The frames of a picture.

    Attributes:
        tried: Places of those to look at, from 0, in order.
        total: How many there are; `MOST` may stand for more.
        word: What one is called: `frame` or `page`.
    """

    tried: tuple[int, ...] = (0,)
    total: int = 1
    word: str = "frame"


def frames_of(image: "Image.Image", kind: str, data: bytes) -> Frames:
    """The frames of an opened picture that are worth a look.

    Args:
        image: As Pillow opened it, nothing decoded yet.
        kind: Its format, a key of `formats.PLUGINS`.
        data: The file.
    """
    if kind == "GIF":
        places = list(range(_gif_frames(data)))
    elif kind == "TIFF":
        places = [place for place, page in enumerate(tiff.pages(data)) if page.is_picture] or [0]
    else:
        places = _told_by_header(image) if kind in _ANIMATED else [0]
    width, height = image.size
    reach = places[: max(1, min(len(places), _MOST_PIXELS // max(width * height, 1)))]
    steps = max(1, min(TRIED, len(reach)) - 1)
    tried = sorted({round(step * (len(reach) - 1) / steps) for step in range(steps + 1)})
    return Frames(tuple(reach[at] for at in tried), len(places), "page" if kind == "TIFF" else "frame")


def _told_by_header(image: "Image.Image") -> list[int]:
    """Of formats that say at their beginning how many frames there are; the one that is shown comes first."""
    count, shown = getattr(image, "n_frames", 1), image.tell()
    return [shown, *(place for place in range(min(count, MOST)) if place != shown)]


def _gif_frames(data: bytes) -> int:
    """Counted block by block: Pillow's own count has no end on a file that is made of empty frames."""
    at, count = 13 + _colours(data[10:11]), 0
    while count < MOST and (block := data[at : at + 1]):
        if block == b"!":
            at = _behind(data, at + 2)
        elif block == b",":
            count += 1
            at = _behind(data, at + 11 + _colours(data[at + 9 : at + 10]))
        else:
            break
    return max(count, 1)


def _colours(flags: bytes) -> int:
    """Bytes of a colour table."""
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _behind(data: bytes, at: int) -> int:
    """Where a chain of blocks that each begin with their length ends."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
