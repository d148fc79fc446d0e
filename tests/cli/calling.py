"""Call `expllm` as a shell does: arguments and bytes in, exit code and bytes out.

`call` runs the command in this process, on file descriptors of its own: a process start costs two seconds
because of MediaPipe, and nothing but the start would differ. `process` starts a real one, for what only a
process has: signals, a closed pipe, closed streams, resource limits.

Both check what must hold of every call: no traceback, no internal error, every line on stderr is ours.
"""

import io
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from canary import CANARY
from PIL import Image
from waiting import HANG_S

from expllm.cli.main import run
from expllm.core.records import FaceAnalysis


@dataclass(frozen=True)
class Result:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """The lines of stderr."""
        return self.err.splitlines()

    @property
    def analyses(self) -> list[FaceAnalysis]:
        """The faces of JSON Lines on stdout."""
        return [FaceAnalysis.from_json(line) for line in self.out.split("\n") if line]


def call(*arguments: str | os.PathLike[str], stdin: bytes = b"", stdout: IO[bytes] | None = None) -> Result:
    """`expllm ARGUMENTS` in this process; what is written to a `stdout` of the caller's is not read back."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        with _standard_streams([files[0], stdout or files[1], files[2]]):
            code = _exit_code([os.fspath(argument) for argument in arguments])
        for file in files:
            file.seek(0)
        return checked(code, files[1].read(), files[2].read())


def process(*arguments: str | os.PathLike[str], **options: Any) -> Result:
    """`python -m expllm ARGUMENTS` as a process of its own."""
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": HANG_S,
    }  # fmt: skip
    command = [sys.executable, "-m", "expllm", *arguments]
    done = subprocess.run(command, check=False, **streams | options)
    return checked(done.returncode, done.stdout or b"", done.stderr or b"")


def checked(code: int, out: bytes, err: bytes) -> Result:
    """The result of a call, after the checks that hold for all calls."""
    result = Result(code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape"))
    assert "Traceback" not in result.out + result.err
    assert CANARY not in result.out + result.err
    assert "internal error" not in result.err
    assert [line for line in result.complaints if not line.startswith("expllm: ")] == []
    return result


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """An array [H, W, 3] as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def faceless() -> bytes:
    """A picture that shows a slope from dark to light, and no face."""
    return png(np.repeat(np.linspace(40, 200, 96 * 64).reshape(64, 96, 1), 3, axis=2).astype(np.uint8))


def class_folders(folder: Path, pictures: dict[str, bytes]) -> Path:
    """A data set by class folders: path below the folder -> bytes."""
    for name, data in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _exit_code(arguments: list[str]) -> int:
    try:
        run(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    raise AssertionError("run() leaves with SystemExit")


@contextmanager
def _standard_streams(files: list[IO[bytes]]) -> Iterator[None]:
    """Descriptors 0, 1, 2 and Python's streams lead to `files` for the duration of the block."""
    names = ("stdin", "stdout", "stderr")
    streams = [getattr(sys, name) for name in names]
    for stream in streams[1:]:
        stream.flush()
    _let_native_code_end()
    kept = [os.dup(number) for number in range(3)]
    try:
        for number, (name, file) in enumerate(zip(names, files, strict=True)):
            os.dup2(file.fileno(), number)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        _let_native_code_end()
        for number, (name, stream) in enumerate(zip(names, streams, strict=True)):
            setattr(sys, name, stream)
            os.dup2(kept[number], number)
            os.close(kept[number])


def _let_native_code_end() -> None:
    """Waits for models of earlier calls that are closed on threads just now: they put descriptor 2 back."""
    for thread in threading.enumerate():
        if thread.name == "close":
            thread.join(HANG_S)
