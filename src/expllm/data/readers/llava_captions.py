"""Captions as LLaVA hands them out: `chat.json` or `metadata.json`, pictures in a folder or in `images.zip`.

LLaVA-CC3M-Pretrain-595K (Liu et al., 2023), 595,375 pairs of CC3M. `chat.json` holds conversations of a
question and a caption; `metadata.json` holds `caption`, that of CC3M, and `blip_caption`, which is not read.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import RecordError
from expllm.data.dataset import NO_PICTURE
from expllm.data.readers.cells import find_picture
from expllm.data.readers.spans import Found, Lost, Span, caption_of, json_spans
from expllm.data.sample import ImageRef, without_surrogates

_TABLES: Final = ("chat.json", "metadata.json")
_PICTURES: Final = "images"
_READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
IN_FOLDER: Final = Span(0, 0, 0)


def table_in(path: Path) -> Path | None:
    """The list of captions in a folder, or the file itself; None if it is none."""
    if path.is_dir():
        return next((path / name for name in _TABLES if (path / name).is_file()), None)
    return path if path.suffix in (".json", ".jsonl") else None


def files_of(table: Path) -> list[Path]:
    """The list, and where its pictures may be: `images/`, the folder of the list, `images.zip`."""
    folder = table.parent
    archive = folder / f"{_PICTURES}.zip"
    places = [place for place in (folder / _PICTURES, folder) if place.is_dir()]
    return [table, *places, *([archive] if archive.is_file() else [])]


def captions_in(files: list[Path]) -> Iterator[Found | Lost]:
    """Every row of the list in its order. `files` is what `files_of` says.

    Raises:
        RecordError: the list is no JSON, or is cut short, or the archive is no zip file.
    """
    table, *places = files
    folders = [(number, place) for number, place in enumerate(places, start=1) if place.is_dir()]
    members = _Archive(places[-1], len(places)) if places and places[-1].is_file() else None
    for number, (offset, size, values) in enumerate(json_spans(table), start=1):
        where = f"{table.name} row {number}"
        if not isinstance(values, dict) or not isinstance(values.get("image"), str) or not values["image"]:
            yield Lost(where, "is no object with a name of a picture under 'image'")
            continue
        caption, name = caption_of(values), values["image"]
        if not caption:
            yield Lost(where, f"{without_surrogates(name)} has no caption")
            continue
        picture = _picture(name, folders) or (members.entry(name) if members else None)
        if picture is None:
            yield Lost(where, f"{NO_PICTURE} {without_surrogates(name)}")
        elif isinstance(picture, str):
            yield Lost(where, f"{without_surrogates(name)} {picture}")
        else:
            yield Found(_id(values), caption, Span(0, offset, size), *picture, is_json=True)


def _id(values: dict[str, Any]) -> str:
    return without_surrogates(str(values.get("id") or values["image"]))


def _picture(name: str, folders: list[tuple[int, Path]]) -> tuple[Span, int] | str | None:
    """A picture of a folder and its bytes; the reason if it cannot be used, None if it is not there."""
    for number, folder in folders:
        image, said = find_picture(folder, name)
        if isinstance(image, ImageRef):
            return (IN_FOLDER._replace(file=number), int(said)) if int(said) else "is empty"
        if not said.startswith(NO_PICTURE):
            return said
    return None


class _Archive:
    """Where each member of a zip file stands. Only its directory is read."""

    def __init__(self, path: Path, number: int) -> None:
        self._number = number
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {info.filename: _member(info) for info in archive.infolist()}
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise RecordError(f"{path}: no whole zip file ({error}); download it again") from None

    def entry(self, name: str) -> tuple[Span, int] | str | None:
        found = self._members.get(name) or self._members.get(f"{_PICTURES}/{name}")
        if found is None:
            return None
        offset, packed, size, problem = found
        return problem or (Span(self._number, offset, packed), size)


def _member(info: zipfile.ZipInfo) -> tuple[int, int, int, str]:
    """Where its header begins, its bytes as they are stored and unpacked, and why it cannot be read."""
    problem = ""
    if info.flag_bits & 1:
        problem = "is encrypted"
    elif info.compress_type not in _READABLE:
        problem = "is packed in a way that is not read: unpack the archive"
    elif info.header_offset < 0:
        problem = "has an impossible place in the archive"
    elif not info.file_size:
        problem = "is empty"
    return info.header_offset, info.compress_size, info.file_size, problem
