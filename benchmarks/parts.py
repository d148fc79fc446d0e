"""Where the time of one picture goes, and what decoding at a reduced scale saves and costs."""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from timing import ASTRONAUT, Line, side_by_side

from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.detectors import MediaPipeDetector
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Landmarker
from expllm.files.images import Picture, open_image
from expllm.files.weights import FACE_LANDMARKER, locate
from expllm.predict.predictor import Predictor

LARGE = (4000, 3000)
SMALL = (640, 480)


def jpeg(size: tuple[int, int], face: float) -> bytes:
    """The bundled portrait on a canvas of `size`, its face `face` of the height long, as JPEG."""
    with Image.open(ASTRONAUT) as opened:
        portrait = opened.convert("RGB")
    around = portrait.crop((90, 0, 360, 270))  # the face is 106 of these 270 pixels high
    side = round(size[1] * min(1.0, face * 270 / 106))
    canvas = Image.new("RGB", size, (90, 90, 90))
    canvas.paste(
        around.resize((side, side), Image.Resampling.LANCZOS), ((size[0] - side) // 2, (size[1] - side) // 2)
    )
    stream = io.BytesIO()
    canvas.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def parts(rounds: int, count: int) -> Iterator[Line]:
    """CPU ms a picture of 640 x 480 with one face: a portrait, and a face of a seventh of the height."""
    yield from _parts("portrait", jpeg(SMALL, 0.39), rounds, count, bound=10.0)
    yield from _parts("small face, tiles searched", jpeg(SMALL, 0.15), rounds, count, bound=None)


def _parts(name: str, data: bytes, rounds: int, count: int, bound: float | None) -> Iterator[Line]:
    picture = open_image(data)
    bundle = locate(FACE_LANDMARKER)
    landmarker, detector, reader = Landmarker(bundle, 20), MediaPipeDetector(bundle), BlendshapeReader()
    with Predictor(explain=False) as predictor, FaceFinder() as finder:
        found = finder.find(picture)
        clocks = side_by_side(
            rounds,
            decode=lambda: [open_image(data) for _ in range(count)],
            landmarker=lambda: [landmarker.fit(picture.pixels) for _ in range(count)],
            detector=lambda: [detector.detect(picture.pixels) for _ in range(count)],
            finder=lambda: [finder.find(picture) for _ in range(count)],
            units=lambda: [[reader.read(face) for face in found] for _ in range(count)],
            records=lambda: [predictor.analyze_picture(picture) for _ in range(count)],
        )
    landmarker.close()
    detector.close()
    ms = {part: clock.best_cpu * 1000 / count for part, clock in clocks.items()}
    yield Line(f"{name}: decode, CPU ms", ms["decode"], at_most=20.0)
    yield Line(f"{name}: landmarker alone, CPU ms", ms["landmarker"])
    yield Line(f"{name}: detector alone, CPU ms", ms["detector"])
    yield Line(f"{name}: finder (both, and what joins them), CPU ms", ms["finder"])
    yield Line(f"{name}: action units, CPU ms", ms["units"])
    yield Line(f"{name}: open picture to records, CPU ms", ms["records"])
    total = ms["decode"] + ms["finder"] + ms["units"]
    yield Line(f"{name}: decode + detect + AUs, CPU ms", total, at_most=bound)


def decoding(rounds: int) -> Iterator[Line]:
    """A photograph of 12 megapixels: decoded at reduced scale, as expllm does, and in full, then reduced."""
    data = jpeg(LARGE, 0.39)
    full = in_full(data)
    reduced = open_image(data)
    clocks = side_by_side(
        rounds,
        reduced=lambda: open_image(data),
        in_full=lambda: decoded(data),
        in_full_then_reduced=lambda: in_full(data),
    )
    ms = {name: clock.best_cpu * 1000 for name, clock in clocks.items()}
    yield Line("reduced while decoding (to 960), CPU ms", ms["reduced"])
    yield Line("decoded in full, CPU ms", ms["in_full"])
    yield Line("decoded in full, then reduced to 960, CPU ms", ms["in_full_then_reduced"])
    yield Line("decoded in full / reduced", ms["in_full"] / ms["reduced"], at_least=3.0)
    noisy = Picture(one_grey_level(full.pixels), full.name, full.full_size)
    with FaceFinder() as finder:
        scale = full.scale
        yield Line(
            "landmarks, reduced against full: mean distance, analysis pixels",
            distance(finder, full, reduced) / scale,
            at_most=0.5,
        )
        yield Line(
            "landmarks, one grey level of noise: mean distance, analysis pixels",
            distance(finder, full, noisy) / scale,
        )


def decoded(data: bytes) -> NDArray[np.uint8]:
    """All pixels of a JPEG."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def in_full(data: bytes) -> Picture:
    """The picture decoded in full and reduced to the same size afterwards."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return open_image(image, name="full")


def one_grey_level(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with -1, 0 or +1 added to every value."""
    noise = np.random.default_rng(1).integers(-1, 2, pixels.shape)
    return (pixels.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)


def distance(finder: FaceFinder, one: Picture, other: Picture) -> float:
    """Mean distance of the landmarks of the largest face, in full-size pixels."""
    first, second = (finder.find(picture)[0].landmarks for picture in (one, other))
    assert first is not None
    assert second is not None
    return float(np.linalg.norm(first[:, :2] - second[:, :2], axis=1).mean())
