"""Sends requests on to a replica, and to another one if that is lost before its answer is whole."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from expllm.server.admission import AdmittedPlace
from expllm.server.bodies import attended, whole_body
from expllm.server.chat_replies import error_event
from expllm.server.http_errors import ApiError, while_streaming
from expllm.server.replica_pool import RESTART_S, Replica, ReplicaLost, ReplicaPool
from expllm.server.server_config import ServerConfig

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from starlette.types import Receive, Scope, Send

_T = TypeVar("_T")
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_TRIES: Final = 3
"""Replicas that one request may lose: a picture that ends their process must not end them all."""
CONNECT_S: Final = 5.0
SPARE_S: Final = 5.0
"""A replica says itself that its work takes too long; the door waits so much longer."""
_EVENTS: Final = "text/event-stream"
STREAMS: Final[Mapping[str, bytes]] = {_EVENTS: b"\n\n", "application/x-ndjson": b"\n"}
"""Types that come piece by piece, and what ends a piece."""
_OWN: Final = frozenset(
    {
        b"authorization", b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"origin",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Heads that concern one connection, or the door."""
ALSO_OWN: Final = frozenset({b"date", b"server", b"x-request-id"})
"""Heads of answers that the door writes itself."""


@dataclass(frozen=True)
class Asked:
    """A request, ready to be sent, and sent again.

    Attributes:
        target: Path and query as they came.
        headers: Without those of the connection.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    async def of(cls, request: Request) -> "Asked":
        """Reads it, with its body.

        Raises:
            ApiError: its address is no path.
            ClientGone: the client hung up.
        """
        raw, query = request.scope["raw_path"], request.scope["query_string"]
        if not raw.startswith(b"/"):
            raise ApiError(404, "There is no such path.", "not_found")
        target = (raw + (b"?" + query if query else b"")).decode("latin-1")
        return cls(request.method, target, _sent_on(request.headers.raw), await whole_body(request))


class ForwardedReply:
    """What a replica answers; its body may still be on its way.

    Attributes:
        status: HTTP status.
        headers: Without those of the connection.
        ends: What ends a piece, if it comes in pieces.
    """

    def __init__(self, pool: ReplicaPool, replica: Replica, response: "ClientResponse") -> None:
        self._pool, self._replica, self._response = pool, replica, response
        self.status = response.status
        self.headers = _sent_on(response.raw_headers, ALSO_OWN)
        self.ends = STREAMS.get(response.content_type)

    async def whole(self) -> bytes:
        """Its body.

        Raises:
            ReplicaLost: it never became whole.
        """
        try:
            return await _from(self._replica, self._response.read())
        except BaseException:
            await self.close()
            raise

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its body in whole pieces.

        Raises:
            ReplicaLost: it never became whole.
        """
        rest, content = b"", self._response.content
        while chunk := await _from(self._replica, content.readany()):
            *pieces, rest = (rest + chunk).split(self.ends or b"\n")
            for piece in pieces:
                yield piece + (self.ends or b"\n")
        if rest:
            yield rest

    async def close(self) -> None:
        """Closes the connection: a replica that is still at work gives up."""
        self._response.close()
        await self._pool.give_back(self._replica)

    async def lost(self) -> None:
        """The same where the replica was lost: nothing more is sent there."""
        await self.close()
        await self._pool.lose(self._replica)
        self._pool.moved += 1


