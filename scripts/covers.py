"""Things painted over a face: masks, dark glasses, hands, boards, scarves, and what of the face they hide.

Shapes are drawn in units of the distance between the eyes: u along the eyes, v down, from the middle of both.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from crowds import BACKGROUNDS, clouds
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]
Colour = tuple[int, int, int]
Corner = tuple[float, float]
Shape = list[Corner]

JAW: Final = (
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
)
"""Landmarks from the subject's left temple along the jaw to the right."""

CLOTHS: Final[tuple[Colour, ...]] = (
    (150, 190, 215), (235, 238, 240), (25, 25, 28), (230, 150, 170), (90, 150, 110), (170, 30, 40),
    (40, 50, 110),
)  # fmt: skip
LENSES: Final[tuple[Colour, ...]] = (
    (12, 12, 14), (30, 25, 22), (50, 35, 25), (20, 30, 50), (60, 60, 65), (90, 60, 40), (35, 55, 45),
)  # fmt: skip
TEXTURES: Final = ("flat", "graded", "noise", "pattern", "stripes", "cloth")


@dataclass(frozen=True, eq=False)
class Face:
    """A picture of a face, its landmarks [478, 3], and how its shapes are placed."""

    pixels: Pixels
    landmarks: Points

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def unit(self) -> float:
        """Pixels between the middles of the eyes."""
        right, left = self._eyes()
        return float(np.hypot(*(left - right)))

    def at(self, shape: Shape) -> list[Corner]:
        """Corners in eye units as corners in pixels."""
        right, left = self._eyes()
        along = (left - right) / self.unit
        down = np.array([-along[1], along[0]])
        middle = (right + left) / 2
        return [tuple((middle + (u * along + v * down) * self.unit).tolist()) for u, v in shape]

    def _eyes(self) -> tuple[Points, Points]:
        return tuple(self.landmarks[list(pair), :2].mean(axis=0) for pair in ((33, 133), (263, 362)))


@dataclass(frozen=True, eq=False)
class Cover:
    """What covers a face: polygons in pixels, and the colour of every pixel."""

    outlines: list[list[Corner]]
    texture: Pixels


def covered(face: Face, kind: str, draws: random.Random) -> tuple[Pixels, NDArray[np.bool_]]:
    """The picture with something of a kind over the face, and where it is hidden: [H, W]."""
    cover = KINDS[kind](face, draws)
    mask = Image.new("L", face.size, 0)
    for outline in cover.outlines:
        ImageDraw.Draw(mask).polygon(outline, fill=255)
    soft = mask.filter(ImageFilter.GaussianBlur(draws.choice([0, 0.6, 1.0]) * max(1, face.unit / 60)))
    share = np.asarray(soft, np.float32)[..., None] / 255
    painted = face.pixels * (1 - share) + cover.texture * share
    return painted.astype(np.uint8), np.asarray(mask) > 127


# --- colours and textures ------------------------------------------------------


def any_colour(draws: random.Random) -> Colour:
    free = (draws.randint(0, 255), draws.randint(0, 255), draws.randint(0, 255))
    return draws.choice([*CLOTHS, free, free])


def skin(face: Face, draws: random.Random) -> Colour:
    """The face's own colour, or that of another skin."""
    if draws.random() < 0.5:
        x, y = face.landmarks[draws.choice([50, 280, 151, 205, 425]), :2].astype(int)
        width, height = face.size
        red, green, blue = face.pixels[min(max(y, 0), height - 1), min(max(x, 0), width - 1)].tolist()
        return red, green, blue
    dark = draws.random()
    red, green, blue = (round(a + (b - a) * dark) for a, b in zip((238, 200, 178), (75, 45, 35), strict=True))
    return red, green, blue


def texture(face: Face, draws: random.Random, kind: str, colour: Colour) -> Pixels:
    """A surface of the picture's size."""
    width, height = face.size
    generator = np.random.default_rng(draws.randint(0, 2**31))
    room = max(width, 64), max(height, 64)
    base = np.full((height, width, 3), colour, np.float32)
    y, x = np.mgrid[:height, :width]
    if kind == "pattern":
        base = draws.choice(BACKGROUNDS)(room, generator)[:height, :width].astype(np.float32)
    if kind in ("graded", "noise", "cloth"):
        base *= (
            1
            + draws.uniform(-0.25, 0.25) * (2 * x / width - 1)
            + draws.uniform(-0.25, 0.25) * (2 * y / height - 1)
        )[..., None]
    if kind == "noise":
        base += generator.normal(0, draws.uniform(2, 25), (height, width, 1))
    if kind == "stripes":
        turn, period = draws.uniform(0, math.pi), draws.uniform(0.04, 0.3) * width
        wave = np.sin((x * math.cos(turn) + y * math.sin(turn)) * 2 * math.pi / period) > 0
        base = np.where(wave[..., None], base, np.array(any_colour(draws), np.float32))
    if kind == "cloth":
        base *= 0.6 + 0.8 * clouds(room, generator, 0.5).mean(axis=2)[:height, :width, None] / 255
    return base.clip(0, 255).astype(np.uint8)


