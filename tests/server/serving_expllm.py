"""A server of ours on loopback, in a thread of the test's process, and plain ways to talk to it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from waiting import HANG_S, wait_until

from expllm.server.analyzer import Analyzer
from expllm.server.app import create_app
from expllm.server.server_config import ServerConfig
from expllm.server.uvicorn_server import Application, Server

ASTRONAUT: Final = Path(__file__).parents[2] / "examples" / "faces" / "astronaut.jpg"
JPEG: Final = {"Content-Type": "image/jpeg"}
JSON: Final = {"Content-Type": "application/json"}


@cache
def portrait() -> bytes:
    """The bundled portrait."""
    return ASTRONAUT.read_bytes()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, in the one shape that all have."""
        content: dict[str, Any] = self.json["error"]
        assert set(content) == {"message", "type", "param", "code"}
        assert content["message"]
        return content


class Running:
    """A server that runs.

    Attributes:
        log: The lines of its log.
    """

    def __init__(self, server: Server, log: list[str]) -> None:
        self.server, self.log = server, log
        self.host, self.port = server._socket.getsockname()[:2]

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def service(self) -> Any:
        return self.server.app.state.service

    @property
    def analyzer(self) -> Analyzer:
        analyzer: Analyzer = self.server.app.state.analyzer
        return analyzer

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection(self.host, self.port, timeout=HANG_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def post(self, path: str, content: Any, **headers: str) -> Answer:
        """JSON."""
        return self.ask("POST", path, json.dumps(content).encode(), JSON | headers)

    def analyze(self, data: bytes, query: str = "") -> Answer:
        """A picture."""
        return self.ask("POST", f"/v1/analyze{query}", data, JPEG)

    def connection(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection((self.host, self.port), timeout=HANG_S)


@contextmanager
def running(
    application: Application = create_app, overdue: Callable[[], object] = lambda: None, **given: Any
) -> Iterator[Running]:
    """A server with the rules alone, ready.

    Args:
        application: Makes the application.
        overdue: Called where it does not end in time.
        **given: Further fields of `ServerConfig`.
    """
    log: list[str] = []
    settings: dict[str, Any] = {"models": ("offline",), "port": 0, "log": log.append} | given
    server = Server(ServerConfig(**settings), application, overdue)
    thread = threading.Thread(target=server.serve_until_stopped, daemon=True)
    thread.start()
    try:
        started = Running(server, log)
        wait_until(lambda: started.service.ready or not thread.is_alive())
        assert started.service.ready, f"the server ended: {started.service.failure}"
        yield started
    finally:
        server.should_exit = True
        thread.join(HANG_S)


def form(*files: tuple[str, str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A form with files, as `(field, file name, bytes)`, and its headers."""
    lines = [
        b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n%s\r\n" % (field.encode(), name.encode(), data)
        for field, name, data in files
    ]
    return b"".join(lines) + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}
