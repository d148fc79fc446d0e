"""Who may use a server: by the name it was called by, the page that asks, the key, and the rate."""

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from expllm.server.http_errors import ApiError, bad_request
from expllm.server.server_config import ServerConfig, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN: Final = ("/", "/docs", "/health/live", "/health/ready")
"""Paths that need no key: they tell nothing of anybody."""
OPEN_FOLDER: Final = "/page/"
"""What the page is made of needs none either."""
READS: Final = ("GET", "HEAD", "OPTIONS")
_REMEMBERED: Final = 10_000
"""Clients whose rate is known; beyond that those that came first are forgotten."""


class Access:
    """Refuses requests before anything of their body is read."""

    def __init__(self, app: "ASGIApp", config: ServerConfig) -> None:
        self._app, self._config = app, config
        named = () if is_loopback(config.host) else (config.host,)
        self._hosts = {"localhost", *named, *config.allowed_hosts}
        self._rate = None if config.rate is None else Rate(config.rate)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, Headers(scope=scope))
        except ApiError as refused:
            # Its body is not read, so the connection cannot be used again.
            response = refused.response
            response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: "Scope", headers: Headers) -> None:
        self._check_host(headers.getlist("host"))
        self._check_origin(scope["method"], headers)
        is_open = scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER)
        key = None if is_open else self._key(headers)
        if self._rate is not None and not is_open:
            client = scope.get("client") or ("",)
            self._rate.count(key or str(client[0]))

    def _check_host(self, given: list[str]) -> None:
        """A page that makes its own name point here sends that name: requests under it are refused."""
        host = _hostname(f"//{given[0]}") if len(given) == 1 else None
        if host is None or not (host in self._hosts or _is_address(host)):
            raise bad_request("The Host header names another server.", "Host", "unknown_host")

    def _check_origin(self, method: str, headers: Headers) -> None:
        """A page of another site may not make a visitor's browser use this server."""
        origin = headers.get("origin")
        if method in READS or origin is None or origin in self._config.cors:
            return
        if _place(origin) != headers["host"]:
            raise ApiError(403, "Pages of other sites may not send requests here.", "foreign_origin")

    def _key(self, headers: Headers) -> str | None:
        if not self._config.keys:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Every key is compared, so that the time tells nothing.
        fits = [
            hmac.compare_digest(given.strip().encode("utf-8", "replace"), key.encode())
            for key in self._config.keys
        ]
        if scheme.casefold() != "bearer" or not any(fits):
            raise ApiError(
                401,
                "The API key is missing or wrong: send it as 'Authorization: Bearer KEY'.",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return self._config.keys[fits.index(True)]


class Rate:
    """Requests of each client, as a bucket that fills up again: a minute's worth may come at once.

    Args:
        per_minute: Requests.
    """

    def __init__(self, per_minute: float) -> None:
        self._per_second, self._most = per_minute / 60, max(per_minute, 1.0)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, client: str, now: float | None = None) -> None:
        """Counts one request.

        Args:
            client: Its key or address.
            now: Monotonic seconds.

        Raises:
            ApiError: 429; it comes too early.
        """
        now = time.monotonic() if now is None else now
        left, then = self._clients.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._per_second)
        self._clients[client] = (left - 1 if left >= 1 else left, now)
        while len(self._clients) > _REMEMBERED:
            self._clients.popitem(last=False)
        if left < 1:
            headers: Mapping[str, str] = {"Retry-After": str(int((1 - left) / self._per_second) + 1)}
            raise ApiError(
                429, "Too many requests: wait and try again.", "rate_limit_exceeded", headers=headers
            )


def _place(origin: str) -> str | None:
    """Host and port of an origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
