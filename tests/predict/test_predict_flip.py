"""Flipping a picture swaps left and right (acceptance: within 0.1 on average over 200 portraits)."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUVector
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.finder import FaceFinder
from expllm.files.images import Picture, open_image

PORTRAITS = 200
CLEARLY = 0.2  # left and right differ by more
SIDED = tuple(au.name for au in ACTION_UNITS if au.mirror != au.name)


def largest(finder: FaceFinder, reader: BlendshapeReader, pixels: NDArray[np.uint8]) -> AUVector | None:
    """The action units of the largest face; None if there is none."""
    height, width = pixels.shape[:2]
    faces = finder.find(Picture(np.ascontiguousarray(pixels), "portrait", (width, height)))
    return reader.read(faces[0]) if faces else None


def distance(one: AUVector, other: AUVector, names: tuple[str, ...] = AU_NAMES) -> float:
    """Mean absolute difference over the units that were measured in both."""
    pairs = [(one[name], other[name]) for name in names if name in one.measured and name in other.measured]
    return float(np.abs(np.diff(np.array(pairs, np.float64), axis=1)).mean())


def asymmetries(aus: AUVector) -> list[float | None]:
    """Left less right of every pair; None where one of them was not measured."""
    pairs = [(aus[au.name], aus[au.mirror]) for au in ACTION_UNITS if au.side == "left"]
    return [None if left is None or right is None else left - right for left, right in pairs]


def test_flip_of_the_bundled_face(finder: FaceFinder, astronaut: NDArray[np.uint8]) -> None:
    reader = BlendshapeReader()
    plain, flipped = (largest(finder, reader, pixels) for pixels in (astronaut, astronaut[:, ::-1]))
    assert plain is not None
    assert flipped is not None
    assert plain.measured == flipped.mirrored().measured
    assert distance(plain, flipped.mirrored()) < 0.1


@pytest.mark.slow
def test_flip(finder: FaceFinder, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader = BlendshapeReader()
    column = pq.read_table(shared / "data" / "portraits_train-00000-of-00002.parquet", columns=["image"])
    swapped, unswapped, every, lopsided, seen_otherwise = [], [], [], [], 0
    for entry in column["image"]:
        pixels = open_image(entry.as_py(), name="portrait").pixels
        plain, flipped = (largest(finder, reader, view) for view in (pixels, pixels[:, ::-1]))
        if plain is None or flipped is None:
            continue
        seen_otherwise += plain.measured != flipped.mirrored().measured
        every.append(distance(plain, flipped.mirrored()))
        swapped.append(distance(plain, flipped.mirrored(), SIDED))
        unswapped.append(distance(plain, flipped, SIDED))
        lopsided += [
            (side, turned)
            for side, turned in zip(asymmetries(plain), asymmetries(flipped), strict=True)
            if side is not None and turned is not None and abs(side) > CLEARLY
        ]
        if len(every) == PORTRAITS:
            break
    changed_sides = np.mean([side * turned < 0 for side, turned in lopsided])
    with capsys.disabled():
        print(  # noqa: T201
            f"\nflip, {len(every)} portraits, mean absolute difference: {np.mean(every):.4f} over all units, "
            f"{np.mean(swapped):.4f} over sided units ({np.mean(unswapped):.4f} if they were not swapped); "
            f"of {len(lopsided)} clear asymmetries {changed_sides:.0%} changed sides; "
            f"in {seen_otherwise} other parts count as covered"
        )
    assert len(every) == PORTRAITS
    assert seen_otherwise <= 0.05 * PORTRAITS
    assert np.mean(every) < 0.1
    assert np.mean(swapped) < 0.1
    assert np.mean(swapped) < np.mean(unswapped)
    assert len(lopsided) >= 20
    assert changed_sides > 0.55  # a mix-up of the sides gives 0.33, and the means alone would hardly show it
