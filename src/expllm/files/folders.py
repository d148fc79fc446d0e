"""Every file below a folder, each once: links to folders are followed, loops are cut."""

import os
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.files.atomic_folders import is_export

_NOT_PHOTOGRAPHS: Final = frozenset(
    ("@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found")
)
"""Folders that systems keep for themselves; a Synology disk keeps thumbnails in its own."""

HIDDEN: Final = "hidden"
OUR_OUTPUT: Final = "an output of expllm"

_Identity = tuple[int, int] | str


@dataclass(frozen=True)
class Entry:
    """A file below a folder, or something there that is not gone into.

    Attributes:
        path: Where it is, beginning with the folder's own name.
        left_out: Why it is passed over; empty for a file that may be of use.
        error: What happened, for a folder that cannot be listed.
    """

    path: str
    left_out: str = ""
    error: OSError | None = None


def below(folder: str) -> Iterator[Entry]:
    """What is in a folder and below it: sorted, real folders first, then those that links lead to."""
    waiting, seen = deque([folder]), set[_Identity]()
    while waiting:
        top = waiting.popleft()
        if top != folder and (why := _why_not_into(top, folder, seen)):
            yield Entry(top, why)
            continue
        problems: list[OSError] = []
        for parent, children, names in os.walk(top, onerror=problems.append):
            seen.add(_identity(parent))
            kept = []
            for path in (os.path.join(parent, child) for child in sorted(children)):
                if os.path.islink(path):
                    waiting.append(path)
                elif why := _why_not_into(path, folder, seen):
                    yield Entry(path, why)
                else:
                    kept.append(os.path.basename(path))
            children[:] = kept
            for name in sorted(names):
                yield Entry(os.path.join(parent, name), HIDDEN if name.startswith(".") else "")
            yield from _failed(problems)
        yield from _failed(problems)


def _why_not_into(path: str, folder: str, seen: Collection[_Identity]) -> str:
    """Why a folder below `folder`, or a link to one, is not gone into; empty if it is."""
    name = os.path.basename(path)
    if name.startswith("."):
        return HIDDEN
    if name in _NOT_PHOTOGRAPHS:
        return "a system's own folder"
    if Path(os.path.realpath(path)) in Path(os.path.realpath(folder)).parents:
        return "link to a folder above"
    if _identity(path) in seen:
        return "link to a folder that is searched anyway"
    return OUR_OUTPUT if is_export(Path(path)) else ""


def _identity(path: str) -> _Identity:
    """What a folder is whatever it is called; its name where nobody knows."""
    try:
        found = os.stat(path)
    except OSError:
        return path
    return found.st_dev, found.st_ino


def _failed(problems: list[OSError]) -> Iterator[Entry]:
    while problems:
        problem = problems.pop(0)
        yield Entry(str(problem.filename), error=problem)
