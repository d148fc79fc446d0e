"""A folder that appears whole or not at all, as `outfiles.whole_file` does it for a file."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from expllm.core.errors import OutputError
from expllm.files.atomic import write_reason

EXPORT_MARK: Final = "<!-- written by expllm cot export -->"
"""Stands in the card of every export."""

_LONGEST_CARD: Final = 1 << 20


def is_export(folder: Path) -> bool:
    """Whether a folder has a card of ours: an export, which may be replaced by a newer one."""
    card = folder / "README.md"
    try:
        if not card.is_file():
            return False
        with open(card, encoding="utf-8") as file:
            return EXPORT_MARK in file.read(_LONGEST_CARD)
    except (OSError, UnicodeDecodeError):
        return False


@contextmanager
def whole_folder(path: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder beside `path` to write into, renamed to `path` if the block ends well; else nothing stays.

    Everything is on the disk before anything is renamed.

    Args:
        is_ours: Whether the folder that stands there may be replaced; an empty one always may. It might be
            somebody's thesis.

    Raises:
        OutputError: it cannot be written, or something else stands there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not _replaceable(target, is_ours):
        raise OutputError(f"cannot write {path}: something else is there; choose another name or remove it")
    partial = target.parent / f".{target.name[:24]}.{secrets.token_hex(4)}.partial"
    try:
        partial.mkdir()
        yield partial
        for file in [*partial.rglob("*"), partial]:
            fsync(file)
        _swap(partial, target)
        fsync(target.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {write_reason(error)}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fsync(path: Path) -> None:
    """Returns when a file, or the list of a folder's names, is on the disk.

    Raises:
        OSError: it cannot be brought there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replaceable(target: Path, is_ours: Callable[[Path], bool]) -> bool:
    return target.is_dir() and (not any(target.iterdir()) or is_ours(target))


def _swap(partial: Path, target: Path) -> None:
    """A folder cannot be renamed over a full one: the old one steps aside first."""
    old = partial.with_suffix(".old")
    if target.exists():
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def durable_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file that is on the disk when the block ends: UTF-8 text for `w`, bytes for `wb`."""
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with open(path, mode, **text) as file:  # type: ignore[call-overload]
        yield file
        file.flush()
        os.fsync(file.fileno())
