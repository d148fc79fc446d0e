"""Faces cut out of a picture as in training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from expllm.core.records import Rect
from expllm.faces.boxes import MARGIN, crop
from expllm.files.images import Picture, open_image

if TYPE_CHECKING:
    from PIL import Image

_ENOUGH: Final = 256
"""Pixels of a crop's side: no tower looks at more than 224, so it need not come from the full size."""

MOSTLY_FACE: Final = 0.7
"""A picture is a face crop itself where its face would be cut out with at least this part of its longer side:
of 300 FER+ validation faces it is 0.67 or more in 99 %, and 1.1 in the middle."""

_TURNED: Final = 12.0
"""Degrees from which a head is turned upright: networks learned from faces that lean up to 18."""
TURNING: Final = 0.25
"""What is cut out more on each side to be turned, as part of a box's longer side."""


def training_crop(data: bytes, name: str, box: Rect | None) -> "Image.Image":
    """A picture as training sees it without augmentation: RGB, cut to the face if it has a box.

    Args:
        data: Encoded.
        name: How to call it in messages.
        box: Left, top, width, height in pixels of the full-size picture.

    Raises:
        ImageError: it cannot be read.
    """
    from PIL import Image

    if box is None:
        return Image.fromarray(open_image(data, name=name).pixels)
    # In full size: a small face in a large picture has no pixels to lose.
    return Image.fromarray(crop(open_image(data, name=name, analysis_side=None), box))


def crops_of(
    picture: Picture,
    boxes: Sequence[Rect],
    *,
    whole: bool = False,
    flipped: bool = False,
    enough: int = _ENOUGH,
) -> "list[Image.Image]":
    """A square around each box, RGB.

    Args:
        picture: As it was searched; it is opened in full size where a face has too few pixels.
        boxes: Left, top, width, height in pixels of the full-size picture.
        whole: A picture that is a face crop already is taken as it is, for a model that was trained on such.
        flipped: The picture is a mirror image: turn its sides.
        enough: Pixels of a square's side that suffice: where they are there, the full size is not opened.

    Raises:
        ImageError: the picture cannot be read again.
    """
    from PIL import Image, ImageOps

    longest = max(picture.full_size)
    sides = [max(box[2], box[3]) * (1 + 2 * MARGIN) for box in boxes]
    larger = picture
    if picture.scale > 1 and any(side / picture.scale < enough for side in sides):
        larger = picture.larger()
    cut = [
        larger.pixels if whole and side >= MOSTLY_FACE * longest else crop(larger, box)
        for box, side in zip(boxes, sides, strict=True)
    ]
    images = [Image.fromarray(pixels) for pixels in cut]
    return [ImageOps.mirror(image) for image in images] if flipped else images


def upright_crop(picture: Picture, box: Rect, roll: float, enough: int) -> "Image.Image":
    """A square around a box, turned so that the head stands upright, RGB.

    Args:
        picture: As it was searched.
        box: Left, top, width, height in pixels of the full-size picture.
        roll: Of the head, in degrees as in [`HeadPose`][expllm.core.records.HeadPose].
        enough: As for `crops_of`.
    """
    from PIL import Image

    (straight,) = crops_of(picture, [box], whole=True, enough=enough)
    if abs(roll) < _TURNED:
        return straight
    wide = Image.fromarray(crop(picture, box, MARGIN + TURNING))
    turned = wide.rotate(roll, Image.Resampling.BICUBIC)
    inset = round(wide.width * TURNING / (1 + 2 * (MARGIN + TURNING)))
    return turned.crop((inset, inset, wide.width - inset, wide.height - inset))
