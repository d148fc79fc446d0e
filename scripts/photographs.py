"""Pictures of one face each, with what the face finder read: what the small networks learn from."""

import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image

Things = TypeVar("Things")
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
    """The first faces of a set in a random order; those of which one face was measured.

    Args:
        data: Folder of the Parquet files.
        pattern: Names of the set's files.
        count: Pictures to look at.
        cache: Folder that keeps what was read; None to read again each time.
    """
    rows = [row for path in sorted(data.glob(pattern)) for row in _rows(path)]
    if not rows:
        raise SystemExit(f"no {pattern} in {data}: give --data its folder")
    random.Random(0).shuffle(rows)
    name = f"{pattern.partition('_')[0]}-{count}"
    return kept(lambda: list(_measured(rows[:count])), cache, name)


def renders(folder: Path, cache: Path | None = None) -> list[Photograph]:
    """Rendered heads that `scripts/render_heads.py` wrote; none is held out: the examples are other heads."""
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"no pictures in {folder}: write them with scripts/render_heads.py")
    rows = ((path.name, path.read_bytes()) for path in paths)
    found = kept(lambda: list(_measured(rows)), cache, f"renders-{len(paths)}")
    return [Photograph(one.pixels, one.box, one.landmarks, held_out=False) for one in found]


def kept(make: Callable[[], Things], cache: Path | None, name: str) -> Things:
    """What `make` gives; of a later run what an earlier one gave and kept in the folder, if there is one."""
    if cache is None:
        return make()
    path = cache / f"{name}.pickle"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(make()))
    found: Things = pickle.loads(path.read_bytes())
    return found


def _measured(rows: Iterable[tuple[str, bytes]]) -> Iterator[Photograph]:
    with FaceFinder() as finder:
        for name, encoded in rows:
            picture = open_image(encoded)
            faces = finder.find(picture)
            if len(faces) == 1 and faces[0].landmarks is not None:
                held_out = random.Random(name).random() < 0.125
                yield Photograph(picture.pixels, faces[0].box, faces[0].landmarks, held_out)


def _rows(path: Path) -> list[tuple[str, bytes]]:
    """Person or row, and the encoded picture."""
    table = pq.read_table(path)
    names = table["identity"].to_pylist() if "identity" in table.column_names else range(len(table))
    pictures = table["image"].to_pylist()
    return [
        (f"{path.name} {name}", one if isinstance(one, bytes) else one["bytes"])
        for name, one in zip(names, pictures, strict=True)
    ]
