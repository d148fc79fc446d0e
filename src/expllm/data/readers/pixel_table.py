"""CSV whose cells are pictures: FER-2013's `emotion, pixels, Usage`, and tables made like it.

A cell of `pixels` holds the grey levels of a square picture, 0-255, row by row, with blanks between them.
"""

import csv
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.core.errors import ImageError, RecordError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXELS: Final = "pixels"
LABEL: Final = "emotion"
SPLIT: Final = "usage"

_DELIMITERS: Final = (",", ";", "\t")
_LONGEST_HEADER: Final = 1 << 16
_CHUNK: Final = 1 << 24
_DIGITS: Final = frozenset("0123456789 ")
_KEPT: Final = 8
"""Tables whose lines' places are remembered."""


@dataclass(frozen=True)
class PixelRow:
    """One row.

    Attributes:
        number: Its place, from 0; what `ImageRef.row` says.
        label: The cell of `emotion`.
        split: The cell of `Usage`; None without such a column.
        digest: Of its pixels; empty where they are none.
        problem: Why it holds no picture; empty if it does.
    """

    number: int
    label: str
    split: str | None
    digest: str = ""
    problem: str = ""


@dataclass(frozen=True)
class PixelTable:
    """A table of pictures."""

    path: Path

    @cached_property
    def delimiter(self) -> str:
        first = self._first_line
        return max(_DELIMITERS, key=first.count)

    @cached_property
    def columns(self) -> dict[str, int]:
        """Place of each column by its name, in lower case and without blanks; empty if it is not text."""
        cells = _cells(self._first_line, self.delimiter)
        return {name.strip().casefold(): place for place, name in enumerate(cells)}

    @property
    def is_one(self) -> bool:
        """Whether it holds pictures with labels."""
        return {PIXELS, LABEL} <= self.columns.keys()

    @cached_property
    def _first_line(self) -> str:
        try:
            with open(self.path, "rb") as file:
                return file.readline(_LONGEST_HEADER).decode("utf-8-sig", "replace")
        except OSError:
            return ""

    def rows(self) -> Iterator[PixelRow]:
        """Every line behind the header.

        Raises:
            RecordError: it cannot be read.
        """
        try:
            with open(self.path, encoding="utf-8-sig", errors="replace", newline="\n") as file:
                next(file, None)
                for number, line in enumerate(file):
                    if line.strip():
                        yield self._row(number, _cells(line, self.delimiter))
        except OSError as error:
            raise RecordError(f"{self.path}: cannot be read ({error.strerror})") from None

    def _row(self, number: int, cells: list[str]) -> PixelRow:
        def cell(name: str) -> str | None:
            place = self.columns.get(name)
            return cells[place].strip() if place is not None and place < len(cells) else None

        if len(cells) < len(self.columns):
            return PixelRow(
                number, "", cell(SPLIT), problem=f"is cut short: {len(cells)} of {len(self.columns)} cells"
            )
        pixels = cell(PIXELS) or ""
        problem = _why_no_picture(pixels)
        digest = "" if problem else blake2b(pixels.encode(), digest_size=8).hexdigest()
        return PixelRow(number, cell(LABEL) or "", cell(SPLIT), digest, problem)

    def picture(self, row: int) -> bytes:
        """The picture of a row as PNG.

        Raises:
            ImageError: there is no such row, or its pixels are none.
        """
        import io

        from PIL import Image

        cells = _cells(_places.line(self.path, row), self.delimiter)
        place = self.columns.get(PIXELS, len(cells))
        pixels = cells[place] if place < len(cells) else ""
        if problem := _why_no_picture(pixels.strip()):
            raise ImageError(f"{self.path}: row {row}: {problem}")
        file = io.BytesIO()
        Image.fromarray(_levels(pixels, f"{self.path}: row {row}")).save(file, "PNG", compress_level=1)
        return file.getvalue()


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _why_no_picture(pixels: str) -> str:
    count = len(pixels.split())
    if count < 1 or isqrt(count) ** 2 != count:
        return f"cannot be read as a picture: {count:,} pixels are not a square"
    return (
        "" if _DIGITS.issuperset(pixels) else "cannot be read as a picture: its pixels are not whole numbers"
    )


def _levels(pixels: str, where: str) -> "NDArray[np.uint8]":
    """[side, side] grey."""
    import numpy as np

    levels = np.array(pixels.split(), dtype=np.int64)
    if levels.max() > 255:
        raise ImageError(f"{where}: a pixel is {levels.max()}: grey levels are 0-255")
    side = isqrt(len(levels))
    return levels.astype(np.uint8).reshape(side, side)


class _Places:
    """Where the lines of tables begin that were read last, so that a row costs one read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: OrderedDict[tuple[str, int, int], NDArray[np.int64]] = OrderedDict()

    def line(self, path: Path, row: int) -> str:
        try:
            with open(path, "rb") as file:
                starts = self._of(path, file.fileno())
                if not 0 <= row < len(starts):
                    raise ImageError(f"{path}: has no row {row}: it has {len(starts):,}")
                file.seek(starts[row])
                return file.readline().decode("utf-8", "replace")
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from None

    def _of(self, path: Path, descriptor: int) -> "NDArray[np.int64]":
        import os

        found = os.fstat(descriptor)
        key = (str(path), found.st_size, found.st_mtime_ns)
        with self._lock:
            if key not in self._starts:
                self._starts[key] = _line_starts(path)
                while len(self._starts) > _KEPT:
                    self._starts.popitem(last=False)
            return self._starts[key]


def _line_starts(path: Path) -> "NDArray[np.int64]":
    """Offsets of the lines behind the header."""
    import numpy as np

    ends, offset = [], 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            ends.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + offset + 1)
            offset += len(chunk)
    starts = np.concatenate([*ends, np.empty(0, np.int64)])
    return starts[:-1] if len(starts) and starts[-1] == offset else starts


_places: Final = _Places()
