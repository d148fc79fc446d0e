"""What lies in a folder that holds no data set in a known layout, and what to do with it."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from expllm.core.errors import ExpllmError
from expllm.data.readers.cells import split_name
from expllm.data.readers.class_folders import asked_class, asked_split
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
    ".pickle",
    ".feather",
    ".arrow",
    ".sqlite",
    ".sqlite3",
    ".rds",
    ".rdata",
    ".h5",
    ".sav",
    ".dta",
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
    if asked := _misspelt(folder):
        return f"names of its folders are misspelt: {_named(asked)}"
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


def _misspelt(folder: Path) -> list[str]:
    """Folders whose names are almost those of a split or a class, each with the question that it raises.

    A tree in which no name is right has no class folder at all, and a right one beside it would be taken for
    the whole.
    """
    found = []
    for child in _folders(folder)[:LOOKED_INTO]:
        split = split_name(child.name)
        if question := asked_class(child.name):
            found += [f"{child.name} {question}"] if _holds_pictures(child) else []
        elif split or (question := asked_split(child)):
            found += [f"{child.name} {question}"] if not split else []
            found += [
                f"{child.name}/{inner.name} {asked}"
                for inner in _folders(child)
                if (asked := asked_class(inner.name)) and _holds_pictures(inner)
            ]
    return found


def _of_pictures(folder: Path) -> str:
    with_pictures = list(_with_pictures(folder))
    if asked := [
        f"{name} {question}" for name in with_pictures if (question := asked_class(Path(name).name))
    ]:
        return f"names of its folders are misspelt: {_named(asked)}"
    if with_pictures:
        return f"its folders of pictures ({_named(with_pictures)}) are not called like expressions"
    if any(map(_is_picture, _children(folder))):
        return f"it holds pictures without labels; 'expllm analyze {folder}' explains them"
    return "it holds no pictures" if _children(folder) else "it is empty"


def _with_pictures(folder: Path) -> Iterator[str]:
    """Names of the folders below that hold pictures, those nearer to the top first."""
    waiting = deque((child, 1) for child in _folders(folder))
    for _ in range(LOOKED_INTO):
        if not waiting:
            return
        path, depth = waiting.popleft()
        if any(map(_is_picture, _children(path))):
            yield path.relative_to(folder).as_posix()
        if depth < DEEPEST:
            waiting.extend((child, depth + 1) for child in _folders(path))


def _holds_pictures(folder: Path) -> bool:
    """Whether pictures lie in a folder, or in one below it, such as a person's."""
    return any(map(_is_picture, _children(folder))) or next(_with_pictures(folder), None) is not None


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
