"""Downloads against real servers on loopback, and the rule that production never lets one through."""

import ipaddress
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from corpus import corpus
from waiting import HANG_S

from expllm.core.errors import ImageError
from expllm.files import download as module
from expllm.files.download import fetch_url, is_public, without_login
from expllm.files.images import ImageLimits, open_image

PICTURE = corpus()["jpeg.jpg"].data
Answer = Callable[[socket.socket, str, str], None]  # writes to the socket; path and head of the request


def response(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server whose every connection is handled by `answer`; gives its port on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handle(client: socket.socket) -> None:
            with suppress(OSError), client:
                wire = tls.wrap_socket(client, server_side=True) if tls else client
                head = b""
                while b"\r\n\r\n" not in head and (piece := wire.recv(4096)):
                    head += piece
                answer(wire, head.decode().split(" ")[1], head.decode())
                wire.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    threading.Thread(target=handle, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def always(data: bytes) -> Answer:
    return lambda wire, _path, _head: wire.sendall(data)


def download(
    port: int, path: str = "/a.jpg", *, host: str = "pictures.example", seconds: float = HANG_S
) -> bytes:
    """Fetch from the loopback server under a public-looking name."""
    url = f"http://{host}:{port}{path}"
    return fetch_url(url, 100_000, seconds, 3, _allow=lambda _: True, _resolve=lambda *_: ["127.0.0.1"])


def test_a_picture_is_downloaded_with_plain_headers() -> None:
    seen: list[str] = []

    def answer(wire: socket.socket, path: str, head: str) -> None:
        seen.extend([path, head])
        wire.sendall(response(PICTURE, "Content-Type: text/plain"))  # the type is not believed, the bytes are

    with serving(answer) as port:
        assert download(port, "/ä b.jpg".replace(" ", "%20") + "?size=2&x=ü#part") == PICTURE
        assert f"Host: pictures.example:{port}\r\n" in seen[1]
    assert seen[0] == "/%C3%A4%20b.jpg?size=2&x=%C3%BC"
    assert "Cookie" not in seen[1]


def test_open_image_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_public", lambda _: True)
    with serving(always(response(PICTURE))) as port:
        url = f"http://127.0.0.1:{port}/a.jpg"
        picture = open_image(url, allow_url=True)
        assert (picture.name, picture.pixels.shape) == (url, (32, 48, 3))
    page = always(response(b"<html>no</html>", "Content-Type: image/jpeg"))
    with serving(page) as port, pytest.raises(ImageError, match="web page"):
        open_image(f"http://127.0.0.1:{port}/a.jpg", allow_url=True)


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(always(response(PICTURE))) as port:
        assert download(port) == PICTURE


def test_redirects_are_followed_and_counted() -> None:
    def answer(wire: socket.socket, path: str, _head: str) -> None:
        left = int(path[1:])
        where = f"Location: /{left - 1}"
        wire.sendall(response(b"", where, status="302 Found") if left else response(PICTURE))

    with serving(answer) as port:
        assert download(port, "/3") == PICTURE
        with pytest.raises(ImageError, match="more than 3 redirects"):
            download(port, "/4")


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://inside.example/", "not on the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("//[::1]/", "not on the public internet"),
        ("file:///etc/passwd", "only http and https are opened, not file"),
        ("ftp://pictures.example/", "only http and https are opened, not ftp"),
        ("http://me:pw@pictures.example/", "URLs with a user name"),
        ("http://pictures.example:x/", "not a valid URL"),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(location: str, says: str) -> None:
    names = {"pictures.example": "93.184.215.14", "inside.example": "10.0.0.7"}
    first_is_public: list[str] = []

    def allow(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        if str(address) == "127.0.0.1" and not first_is_public:
            first_is_public.append("used")  # the loopback server stands for a public one, once
            return True
        return is_public(address)

    def resolve(host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if host == "start.example" else [names.get(host, host)]

    with serving(always(response(b"", f"Location: {location}", status="301 Moved"))) as port:
        with pytest.raises(ImageError, match=says) as caught:
            fetch_url(f"http://start.example:{port}/", 1000, HANG_S, 3, _allow=allow, _resolve=resolve)
        assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    """localhost 127.0.0.1 127.1 0x7f000001 2130706433 0177.0.0.1 0 0.0.0.0 [::1] [::] 169.254.169.254
    10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255 [::ffff:127.0.0.1] [::ffff:8.8.8.8] [fe80::1] [fc00::1] [fec0::1] [ff02::1] [2001:db8::1]
    [64:ff9b::7f00:1] [64:ff9b::a00:1] [2002:7f00:1::] [2001::1] [::127.0.0.1]""".split(),
)
def test_production_refuses_everything_that_is_not_public(host: str) -> None:
    with pytest.raises(ImageError, match="not on the public internet"):
        fetch_url(f"http://{host}/a.jpg", 1000, HANG_S, 3)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(ImageError, match="not on the public internet"):
        fetch_url("http://mixed.example/", 1000, HANG_S, 3, _resolve=lambda *_: ["8.8.8.8", "127.0.0.1"])


def test_the_checked_address_is_the_one_connected_to() -> None:
    asked: list[str] = []

    def changing(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with serving(always(response(PICTURE))) as port:
        url = f"http://rebinding.example:{port}/"
        assert fetch_url(url, 100_000, HANG_S, 3, _allow=lambda _: True, _resolve=changing) == PICTURE
    assert asked == ["rebinding.example"]


def test_the_next_address_is_tried_when_one_is_dead() -> None:
    with serving(always(response(PICTURE))) as port:
        both = ["127.0.0.2", "127.0.0.1"]  # nothing listens on the first
        url = f"http://two.example:{port}/"
        assert fetch_url(url, 100_000, HANG_S, 3, _allow=lambda _: True, _resolve=lambda *_: both) == PICTURE


def test_sizes() -> None:
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"

    def endless(wire: socket.socket, _path: str, _head: str) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.sendall(chunk)

    def unannounced(wire: socket.socket, _path: str, _head: str) -> None:
        wire.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            wire.sendall(bytes(0x8000))

    for answer in (endless, unannounced, always(response(b"x", length=10**12))):
        with serving(answer) as port, pytest.raises(ImageError, match="too large: more than 100,000 bytes"):
            download(port)


def test_chunked_and_truncated_bodies() -> None:
    pieces = [PICTURE[:100], PICTURE[100:]]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(always(head + chunked + b"0\r\n\r\n")) as port:
        assert download(port) == PICTURE
    with (
        serving(always(head + chunked[:-50])) as port,
        pytest.raises(ImageError, match="cannot be downloaded"),
    ):
        download(port)
    short = always(response(PICTURE, length=len(PICTURE) + 9))
    with serving(short) as port, pytest.raises(ImageError, match="cut short"):
        download(port)


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
@pytest.mark.parametrize("drip", [b"a", b""])
def test_a_slow_server_is_cut_off_at_the_deadline(start: bytes, drip: bytes) -> None:
    over = threading.Event()

    def slowly(wire: socket.socket, _path: str, _head: str) -> None:
        """Never ends by itself: who comes back from it has given up."""
        wire.sendall(start)
        while not over.wait(0.03):
            wire.sendall(drip)

    with serving(slowly) as port, pytest.raises(ImageError, match=r"no picture within 0.3 s"):
        download(port, seconds=0.3)
    over.set()


def test_a_slow_resolver_is_cut_off_as_well() -> None:
    over = threading.Event()

    def slow(_host: str, _port: int) -> list[str]:
        over.wait()
        return ["8.8.8.8"]

    with pytest.raises(ImageError, match="no picture within"):
        fetch_url("http://slow.example/", 1000, 0.2, 3, _resolve=slow)
    over.set()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (response(b"no", status="404 Not Found"), "the server answers 404 Not Found"),
        (response(b"", status="302 Found"), "the server answers 302 Found"),
        (b"", "cannot be downloaded"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be downloaded"),
        (
            b"HTTP/1.1 200 \x1b[31m\r\nContent-Length: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            "cannot be downloaded",
        ),
        (response(b"", status="500 \x1b[31mred"), r"500 \\x1b\[31mred"),
    ],
)
def test_other_answers(data: bytes, says: str) -> None:
    with serving(always(data)) as port, pytest.raises(ImageError, match=says) as caught:
        download(port)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://", "not a valid URL"),
        ("http://[::1/", "not a valid URL"),
        ("http://a b/", "not a valid URL|resolved"),
        ("http://example.org/a\r\nHost: evil", "not a valid URL"),
        ("http://example.org\\@10.0.0.1/", "not a valid URL|user name"),
        ("http://example.org:99999/", "not a valid URL"),
        ("http://" + "a" * 70 + ".org/", "not a valid URL"),
        ("http://me:secret@example.org/", "user name"),
        ("http://me:sec/ret@example.org/", "not a valid URL"),
        ("gopher://example.org/", "only http and https"),
    ],
)
def test_bad_urls(url: str, says: str) -> None:
    with pytest.raises(ImageError, match=says) as caught:
        fetch_url(url, 1000, HANG_S, 3, _resolve=lambda *_: ["10.0.0.1"])
    assert "sec" not in str(caught.value)
    assert "ret" not in str(caught.value)


def test_unknown_host_and_closed_port() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ImageError, match=r"cannot be resolved \(Name or service not known\)"):
        fetch_url("http://nowhere.example/", 1000, HANG_S, 3, _resolve=unknown)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ImageError, match="Connection refused"):
        download(port)


