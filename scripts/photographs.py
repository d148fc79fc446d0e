"""Photographs of one face each, with what the face finder read: what the small networks learn from."""

import pickle
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from expllm.facefinder import FaceFinder
from expllm.images import open_image

SETS = ("portraits_train-*.parquet", "ferplus_train-*.parquet")


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture of one face.

    Attributes:
        pixels: [H, W, 3].
        box: Of the face, x, y, width, height.
        landmarks: [478, 3].
        held_out: Not for training; decided by the person's name, or by the row where there is none.
    """

    pixels: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    held_out: bool


def photographs(data: Path, pattern: str, count: int, cache: Path | None = None) -> list[Photograph]:
    """The first faces of a set in a random order; those of which one face was measured."""
    if cache is not None and cache.is_file():
        found: list[Photograph] = pickle.loads(cache.read_bytes())
        return found
    rows = [row for path in sorted(data.glob(pattern)) for row in _rows(path)]
    if not rows:
        raise SystemExit(f"no {pattern} in {data}: give --data its folder")
    random.Random(0).shuffle(rows)
    found = []
    with FaceFinder() as finder:
        for name, encoded in rows[:count]:
            picture = open_image(encoded)
            faces = finder.find(picture)
            if len(faces) == 1 and faces[0].landmarks is not None:
                held_out = random.Random(name).random() < 0.125
                found.append(Photograph(picture.pixels, faces[0].box, faces[0].landmarks, held_out))
    if cache is not None:
        cache.write_bytes(pickle.dumps(found))
    return found


def _rows(path: Path) -> list[tuple[str, bytes]]:
    """Person or row, and the encoded picture."""
    table = pq.read_table(path)
    names = table["identity"].to_pylist() if "identity" in table.column_names else range(len(table))
    pictures = table["image"].to_pylist()
    return [
        (f"{path.name} {name}", one if isinstance(one, bytes) else one["bytes"])
        for name, one in zip(names, pictures, strict=True)
    ]
