"""Runs the application: uvicorn with time limits, and an orderly end."""

import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from expllm.core.errors import UsageError
from expllm.server.app import create_app
from expllm.server.guard import guarded
from expllm.server.server_config import ServerConfig

BACKLOG = 2048
Application = Callable[[ServerConfig, Callable[[], object]], FastAPI]


class Server(uvicorn.Server):
    """uvicorn's server, which on SIGTERM finishes what is under way and then ends as if nothing had happened.

    Args:
        config: What to serve.
        application: Makes the application of the configuration and of what to call when it cannot serve.
        overdue: Called on a thread where the end takes longer than `drain_s` and `close_s`: a thread of a
            native library may hang, and Python waits for every thread.

    Raises:
        ExpllmError: as [`create_app`][expllm.server.app.create_app].
        UsageError: the address cannot be listened on.
    """

    def __init__(
        self,
        config: ServerConfig,
        application: Application = create_app,
        overdue: Callable[[], object] = lambda: None,
    ) -> None:
        self._socket = _listening(config.host, config.port)
        self.app = application(config, self._give_up)
        limits = config.limits
        self._patience = threading.Timer(limits.drain_s + limits.close_s, overdue)
        self._patience.daemon = True
        super().__init__(
            uvicorn.Config(
                self.app, http=guarded(limits), ws="none", lifespan="on", log_config=None,
                log_level="critical", access_log=False, server_header=False, date_header=True,
                proxy_headers=False, timeout_keep_alive=5, backlog=BACKLOG,
                timeout_graceful_shutdown=int(limits.drain_s),
            )
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Where it can be reached on this machine."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_until_stopped(self) -> None:
        """Serves until a signal ends it.

        Raises:
            ExpllmError: a model cannot be loaded.
        """
        try:
            self.run(sockets=[self._socket])
        finally:
            self._patience.cancel()
        failure = self.app.state.service.failure
        if failure is not None:
            raise failure

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As the parent's; `/health/ready` says so."""
        self.app.state.service.draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As the parent's; streams that would go on end by themselves, whatever ended the server."""
        self.app.state.service.draining = True
        self._patience.start()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As the parent's, which would raise the signal once more at the end: that is a normal end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _give_up(self) -> None:
        self.should_exit = True


def _listening(host: str, port: int) -> socket.socket:
    host = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # who comes before all is loaded waits
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {reason}; choose another --port or --host"
        ) from None
    return listener
