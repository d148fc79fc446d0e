"""The Batch API of an endpoint: files go up, batches are made and looked at, files come down."""

import asyncio
import itertools
import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from expllm.chat.address import Address
from expllm.chat.batch_files import BATCH_ENDPOINT
from expllm.chat.chat_errors import BadRequest, ChatError, Unreachable
from expllm.chat.outcomes import FailedAttempt
from expllm.chat.replies import parse_reply
from expllm.chat.retries import Backoff
from expllm.chat.transport import HttpReply, Transport, TransportError

COMPLETION_WINDOW: Final = "24h"
"""Time that the server has; the only one that OpenAI offers."""
ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
LIMITED: Final = frozenset({"token_limit_exceeded", "request_limit_exceeded", "batch_limit_exceeded"})
"""Why a batch fails while others lie at the server; it may be sent again when they have ended."""
FILE_SECONDS: Final = 900.0
"""For one file to go up or come down."""
LONGEST: Final = 2**30
"""Bytes of a file of answers, at most."""
LISTED: Final = 100
"""Batches of a page of the list, at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the server tells it.

    Attributes:
        status: `validating`, `in_progress`, `finalizing`, or one of `ENDED`.
        done: Questions answered so far.
        files: Ids of the files with answers and with errors; they are there at the end.
        codes: Error codes, where it failed as a whole.
        said: What the server says of that.
    """

    id: str
    input_file: str
    status: str
    done: int = 0
    files: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    said: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class BatchService:
    """What is asked of the endpoint besides completions.

    Args:
        model: For messages.
        address: Where.
        transport: How; it takes long replies.
        backoff: Waits between attempts.
        most: Attempts, at most.
    """

    def __init__(
        self, model: str, address: Address, transport: Transport, backoff: Backoff, most: int = 6
    ) -> None:
        self._model, self._address, self._transport = model, address, transport
        self._backoff, self._most = backoff, most

    async def upload(self, content: bytes) -> str:
        """Sends a file of questions; its id."""
        boundary = secrets.token_hex(16)
        form = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="questions.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        body = form.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self._id(await self._json("POST", "/files", body, kind))

    async def begin(self, file: str) -> Batch:
        """Makes a batch of an uploaded file, or finds the one that was made when its answer was lost."""
        wanted = {"input_file_id": file, "endpoint": BATCH_ENDPOINT, "completion_window": COMPLETION_WINDOW}
        for attempt in itertools.count(1):
            reply = await self._once("POST", "/batches", json.dumps(wanted).encode())
            if isinstance(reply, HttpReply):
                return self._batch(self._read(reply))
            await self._wait(reply, attempt)
            if found := await self.find(file):
                return found
        raise AssertionError("endless")

    async def look(self, batch: str) -> Batch:
        """How a batch stands."""
        return self._batch(await self._json("GET", f"/batches/{batch}"))

    async def find(self, file: str) -> Batch | None:
        """The batch that was made of a file, among the last hundred; None if there is none."""
        listed = await self._json("GET", f"/batches?limit={LISTED}")
        rows = listed.get("data") if isinstance(listed, dict) else None
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.get("input_file_id") == file:
                return self._batch(row)
        return None

    async def content(self, file: str) -> bytes:
        """A file's bytes."""
        return (await self._sent("GET", f"/files/{file}/content")).body

    async def close(self) -> None:
        await self._transport.close()

    async def _json(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> Any:
        return self._read(await self._sent(method, path, body, kind))

    def _read(self, reply: HttpReply) -> Any:
        try:
            return json.loads(reply.body)
        except ValueError:
            raise self._no_batches("answers with something other than JSON") from None

    async def _sent(
        self, method: str, path: str, body: bytes | None = None, kind: str | None = None
    ) -> HttpReply:
        """A reply that came with success; what fails in passing is tried again."""
        for attempt in itertools.count(1):
            reply = await self._once(method, path, body, kind)
            if isinstance(reply, HttpReply):
                return reply
            await self._wait(reply, attempt)
        raise AssertionError("endless")

    async def _once(
        self, method: str, path: str, body: bytes | None = None, kind: str | None = None
    ) -> HttpReply | FailedAttempt:
        reply = await self._transport.send(method, self._address.under(path), body, kind)
        if isinstance(reply, HttpReply) and 200 <= reply.status < 300:
            return reply
        return self._trouble(reply)

    async def _wait(self, trouble: FailedAttempt, attempt: int) -> None:
        """Until the next attempt.

        Raises:
            Unreachable: there were enough.
        """
        if attempt >= self._most:
            raise Unreachable(
                f"the Batch API at {self._address.shown} fails again and again ({trouble.reason}"
                f"{trouble.detail and f': {trouble.detail}'}): run the same command again later"
            )
        await asyncio.sleep(self._backoff.seconds(attempt, trouble.wait))

    def _trouble(self, reply: HttpReply | TransportError) -> FailedAttempt:
        """What went wrong, if it may pass.

        Raises:
            ChatError: it will not.
        """
        if isinstance(reply, TransportError):
            return FailedAttempt(reply.reason, reply.detail)
        if reply.status in (404, 405, 501):
            raise self._no_batches(f"answers with HTTP {reply.status}")
        outcome = parse_reply(reply, self._model, self._address)
        if isinstance(outcome, FailedAttempt) and outcome.again:
            return outcome
        said = outcome.detail if isinstance(outcome, FailedAttempt) else outcome.text
        said = said or "no reason given"
        raise BadRequest(f"the Batch API at {self._address.shown} refuses (HTTP {reply.status}): {said}")

    def _no_batches(self, why: str) -> ChatError:
        return Unreachable(
            f"{self._address.shown} {why} where OpenAI has its Batch API: "
            "leave out --batch-api to ask it directly"
        )

    def _id(self, row: Any) -> str:
        found = row.get("id") if isinstance(row, dict) else None
        if not isinstance(found, str) or not found:
            raise self._no_batches("gives no id")
        return found

    def _batch(self, row: Any) -> Batch:
        """A batch out of JSON; what is missing counts as not there yet."""
        counts, errors = row.get("request_counts") or {}, row.get("errors") or {}
        listed = [one for one in errors.get("data") or [] if isinstance(one, dict)]
        files = (row.get("output_file_id"), row.get("error_file_id"))
        return Batch(
            id=self._id(row),
            input_file=str(row.get("input_file_id")),
            status=str(row.get("status")),
            done=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
            files=tuple(file for file in files if isinstance(file, str) and file),
            codes=frozenset(str(one.get("code")) for one in listed),
            said=self._address.scrub("; ".join(str(one.get("message")) for one in listed[:3])),
        )
