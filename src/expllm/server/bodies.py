"""Bodies of requests: limited while they are read, and never written to a file."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from expllm.core.errors import one_line
from expllm.files.images import ImageLimits
from expllm.server.admission import Admission
from expllm.server.http_errors import ApiError, ClientGone, bad_request
from expllm.server.server_config import ServerLimits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_T = TypeVar("_T")
NAME_CHARACTERS: Final = 200
LINGER_S: Final = 2.0
_CLOSE: Final = {"Connection": "close"}
"""What is left of the body would be read as the next request."""


@dataclass(frozen=True)
class BodyRule:
    """What is read of a body.

    Attributes:
        most: Bytes.
        seconds: For the whole body.
        admission: Where it is full, no body is read.
    """

    most: int
    seconds: float
    admission: Admission


class BodyLimits:
    """Limits what is read of bodies: bytes and time of each, and the bytes of all that are held at once.

    Args:
        rule: For all paths but those of `others`.
        others: Rules of single paths.
    """

    def __init__(
        self, app: "ASGIApp", limits: ServerLimits, rule: BodyRule, others: Mapping[str, BodyRule]
    ) -> None:
        self._app, self._limits, self._rule, self._others = app, limits, rule, others
        self._held = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered, rule = _lingering(receive, send), self._others.get(scope["path"], self._rule)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > rule.most:
            await _too_large(rule).response(scope, receive, answered)
        elif scope["method"] == "POST" and rule.admission.full:
            await rule.admission.busy(_CLOSE).response(scope, receive, answered)
        else:
            body = _Body(receive, self, rule)
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
        if body.size > body.rule.most:
            raise _too_large(body.rule)
        if self._held > self._limits.held_bytes:
            raise self._rule.admission.busy(_CLOSE)

    def time_left(self, body: "_Body") -> float:
        """Seconds for the next piece of a body."""
        left = body.rule.seconds - (time.monotonic() - body.began)
        return max(0.001, min(self._limits.stall_s, left))


def _too_large(rule: BodyRule) -> ApiError:
    most = f"The body may have at most {rule.most:,} bytes."
    return ApiError(413, most, "body_too_large", headers=_CLOSE)


class _Body:
    """One request's body while it is read.

    Attributes:
        rule: Its limits.
        began: Monotonic seconds.
        size: Bytes so far.
    """

    def __init__(self, receive: "Receive", limits: BodyLimits, rule: BodyRule) -> None:
        self._receive, self._limits, self._whole = receive, limits, False
        self.rule, self.began, self.size = rule, time.monotonic(), 0

    async def receive(self) -> "Message":
        """The next piece.

        Raises:
            ApiError: 408, 413 or 503.
        """
        if self._whole:  # what comes now is the end of the connection, at any time
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.time_left(self))
        except TimeoutError:
            late = "The body of the request did not arrive in time."
            raise ApiError(408, late, "request_timeout", headers=_CLOSE) from None
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
class UploadKind:
    """What a request brings.

    Attributes:
        noun: How messages call it, and results if it came without a name.
        fields: Names of the form fields that may hold it; the first is the documented one.
    """

    noun: str
    fields: tuple[str, ...]

    def refused(self, message: str, code: str | None = None) -> ApiError:
        """400; the request does not bring it."""
        return bad_request(message, self.fields[0], code or f"missing_{self.fields[0]}")


_PICTURE: Final = UploadKind("picture", ("image", "images"))
VIDEO_UPLOAD: Final = UploadKind("video", ("video",))


@dataclass(frozen=True)
class Upload:
    """A picture or a video as it came.

    Attributes:
        data: The file; it is kept in memory only.
        name: What the client called it.
        url: A public http(s) address to fetch it from, in place of `data`.
    """

    data: bytes
    name: str = _PICTURE.noun
    url: str | None = None

    def read(self, limits: ImageLimits) -> bytes:
        """The file; an address is fetched now.

        Raises:
            ImageError: it cannot be fetched.
        """
        if self.url is None:
            return self.data
        from expllm.files.download import fetch_url

        return fetch_url(self.url, limits.max_bytes, limits.timeout_s, limits.max_redirects)


class _InMemory(MultiPartParser):
    """Starlette writes parts of more than a megabyte to temporary files: here everything stays in memory."""

    spool_max_size = 2**40  # the body's own limit is lower

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        # It would tell stderr of every broken form; the client is told.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


async def read_uploads(request: Request, most: int, kind: UploadKind = _PICTURE) -> list[Upload]:
    """The pictures or videos of a request: its body, or the files of a form.

    Args:
        most: Files.
        kind: What is expected.

    Raises:
        ApiError: there is none, there are too many, or the form is broken.
    """
    if not request.headers.get("content-type", "").casefold().startswith("multipart/"):
        data = await whole_body(request)
        if not data:
            raise kind.refused(f"The body is empty: send the bytes of a {kind.noun}.")
        return [Upload(data, kind.noun)]
    uploads = [upload async for upload in _form_files(request, most, kind)]
    if not uploads:
        raise kind.refused(f"The form has no file in a field '{kind.fields[0]}'.")
    return uploads


async def whole_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        ClientGone: the client hung up.
    """
    try:
        return await request.body()
    except ClientDisconnect:
        raise ClientGone from None


async def _form_files(request: Request, most: int, kind: UploadKind) -> AsyncGenerator[Upload, None]:
    parser = _InMemory(request.headers, request.stream(), max_files=most, max_fields=most)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise kind.refused(one_line(error.message), "invalid_form") from None
    except ClientDisconnect:
        raise ClientGone from None
    for field, value in form.multi_items():
        if field not in kind.fields or not isinstance(value, UploadFile):
            wanted = f"Fields of the form must be files called '{kind.fields[0]}'."
            raise kind.refused(wanted, "invalid_form")
        name = one_line(value.filename or "")[:NAME_CHARACTERS] or kind.noun
        yield Upload(await value.read(), name)
        await value.close()


async def attended(request: Request, work: Awaitable[_T], seconds: float) -> _T:
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
