"""What a user typed -> the inputs to work on: files, folders, globs, web addresses, standard input."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.errors import ExpllmError, ImageError

PICTURE_SUFFIXES: Final = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .dib .gif .tif .tiff".split()
)
"""What is taken from a folder; a file that is named outright may be called anything."""

TABLE_SUFFIXES: Final = frozenset((".json", ".jsonl", ".csv"))
"""Tables of action units (see `autables`), when named outright."""

STDIN: Final = "-"


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
        return Path(self.name).suffix.lower() in TABLE_SUFFIXES and not is_url(self.name)


def is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def recorded_name(name: str) -> str:
    """How an input is called in results: as it was given, so that rows can be joined with files.

    Only a password in an address is left out, and bytes that are no text are escaped.
    """
    if is_url(name):
        from expllm.fetch import without_login  # late: it loads the network modules

        name = without_login(name)
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def expand(arguments: Iterable[str]) -> Iterator[Input]:
    """Every input that the arguments stand for, each once, folders sorted, arguments in their order.

    What does not exist, cannot be listed or holds no picture becomes an input with an error: nothing that
    was asked for is passed over in silence.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _expand_one(argument):
            if found.name not in seen:
                seen.add(found.name)
                yield found


def _expand_one(argument: str) -> Iterator[Input]:
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


def _expand_glob(pattern: str, missing: OSError | ValueError) -> Iterator[Input]:
    if isinstance(missing, FileNotFoundError) and glob.has_magic(pattern):
        names = sorted(glob.glob(pattern, recursive=True))
        if names:
            for name in names:
                yield from _expand_folder(name) if os.path.isdir(name) else [Input(name)]
            return
        yield Input(pattern, ImageError(f"{pattern}: no file matches"))
        return
    reason = missing.strerror if isinstance(missing, OSError) else str(missing)
    yield Input(pattern, ImageError(f"{pattern}: {reason or missing}"))


def _expand_folder(folder: str) -> Iterator[Input]:
    problems: list[OSError] = []
    empty = True
    for parent, children, names in os.walk(folder, onerror=problems.append):
        children[:] = sorted(child for child in children if not child.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                empty = False
                yield Input(os.path.join(parent, name))
        yield from _unlisted(problems)
    yield from _unlisted(problems)
    if empty and not problems:
        yield Input(folder, ImageError(f"{folder}: the folder holds no pictures"))


def _unlisted(problems: list[OSError]) -> Iterator[Input]:
    while problems:
        problem = problems.pop(0)
        reason = f"cannot list the folder ({problem.strerror})"
        yield Input(str(problem.filename), ImageError(f"{problem.filename}: {reason}"))