def test_shown_urls() -> None:
    assert without_login("https://a:b@c.org/d?e#f") == "https://c.org/d?e#f"
    assert without_login("https://c.org/@d/e.jpg") == "https://c.org/@d/e.jpg"
    assert without_login("https://a:b/c@d.org/") == "https://…"


def test_https_checks_the_certificate_against_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    options = [
        "-addext",
        "subjectAltName=DNS:pictures.example",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    try:
        subprocess.run([*command.split(), *options], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs the openssl command to make a certificate")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(always(response(PICTURE)), server) as port:

        def get(host: str) -> bytes:
            url = f"https://{host}:{port}/"
            return fetch_url(
                url, 100_000, HANG_S, 3, _allow=lambda _: True, _resolve=lambda *_: ["127.0.0.1"]
            )

        assert get("pictures.example") == PICTURE
        with pytest.raises(ImageError, match=r"(?i)certificate.verify.failed"):
            get("other.example")


def test_a_silent_tls_handshake_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and never says a word
        url = f"https://mute.example:{listener.getsockname()[1]}/"
        with pytest.raises(ImageError, match="no picture within"):
            fetch_url(url, 1000, 0.3, 3, _allow=lambda _: True, _resolve=lambda *_: ["127.0.0.1"])


def test_limits_reach_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_public", lambda _: True)
    with serving(always(response(PICTURE))) as port, pytest.raises(ImageError, match="more than 10 bytes"):
        open_image(f"http://127.0.0.1:{port}/", allow_url=True, limits=ImageLimits(max_bytes=10))
