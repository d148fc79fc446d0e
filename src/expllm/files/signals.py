"""Ctrl-C, `kill` and a closed terminal: the program unwinds, so that no partial file stays behind.

An exception that a signal handler raises is lost where Python cannot pass it on: in a finalizer, a weak
reference's callback, a callback of native code. Of 39 runs told to end at a random moment, 8 went on. So the
signal is also remembered, and [`raise_pending`][expllm.files.signals.raise_pending] raises again at a
safe place.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

_received: Final[list[int]] = []


def unwind_on_signals() -> None:
    """Takes SIGINT, SIGTERM and SIGHUP, where nothing else does (`nohup` ignores SIGHUP)."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        taken_by = None if number is None else signal.getsignal(number)
        if number is not None and taken_by in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _unwind)
    sys.unraisablehook = _complain_unless_ending


def raise_pending() -> None:
    """Raises what a signal asked for, if one came."""
    if _received:
        _end(_received[-1])


@contextmanager
def stopped_by_signals(stop: Callable[[], bool]) -> Iterator[None]:
    """Within a running event loop: the first Ctrl-C lets calls under way end, the second does not wait.

    Args:
        stop: Asks for the end; whether that was asked before.
    """
    import asyncio

    def received() -> None:
        if stop():
            raise KeyboardInterrupt

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(name, received)
    yield


def _unwind(number: int, _: FrameType | None) -> None:
    _received.append(number)
    _end(number)


def _end(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _complain_unless_ending(lost: "sys.UnraisableHookArgs") -> None:
    if not _received:
        sys.__unraisablehook__(lost)
