"""One replica of the server, as an actor of a Ray cluster: it answers on an address of its node."""

import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from expllm import __version__
from expllm.core.errors import ExpllmError, UsageError
from expllm.server.server_config import ServerConfig

_LINES: Final = 1000
"""Lines of the log that are kept until the door fetches them."""


@dataclass(frozen=True)
class ReplicaState:
    """What a replica tells the door.

    Attributes:
        url: Where it can be reached.
        process: Its process's number.
        ready: It takes requests.
        failure: Why it never will.
        log: Lines since the last time.
    """

    url: str
    process: int
    ready: bool
    failure: str | None
    log: tuple[str, ...]


class ReplicaServer:
    """Runs `expllm serve`'s own server on a thread of the actor's process.

    Pictures come to it over HTTP, never through Ray: its object store may spill to a disk.

    Args:
        settings: Fields of `ServerConfig`.
        version: The door's own: what they send to each other must fit.
    """

    def __init__(self, settings: Mapping[str, Any], version: str) -> None:
        self._log: deque[str] = deque(maxlen=_LINES)
        self._failure: str | None = None
        try:
            self._start(settings, version)
        except ExpllmError as error:
            self._failure = error.line

    def state(self) -> ReplicaState:
        """How it is, and what it has to say since the last time."""
        lines = tuple(self._log.popleft() for _ in range(len(self._log)))
        if self._failure is not None:
            return ReplicaState("", os.getpid(), False, self._failure, lines)
        service = self._server.app.state.service
        failure = None if service.failure is None else _line(service.failure)
        return ReplicaState(self._server.url, os.getpid(), service.ready, failure, lines)

    def _start(self, settings: Mapping[str, Any], version: str) -> None:
        import ray

        from expllm.files.native import lose_native_stderr
        from expllm.server.uvicorn_server import Server

        if version != __version__:
            raise UsageError(
                f"this node has ExpLLM {__version__}, the server has {version}: install the same"
            )
        lose_native_stderr()
        host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call, unused-ignore]
        self._server = Server(ServerConfig(**settings, host=host, port=0, log=self._log.append))
        threading.Thread(target=self._serve, name="replica", daemon=True).start()

    def _serve(self) -> None:
        try:
            self._server.serve_until_stopped()
        except Exception as error:
            self._failure = _line(error)


def _line(error: Exception) -> str:
    return error.line if isinstance(error, ExpllmError) else type(error).__name__
