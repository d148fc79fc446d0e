"""What a user typed -> the inputs to work on: files, folders, globs, web addresses, standard input."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from expllm.core.errors import ExpllmError, ImageError
from expllm.files import formats
from expllm.files.folders import OUR_OUTPUT, Entry, below
from expllm.files.globs import matching

PICTURE_SUFFIXES: Final = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .dib .gif .tif .tiff .avif .heic .heif .hif".split()
)
"""What is taken from a folder by its name; other files are looked into. What is named outright may be called
anything."""

_TABLE_SUFFIXES: Final = frozenset(
    ".json .jsonl .ndjson .csv .tsv .tab .txt .parquet .pq .xlsx .xls .ods .pkl .pickle .feather .arrow "
    ".sqlite .sqlite3 .rds .rdata .rda .h5 .hdf5 .mat .sav .dta .npy".split()
)
"""Tables of action units (see `autables`), when named outright. Excel calls its Unicode text `.txt`; of a
workbook, or another program's own format, nothing comes but the advice to save it as CSV."""

_PACKED: Final = (".gz", ".zip", ".xz", ".bz2", ".zst")
"""Of a table that is packed nothing comes but the advice to unpack it."""

_COPY_SUFFIXES: Final = (
    ".bak",
    ".orig",
    ".old",
    ".tmp",
    ".part",
    ".crdownload",
    "_original",
    "~",
    ".thm",
    ".lrv",
)
"""Ends of names of a picture's or video's copy, part or thumbnail: what they hold is there, or not whole."""

STDIN: Final = "-"

_PICTURE: Final = "picture"
_DRAWN_SUFFIX: Final = ".png"
"""What overlays and plots are saved as."""


@dataclass(frozen=True)
class Input:
    """One thing to work on.

    Attributes:
        name: Path, address, or `-`.
        error: Why it cannot be worked on, if that is known already.
    """

    name: str
    error: ExpllmError | None = None

    @property
    def is_table(self) -> bool:
        path = Path(self.name)
        path = path.with_suffix("") if path.suffix.lower() in _PACKED else path
        return path.suffix.lower() in _TABLE_SUFFIXES and not is_url(self.name)


def is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def recorded_name(name: str) -> str:
    """How an input is called in results: as it was given, so that rows can be joined with files.

    Only a password in an address is left out, and bytes that are no text are escaped.
    """
    if is_url(name):
        from expllm.files.download import without_login  # late: it loads the network modules

        name = without_login(name)
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def expand_inputs(arguments: Iterable[str], left_out: list[Entry] | None = None) -> Iterator[Input]:
    """Every input that the arguments stand for, each once, folders sorted, arguments in their order.

    What does not exist, cannot be listed, holds no picture or is one of a kind that cannot be read becomes an
    input with an error: nothing that was asked for is passed over in silence.

    Args:
        arguments: As typed.
        left_out: Takes what lies in a folder and is not a picture, with the reason.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _expand_one(argument):
            if isinstance(found, Entry):
                if left_out is not None:
                    left_out.append(found)
            elif found.name not in seen:
                seen.add(found.name)
                yield found


def _expand_one(argument: str) -> Iterator[Input | Entry]:
    if argument == STDIN or is_url(argument):
        yield Input(argument)
        return
    try:
        mode = os.stat(argument).st_mode
    except (OSError, ValueError) as error:
        yield from _expand_glob(argument, error)
        return
    if stat.S_ISDIR(mode):
        yield from _expand_folder(argument)
    else:
        yield Input(argument)


def _expand_glob(pattern: str, missing: OSError | ValueError) -> Iterator[Input | Entry]:
    if isinstance(missing, FileNotFoundError) and glob.has_magic(pattern):
        names = matching(pattern)
        if names:
            for name in names:
                if os.path.isdir(name):
                    yield from _expand_folder(name)
                else:
                    yield (
                        Entry(name, OUR_OUTPUT)
                        if formats.is_our_png(formats.first_bytes(name))
                        else Input(name)
                    )
            return
        yield Input(pattern, ImageError(f"{pattern}: no file matches"))
        return
    reason = missing.strerror if isinstance(missing, OSError) else str(missing)
    yield Input(pattern, ImageError(f"{pattern}: {reason or missing}"))


def _expand_folder(folder: str) -> Iterator[Input | Entry]:
    empty = True
    for _, entries in groupby(below(folder), key=lambda entry: os.path.dirname(entry.path)):
        for found in _of_folder(list(entries)):
            empty = empty and isinstance(found, Entry)
            yield found
    if empty:
        yield Input(folder, ImageError(f"{folder}: the folder holds no pictures"))


def _of_folder(entries: list[Entry]) -> Iterator[Input | Entry]:
    """What is in one folder. A video or raw file beside a picture of the same name belongs to that."""
    kinds = [_kind(entry) for entry in entries]
    pictures = {_stem(entry.path) for entry, kind in zip(entries, kinds, strict=True) if kind == _PICTURE}
    for entry, kind in zip(entries, kinds, strict=True):
        name = entry.path
        if entry.error is not None:
            reason = f"cannot list the folder ({entry.error.strerror})"
            yield Input(name, ImageError(f"{name}: {reason}"))
        elif kind in (formats.VIDEO_KIND, formats.CAMERA_RAW) and _stem(name) in pictures:
            yield Entry(name, f"{kind} beside a picture of the same name")
        elif kind in formats.UNREAD:
            yield Input(name, ImageError(f"{name}: {formats.advice(kind, name)}"))
        else:
            yield Input(name) if kind == _PICTURE else Entry(name, kind)


def _kind(entry: Entry) -> str:
    """`_PICTURE`, a kind of pictures that cannot be read, or why a file is passed over."""
    if entry.left_out or entry.error is not None:
        return entry.left_out
    suffix = os.path.splitext(entry.path)[1].lower()
    if suffix in PICTURE_SUFFIXES and suffix != _DRAWN_SUFFIX:
        return _PICTURE
    head = formats.first_bytes(entry.path)
    if formats.is_our_png(head):
        return OUR_OUTPUT
    return _PICTURE if suffix == _DRAWN_SUFFIX else _kind_inside(entry.path, head)


def _kind_inside(path: str, head: bytes) -> str:
    """The same for a file whose name says nothing."""
    kind = formats.file_kind(head, path) if head else "nothing that can be read"
    if kind in formats.PLUGINS:
        is_copy = path.lower().endswith(_COPY_SUFFIXES)
        return "by its name a copy, part or thumbnail of another file" if is_copy else _PICTURE
    return kind if kind in formats.UNREAD else f"not a picture ({kind})"


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0].casefold()
