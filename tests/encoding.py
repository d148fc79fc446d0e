"""Small videos of real bytes, encoded by PyAV in the tests."""

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
TICKS = 1000
"""A second, in the time base of these clips."""


def marked(number: int, size: tuple[int, int] = (64, 48)) -> Pixels:
    """A picture that shows its number: the grey of its top left quarter is 2 * number, the rest is noise."""
    width, height = size
    draws = np.random.default_rng(number)
    pixels = draws.integers(0, 255, (height // 8, width // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    pixels[: height // 2, : width // 2] = 2 * number
    return pixels


def number_in(pixels: Pixels) -> int:
    """Which number such a picture shows, more or less."""
    height, width = pixels.shape[:2]
    return round(float(pixels[4 : height // 2 - 4, 4 : width // 2 - 4].mean()) / 2)


def encode(
    pictures: Iterable[Pixels],
    times: Sequence[float] | None = None,
    *,
    fps: int = 25,
    container: str = "mp4",
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> bytes:
    """A video file.

    Args:
        pictures: [H, W, 3] RGB each.
        times: Seconds at which each is shown; at a constant rate when None.
    """
    file = io.BytesIO()
    stream: Any = None
    with av.open(file, "w", format=container) as out:
        for i, picture in enumerate(pictures):
            if stream is None:
                stream = out.add_stream(codec, rate=fps, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixel_format
                stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round(TICKS * (i / fps if times is None else times[i]))
            frame.time_base = Fraction(1, TICKS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def sound_only() -> bytes:
    """A file without any picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def broken_in(data: bytes, packets: Sequence[int]) -> bytes:
    """A copy whose named video packets are overwritten with noise behind their first bytes."""
    draws = np.random.default_rng(5)
    damaged = bytearray(data)
    with av.open(io.BytesIO(data), "r") as clip:
        for i, packet in enumerate(clip.demux(video=0)):
            if i in packets and packet.pos is not None and packet.size > 16:
                start, end = packet.pos + 6, packet.pos + packet.size
                damaged[start:end] = draws.integers(0, 255, end - start, np.uint8).tobytes()
    return bytes(damaged)


def saved(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