class Forwarder:
    """Answers every request with a replica's answer; for use on one event loop.

    Args:
        config: What the door was started with.
        pool: The replicas.
    """

    def __init__(self, config: ServerConfig, pool: ReplicaPool) -> None:
        self._config, self._pool = config, pool
        self._session: ClientSession | None = None

    async def __call__(self, request: Request) -> Response:
        """The answer.

        Raises:
            ApiError, ClientGone: there is none.
        """
        asked = await Asked.of(request)
        with ExitStack() as held:
            counts = asked.method == "POST"  # everything that computes
            place = held.enter_context(self._enter() if counts else nullcontext())
            reply = await attended(request, self.reply(asked, place), self._config.limits.work_s + SPARE_S)
            if isinstance(reply, ForwardedReply):
                return ForwardedStream(self, asked, reply, held.pop_all())
            return reply

    async def reply(self, asked: Asked, place: AdmittedPlace | None = None) -> "ForwardedReply | Response":
        """A whole answer, or one that comes in pieces.

        Args:
            place: Its place in the queue.

        Raises:
            ApiError: one replica after the other was lost.
        """
        for _ in range(_TRIES):
            replica = await self._pool.borrow()
            if place is not None:
                place.begin()
            try:
                reply = await self._ask(replica, asked)
                if reply.ends:
                    return reply
                body = await reply.whole()
            except ReplicaLost:
                await self._pool.lose(replica)
                self._pool.moved += 1
                continue
            await reply.close()
            return _response(reply, body)
        wait = {"Retry-After": str(RESTART_S)}
        line = f"Replicas were lost while they worked on this: try again in {RESTART_S} s."
        raise ApiError(503, line, "replicas_lost", headers=wait)

    async def text(self, replica: Replica, target: str) -> bytes:
        """What one replica answers to a GET.

        Raises:
            ReplicaLost: nothing.
        """
        async with await _from(replica, self._send(replica, Asked("GET", target, (), b""))) as response:
            return await _from(replica, response.read())

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    def log(self, line: str) -> None:
        self._config.log(line)

    def _enter(self) -> AdmittedPlace:
        if self._pool.full:
            raise self._pool.busy()
        return self._pool.queue.enter()

    async def _ask(self, replica: Replica, asked: Asked) -> ForwardedReply:
        try:
            return ForwardedReply(self._pool, replica, await _from(replica, self._send(replica, asked)))
        except BaseException:
            await self._pool.give_back(replica)
            raise

    async def _send(self, replica: Replica, asked: Asked) -> "ClientResponse":
        from yarl import URL

        if replica.url is None:
            raise ReplicaLost
        address = URL(replica.url + asked.target, encoded=True)
        headers = [*asked.headers, ("Authorization", f"Bearer {self._pool.key}")]
        return await self._opened().request(
            asked.method, address, headers=headers, data=asked.body or None, allow_redirects=False
        )

    def _opened(self) -> "ClientSession":
        if self._session is None:
            import aiohttp

            times = aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_S, sock_read=self._config.limits.work_s + SPARE_S
            )
            # A kept connection may be closed by the other end just now: that would look like a lost replica.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=times,
                auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )  # fmt: skip
        return self._session


class ForwardedStream(StreamingResponse):
    """An answer in pieces. If its replica is lost, another one is asked, and says only what is left to say.

    Lines about pictures are the same from every replica. A text is not, to the last letter: one that has
    begun ends with an error.
    """

    def __init__(self, forwarder: Forwarder, asked: Asked, reply: ForwardedReply, held: ExitStack) -> None:
        super().__init__(self._pieces(), reply.status)
        self.raw_headers = _raw(reply.headers)
        self._forwarder, self._asked, self._reply, self._held = forwarder, asked, reply, held
        self._open: ForwardedReply | None = reply

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        with self._held:
            try:
                await super().__call__(scope, receive, send)
            finally:
                if self._open is not None:
                    await asyncio.shield(self._open.close())

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        said = 0
        while True:
            try:
                assert self._open is not None
                skip = said
                async for piece in self._open.pieces():
                    if skip:
                        skip -= 1
                        continue
                    yield piece
                    said += 1
                return
            except ReplicaLost:
                failure = await self._again(said)
            if failure is not None:
                yield self._error(failure, said)
                return

    async def _again(self, said: int) -> dict[str, Any] | None:
        """Asks another replica; gives the error that ends the answer if that is of no use."""
        assert self._open is not None
        await self._open.lost()
        self._open = None
        if said and self._reply.ends == STREAMS[_EVENTS]:
            return ApiError(503, "The replica was lost: ask again.", "replicas_lost").content
        try:
            reply = await self._forwarder.reply(self._asked)
        except ApiError as error:
            return while_streaming(error, self._forwarder.log).content
        if isinstance(reply, Response):
            content: dict[str, Any] = json.loads(bytes(reply.body))
            return content
        self._open = reply
        return None

    def _error(self, content: dict[str, Any], said: int) -> bytes:
        if self._reply.ends == STREAMS[_EVENTS]:
            return error_event(content).encode()
        return json.dumps({"object": "error", "index": said, **content}).encode() + b"\n"


async def _from(replica: Replica, work: Awaitable[_T]) -> _T:
    """What a replica sends.

    Raises:
        ReplicaLost: the connection broke.
        ApiError: 504; it sends nothing.
    """
    import aiohttp

    try:
        return await replica.unless_lost(work)
    except aiohttp.SocketTimeoutError:
        raise ApiError(504, "No answer in time: try again later.", "timeout") from None
    except (aiohttp.ClientError, OSError):
        raise ReplicaLost from None


def _sent_on(
    headers: Iterable[tuple[bytes, bytes]], more: frozenset[bytes] = frozenset()
) -> tuple[tuple[str, str], ...]:
    own = _OWN | more
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name.lower() not in own
    )


def _raw(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _response(reply: ForwardedReply, body: bytes) -> Response:
    response = Response(body, reply.status)
    kept = [pair for pair in response.raw_headers if pair[0] == b"content-length"]
    response.raw_headers = [*_raw(reply.headers), *kept]
    return response
