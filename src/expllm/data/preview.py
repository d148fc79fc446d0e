"""A sheet that shows what augmentation does to pictures and texts, to be looked at before training."""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from expllm.core.errors import MissingData, one_line
from expllm.data.augment import Augmentation, PictureChange
from expllm.data.image_bytes import image_bytes
from expllm.data.mirror import mirrored_text
from expllm.data.sample import Sample
from expllm.files.images import open_image

if TYPE_CHECKING:
    from PIL import Image

DRAWS: Final = 3
"""Pictures a face that are changed as in training, in the first epochs."""

_SIDE: Final = 168  # pixels of a picture's box, each way
_GAP: Final = 10
_LINE: Final = 18  # from one line of text to the next
_TEXT: Final = 13  # size of the letters
_MEAN: Final = (0.485, 0.456, 0.406)  # of the pictures that DINOv2 learned from: what erasing leaves behind
_LETTERS_A_PIXEL: Final = 0.15
_PAPER: Final = "#eeeeee"  # so that white pictures have an edge
_WORDS_LINES: Final = 3


@dataclass(frozen=True)
class _Tile:
    """One picture of a sheet and what stands under it."""

    image: "Image.Image"
    caption: str


def contact_sheet(
    samples: Sequence[Sample], augmentation: Augmentation, seed: int = 0, columns: int = 6
) -> "Image.Image":
    """One block a face: the picture, each augmentation alone at both ends of its range, and three draws.

    Under the pictures stand words of the text, and the same words as the flipped picture gets them.

    Args:
        samples: Faces with pictures; their places here are the indices of the draws.
        augmentation: What is shown.
        seed: Of the draws.
        columns: Pictures side by side.

    Returns:
        RGB, about 180 pixels wide a column.

    Raises:
        ImageError: a picture cannot be read.
        MissingData: no samples, or one has no picture.
    """
    if not samples:
        raise MissingData("preview: the data set has no face with a picture")
    return _stacked(
        [
            _block(sample, list(_tiles(sample, augmentation, seed, index)), columns)
            for index, sample in enumerate(samples)
        ]
    )


def _tiles(sample: Sample, augmentation: Augmentation, seed: int, index: int) -> Iterator[_Tile]:
    picture = _picture(sample)
    yield _Tile(picture, "original")
    for caption, change in single_changes(augmentation):
        yield _Tile(_changed(picture, change), caption)
    for epoch in range(DRAWS):
        change = augmentation.draw(seed, epoch, index)
        yield _Tile(_changed(picture, change), f"drawn for epoch {epoch}{' (flipped)' * change.flip}")


def single_changes(augmentation: Augmentation) -> Iterator[tuple[str, PictureChange]]:
    """Each augmentation that may happen, alone, at both ends of its range, with a caption."""
    both = (-1, 1)
    if augmentation.flip:
        yield "flipped", PictureChange(flip=True)
    if augmentation.rotation:
        for degrees in (sign * augmentation.degrees for sign in both):
            yield f"turned {degrees:+g} degrees", PictureChange(degrees=degrees)
    if augmentation.jitter:
        for name in ("brightness", "contrast", "saturation"):
            for factor in (1 + sign * getattr(augmentation, name) for sign in both):
                yield f"{name} x {factor:g}", replace(PictureChange(), **{name: factor})
        for hue in (sign * augmentation.hue for sign in both):
            yield f"hue {hue:+g} of the circle", PictureChange(hue=hue)
    if augmentation.erasing:
        for area in augmentation.erased_area:
            side = math.sqrt(area)
            yield f"erased {area:.0%}", PictureChange(erased=((1 - side) / 2, (1 - side) / 2, side, side))


def _changed(picture: "Image.Image", change: PictureChange) -> "Image.Image":
    """As the model sees it, erased part included."""
    import numpy as np
    from PIL import Image

    mean = np.array(_MEAN)[:, None, None]
    levels = np.asarray(change.apply(picture)).transpose(2, 0, 1)  # [3, H, W]
    pixels = (levels / 255 - mean).astype(np.float32)
    levels = (change.erase(pixels) + mean) * 255
    return Image.fromarray(levels.round().astype(np.uint8).transpose(1, 2, 0))


def _picture(sample: Sample) -> "Image.Image":
    from PIL import Image

    if sample.image is None:
        raise MissingData(f"preview: sample {one_line(sample.id)} has no picture")
    opened = open_image(image_bytes(sample.image), name=sample.image.path)
    image = Image.fromarray(opened.pixels)
    scale = _SIDE / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BICUBIC)


def _block(sample: Sample, tiles: list[_Tile], columns: int) -> "Image.Image":
    """The pictures of one face in lines of `columns`, its id and label above, its words below."""
    from PIL import Image, ImageDraw, ImageFont

    across, down = _SIDE + _GAP, tiles[0].image.height + _LINE + _GAP
    width = _GAP + columns * across
    words = [line for text in words_beside(sample.text or "") for line in _wrapped(text, width)]
    lines = -(-len(tiles) // columns)
    height = _LINE + _GAP + lines * down + len(words) * _LINE + _GAP
    block = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(block), ImageFont.load_default(_TEXT)
    label = sample.expression.value if sample.expression else "no label"
    draw.text((_GAP, _GAP // 2), f"{one_line(sample.id)}: {label}", "black", font)
    top = _LINE + _GAP
    for place, tile in enumerate(tiles):
        x, y = _GAP + place % columns * across, top + place // columns * down
        block.paste(tile.image, (x, y))
        draw.text((x, y + tile.image.height + 2), tile.caption, "black", font)
    for number, line in enumerate(words):
        draw.text((_GAP, top + lines * down + number * _LINE), line, "black", font)
    return block


def words_beside(text: str) -> tuple[str, ...]:
    """The first sentence of a text that flipping changes, as it is and flipped; the first one if none is."""
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    told = next((sentence for sentence in sentences if mirrored_text(sentence) != sentence), sentences[0])
    return (f"text: {told}", f"flipped: {mirrored_text(told)}") if told else ()


def _wrapped(text: str, width: int) -> list[str]:
    letters = int(width * _LETTERS_A_PIXEL)
    return textwrap.wrap(text, letters, max_lines=_WORDS_LINES, placeholder=" ...")


def _stacked(blocks: "list[Image.Image]") -> "Image.Image":
    from PIL import Image

    sheet = Image.new("RGB", (blocks[0].width, sum(block.height for block in blocks)), _PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet
