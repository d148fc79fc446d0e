"""Bodies of requests: limited while they are read, and never written to a file."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from expllm.core.errors import one_line
from expllm.files.images import ImageLimits
from expllm.server.admission import Queue
from expllm.server.http_errors import ApiError, ClientGone, bad_request
from expllm.server.server_config import ServerLimits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")
UNNAMED: Final = "picture"
"""How results call a picture that came without a name."""
NAME_CHARACTERS: Final = 200
FIELDS: Final = ("image", "images")
"""Names of the form fields that hold pictures."""
LINGER_S: Final = 2.0
CLOSE: Final = {"Connection": "close"}
"""What is left of the body would be read as the next request."""


class BodyLimits:
    """Limits what is read of bodies: bytes and time of each, and the bytes of all that are held at once.

    Args:
        queue: Where all its places are taken, no body is read.
    """

    def __init__(self, app: "ASGIApp", limits: ServerLimits, queue: Queue) -> None:
        self._app, self._limits, self._queue = app, limits, queue
        self._held = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = _lingering(receive, send)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limits.body_bytes:
            await self._too_large().response(scope, receive, answered)
        elif scope["method"] == "POST" and self._queue.full:
            await self._queue.busy(CLOSE).response(scope, receive, answered)
        else:
            body = _Body(receive, self)
            try:
                await self._app(scope, body.receive, answered)
            finally:
                self._held -= body.size

    def check(self, body: "_Body", more: int) -> None:
        """Counts bytes that were read.

        Raises:
            ApiError: 413 or 503; they are too many.
        """
        body.size += more
        self._held += more
        if body.size > self._limits.body_bytes:
            raise self._too_large()
        if self._held > self._limits.held_bytes:
            raise self._queue.busy(CLOSE)

    def time_left(self, began: float) -> float:
        """Seconds for the next piece of a body."""
        return max(0.001, min(self._limits.stall_s, self._limits.body_s - (time.monotonic() - began)))

    def _too_large(self) -> ApiError:
        most = f"The body may have at most {self._limits.body_bytes:,} bytes."
        return ApiError(413, most, "body_too_large", headers=CLOSE)


class _Body:
    """One request's body while it is read.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, receive: "Receive", limits: BodyLimits) -> None:
        self._receive, self._limits = receive, limits
        self._began, self._whole = time.monotonic(), False
        self.size = 0

    async def receive(self) -> "Message":
        """The next piece.

        Raises:
            ApiError: 408, 413 or 503.
        """
        if self._whole:  # what comes now is the end of the connection, at any time
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.time_left(self._began))
        except TimeoutError:
            late = "The body of the request did not arrive in time."
            raise ApiError(408, late, "request_timeout", headers=CLOSE) from None
        self._whole = not message.get("more_body", False)
        self._limits.check(self, len(message.get("body", b"")))
        return message


def _lingering(receive: "Receive", send: "Send") -> "Send":
    """Reads and drops what still comes, for a moment, before a connection is closed with its body unread.

    Else the client, still sending, would see a broken connection and never the answer.
    """
    closing = False

    async def lingering(message: "Message") -> None:
        nonlocal closing
        if message["type"] == "http.response.start":
            closing = message["status"] != 408 and "connection" in Headers(raw=message["headers"])
        if not closing or message["type"] == "http.response.start" or message.get("more_body"):
            await send(message)
            return
        await send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b""})

    return lingering


@dataclass(frozen=True)
class Upload:
    """A picture as it came.

    Attributes:
        data: The file; it is kept in memory only.
        name: What the client called it.
        url: A public http(s) address to fetch it from, in place of `data`.
    """

    data: bytes
    name: str = UNNAMED
    url: str | None = None

    def read(self, limits: ImageLimits) -> bytes:
        """The file; an address is fetched now.

        Raises:
            ImageError: it cannot be fetched.
        """
        if self.url is None:
            return self.data
        from expllm.files.download import fetch

        return fetch(self.url, limits.max_bytes, limits.timeout_s, limits.max_redirects)


class _InMemory(MultiPartParser):
    """Starlette writes parts of more than a megabyte to temporary files: here everything stays in memory."""

    spool_max_size = 2**40  # the body's own limit is lower


async def read_uploads(request: Request, most: int) -> list[Upload]:
    """The pictures of a request: its body, or the files of a form.

    Args:
        most: Pictures.

    Raises:
        ApiError: there is no picture, there are too many, or the form is broken.
    """
    if not request.headers.get("content-type", "").casefold().startswith("multipart/"):
        data = await read_body(request)
        if not data:
            raise bad_request("The body is empty: send the bytes of a picture.", "image", "missing_image")
        return [Upload(data)]
    uploads = [upload async for upload in _form_files(request, most)]
    if not uploads:
        raise bad_request("The form has no file in a field 'image'.", "image", "missing_image")
    return uploads


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        ClientGone: the client hung up.
    """
    try:
        return await request.body()
    except ClientDisconnect:
        raise ClientGone from None


async def _form_files(request: Request, most: int) -> AsyncGenerator[Upload, None]:
    parser = _InMemory(request.headers, request.stream(), max_files=most, max_fields=most)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise bad_request(one_line(error.message), "image", "invalid_form") from None
    except ClientDisconnect:
        raise ClientGone from None
    for field, value in form.multi_items():
        if field not in FIELDS or not isinstance(value, UploadFile):
            raise bad_request("Fields of the form must be files called 'image'.", "image", "invalid_form")
        name = one_line(value.filename or "")[:NAME_CHARACTERS] or UNNAMED
        yield Upload(await value.read(), name)
        await value.close()


async def attended(request: Request, work: Awaitable[T], seconds: float) -> T:
    """The result of `work`, given up when the client hangs up or the time is over.

    Args:
        request: Its body has been read.
        seconds: For the work.

    Raises:
        ClientGone: the client hung up.
        ApiError: 504; it takes too long.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request.receive))
    try:
        done, _ = await asyncio.wait({working, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working in done:
            return working.result()
        if leaving in done:
            raise ClientGone
        raise ApiError(504, f"No answer within {seconds:g} s: try again later.", "timeout")
    finally:
        for task in (working, leaving):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
