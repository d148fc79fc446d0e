"""A chat server on loopback that has the Batch API as well: files, batches, their states and their faults."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from chatserver import ChatServer, Payload

LIMITS = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached for gpt-4o."}


class BatchServer(ChatServer):
    """The server; use with `async with`, as `ChatServer`.

    Args:
        looks: How many looks at a batch it takes until it has ended.
        fate: What becomes of the batch with a number from 0: its last status.
        lines: What a line's answer is turned into: (number of the batch, custom id, answer) -> answer.

    Attributes:
        files: Contents by id.
        batches: All batches, as they are shown.
        lose_next_batch: The next batch is made, but nobody hears of it.
        passing_errors: Uploads that are refused before one is taken.
    """

    def __init__(
        self,
        *values: Any,
        looks: int = 2,
        fate: Callable[[int], str] = lambda number: "completed",
        lines: Callable[[int, str, Payload], Payload | None] = lambda number, key, answer: answer,
        **options: Any,
    ) -> None:
        super().__init__(*values, **options)
        self.looks, self.fate, self.lines = looks, fate, lines
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}
        self.lose_next_batch = False
        self.passing_errors = 0

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._begin)
        app.router.add_get("/v1/batches", self._listed)
        app.router.add_get("/v1/batches/{id}", self._look)

    @property
    def questions(self) -> list[list[dict[str, Any]]]:
        """The questions of each batch, in the order in which they were made."""
        files = [self.files[one["input_file_id"]] for one in self.batches.values()]
        return [[json.loads(line) for line in content.splitlines()] for content in files]

    async def _upload(self, request: web.Request) -> web.Response:
        if self.passing_errors:
            self.passing_errors -= 1
            return web.json_response({"error": {"message": "overloaded"}}, status=503)
        fields = await request.post()
        assert fields["purpose"] == "batch"
        file = fields["file"]
        assert isinstance(file, web.FileField)
        return web.json_response(self._kept(file.file.read()))

    def _kept(self, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch"}

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self.files[request.match_info["id"]], content_type="application/octet-stream"
        )

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        assert wanted["endpoint"] == "/v1/chat/completions"
        assert wanted["completion_window"] == "24h"
        name = f"batch_{len(self.batches)}"
        total = len(self.files[wanted["input_file_id"]].splitlines())
        counts = {"total": total, "completed": 0, "failed": 0}
        self.batches[name] = wanted | {
            "id": name,
            "object": "batch",
            "status": "validating",
            "request_counts": counts,
        }
        if self.lose_next_batch:
            self.lose_next_batch = False
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.batches[name])

    async def _listed(self, request: web.Request) -> web.Response:
        newest = list(self.batches.values())[::-1]
        return web.json_response({"object": "list", "data": newest[: int(request.query["limit"])]})

    async def _look(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        batch, self.asked[name] = self.batches[name], self.asked.get(name, 0) + 1
        if self.asked[name] >= self.looks and "output_file_id" not in batch:
            self._end(batch, int(name.rpartition("_")[2]))
        elif batch["status"] == "validating":
            batch["status"] = "in_progress"
        return web.json_response(batch)

    def _end(self, batch: dict[str, Any], number: int) -> None:
        batch["status"] = self.fate(number)
        batch["output_file_id"] = batch["error_file_id"] = None
        if batch["status"] == "failed":
            batch["errors"] = {"object": "list", "data": [LIMITS]}
            return
        good: list[Payload] = []
        bad: list[Payload] = []
        for line in reversed(
            self.files[batch["input_file_id"]].splitlines()
        ):  # in no order that a client may count on
            row = json.loads(line)
            answer = self.lines(number, row["custom_id"], self._line(row))
            if answer is not None:
                (
                    good if answer["error"] is None and answer["response"]["status_code"] == 200 else bad
                ).append(answer)
        for kind, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                batch[kind] = self._kept("".join(json.dumps(row) + "\n" for row in rows).encode())["id"]
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}

    def _line(self, row: dict[str, Any]) -> dict[str, Any]:
        payload = row["body"]
        seen = self.note_line(json.dumps(payload).encode())
        body = json.loads(self._completion(seen, payload))
        response = {"status_code": 200, "request_id": f"req_{seen.number}", "body": body}
        return {
            "id": f"batch_req_{seen.number}",
            "custom_id": row["custom_id"],
            "response": response,
            "error": None,
        }


def expired(key: str) -> dict[str, Any]:
    """The line of a question that the server did not come to in time."""
    error = {
        "code": "batch_expired",
        "message": "This request could not be executed before the window expired.",
    }
    return {"id": "batch_req_x", "custom_id": key, "response": None, "error": error}


def failed(key: str, status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """The line of a question that the server answered with an error."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    response = {"status_code": status, "request_id": "req_x", "body": body}
    return {"id": "batch_req_x", "custom_id": key, "response": response, "error": None}
