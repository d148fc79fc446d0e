"""Pictures changed at random for training: flip, rotation, colour jitter, random erasing.

The paper names these four ("Implementation Details") and gives no ranges. The defaults here are those of the
released code, in its `datasets/facetask.py`; it also crops, shifts, blurs and greys, which the paper omits.

What happens to a picture follows from (seed, epoch, index) alone and never from a global state: a run that
was interrupted goes on exactly, whatever the number of workers.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass as pydantic_dataclass

from expllm.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_DRAWN: Final = tuple(
    "flip rotation degrees jitter brightness contrast saturation hue erasing area aspect x y".split()
)
"""The numbers behind a change, in their fixed order: a probability or range that changes moves no other."""


@dataclass(frozen=True)
class PictureChange:
    """What is done to one picture; as it stands, nothing.

    Attributes:
        flip: Mirrored left to right. Its text and action units must be mirrored too.
        degrees: Turned about the centre, counter-clockwise.
        brightness: Factor from 0 on; 1 leaves it.
        contrast: Factor from 0 on; 1 leaves it.
        saturation: Factor from 0 on; 1 leaves it.
        hue: Shift, -0.5 to 0.5 of the colour circle.
        erased: Left, top, width and height of the erased rectangle, 0-1 of the picture; None for none.
    """

    flip: bool = False
    degrees: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    erased: tuple[float, float, float, float] | None = None

    def apply(self, image: "Image.Image") -> "Image.Image":
        """The picture flipped, turned and coloured, in RGB and of the same size; the given one stays.

        Corners that turning lays bare get the picture's mean colour. Erasing comes later: see `erase`.
        """
        from PIL import Image

        image = _rgb(image)
        if self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.degrees:
            mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
            image = image.rotate(self.degrees, Image.Resampling.BILINEAR, fillcolor=mean)
        return self._coloured(image)

    def _coloured(self, image: "Image.Image") -> "Image.Image":
        from PIL import ImageEnhance

        for factor, enhancer in (
            (self.brightness, ImageEnhance.Brightness),
            (self.contrast, ImageEnhance.Contrast),
            (self.saturation, ImageEnhance.Color),
        ):
            if factor != 1:
                image = enhancer(image).enhance(factor)
        return _hue_shifted(image, self.hue)

    def erase(self, pixels: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Normalised pixels `[3, H, W]` with the rectangle at 0, the mean colour; the given ones stay."""
        if self.erased is None:
            return pixels
        x, y, width, height = self.erased
        rows, columns = pixels.shape[1:]
        # Both ends are rounded down: on average the area is right, and a picture of one pixel stays.
        across = slice(int(x * columns), int((x + width) * columns))
        down = slice(int(y * rows), int((y + height) * rows))
        erased = pixels.copy()
        erased[:, down, across] = 0
        return erased


@pydantic_dataclass(frozen=True)
class Augmentation:
    """How far pictures may be changed, and how often.

    Attributes:
        flip: Probability, 0-1.
        rotation: Probability, 0-1.
        degrees: Turned by up to this to either side, 0-180. The released code turns half of the pictures by
            up to 15, and independently half by up to 5; here it is one turn.
        jitter: Probability that colours change, 0-1; all four together.
        brightness: Factors from 1 less this to 1 plus this, 0-1.
        contrast: As brightness.
        saturation: As brightness.
        hue: Shifted by up to this either way, 0-0.5 of the colour circle.
        erasing: Probability, 0-1.
        erased_area: Least and largest share of the picture that is erased, 0-1.
        erased_aspect: Least and largest height of the rectangle, in widths.

    Raises:
        UsageError: a value outside of these ranges.
    """

    flip: float = 0.5
    rotation: float = 0.5
    degrees: float = 15.0
    jitter: float = 0.5
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.25
    hue: float = 0.1
    erasing: float = 0.5
    erased_area: tuple[float, float] = (0.05, 0.12)
    erased_aspect: tuple[float, float] = (0.3, 3.3)

    def __post_init__(self) -> None:
        for name in ("flip", "rotation", "jitter", "brightness", "contrast", "saturation", "erasing"):
            _check(name, (getattr(self, name),), 0, 1)
        _check("degrees", (self.degrees,), 0, 180)
        _check("hue", (self.hue,), 0, 0.5)
        _check("erased_area", self.erased_area, 0, 1)
        _check("erased_aspect", self.erased_aspect, 0.01, 100)

    def draw(self, seed: int, epoch: int, index: int) -> PictureChange:
        """What happens to the sample at `index` in this epoch, the same in every process."""
        drawn = hash_uniforms("augmentation", seed, epoch, index, _DRAWN)

        def spread(name: str, happens: str) -> float:
            """Evenly from -range to +range; 0 where it does not happen."""
            reach: float = getattr(self, name) if drawn[happens] < getattr(self, happens) else 0.0
            return (2 * drawn[name] - 1) * reach

        return PictureChange(
            flip=drawn["flip"] < self.flip,
            degrees=spread("degrees", "rotation"),
            brightness=1 + spread("brightness", "jitter"),
            contrast=1 + spread("contrast", "jitter"),
            saturation=1 + spread("saturation", "jitter"),
            hue=spread("hue", "jitter"),
            erased=self._rectangle(drawn) if drawn["erasing"] < self.erasing else None,
        )

    def _rectangle(self, drawn: dict[str, float]) -> tuple[float, float, float, float]:
        least, largest = self.erased_area
        area = least + drawn["area"] * (largest - least)
        flat, tall = (math.log(aspect) for aspect in self.erased_aspect)
        aspect = math.exp(flat + drawn["aspect"] * (tall - flat))
        width, height = min(math.sqrt(area / aspect), 1.0), min(math.sqrt(area * aspect), 1.0)
        return drawn["x"] * (1 - width), drawn["y"] * (1 - height), width, height


def hash_uniforms(purpose: str, seed: int, epoch: int, index: int, names: Sequence[str]) -> dict[str, float]:
    """Numbers from 0 to below 1 by name, evenly spread, the same in every process."""
    digest = hashlib.shake_256(f"{purpose} {seed} {epoch} {index}".encode()).digest(8 * len(names))
    return {
        name: (int.from_bytes(digest[8 * i : 8 * i + 8], "big") >> 11) * 2**-53  # a double has 53 bits
        for i, name in enumerate(names)
    }


def _rgb(image: "Image.Image") -> "Image.Image":
    if image.mode == "P":
        image = image.convert("RGBA")  # Pillow warns of some transparent palettes otherwise
    return image if image.mode == "RGB" else image.convert("RGB")


def _hue_shifted(image: "Image.Image", shift: float) -> "Image.Image":
    from PIL import Image

    steps = round(shift * 256)
    if not steps:
        return image
    hue, saturation, value = image.convert("HSV").split()
    shifted = hue.point([(level + steps) % 256 for level in range(256)])
    return Image.merge("HSV", (shifted, saturation, value)).convert("RGB")


def _check(name: str, values: Sequence[float], least: float, most: float) -> None:
    """Raises unless all values are in range and in order."""
    if not all(low <= high for low, high in pairwise((least, *values, most))):  # also for NaN
        given = " to ".join(f"{value:g}" for value in values)
        order = ", the smaller one first" if len(values) > 1 else ""
        raise UsageError(f"augmentation: {name} is {given}: give numbers from {least:g} to {most:g}{order}")


NO_AUGMENTATION: Final = Augmentation(flip=0, rotation=0, jitter=0, erasing=0)
"""Pictures as they are."""
