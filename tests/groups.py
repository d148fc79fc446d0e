"""Group pictures made from the rendered heads of `examples/faces`, and things painted over a face."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
EXAMPLES = Path(__file__).parent.parent / "examples" / "faces"
WALL = (128, 128, 128)
JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)


@cache
def head(number: int = 0) -> Image.Image:
    """A rendered head from crown to chin, with a little of the wall behind it."""
    name = ("neutral", "surprise", "sadness_2", "fear_2", "happiness_2", "contempt_2")[number % 6]
    picture = Image.open(EXAMPLES / f"render_{name}.jpg").convert("RGB")
    side = picture.width
    return picture.crop((round(0.2 * side), round(0.05 * side), round(0.8 * side), round(0.85 * side)))


def group(size: tuple[int, int], heads: list[tuple[int, int, int]]) -> Pixels:
    """Heads on a grey wall.

    Args:
        size: Width and height.
        heads: Left, top and width of each in pixels.
    """
    canvas = Image.new("RGB", size, WALL)
    for number, (left, top, width) in enumerate(heads):
        picture = head(number)
        canvas.paste(picture.resize((width, round(width * picture.height / picture.width))), (left, top))
    return np.asarray(canvas)


def rows(columns: int, lines: int, size: tuple[int, int], width: int) -> Pixels:
    """Heads of one width in rows and columns."""
    step = size[0] // columns, size[1] // lines
    places = [(i * step[0] + 8, j * step[1] + 4, width) for j in range(lines) for i in range(columns)]
    return group(size, places)


def masked(pixels: Pixels, landmarks: NDArray[np.float32], colour: tuple[int, int, int]) -> Pixels:
    """A face with a surgical mask: from the bridge of the nose along the jaw."""
    image = Image.fromarray(pixels)
    outline = [tuple(landmarks[point, :2].tolist()) for point in (6, *JAW)]
    ImageDraw.Draw(image).polygon(outline, fill=colour)
    return np.asarray(image)


def sunglasses(pixels: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
    """A face behind two dark discs and a bridge."""
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    right, left = (landmarks[list(corners), :2].mean(axis=0) for corners in ((33, 133), (263, 362)))
    reach = 0.42 * float(np.hypot(*(left - right)))
    for x, y in (right, left):
        pen.ellipse((x - reach, y - 0.75 * reach, x + reach, y + 0.9 * reach), fill=(15, 15, 18))
    pen.line((*right, *left), fill=(15, 15, 18), width=max(2, round(0.2 * reach)))
    return np.asarray(image)


def half_covered(
    pixels: Pixels, landmarks: NDArray[np.float32], colour: tuple[int, int, int], *, left: bool = True
) -> Pixels:
    """A face whose left half (the subject's) is behind a plain board, or the right one."""
    image = Image.fromarray(pixels)
    middle, reach = float(landmarks[4, 0]), float(np.ptp(landmarks[:, 0]))
    top, bottom = float(landmarks[:, 1].min()) - reach, float(landmarks[:, 1].max()) + reach
    sides = (middle, middle + 1.5 * reach) if left else (middle - 1.5 * reach, middle)
    ImageDraw.Draw(image).rectangle((sides[0], top, sides[1], bottom), fill=colour)
    return np.asarray(image)


def drawn_face(seed: int, side: int = 400) -> Pixels:
    """A face in flat colours with black lines: landmarks fit it, and it is nobody's."""
    draws = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), tuple(draws.integers(60, 255, 3).tolist()))
    pen, width = ImageDraw.Draw(image), max(1, side // 100)

    def at(*shares: float) -> tuple[float, ...]:
        return tuple(share * side for share in shares)

    skin = ((255, 220, 190), (230, 180, 140), (150, 100, 70), (250, 210, 40))[seed % 4]
    pen.ellipse(at(0.2, 0.1, 0.8, 0.75), fill=tuple(draws.integers(10, 120, 3).tolist()))
    pen.ellipse(at(0.25, 0.18, 0.75, 0.88), fill=skin, outline="black", width=width)
    for x in (0.38, 0.62):
        pen.ellipse(at(x - 0.07, 0.45, x + 0.07, 0.53), fill="white", outline="black", width=width)
        pen.ellipse(at(x - 0.03, 0.46, x + 0.03, 0.52), fill=(60, 60, 90))
        pen.line(at(x - 0.08, 0.41, x, 0.385, x + 0.08, 0.41), fill="black", width=2 * width)
    pen.line(at(0.5, 0.5, 0.47, 0.63, 0.53, 0.63), fill="black", width=width)
    pen.chord(at(0.38, 0.66, 0.62, 0.8), 10, 170, fill=(180, 50, 60), outline="black")
    return np.asarray(image)
