"""Pictures of many rendered heads, and pictures without a face: what `benchmarks/faces.py` searches.

Heads are cut out of `examples/faces`; backgrounds are made here, or are parts of photographs without a face.
Everything follows from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

HEADS: Final = Path(__file__).parent.parent / "examples" / "faces"
SIZES: Final = (24, 28, 32, 40, 56, 80, 120, 180, 300)
"""Longer side of a face in pixels."""
WIDTHS: Final = (480, 640, 980, 1600, 2400, 4000)


@dataclass(frozen=True)
class Head:
    """A head without its background: RGBA, and where its face is in it."""

    image: Image.Image
    box: Box


@dataclass(frozen=True)
class Crowd:
    """A picture and the boxes of the faces in it."""

    pixels: Pixels
    boxes: list[Box]


def cut_out(picture: Image.Image, box: Box) -> Head:
    """A rendered head without the wall behind it, and without what is far below the chin."""
    pixels = np.asarray(picture.convert("RGB")).astype(np.float32)  # [H, W, 3]
    height, width = pixels.shape[:2]
    rows = np.arange(height)
    edge = pixels[:, :4].mean(axis=1)  # the wall is graded from top to bottom only
    seen = rows < 0.35 * height
    wall = np.stack([np.polyval(np.polyfit(rows[seen], edge[seen, c], 1), rows) for c in range(3)], axis=1)
    apart = np.abs(pixels - wall[:, None]).max(axis=2) > 7
    mask = Image.fromarray((apart * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(7))
    mask = mask.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(1))
    x, y, wide, high = box
    fade = np.clip((y + 1.25 * high - rows) / (0.1 * high), 0, 1)  # [H]
    alpha = (np.asarray(mask) * fade[:, None]).astype(np.uint8)
    whole = Image.fromarray(np.dstack([pixels.astype(np.uint8), alpha]), "RGBA")
    left, top = max(0, round(x - 0.45 * wide)), max(0, round(y - 0.75 * high))
    right, bottom = min(width, round(x + 1.45 * wide)), min(height, round(y + 1.25 * high))
    return Head(whole.crop((left, top, right, bottom)), (x - left, y - top, wide, high))


def resized(head: Head, side: float, mirrored: bool = False) -> Head:
    """The head with a face of so many pixels along its longer side."""
    scale = side / max(head.box[2:])
    size = max(1, round(head.image.width * scale)), max(1, round(head.image.height * scale))
    image = head.image.resize(size, Image.Resampling.LANCZOS)
    x, y, wide, high = (value * scale for value in head.box)
    if mirrored:
        image, x = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), size[0] - x - wide
    return Head(image, (x, y, wide, high))


def crowd(
    heads: Sequence[Head], sides: Sequence[float], background: Pixels, draws: np.random.Generator
) -> Crowd:
    """Heads of given sizes, apart from one another, on a background; those that find no room are left out."""
    canvas = Image.fromarray(background)
    taken: list[tuple[int, int, int, int]] = []
    boxes: list[Box] = []
    for side in sorted(sides, reverse=True):
        head = resized(heads[int(draws.integers(len(heads)))], side, bool(draws.integers(2)))
        place = _free(canvas.size, head.image.size, taken, draws)
        if place is None:
            continue
        canvas.paste(head.image, place, head.image)
        taken.append((*place, place[0] + head.image.width, place[1] + head.image.height))
        x, y, wide, high = head.box
        boxes.append((place[0] + x, place[1] + y, wide, high))
    return Crowd(np.asarray(canvas), boxes)


def _free(
    room: tuple[int, int],
    size: tuple[int, int],
    taken: list[tuple[int, int, int, int]],
    draws: np.random.Generator,
) -> tuple[int, int] | None:
    for _ in range(200):
        if size[0] >= room[0] or size[1] >= room[1]:
            return None
        x, y = int(draws.integers(room[0] - size[0])), int(draws.integers(room[1] - size[1]))
        if all(x >= two[2] or y >= two[3] or x + size[0] <= two[0] or y + size[1] <= two[1] for two in taken):
            return x, y
    return None


# --- backgrounds ---------------------------------------------------------------


def clouds(size: tuple[int, int], draws: np.random.Generator, rough: float = 1.0) -> Pixels:
    """Soft random patches of all sizes, in colour."""
    width, height = size
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(2, 8):
        cells = 2**octave
        small = draws.uniform(
            0, 255, (max(2, cells * height // max(size)), max(2, cells * width // max(size)), 3)
        )
        grown = Image.fromarray(small.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        total += (
            np.asarray(grown, np.float32) * rough ** (octave - 2) / 2 ** ((octave - 2) * (1 - rough * 0.5))
        )
    total -= total.min()
    cloud: Pixels = (total / total.max() * 255).astype(np.uint8)
    return cloud


def grain(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Noise, every pixel for itself."""
    return draws.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def bricks(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """A wall of bricks with mortar."""
    high, wide = int(draws.integers(12, 60)), int(draws.integers(30, 160))
    image = Image.new("RGB", size, tuple(int(v) for v in draws.integers(150, 220, 3)))
    pen = ImageDraw.Draw(image)
    base = draws.integers(60, 200, 3)
    for row, y in enumerate(range(0, size[1], high)):
        for x in range(-wide * (row % 2) // 2, size[0], wide):
            colour = tuple(int(v) for v in np.clip(base + draws.integers(-25, 25, 3), 0, 255))
            pen.rectangle((x + 2, y + 2, x + wide - 2, y + high - 2), fill=colour)
    return np.asarray(image)


def shapes(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Discs, boxes and strokes in any colours: a drawing of nothing."""
    image = Image.new("RGB", size, tuple(int(v) for v in draws.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(draws.integers(20, 160))):
        x, y = draws.uniform(0, size[0]), draws.uniform(0, size[1])
        w, h = draws.uniform(4, 0.3 * size[0]), draws.uniform(4, 0.3 * size[1])
        colour = tuple(int(v) for v in draws.integers(0, 256, 3))
        kind = int(draws.integers(3))
        if kind == 0:
            pen.ellipse((x, y, x + w, y + h), fill=colour)
        elif kind == 1:
            pen.rectangle((x, y, x + w, y + h), fill=colour)
        else:
            pen.line((x, y, x + w, y + h), fill=colour, width=int(draws.integers(1, 12)))
    return np.asarray(image)


def windows(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Rows of dark windows on a wall: pairs of them look like eyes."""
    image = Image.new("RGB", size, tuple(int(v) for v in draws.integers(120, 240, 3)))
    pen = ImageDraw.Draw(image)
    step = int(draws.integers(24, 120))
    for y in range(step // 3, size[1], step):
        for x in range(step // 4, size[0], step):
            dark = tuple(int(v) for v in draws.integers(0, 110, 3))
            pen.rectangle((x, y, x + step // 3, y + step // 2), fill=dark)
            pen.rectangle((x + step // 8, y + step // 8, x + step // 5, y + step // 4), fill=(230, 230, 240))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(draws.uniform(0, 2)))))


def leaves(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Thousands of overlapping ellipses in greens and browns."""
    image = Image.new("RGB", size, (40, 60, 30))
    pen = ImageDraw.Draw(image)
    for _ in range(size[0] * size[1] // 900):
        x, y = draws.uniform(-20, size[0]), draws.uniform(-20, size[1])
        w, h = draws.uniform(6, 50, 2)
        tone = int(draws.integers(20, 200))
        pen.ellipse((x, y, x + w, y + h), fill=(tone * 3 // 5, tone, tone // 3))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1)))


def spots(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Skin-coloured plains with dark spots: texture that fools detectors."""
    base = clouds(size, draws, 0.3).astype(np.float32)
    skin = np.array([(200, 160, 140), (120, 80, 60), (230, 200, 180)][int(draws.integers(3))], np.float32)
    picture = Image.fromarray((skin * (0.7 + 0.3 * base.mean(axis=2, keepdims=True) / 255)).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(draws.integers(10, 120))):
        x, y, r = draws.uniform(0, size[0]), draws.uniform(0, size[1]), draws.uniform(2, 0.05 * size[0])
        pen.ellipse((x, y, x + r, y + r * draws.uniform(0.4, 1.2)), fill=(60, 40, 35))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(float(draws.uniform(0.5, 4)))))


def plain(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """A graded wall."""
    top, bottom = draws.uniform(20, 235, (2, 3))
    slope = np.linspace(0, 1, size[1])[:, None, None]
    return np.broadcast_to(top + (bottom - top) * slope, (size[1], size[0], 3)).astype(np.uint8).copy()


def text(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """Lines of letters."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    step = int(draws.integers(10, 60))
    for y in range(0, size[1], step):
        line = "".join(chr(c) for c in draws.integers(33, 126, size[0] // max(4, step // 2)))
        pen.text((4, y), line, fill=(20, 20, 20), font_size=0.8 * step)
    return np.asarray(image)


def wheel(size: tuple[int, int], draws: np.random.Generator) -> Pixels:
    """All colours round a bright middle: the detector takes some of them for faces."""
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    angle, away = np.arctan2(y, x) + draws.uniform(0, 6), np.hypot(x, y) * draws.uniform(0.8, 1.6)
    wave = np.stack([np.cos(angle + turn) for turn in draws.uniform(0, 6, 3)], axis=-1)
    light = 255 * (1 - away[..., None]) + 127 * (1 + wave) * np.minimum(away, 1)[..., None]
    wheel: Pixels = (light * (away < 1)[..., None]).clip(0, 255).astype(np.uint8)
    return wheel


def drawn_face(draws: random.Random) -> Image.Image:
    """A smiley or a face drawn in flat colours: something that landmarks fit, and nobody's expression."""
    side, yellow = 240, draws.random() < 0.3
    pale, dark = (tuple(draws.randint(*span) for _ in range(3)) for span in ((120, 255), (0, 90)))
    skin = (250, 210, 40) if yellow else draws.choice([(255, 220, 190), (225, 175, 135), (140, 95, 65), pale])
    image = Image.new("RGB", (side, side), tuple(draws.randint(0, 255) for _ in range(3)))
    pen, line = ImageDraw.Draw(image), draws.randint(1, 6)
    if draws.random() < 0.6:
        pen.ellipse((30, 0, 210, 190), fill=dark)  # hair
    wide = draws.uniform(0.6, 0.9) * side / 2
    pen.ellipse((120 - wide, 20, 120 + wide, 225), fill=skin, outline=dark, width=line)
    apart, high = draws.uniform(28, 42), draws.uniform(95, 115)
    for x in (120 - apart, 120 + apart):
        white, pupil = draws.uniform(8, 20), draws.uniform(4, 9)
        if draws.random() < 0.7:
            pen.ellipse((x - white, high - 11, x + white, high + 11), fill="white", outline=dark, width=line)
        pen.ellipse((x - pupil, high - pupil, x + pupil, high + pupil), fill=dark)
        pen.line((x - 18, high - 20, x, high - 26, x + 18, high - 20), fill=dark, width=line + 2)
    pen.line((120, high + 10, 112, high + 45, 126, high + 47), fill=dark, width=line)
    mouth, bend = draws.uniform(18, 40), draws.choice([(10, 170), (190, 350)])
    draw = pen.chord if draws.random() < 0.5 else pen.arc
    draw((120 - mouth, 150, 120 + mouth, 195), *bend, fill=draws.choice([dark, (180, 50, 60)]))
    return image.rotate(draws.uniform(-12, 12)).filter(ImageFilter.GaussianBlur(draws.choice([0, 0, 1, 2])))


BACKGROUNDS: Final = (plain, clouds, bricks, shapes, windows, leaves, spots, grain, text)


def faceless(count: int, seed: int = 0) -> Iterator[Pixels]:
    """Pictures without a face, of every kind and size in turn."""
    for number in range(count):
        draws = np.random.default_rng((seed, number))
        kind = BACKGROUNDS[number % len(BACKGROUNDS)]
        width = WIDTHS[number // len(BACKGROUNDS) % len(WIDTHS)]
        yield kind((width, width * 3 // 4), draws)


def crowds(heads: Sequence[Head], count: int, seed: int = 0) -> Iterator[Crowd]:
    """Pictures of 2 to 40 heads of 24 to 300 pixels, 480 to 4000 pixels wide."""
    for number in range(count):
        draws = np.random.default_rng((seed, 1, number))
        width = WIDTHS[number % len(WIDTHS)]
        kind = BACKGROUNDS[int(draws.integers(6))]
        many = int(draws.integers(2, 41))
        largest = min(300.0, 0.3 * width)
        sides = np.exp(draws.uniform(np.log(24), np.log(largest), many))
        yield crowd(heads, sides.tolist(), kind((width, width * 3 // 4), draws), draws)


def backgrounds_of(photographs: Iterable[tuple[Pixels, Sequence[float]]]) -> Iterator[Pixels]:
    """What stands beside or above the head in photographs of one face, enlarged to 640 pixels."""
    for picture, (x, y, wide, high) in photographs:
        width = picture.shape[1]
        left, right = max(0, int(x - 0.4 * wide)), min(width, int(x + 1.4 * wide))
        pieces = (picture[:, :left], picture[:, right:], picture[: max(0, int(y - 0.7 * high))])
        piece = max(pieces, key=lambda one: one.shape[0] * one.shape[1])
        if min(piece.shape[:2]) >= 24:
            scale = 640 / max(piece.shape[:2])
            size = max(1, round(piece.shape[1] * scale)), max(1, round(piece.shape[0] * scale))
            yield np.asarray(Image.fromarray(piece).resize(size, Image.Resampling.BICUBIC))
