"""A folder that appears whole or not at all, as `outfiles.whole_file` does it for a file."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from expllm.errors import OutputError
from expllm.outfiles import write_reason

MARK: Final = "<!-- written by expllm cot export -->"
"""Stands in the card of every export: a folder that has it may be replaced by a newer one."""


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to write into, renamed to `path` if the block ends well; else nothing stays.

    Raises:
        OutputError: it cannot be written, or something that is no export stands there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not _replaceable(target):
        raise OutputError(f"cannot write {path}: something else is there; choose another name or remove it")
    partial = target.parent / f".{target.name[:24]}.{secrets.token_hex(4)}.partial"
    try:
        partial.mkdir()
        yield partial
        _swap(partial, target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {write_reason(error)}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replaceable(target: Path) -> bool:
    if not target.is_dir():
        return False
    try:
        return not any(target.iterdir()) or MARK in (target / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


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
