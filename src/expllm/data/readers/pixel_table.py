"""CSV whose cells are pictures: FER-2013's `emotion, pixels, Usage`, and tables made like it.

A cell of `pixels` holds the grey levels of a square picture, 0-255, row by row, with blanks between them.
Tables are read line by line, in the encoding that their beginning shows.
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
from expllm.files.tabular import encoding_by_start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXELS: Final = "pixels"
LABEL: Final = "emotion"
SPLIT: Final = "usage"

_DELIMITERS: Final = (",", ";", "\t")
_LONGEST_HEADER: Final = 1 << 16
_CHUNK: Final = 1 << 24
_LEVELS: Final = frozenset(map(str, range(256)))
_SMALLEST: Final = 4
"""Pixels of a picture: a number alone is the cell of another column."""
_WHITE: Final = 255
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
        return {name: place for place, name in enumerate(self._names)}

    @cached_property
    def _names(self) -> list[str]:
        return [name.strip().casefold() for name in _cells(self._first_line, self.delimiter)]

    @property
    def is_one(self) -> bool:
        """Whether it holds pictures with labels."""
        return {PIXELS, LABEL} <= self.columns.keys()

    @cached_property
    def _first_line(self) -> str:
        try:
            with open(self.path, encoding=self._encoding, errors="replace", newline="\n") as file:
                return file.readline(_LONGEST_HEADER).removeprefix("\ufeff")
        except OSError:
            return ""

    @cached_property
    def _encoding(self) -> str:
        return encoding_by_start(self.path)

    def rows(self) -> Iterator[PixelRow]:
        """Every line behind the header.

        Raises:
            RecordError: it cannot be read, or has a column of its own twice.
        """
        for name in (LABEL, PIXELS, SPLIT):
            if self._names.count(name) > 1:
                raise RecordError(f"{self.path}: the column {name!r} is there twice: keep one")
        try:
            with open(self.path, encoding=self._encoding, errors="replace", newline="\n") as file:
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

        if problem := _why_not_its_cells(cells, len(self._names)):
            return PixelRow(number, "", None, problem=problem)
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

        cells = _cells(_places.line(self.path, row, self._encoding), self.delimiter)
        place = self.columns.get(PIXELS, len(cells))
        pixels = cells[place] if place < len(cells) else ""
        if problem := _why_no_picture(pixels.strip()):
            raise ImageError(f"{self.path}: row {row}: {problem}")
        file = io.BytesIO()
        Image.fromarray(_levels(pixels)).save(file, "PNG", compress_level=1)
        return file.getvalue()


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _why_not_its_cells(cells: list[str], count: int) -> str:
    """What is wrong with the number of cells; empty if nothing is."""
    if len(cells) < count:
        return f"is cut short: {len(cells)} of {count} cells"
    if any(cell.strip() for cell in cells[count:]):
        return f"cannot be read: {len(cells):,} cells, but there are {count} columns"
    return ""


def _why_no_picture(pixels: str) -> str:
    levels = pixels.split()
    if len(levels) < _SMALLEST or isqrt(len(levels)) ** 2 != len(levels):
        return f"cannot be read as a picture: {len(levels):,} pixels are not a square"
    if _LEVELS.issuperset(levels):
        return ""
    for level in levels:
        if not (level.isascii() and level.isdecimal()):
            return f"cannot be read as a picture: the pixel {level[:20]!r} is not a whole number"
        if int(level[:20]) > _WHITE:  # 007 is a level, too
            return f"cannot be read as a picture: a pixel is {level[:20]}: grey levels are 0-255"
    return ""


def _levels(pixels: str) -> "NDArray[np.uint8]":
    """[side, side] grey."""
    import numpy as np

    levels = np.array(pixels.split(), dtype=np.int64)
    side = isqrt(len(levels))
    return levels.astype(np.uint8).reshape(side, side)


class _Places:
    """Where the lines of tables begin that were read last, so that a row costs one read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: OrderedDict[tuple[str, int, int], NDArray[np.int64]] = OrderedDict()

    def line(self, path: Path, row: int, encoding: str) -> str:
        try:
            with open(path, "rb") as file:
                starts = self._of(path, file.fileno(), encoding)
                if not 0 <= row < len(starts):
                    raise ImageError(f"{path}: has no row {row}: it has {len(starts):,}")
                file.seek(starts[row])
                end = int(starts[row + 1] - starts[row]) if row + 1 < len(starts) else -1
                return file.read(end).decode(encoding, "replace")
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from None

    def _of(self, path: Path, descriptor: int, encoding: str) -> "NDArray[np.int64]":
        import os

        found = os.fstat(descriptor)
        key = (str(path), found.st_size, found.st_mtime_ns)
        with self._lock:
            if key not in self._starts:
                self._starts[key] = _line_starts(path, encoding)
                while len(self._starts) > _KEPT:
                    self._starts.popitem(last=False)
            return self._starts[key]


def _line_starts(path: Path, encoding: str) -> "NDArray[np.int64]":
    """Offsets of the lines behind the header."""
    import numpy as np

    end = "\n".encode(encoding.removesuffix("-sig"))
    width = len(end)
    unit = np.dtype(f"u{width}")
    ends, offset = [], 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            signs = np.frombuffer(chunk[: len(chunk) - len(chunk) % width], unit)
            ends.append((np.flatnonzero(signs == np.frombuffer(end, unit)) + 1) * width + offset)
            offset += len(chunk)
    starts = np.concatenate([*ends, np.empty(0, np.int64)])
    return starts[:-1] if len(starts) and starts[-1] == offset else starts


_places: Final = _Places()
