"""A small hub on loopback: takes a commit as the real one does, and keeps what it was given."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """Attributes: `files` by name as they came, `repos` as they were asked for, `tokens` that were shown."""

    def __init__(self, refuse: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuse = refuse
        self.files: dict[str, bytes] = {}
        self.repos: list[dict[str, Any]] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(self.server.refuse or 200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(self._chunks())
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.refuse:
            self._answer(self.server.refuse, {"error": "no"})
        elif self.path == "/api/repos/create":
            self.server.repos.append(json.loads(body))
            self._answer(200, {"url": f"{self.server.url}/someone/faces"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self._answer(200, {"files": [{"path": one["path"], **plain} for one in files]})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    self.server.files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            self._answer(200, {"commitUrl": f"{self.server.url}/someone/faces/commit/1", "commitOid": "1"})
        else:
            self._answer(200, {"errors": [], "warnings": []})

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def hub(refuse: int = 0) -> Iterator[Hub]:
    """A running hub; `refuse` is the status of every answer."""
    server = Hub(refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
