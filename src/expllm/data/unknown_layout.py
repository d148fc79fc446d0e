"""What lies in a folder that holds no data set in a known layout, and what to do with it."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from expllm.core.errors import ExpllmError
from expllm.files.inputs import PICTURE_SUFFIXES

_TABLES: Final = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".xlsx",
    ".xls",
    ".ods",
    ".mat",
    ".pkl",
)
PACKED: Final = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2", ".zst")
LOOKED_INTO: Final = 200
"""Folders that are looked into, those nearer to the top first."""
DEEPEST: Final = 4
_NAMED: Final = 5

Opened = Callable[[Path], object]
Holds = Callable[[Path], bool]


def what_to_do(folder: Path, holds: Holds, opened: Opened) -> str:
    """One sentence.

    Args:
        folder: Without a data set in a known layout.
        holds: Whether a folder holds one.
        opened: Reads a file as a data set, or says why it cannot be read.
    """
    if below := _below(folder, holds):
        names = _named([str(path.relative_to(folder)) for path in below])
        if len(below) == 1:
            return f"there is one below it: give {below[0]}"
        return (
            f"there are several below it ({names}): give one of them, or lay them out as CLASS/PERSON/picture"
        )
    if packed := [path.name for path in _children(folder) if path.suffix.lower() in PACKED]:
        return f"it holds what is packed: unpack {_named(packed)} first"
    if table := next((path for path in _children(folder) if path.suffix.lower() in _TABLES), None):
        return _why_no_table(table, opened)
    return _of_pictures(folder)


def _why_no_table(table: Path, opened: Opened) -> str:
    try:
        opened(table)
    except ExpllmError as error:
        return str(error)
    return f"{table}: not a table of faces"


def _of_pictures(folder: Path) -> str:
    with_pictures = [child.name for child in _folders(folder) if any(map(_is_picture, _children(child)))]
    if with_pictures:
        return f"its folders of pictures ({_named(with_pictures)}) are not called like expressions"
    if any(map(_is_picture, _children(folder))):
        return f"it holds pictures without labels; 'expllm analyze {folder}' explains them"
    return "it holds no pictures" if _children(folder) else "it is empty"


def _below(folder: Path, holds: Holds) -> list[Path]:
    """The nearest folders below that hold a data set: all of one depth, and of one folder."""
    waiting = deque((child, 1) for child in _folders(folder))
    found: list[Path] = []
    depth = DEEPEST
    for _ in range(LOOKED_INTO):
        if not waiting:
            break
        path, at = waiting.popleft()
        if at > depth:
            break
        if holds(path):
            found.append(path)
            depth = at
        elif at < depth:
            waiting.extend((child, at + 1) for child in _folders(path))
    return found


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith((".", "__MACOSX")))
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [child for child in _children(folder) if child.is_dir() and not child.is_symlink()]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES
