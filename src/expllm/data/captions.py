"""Pictures with captions, for stage 1 of the training: CC3M as LLaVA hands it out, or WebDataset shards.

A data set of captions is looked through once. Kept of a caption are its id and 45 bytes that say where it
stands, so that millions fit in memory; text and picture are read from the disk when they are asked for.
"""

import hashlib
import json
import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from expllm.core.errors import ImageError, MissingData, UsageError
from expllm.data.dataset import unusable_error
from expllm.data.image_bytes import read_span
from expllm.data.readers import llava_captions, webdataset
from expllm.data.readers.cells import undecodable
from expllm.data.readers.spans import Found, Lost, Span, caption_text
from expllm.data.sample import ImageRef, MemberRef, without_surrogates

ZIP_HEADER: Final = struct.Struct("<4s4xH16xHH")
"""Of a member of a zip file: mark, packing, lengths of its name and of its extra field."""


@dataclass(frozen=True)
class Caption:
    """A picture and what is said of it; the picture is read by `image_bytes(caption.image)`."""

    id: str
    text: str
    image: ImageRef


class _Index:
    """Where captions and pictures stand, in arrays: 45 bytes a caption and its id."""

    def __init__(self) -> None:
        self.ids = bytearray()
        self.id_ends = array("Q")
        self.texts = (array("I"), array("Q"), array("I"))  # file, offset, size
        self.pictures = (array("I"), array("Q"), array("Q"))
        self.is_json = array("B")

    def __len__(self) -> int:
        return len(self.id_ends)

    def add(self, found: Found) -> None:
        self.ids += found.id.encode()
        self.id_ends.append(len(self.ids))
        for column, value in zip(
            (*self.texts, *self.pictures), (*found.text_at, *found.picture_at), strict=True
        ):
            column.append(value)
        self.is_json.append(found.is_json)

    def id(self, i: int) -> str:
        return self.ids[self.id_ends[i - 1] if i else 0 : self.id_ends[i]].decode()

    def text(self, i: int) -> Span:
        return Span(*(column[i] for column in self.texts))

    def picture(self, i: int) -> Span:
        return Span(*(column[i] for column in self.pictures))


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions in a fixed order, by number; safe to hand to other processes and threads.

    Attributes:
        files: What they are read from: shards, or the list, folders and the archive.
        fingerprint: SHA-256 over every id, caption and size of a picture, and what was skipped.
        skipped: (place, reason) of all that is no caption with a picture.
    """

    files: tuple[str, ...]
    fingerprint: str
    skipped: tuple[tuple[str, str], ...] = field(repr=False)
    index: _Index = field(repr=False)

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Caption]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Caption:
        """Caption number `i`, from 0.

        Raises:
            IndexError: there is none.
            ImageError: its file is gone, or was changed since.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"caption {i} of {len(self)}")
        text, is_json = self.index.text(i), bool(self.index.is_json[i])
        record = read_span(self.files[text.file], text.offset, text.size)
        try:
            caption = without_surrogates(caption_text(record, is_json=is_json))
            image = self._image(self.index.picture(i), record)
        except (ValueError, KeyError, TypeError):
            raise ImageError(f"{self.files[text.file]}: was changed while it was in use") from None
        return Caption(self.index.id(i), caption, image)

    def _image(self, place: Span, record: bytes) -> ImageRef:
        path = self.files[place.file]
        if not place.size:  # a folder
            return ImageRef(path=os.path.join(path, json.loads(record)["image"]))
        if path.endswith(".zip"):
            return _zip_member(path, place)
        return MemberRef(path=path, offset=place.offset, size=place.size)


def open_captions(root: str, limit: int | None = None) -> Captions:
    """Looks through captions once; pictures are not read.

    Args:
        root: A folder with `chat.json` or `metadata.json` and its pictures (in it, in `images/` or in
            `images.zip`), such a list itself, a folder of WebDataset shards (`*.tar`), or one shard.
        limit: Only the first so many.

    Raises:
        MissingData: nothing is there, or none of the pictures is.
        RecordError: the list or the archive is damaged, or no caption can be used.
        UsageError: `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}: it must be at least 1")
    files, rows = _layout(Path(root).absolute())
    index, digest = _Index(), hashlib.sha256()
    skipped: list[tuple[str, str]] = []
    for row in _unique(rows):
        if isinstance(row, Lost):
            skipped.append((row.where, row.reason))
            _add(digest, row.where, row.reason)
            continue
        index.add(row)
        _add(digest, row.id, row.text, str(row.picture_size))
        if len(index) == limit:
            break
    if not index:
        raise unusable_error(root, skipped, "holds no caption", "says where the pictures belong")
    return Captions(tuple(map(str, files)), digest.hexdigest(), tuple(skipped), index)


def _unique(rows: Iterator[Found | Lost]) -> Iterator[Found | Lost]:
    """The rows, with those lost whose id stood before."""
    seen: set[int] = set()  # hashes: a set of the ids would be larger than the index
    for row in rows:
        if isinstance(row, Lost):
            yield row
        elif hash(row.id) in seen:
            yield Lost(row.id, "this id stands twice: the first one counts")
        else:
            seen.add(hash(row.id))
            yield row


def _layout(path: Path) -> tuple[list[Path], Iterator[Found | Lost]]:
    if undecodable(str(path)):
        raise MissingData(f"{path}: a name in this path is not valid UTF-8: rename it")
    if not path.exists():
        raise MissingData(f"{path}: no such file or folder; docs/data.md says how to obtain captions")
    if table := llava_captions.table_in(path):
        files = llava_captions.files_of(table)
        return files, llava_captions.captions_in(files)
    if shards := webdataset.shards_in(path):
        return shards, webdataset.members_in(shards)
    raise MissingData(
        f"{path}: neither chat.json, metadata.json nor a WebDataset shard (*.tar); "
        "docs/data.md says how to obtain captions"
    )


def _add(digest: "hashlib._Hash", *parts: str) -> None:
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%s" % (len(data), data))


def _zip_member(path: str, place: Span) -> MemberRef:
    """The bytes of a member begin behind its header, which has a length of its own."""
    mark, packing, name, extra = ZIP_HEADER.unpack(read_span(path, place.offset, ZIP_HEADER.size))
    if mark != b"PK\x03\x04":
        raise ImageError(
            f"{path}: no member begins at byte {place.offset:,}: it was changed while it was in use"
        )
    offset = place.offset + ZIP_HEADER.size + name + extra
    return MemberRef(path=path, offset=offset, size=place.size, packed=packing != 0)