def any_texture(face: Face, draws: random.Random, like_skin: float = 0.0) -> Pixels:
    colour = skin(face, draws) if draws.random() < like_skin else any_colour(draws)
    return texture(face, draws, draws.choice(TEXTURES), colour)


def oval(u: float, v: float, wide: float, high: float) -> Shape:
    return [
        (u + wide * math.cos(turn), v + high * math.sin(turn)) for turn in np.linspace(0, 2 * math.pi, 30)
    ]


def box(left: float, top: float, right: float, bottom: float) -> Shape:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


# --- the kinds -----------------------------------------------------------------


def mask(face: Face, draws: random.Random) -> Cover:
    """A surgical mask from the nose along the jaw, with or without pleats."""
    first = draws.randint(1, 3)
    points = (draws.choice([6, 197, 195, 5]), *JAW[first : len(JAW) - first + 1])
    tip, larger = face.landmarks[4, :2], draws.uniform(1.0, 1.12)
    outline = [tuple((tip + (face.landmarks[point, :2] - tip) * larger).tolist()) for point in points]
    colour = any_colour(draws)
    surface = Image.fromarray(
        texture(face, draws, draws.choice(("flat", "graded", "noise", "pattern", "cloth", "cloth")), colour)
    )
    if draws.random() < 0.6:
        pen, shade = ImageDraw.Draw(surface), tuple(round(0.85 * part) for part in colour)
        for v in (0.75, 0.95, 1.15):
            pen.line(
                face.at([(-1.2, v - 0.1), (0, v), (1.2, v - 0.1)]),
                fill=shade,
                width=max(1, round(0.03 * face.unit)),
            )
    return Cover([outline], np.asarray(surface))


def sunglasses(face: Face, draws: random.Random) -> Cover:
    """Two dark lenses, a bridge and arms; some lenses shine."""
    wide, high, v = draws.uniform(0.34, 0.52), draws.uniform(0.24, 0.45), draws.uniform(-0.02, 0.1)
    style = draws.choice(["round", "square", "pilot"])
    shapes = [box(-0.2, -0.06, 0.2, 0.0), box(-1.3, -0.12, -0.8, -0.06), box(0.8, -0.12, 1.3, -0.06)]
    for side in (-1, 1):
        u = 0.5 * side
        shapes.append(
            {
                "round": oval(u, v, wide, high),
                "square": box(u - wide, v - high, u + wide, v + high),
                "pilot": [(u - wide, v - high), (u + wide, v - high), (u + 0.9 * wide, v + 0.6 * high),
                          (u + 0.2 * side * wide, v + 1.15 * high), (u - 0.8 * wide, v + 0.7 * high)],
            }[style]
        )  # fmt: skip
    free = (draws.randint(0, 120), draws.randint(0, 120), draws.randint(0, 120))
    colour = draws.choice([*LENSES, free])
    surface = Image.fromarray(texture(face, draws, draws.choice(("flat", "graded", "cloth")), colour))
    if draws.random() < 0.35:
        pen, light = (
            ImageDraw.Draw(surface),
            tuple(min(255, part + draws.randint(30, 120)) for part in colour),
        )
        for u in (-0.5, 0.5):
            pen.line(
                face.at([(u - 0.2, 0.15), (u + 0.1, -0.2)]), fill=light, width=max(1, round(0.08 * face.unit))
            )
        surface = surface.filter(ImageFilter.GaussianBlur(0.03 * face.unit))
    return Cover([face.at(shape) for shape in shapes], np.asarray(surface))


def hand(face: Face, draws: random.Random) -> Cover:
    """Four fingers of the colour of a skin, side by side, over the mouth, an eye or a cheek."""
    where = draws.choice(["mouth", "mouth", "eye", "side"])
    u, v = {
        "mouth": (draws.uniform(-0.2, 0.2), draws.uniform(0.95, 1.15)),
        "eye": (draws.choice([-0.5, 0.5]), 0.0),
        "side": (draws.choice([-0.6, 0.6]), 0.5),
    }[where]
    thick, long = draws.uniform(0.2, 0.27), draws.uniform(0.7, 1.0)
    turn = draws.uniform(0, 2 * math.pi)
    if where == "mouth":
        turn = draws.choice([0, math.pi, math.pi / 2]) + draws.uniform(-0.4, 0.4)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    colour = skin(face, draws)
    surface = Image.new("RGB", face.size, colour)
    pen, shade = ImageDraw.Draw(surface), tuple(round(0.7 * part) for part in colour)
    outlines = []
    for finger in range(4):
        middle = np.array([u, v]) + across * (finger - 1.5) * 0.95 * thick
        start, end, half = middle - along * long, middle + along * 0.8 * long, across * 0.5 * thick
        corners = [start - half, start + half, end + half, end + along * 0.6 * thick, end - half]
        outlines.append(face.at([(float(a), float(b)) for a, b in corners]))
        edge = [tuple((start + half).tolist()), tuple((end + half).tolist())]
        pen.line(face.at(edge), fill=shade, width=max(1, round(0.025 * face.unit)))
    blurred = np.asarray(surface.filter(ImageFilter.GaussianBlur(0.015 * face.unit)))
    grain = texture(face, draws, "cloth", (200, 200, 200)).astype(np.float32) / 255
    return Cover(outlines, (blurred * (0.5 + 0.6 * grain)).clip(0, 255).astype(np.uint8))


