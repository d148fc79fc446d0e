"""Files for results, written whole or not at all, and standard output.

A file appears under its name only when it is whole: it is written beside it under a temporary name and
renamed at the end.
"""

import errno
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from expllm.core.errors import OutputError, UsageError


@contextmanager
def whole_file(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """A file that appears under `path` only if the block ends well; else nothing of it stays.

    Args:
        path: Where it shall be; its folder must exist.
        mode: `w` for UTF-8 text with line ends as written, `wb` for bytes.

    Raises:
        OutputError: it cannot be written; the message names the path and the reason.
    """
    target = Path(os.path.realpath(path))  # a link stays one: the file it leads to is written
    if target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "", "errors": "surrogateescape"}
    partial: Path | None = None
    try:
        if target.exists() and not target.is_file():  # /dev/stdout, a named pipe: nothing to rename
            with open(target, mode, **text) as file:  # type: ignore[call-overload]
                yield file
            return
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target), suffix=".partial")
        partial = Path(name)
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        open_to_others(partial)  # mkstemp's own mode is for secrets
        os.replace(partial, target)
        partial = None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {write_reason(error)}") from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Writes values that people may read, too: indented, every letter as it is.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_file(path) as file:
        json.dump(values, file, indent=1, ensure_ascii=False)
        file.write("\n")


def _prefix(target: Path) -> str:
    """How a temporary name begins: few bytes, as names may have 255 and a letter takes up to four."""
    return f".{target.name[:24]}."


def write_reason(error: OSError) -> str:
    """Why a write failed, and what to do where that is known."""
    advice = {
        errno.ENOSPC: "the disk is full; free some space or choose another place",
        errno.EDQUOT: "your disk quota is used up",
        errno.ENOENT: "the folder does not exist; create it first",
        errno.EACCES: "no permission to write there",
        errno.EROFS: "the file system is read-only",
    }
    return advice.get(error.errno or 0, error.strerror or str(error))


def open_to_others(path: str | os.PathLike[str]) -> None:
    """Gives a file the mode that new files have: who made it kept it for the user alone."""
    os.chmod(path, 0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def output_stream(output: str | None, *, binary: bool = False, for_people: bool = False) -> Iterator[IO[Any]]:
    """The file named by the user, written whole or not at all; standard output if none is named.

    Args:
        output: A path, or None.
        binary: Bytes go into it.
        for_people: Standard output keeps the terminal's encoding.

    Raises:
        OutputError: it cannot be written.
    """
    if output is not None:
        with whole_file(output, "wb" if binary else "w") as file:
            yield file
        return
    if not for_people:
        stdout_for_programs()
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise OutputError(f"cannot write to standard output: {write_reason(error)}") from None


def stdout_for_programs(errors: str = "surrogateescape") -> None:
    """Makes standard output UTF-8 with line ends as written; the terminal's own encoding is for people."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=errors, newline="")


def refuse_inputs(output: str | os.PathLike[str], *inputs: str) -> None:
    """Sees to it that no result is written over what is read.

    Args:
        inputs: Paths; a data set may have a split behind a colon.

    Raises:
        UsageError: `output` is one of them.
    """
    paths = (path for name in inputs for path in (name, name.rpartition(":")[0]) if path)
    if os.path.realpath(output) in map(os.path.realpath, paths):
        raise UsageError(f"-o {os.fspath(output)} is one of the inputs: choose another name")


def discard_stdout() -> None:
    """Leads standard output to nowhere, so that what it still holds makes no error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
