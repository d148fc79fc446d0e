"""The directories of a TIFF: its pages, its thumbnails, and whether it is a camera's raw file.

Pillow reads one directory after the other and every tag of each. Here only a few tags are read, and only so
many directories, so that a file made to waste time cannot.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_PAGES: Final = 1000
MOST_PARTS: Final = 32
"""Directories below one page that are looked at."""

_MOST_TAGS: Final = 4096
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _PARTS = 254, 259, 262, 330
_WANTED: Final = {_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _PARTS, 33421, 33422, 50706}
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # TIFF type -> struct code

_RAW_TAGS: Final = {33421, 33422, 50706}
"""Colour filter array (its size, its pattern), version of DNG: no developed picture has them."""
_RAW_PHOTOMETRIC: Final = {32803, 34892}
"""Colour filter array, linear raw."""
_RAW_COMPRESSION: Final = {32767, 32769, 32770, 34713, 34892, 65000, 65535}
"""Those of Sony, Epson, Samsung, Nikon, of lossy DNG, of Kodak and Pentax."""
_REDUCED_OR_MASK: Final = 1 | 4
"""Bits of NewSubfileType."""

Tags = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Page:
    """A directory of the chain, with the numbers of the tags that are of use here."""

    tags: Tags
    parts: tuple[Tags, ...]

    @property
    def is_picture(self) -> bool:
        """Whether it is neither a thumbnail nor a mask."""
        return not self.tags.get(_SUBFILE, (0,))[0] & _REDUCED_OR_MASK

    @property
    def is_raw(self) -> bool:
        """Whether it, or a directory below it, holds what a sensor measured."""
        return any(_is_raw(tags) for tags in (self.tags, *self.parts))


def pages(data: bytes) -> list[Page]:
    """The chain of directories, at most `MOST_PAGES`; a loop, or an offset that leads nowhere, ends it."""
    reader = _Reader.of(data)
    if reader is None:
        return []
    found: dict[int, Page] = {}
    at = reader.first
    while at and at not in found and len(found) < MOST_PAGES:
        tags, following = reader.directory(at)
        if not tags and not following:
            break
        parts = (reader.directory(part)[0] for part in tags.get(_PARTS, ())[:MOST_PARTS])
        found[at] = Page(tags, tuple(parts))
        at = following
    return list(found.values())


def _is_raw(tags: Tags) -> bool:
    return (
        bool(_RAW_TAGS & tags.keys())
        or tags.get(_PHOTOMETRIC, (0,))[0] in _RAW_PHOTOMETRIC
        or tags.get(_COMPRESSION, (0,))[0] in _RAW_COMPRESSION
    )


@dataclass(frozen=True)
class _Reader:
    """Reads numbers of either byte order, in a TIFF or a BigTIFF."""

    data: bytes
    order: str
    big: bool

    @classmethod
    def of(cls, data: bytes) -> "_Reader | None":
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 16:
            return None
        return cls(data, order, 43 in data[2:4])

    @property
    def first(self) -> int:
        return self._offset(8 if self.big else 4)

    def directory(self, at: int) -> tuple[Tags, int]:
        """The wanted tags of the directory at an offset, and where the next one is; 0 if there is none."""
        try:
            (count,) = struct.unpack_from(self.order + ("Q" if self.big else "H"), self.data, at)
            start, step = at + (8 if self.big else 2), 20 if self.big else 12
            if not 0 < count <= _MOST_TAGS:
                return {}, 0
            tags = dict(self._tags(start, step, count))
            return tags, self._offset(start + step * count)
        except struct.error:  # beyond the file's end
            return {}, 0

    def _tags(self, start: int, step: int, count: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        for entry in range(start, start + step * count, step):
            tag, kind = struct.unpack_from(self.order + "HH", self.data, entry)
            if tag in _WANTED and kind in _NUMBERS and (values := self._values(entry, _NUMBERS[kind])):
                yield tag, values

    def _values(self, entry: int, code: str) -> tuple[int, ...]:
        (count,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, entry + 4)
        count = min(count, MOST_PARTS)
        inline = entry + (12 if self.big else 8)
        fits = struct.calcsize(f"={count}{code}") <= (8 if self.big else 4)
        return struct.unpack_from(
            f"{self.order}{count}{code}", self.data, inline if fits else self._offset(inline)
        )

    def _offset(self, at: int) -> int:
        return int(struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, at)[0])
