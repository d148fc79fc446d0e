"""The terminal: who may write to it, and the words of an explanation while they are written."""

import os
import sys
from io import FileIO, TextIOWrapper
from types import TracebackType
from typing import Any, Self

from expllm.native import lose_native_stderr, own_stderr


class Words:
    """Shows a text that comes in pieces, on stderr, if that is a terminal, until the answer is printed.

    Args:
        shown: False shows nothing.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._text = ""
        self._live: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, piece: str) -> None:
        """One more piece."""
        if not self._shown:
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            self._live = Live(console=Console(file=sys.stderr), transient=True, auto_refresh=False)
            self._live.start()
        self._text += piece
        self._live.update(Text(self._text, style="dim"), refresh=True)

    def clear(self) -> None:
        """Takes the text away, before something else is printed."""
        if self._live is not None:
            self._live.stop()
        self._live, self._text = None, ""


def take_stderr() -> None:
    """Gives Python a stderr of its own, which stays when a thread silences native code on descriptor 2."""
    sys.stderr.flush()
    # Without a buffer: what could not be written is not tried again at exit.
    raw = FileIO(own_stderr(), "w")
    sys.stderr = TextIOWrapper(
        raw, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True
    )


def keep_stderr_to_ourselves() -> None:
    """Silences native code for the rest of the process; Python has a stderr of its own (`take_stderr`).

    MediaPipe and libtiff write to descriptor 2 from C++ with no switch to stop them, and would tear the
    progress bar.
    """
    if not os.environ.get("EXPLLM_DEBUG"):
        lose_native_stderr()
