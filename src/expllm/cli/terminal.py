"""The terminal: who may write to it, and what a model does and writes while somebody waits."""

import logging
import os
import sys
import time
import warnings
from io import FileIO, TextIOWrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from expllm.files.native import lose_native_stderr, own_stderr

if TYPE_CHECKING:
    from rich.console import RenderableType


class TerminalStatus:
    """Shows on stderr, if that is a terminal, what is being done, for how long, and a text as it is written.

    It moves by itself until `clear`, on a thread of its own.

    Args:
        shown: False shows nothing.
        texts: Whether texts are shown as they come.
    """

    def __init__(self, *, shown: bool, texts: bool = True) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._texts = texts
        self._began = time.monotonic()
        self._doing = self._text = ""
        self._live: Any = None
        self._spinner: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def begin(self, doing: str) -> None:
        """Starts the clock."""
        self._began = time.monotonic()
        self.doing(doing)
        if not self._shown or self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner("dots")
        self._live = Live(
            console=Console(file=sys.stderr), transient=True, refresh_per_second=8, get_renderable=self._view,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._live.start()

    def doing(self, what: str) -> None:
        """Another thing is done from now on; any thread may say so."""
        self._doing = what

    def write(self, piece: str) -> None:
        """One more piece of a text."""
        if self._texts:
            self._text += piece

    def clear(self) -> None:
        """Takes everything away, before something else is printed."""
        if self._live is not None:
            self._live.stop()
        self._live, self._text = None, ""

    def _view(self) -> "RenderableType":
        from rich.text import Text

        if self._text:
            return Text(self._text, style="dim")
        self._spinner.update(text=f"{self._doing}, {time.monotonic() - self._began:.0f} s", style="dim")
        view: RenderableType = self._spinner
        return view


def take_stderr() -> None:
    """Gives Python a stderr of its own, which stays when a thread silences native code on descriptor 2."""
    sys.stderr.flush()
    # Without a buffer: what could not be written is not tried again at exit.
    raw = FileIO(own_stderr(), "w")
    sys.stderr = TextIOWrapper(
        raw, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True
    )


def silence_libraries() -> None:
    """Keeps warnings and log lines of other libraries off stderr, where every line is ours.

    matplotlib tells of a home folder that it cannot write to, the hub of a cache, PyTorch of a driver; what
    matters arrives as an exception. Libraries that are imported later read the variables.
    """
    if os.environ.get("EXPLLM_DEBUG"):
        return
    logging.lastResort = logging.NullHandler()  # it prints the records of loggers that nobody has set up
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "error")


def keep_stderr_to_ourselves() -> None:
    """Silences native code for the rest of the process; Python has a stderr of its own (`take_stderr`).

    MediaPipe and libtiff write to descriptor 2 from C++ with no switch to stop them, and would tear the
    progress bar.
    """
    if not os.environ.get("EXPLLM_DEBUG"):
        lose_native_stderr()
