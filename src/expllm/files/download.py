"""Download one picture from the public internet, and from nowhere else.

A URL that somebody else wrote may point at this machine, its network or a cloud's metadata service.
So every address of a host must be public, the connection goes to an address that was checked (a name
that resolves differently a moment later changes nothing), and each redirect is checked again.
Proxies of the environment are not used: they would connect for us, unchecked.
"""

import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from expllm.core.errors import ImageError, one_line

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address seen from an IPv6-only network
_6TO4 = ipaddress.IPv6Network("2002::/16")  # holds an IPv4 address too, and is in use nowhere
_IPV6_INTERNET = ipaddress.IPv6Network("2000::/3")
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:=&~+!$,;'@()*?[]"  # stays as it is in a path or query; `%`: it may be quoted already


def without_login(url: str) -> str:
    """`url` as it may be shown: without the user name and password that it may carry.

    >>> without_login("https://me:secret@example.org/a.jpg?size=2")
    'https://example.org/a.jpg?size=2'
    """
    shown = re.sub(r"^([^:/?#]*://)[^/?#]*@", r"\1", url)
    try:
        urlsplit(shown).port  # noqa: B018 - raises where a slash in a password leaves half of it behind
    except ValueError:
        return shown.partition(":")[0] + "://…"
    return shown


def is_public(address: IPAddress) -> bool:
    """Whether `address` belongs to the public internet: not private, loopback, link-local, shared, ..."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _IPV6_INTERNET or address in _6TO4:  # IPv4-mapped ones are outside it as well
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def resolve(host: str, port: int) -> list[str]:
    """Every address that the system's resolver knows for `host`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def fetch_url(
    url: str,
    max_bytes: int,
    timeout_s: float,
    max_redirects: int,
    *,
    _allow: Callable[[IPAddress], bool] | None = None,
    _resolve: Resolver | None = None,
) -> bytes:
    """The body that `url` answers with, after at most `max_redirects` redirects.

    Args:
        url: http or https, without user name.
        max_bytes: the longest body that is accepted.
        timeout_s: seconds for everything together: names, connections, redirects, body.
        max_redirects: how many redirects are followed.
        _allow: replaces the rule for addresses; only tests, which serve on loopback, may.
        _resolve: replaces the resolver; only tests may.

    Raises:
        ImageError: for whatever goes wrong, naming `url` without its login.
    """
    trip = _Trip(without_login(url), time.monotonic() + timeout_s, timeout_s, max_bytes)
    trip.allow, trip.resolve = _allow or is_public, _resolve or resolve
    try:
        for _ in range(max_redirects + 1):
            answer = trip.get(url)
            if isinstance(answer, bytes):
                return answer
            url = answer
    except (OSError, http.client.HTTPException, ValueError) as error:  # ssl.SSLError is an OSError
        if trip.left() <= 0:
            raise trip.error(f"no picture within {timeout_s:g} s: try again") from error
        raise trip.error(f"cannot be downloaded ({_reason(error)})") from error
    raise trip.error(f"more than {max_redirects} redirects: give the final address")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return one_line(text)[:200]


