"""Native code that others wrote: started without noise, early enough to say what it lacks, and fast."""

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from expllm.core.errors import MissingDependency


class _Silence:
    """How many blocks want file descriptor 2 silent, and where it led before the first of them."""

    lock: Final = threading.Lock()
    depth = 0
    kept = -1


@contextmanager
def native_silence() -> Iterator[None]:
    """Sends what native code writes to file descriptor 2 to nowhere, for the duration of the block.

    MediaPipe's C++ part logs a dozen lines whenever a model is opened or closed, with no switch to stop it.
    Errors still arrive as Python exceptions. Blocks may overlap on several threads.
    """
    with _Silence.lock:
        if _Silence.depth == 0:
            _Silence.kept = _redirect_stderr()
        _Silence.depth += 1
    try:
        yield
    finally:
        with _Silence.lock:
            _Silence.depth -= 1
            if _Silence.depth == 0 and _Silence.kept >= 0:
                os.dup2(_Silence.kept, 2)
                os.close(_Silence.kept)


def own_stderr() -> int:
    """A new descriptor of where file descriptor 2 leads when nothing is silenced.

    A model of an earlier call may be closed on a thread just now: then 2 leads to nowhere for a moment.
    """
    with _Silence.lock:
        return os.dup(_Silence.kept if _Silence.depth and _Silence.kept >= 0 else 2)


def lose_native_stderr() -> None:
    """Leads file descriptor 2 to nowhere for the rest of the process, also where a silence ends later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with _Silence.lock:
        os.dup2(nowhere, _Silence.kept if _Silence.depth and _Silence.kept >= 0 else 2)
    os.close(nowhere)


def _redirect_stderr() -> int:
    """Leads file descriptor 2 to nowhere; gives a copy of where it led, -1 if it led nowhere already."""
    try:
        kept = os.dup(2)
    except OSError:  # the process has no stderr
        return -1
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return kept


def close_at_last(owner: object, close: Callable[[], None]) -> None:
    """Sees to it that `close` runs when `owner` is forgotten or the process ends, if nobody called it before.

    MediaPipe's objects close themselves through a thread of their own. Left to the collector they wait
    for ever if that thread was collected with them, and once threads have ended they print an error.

    Args:
        close: A method of the native object, not of `owner`; does nothing the second time.
    """
    opened_by = os.getpid()  # a fork has the object, but not the thread that closes it

    def forgotten() -> None:
        if os.getpid() == opened_by:
            _close_on_a_thread(close)

    finalizer = weakref.finalize(owner, forgotten)
    finalizer.atexit = False

    def at_exit() -> None:
        if finalizer.detach() and os.getpid() == opened_by:
            _close_in_silence(close)

    # The hook of executors is not public; without it the close comes later, and prints the error.
    getattr(threading, "_register_atexit", atexit.register)(at_exit)


def _close_on_a_thread(close: Callable[[], None]) -> None:
    """The collector may run on any thread, MediaPipe's own included, which must not wait for itself."""
    threading.Thread(target=_close_in_silence, args=(close,), daemon=True, name="close").start()


def _close_in_silence(close: Callable[[], None]) -> None:
    with native_silence():
        close()


def load_mediapipe() -> Any:
    """`mediapipe`, or one line that says which system library to install.

    Raises:
        MissingDependency: the package or a shared library it needs is not installed.
    """
    try:
        with native_silence(), _matplotlib_late():
            import mediapipe
            from mediapipe.tasks.python.core import mediapipe_c_bindings

            # The shared library loads on first use; load it now, so that a missing libEGL is found here.
            mediapipe_c_bindings.load_raw_library()
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{error}: run 'pip install expllm' again") from None
    except (ImportError, OSError) as error:
        raise MissingDependency(missing_library(str(error))) from None
    return mediapipe


SYSTEM_LIBRARIES: Final = {
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libGLESv2.so": "libgles2",
    "libglib-2.0.so": "libglib2.0-0",
    "libgthread-2.0.so": "libglib2.0-0",
    "libxcb.so": "libxcb1",
}
"""Shared library -> Debian package, of all that MediaPipe and the OpenCV it imports need."""


def missing_library(problem: str) -> str:
    """One line with the `apt-get` command that answers a loader's complaint."""
    if not any(library in problem for library in SYSTEM_LIBRARIES):
        return f"MediaPipe cannot start: {problem}"
    library = problem.split(":", maxsplit=1)[0]
    packages = " ".join(sorted(set(SYSTEM_LIBRARIES.values())))
    return f"a system library is missing ({library}): run 'sudo apt-get install -y {packages}'"


class _Late(ModuleType):
    """Stands for a module that is imported when it is first used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@contextmanager
def _matplotlib_late() -> Iterator[None]:
    """Lets MediaPipe import matplotlib only if its drawing helpers are called, which nothing here does.

    It is two thirds of MediaPipe's start. The stand-ins leave `sys.modules` with the block, so that whoever
    imports matplotlib gets the real one.
    """
    if "matplotlib" in sys.modules:
        yield
        return
    package, pyplot = _Late("matplotlib"), _Late("matplotlib.pyplot")
    package.__dict__["pyplot"] = pyplot
    sys.modules |= {"matplotlib": package, "matplotlib.pyplot": pyplot}
    try:
        yield
    finally:
        for name in ("matplotlib", "matplotlib.pyplot"):
            sys.modules.pop(name, None)
