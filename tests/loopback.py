"""Servers on loopback that answer in JSON, on threads of the process that starts them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


class JsonHandler(BaseHTTPRequestHandler):
    """Answers in JSON, and logs nothing."""

    def answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked does not wait any more
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def root(server: ThreadingHTTPServer) -> str:
    """`http://127.0.0.1:PORT`."""
    return f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, until the block is left."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)  # ends at once
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
