"""One POST with aiohttp: bytes out, bytes in, bounded in time and size. What fails comes back as a value.

Errors of aiohttp are never passed on: some hold the request's headers, and so the key.
"""

import asyncio
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expllm.chat.address import Address

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

CONNECT: Final = 10.0
"""Seconds until a connection must stand."""

KEEP: Final = 4.0
"""Seconds that an idle connection is kept: less than uvicorn's 5, which would close it under a request."""


_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True)
class HttpReply:
    """A whole HTTP reply; names in `headers` do not mind the case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class TransportError:
    """No whole HTTP reply.

    Attributes:
        reason: `timeout`, `stalled`, `reset`, `unreachable` (no connection), `bad-http`, `too-long`.
        detail: More words on it, for a person.
    """

    reason: str
    detail: str = ""


class Transport:
    """A pool of connections to one endpoint; it opens in the event loop that uses it.

    Args:
        address: Where to.
        timeout: Seconds for a whole exchange.
        between_bytes: Seconds without a byte, once the reply has begun.
        most_bytes: The longest reply body; what is longer is cut and dropped.
    """

    def __init__(self, address: Address, *, timeout: float, between_bytes: float, most_bytes: int) -> None:
        self._address = address
        self._timeout = timeout
        self._between_bytes = between_bytes
        self._most_bytes = most_bytes
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: str | None = None

    def _open(self, loop: asyncio.AbstractEventLoop) -> "ClientSession":
        import aiohttp

        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # no decompression: neither its time nor its bombs
            "Content-Type": "application/json",
            "User-Agent": "expllm",
        }
        if self._address.authorization:
            headers[self._address.key_header] = self._address.authorization.reveal()
        self._proxy = self._address.proxy()
        self._loop = loop
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
            auto_decompress=False,
        )
        return self._session

    async def post(self, body: bytes, call: str) -> HttpReply | TransportError:
        """Sends `body`; `call` names the request in a header, for the server's log."""
        return await self._exchange(
            "POST", self._address.url, data=body, headers={"X-Client-Request-Id": call}
        )

    async def models(self) -> HttpReply | TransportError:
        """Asks for the list of models."""
        return await self._exchange("GET", self._address.models_url)

    async def send(
        self, method: str, url: str, body: bytes | None = None, kind: str | None = None
    ) -> HttpReply | TransportError:
        """Sends a request of any kind.

        Args:
            kind: The body's content type; None: JSON.
        """
        headers = {"Content-Type": kind} if kind else {}
        return await self._exchange(method, url, data=body, headers=headers)

    async def _exchange(self, method: str, url: str, **request: Any) -> HttpReply | TransportError:
        import aiohttp
        import yarl

        loop = asyncio.get_running_loop()
        session = self._session
        if session is None or self._loop is not loop:  # a session belongs to the loop that it was opened in
            session = self._open(loop)
        response: ClientResponse | None = None
        end = loop.time() + self._timeout
        try:
            async with asyncio.timeout_at(end) as clock:
                response = await session.request(
                    method, yarl.URL(url), allow_redirects=False, proxy=self._proxy, **request
                )
                return await self._read(response, clock, end)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ServerTimeoutError):
                return TransportError("unreachable", "no connection in time")
            return TransportError("timeout" if loop.time() >= end else "stalled")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _broken(error)
        finally:
            if response is not None:
                response.close() if not response.content.at_eof() else response.release()

    async def _read(
        self, response: "ClientResponse", clock: asyncio.Timeout, end: float
    ) -> HttpReply | TransportError:
        content = response.content
        body = await content.readany() if content.is_eof() else b""
        if not content.at_eof():
            body = await self._read_on(response, clock, end, body)
        if body.startswith(_GZIP) and len(body) <= self._most_bytes:
            body = _unpacked(body, self._most_bytes)
        if len(body) > self._most_bytes:
            return TransportError("too-long", f"over {self._most_bytes} bytes")
        return HttpReply(response.status, response.headers, body)

    async def _read_on(
        self, response: "ClientResponse", clock: asyncio.Timeout, end: float, start: bytes
    ) -> bytes:
        """Reads what has not arrived yet, at most one piece more than is allowed."""
        time = asyncio.get_running_loop().time
        pieces, size = [start], len(start)
        while size <= self._most_bytes:
            clock.reschedule(min(end, time() + self._between_bytes))
            piece = await response.content.readany()
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _unpacked(body: bytes, most: int) -> bytes:
    """What a gateway has packed although it was asked not to: at most one byte more than is allowed."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, most + 1)
    except zlib.error:
        return body


def _broken(error: Exception) -> TransportError:
    """What an exception means, without any of its text that may hold headers."""
    import aiohttp

    if isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ClientSSLError | aiohttp.ClientHttpProxyError
    ):
        return TransportError("unreachable", _no_connection(error))
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | OSError):
        return TransportError("reset")
    return TransportError("bad-http")


def _no_connection(error: Exception) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not speak TLS; http:// may be meant"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answers with HTTP {error.status}"
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    return os.strerror(number).lower() if number else "no connection"
