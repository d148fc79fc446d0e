"""A fork server whose children begin at once: what they need, the server has imported."""

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any

_started: tuple[int | None, tuple[str, ...]] = (None, ())


def fork_server(*preload: str) -> ForkServerContext:
    """Starts children from a server that has imported `preload`; one that was started for others ends.

    A server that runs takes no further imports, and this process has one only.
    """
    global _started  # noqa: PLW0603 - so is the server
    server: Any = forkserver._forkserver
    context = multiprocessing.get_context("forkserver")
    if _started != (server._forkserver_pid, preload):
        server._stop()
        context.set_forkserver_preload(list(preload))
        path = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # the server has no other path
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads would not be there after a fork
        forkserver.ensure_running()
        os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)
        _started = (server._forkserver_pid, preload)
    return context