class _Trip:
    """One download: its deadline, its limits and the host it talks to now."""

    allow: Callable[[IPAddress], bool]
    resolve: Resolver

    def __init__(self, shown: str, deadline: float, timeout_s: float, max_bytes: int) -> None:
        self.shown, self.deadline, self.timeout_s, self.max_bytes = shown, deadline, timeout_s, max_bytes

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def error(self, text: str) -> ImageError:
        return ImageError(f"{one_line(self.shown)[:300]}: {text}")

    def get(self, url: str) -> bytes | str:
        """The body of `url`, or the URL that it redirects to."""
        parts, host, port = self._parse(url)
        path = quote(parts.path or "/", safe=_SAFE)
        if parts.query:
            path += "?" + quote(parts.query, safe=_SAFE)
        connection = _Pinned(host, port, self._addresses(host, port), self, tls=parts.scheme == "https")
        watchdog = threading.Timer(max(self.left(), 0.0) + 0.01, connection.cut)
        watchdog.daemon = True
        watchdog.start()  # a socket's own timeout restarts with every byte that a slow server drips
        try:
            headers = {"User-Agent": "expllm", "Accept": "image/*", "Accept-Encoding": "identity"}
            connection.request("GET", path, headers=headers | {"Connection": "close"})
            with connection.getresponse() as response:
                if response.status in _REDIRECTS and (location := response.getheader("Location")):
                    return urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace"))
                if response.status != 200:
                    raise self.error(f"the server answers {response.status} {one_line(response.reason)[:60]}")
                return self._body(response)
        finally:
            watchdog.cancel()
            connection.close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        too_large = f"too large: more than {self.max_bytes:,} bytes"
        if (response.length or 0) > self.max_bytes:
            raise self.error(too_large)
        body = bytearray()
        while piece := response.read(65536):
            body += piece
            if len(body) > self.max_bytes:
                raise self.error(too_large)
        if self.left() <= 0:
            raise TimeoutError
        if response.length:  # http.client does not complain when a sized read comes back short
            raise self.error("cut short: the server sent less than it announced; try again")
        return bytes(body)

    def _parse(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
            host = parts.hostname or ""
            host = host if ":" in host else host.encode("idna").decode("ascii")
        except ValueError:  # whose message may quote the login
            raise self.error("is not a valid URL") from None
        if not port or parts.scheme not in _PORTS:
            raise self.error(f"only http and https are opened, not {one_line(parts.scheme)[:20] or 'this'}")
        if "@" in parts.netloc:
            raise self.error("URLs with a user name are not opened: download it yourself")
        if not host or re.search(r"[\x00-\x20\x7f\\]", url):
            raise self.error("is not a valid URL")
        return parts, host, port

    def _addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, all of them allowed: one bad among good ones is an attack."""
        answers: queue.Queue[list[str] | Exception] = queue.Queue()

        def ask() -> None:
            try:
                answers.put(self.resolve(host, port))
            except Exception as error:
                answers.put(error)

        # getaddrinfo knows no timeout, so it may outlive us in a thread that nobody waits for
        threading.Thread(target=ask, daemon=True).start()
        try:
            found = answers.get(timeout=max(self.left(), 0.0))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(found, Exception):
            raise self.error(f"the host name cannot be resolved ({_reason(found)})")
        addresses = [ipaddress.ip_address(text) for text in found]
        if not addresses or not all(self.allow(address) for address in addresses):
            raise self.error("its host is not on the public internet, so it is not opened")
        return [str(address) for address in addresses]


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were checked; the name serves Host, SNI and the certificate only."""

    def __init__(self, host: str, port: int, addresses: list[str], trip: _Trip, *, tls: bool) -> None:
        super().__init__(host, port)
        self.default_port = _PORTS["https" if tls else "http"]  # which the Host header leaves out
        self._addresses, self._trip, self._tls = addresses, trip, tls
        self._live: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers, and speak TLS if the URL says so."""
        self.sock = self._live = self._dial()
        if self._tls:
            context = ssl.create_default_context()
            # the handshake comes after `_live` is set, so that the watchdog can end it
            tls = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self._live = tls
            tls.do_handshake()
        if self._trip.left() <= 0:
            raise TimeoutError

    def cut(self) -> None:
        """End the connection from another thread: whoever reads from it sees the end of the stream."""
        if self._live is not None:
            with suppress(OSError):  # closed in the meantime
                socket.socket.shutdown(self._live, socket.SHUT_RDWR)  # SSLSocket's own would race its reader

    def _dial(self) -> socket.socket:
        failure: OSError = TimeoutError()
        for tried, address in enumerate(self._addresses):
            # a share each, so that a dead address leaves time for the others
            share = self._trip.left() / (len(self._addresses) - tried)
            if share <= 0:
                raise TimeoutError
            try:
                connected = socket.create_connection((address, self.port), timeout=share)
            except OSError as error:
                failure = error
            else:
                connected.settimeout(max(self._trip.left(), 0.01))
                return connected
        raise failure
