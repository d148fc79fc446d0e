"""A small hub on loopback: takes a commit as the real one does, and keeps what it was given."""

import base64
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from typing import Any

from loopback import JsonHandler, root, running


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
        return root(self)


class _Handler(JsonHandler):
    server: Hub

    def do_GET(self) -> None:  # noqa: N802
        self.answer(self.server.refuse or 200, {})

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(self._chunks())
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.refuse:
            self.answer(self.server.refuse, {"error": "no"})
        elif self.path == "/api/repos/create":
            self.server.repos.append(json.loads(body))
            self.answer(200, {"url": f"{self.server.url}/someone/faces"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer(200, {"files": [{"path": one["path"], **plain} for one in files]})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    self.server.files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            self.answer(200, {"commitUrl": f"{self.server.url}/someone/faces/commit/1", "commitOid": "1"})
        else:
            self.answer(200, {"errors": [], "warnings": []})

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


def hub(refuse: int = 0) -> AbstractContextManager[Hub]:
    """A running hub; `refuse` is the status of every answer."""
    return running(Hub(refuse))