def half(face: Face, draws: random.Random) -> Cover:
    """A board or a hand held flat over the left or right half."""
    side, edge = draws.choice([-1, 1]), draws.uniform(-0.08, 0.12)
    left, right = sorted((side * 1.6, side * edge))
    return Cover([face.at(box(left, -1.5, right, 2.3))], any_texture(face, draws, like_skin=0.5))


def scarf(face: Face, draws: random.Random) -> Cover:
    """A scarf up to the nose."""
    v = draws.uniform(0.55, 0.8)
    outline = [(-1.5, v - 0.15), (0, v + draws.uniform(-0.1, 0.15)), (1.5, v - 0.15), (1.9, 3.2), (-1.9, 3.2)]
    kind = draws.choice(("stripes", "cloth", "cloth", "pattern", "noise"))
    return Cover([face.at(outline)], texture(face, draws, kind, any_colour(draws)))


def mouth_bar(face: Face, draws: random.Random) -> Cover:
    """A bar over the mouth."""
    u = draws.uniform(0.55, 0.9)
    shape = box(-u, draws.uniform(0.6, 0.8), u, draws.uniform(1.35, 1.7))
    return Cover([face.at(shape)], any_texture(face, draws, like_skin=0.4))


def eye_bar(face: Face, draws: random.Random) -> Cover:
    """A bar over both eyes."""
    u = draws.uniform(0.85, 1.3)
    shape = box(-u, draws.uniform(-0.55, -0.25), u, draws.uniform(0.22, 0.4))
    return Cover([face.at(shape)], any_texture(face, draws, like_skin=0.4))


def upper_half(face: Face, draws: random.Random) -> Cover:
    """Everything above the nose."""
    return Cover([face.at(box(-1.6, -2, 1.6, draws.uniform(0.2, 0.45)))], any_texture(face, draws))


def one_eye(face: Face, draws: random.Random) -> Cover:
    """A patch over one eye and its brow."""
    u, wide, high = draws.choice([-0.5, 0.5]), draws.uniform(0.38, 0.6), draws.uniform(0.35, 0.65)
    shape = oval(u, -0.05, wide, high) if draws.random() < 0.6 else box(u - wide, -high, u + wide, high)
    return Cover([face.at(shape)], any_texture(face, draws, like_skin=0.3))


def thing(face: Face, draws: random.Random) -> Cover:
    """Something round before the mouth: a cup, a microphone, a ball."""
    shape = oval(
        draws.uniform(-0.2, 0.2), draws.uniform(0.9, 1.3), draws.uniform(0.5, 0.9), draws.uniform(0.4, 0.9)
    )
    return Cover([face.at(shape)], any_texture(face, draws))


def pixelated(face: Face, draws: random.Random) -> Cover:
    """Eyes, mouth or a half made unrecognisable: coarse squares, or blur."""
    side = draws.choice([-1, 1])
    left, right = sorted((0.0, 1.4 * side))
    shape = draws.choice([box(-1.1, -0.5, 1.1, 0.4), box(-0.9, 0.6, 0.9, 1.7), box(left, -1.4, right, 2.2)])
    step = max(2.0, face.unit * draws.uniform(0.22, 0.4))
    picture = Image.fromarray(face.pixels)
    small = picture.resize([max(1, round(length / step)) for length in face.size], Image.Resampling.BOX)
    way = draws.choice([Image.Resampling.NEAREST, Image.Resampling.BICUBIC])
    return Cover([face.at(shape)], np.asarray(small.resize(face.size, way)))


KINDS: Final[dict[str, Callable[[Face, random.Random], Cover]]] = {
    "mask": mask,
    "sunglasses": sunglasses,
    "hand": hand,
    "half": half,
    "scarf": scarf,
    "bar over the mouth": mouth_bar,
    "bar over the eyes": eye_bar,
    "upper half": upper_half,
    "one eye": one_eye,
    "thing before the mouth": thing,
    "pixelated": pixelated,
}
