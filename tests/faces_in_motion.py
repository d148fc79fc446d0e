"""Clips with faces that move, made from the pictures of the repository."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from encoding import Pixels, encode
from groups import EXAMPLES, head
from PIL import Image

WALL = (120, 124, 128)


def walk(
    count: int, size: tuple[int, int] = (320, 240), width: int = 110, number: int = 0
) -> Iterator[Pixels]:
    """A head that moves from left to right, before a wall."""
    picture = head(number)
    picture = picture.resize((width, round(width * picture.height / picture.width)))
    for i in range(count):
        canvas = Image.new("RGB", size, WALL)
        canvas.paste(picture, (round(20 + i * (size[0] - width - 40) / max(count - 1, 1)), 30))
        yield np.asarray(canvas)


def walk_video(seconds: int, fps: int) -> bytes:
    """That head as a video, there in so many seconds."""
    return encode(walk(seconds * fps), fps=fps)


def wall(count: int, size: tuple[int, int] = (320, 240)) -> Iterator[Pixels]:
    """Nobody."""
    for _ in range(count):
        yield np.asarray(Image.new("RGB", size, WALL))


@cache
def small_walk() -> bytes:
    """12.5 seconds at 4 frames a second: two stretches."""
    return encode(walk(50), fps=4, codec="libvpx-vp9", container="webm", options={"deadline": "realtime"})


def smile(count: int = 60) -> list[Pixels]:
    """A neutral face that changes into a happy one and back, at 10 frames a second."""
    neutral, happy = (
        Image.open(EXAMPLES / f"render_{name}.jpg").convert("RGB").resize((256, 256))
        for name in ("neutral", "happiness")
    )
    shares = [max(0.0, 1 - abs(i - 30) / 12) for i in range(count)]
    return [np.asarray(Image.blend(neutral, happy, share)) for share in shares]


@cache
def smile_video() -> bytes:
    """The same as WebM, six seconds long."""
    return encode(smile(), fps=10, codec="libvpx-vp9", container="webm")
