"""Progress of long work on stderr: done, rate, time left. Silent where nobody watches."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from expllm.files.signals import raise_pending

SHOWN_FROM: Final = 8
"""Below so many inputs the results themselves are the progress."""


class Progress:
    """A progress bar with an ETA, on a terminal; nothing but messages elsewhere.

    Args:
        total: Number of inputs.
        shown: False for messages only.
        doing: What is done to the inputs.
        note: What else the bar says, asked at every step.
        things: What the inputs are called.
    """

    def __init__(
        self, total: int, *, shown: bool = True, doing: str = "analyzing", note: Callable[[], str] = str,
        things: str = "inputs",
    ) -> None:  # fmt: skip
        self._note = note
        self._things = things
        self._total = total
        self._doing = doing
        self._shown = shown and total >= SHOWN_FROM
        self._bar: Any = None
        self._task: Any = None
        self._started = time.monotonic()
        self._done = 0
        self._failed = 0

    @property
    def drawn(self) -> bool:
        """Whether there is a bar, once the block is entered."""
        return self._shown and sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self.drawn:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bar

            self._bar = Bar(
                SpinnerColumn(),  # with the seconds, the only thing that moves before the first input is done
                TextColumn("[progress.description]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.3g}/s"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(file=sys.stderr),
                transient=True,
            )
            self._task = self._bar.add_task(self._doing, total=self._total, rate=0.0, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._shown and kind is None:
            seconds = time.monotonic() - self._started
            failed = f", {self._failed} failed" if self._failed else ""
            note = f", {text}" if (text := self._note()) else ""
            self.say(f"expllm: {self._done} {self._things} in {seconds:.1f} s{failed}{note}")

    def step(self, failed: int) -> None:
        """One more input is done; `failed` of all so far went wrong.

        Raises:
            KeyboardInterrupt, SystemExit: a signal asked for the end, and its exception was lost on the way.
        """
        raise_pending()
        self._done += 1
        self._failed = failed
        if self._bar is not None:
            rate = self._done / max(time.monotonic() - self._started, 1e-6)
            self._bar.update(self._task, advance=1, rate=rate, note=self._note())

    def say(self, line: str) -> None:
        """A line on stderr that does not break the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            with suppress(OSError):  # nobody listens any more; the results still count
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
