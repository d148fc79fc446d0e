"""HTTP as no well-behaved server speaks it: raw bytes on a socket, and where requests go."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from asking import ASKED, KEY_ENV, asking, play
from canary import CANARY
from chatserver import ChatServer
from waiting import HANG_S

from expllm.chat import ChatFailed, OpenAIChat, Unreachable
from expllm.chat.address import Address

JOY = json.dumps({"choices": [{"message": {"content": "joy"}}]}).encode()
NO_HTTP = "the server does not speak HTTP"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def raw(chunks: list[bytes], pause: float, options: dict[str, Any]) -> str:
    """What comes of asking a server that sends these bytes and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}/v1", max_attempts=1, **options) as chat:
            try:
                return (await chat.ask(ASKED)).text
            except ChatFailed as failed:
                return failed.reason
            except Unreachable as unreachable:
                return unreachable.line


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([HEAD + b"Content-Length: %d\r\n\r\n" % len(JOY), JOY], "joy"),
        ([HEAD + b"\r\n", JOY], "joy"),  # ended by closing
        ([b"HTTP/1.0 200 OK\r\n\r\n", JOY], "joy"),  # no content type at all
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(JOY), JOY)], "joy"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n" + JOY[:5]], "reset"),
        ([HEAD + b"Content-Length: 999\r\n\r\n", JOY], "reset"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"], NO_HTTP),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], NO_HTTP),
        ([b"\x15\x03\x01\x00\x02\x02\x16"], NO_HTTP),
        ([b""], "reset"),
        ([b"HTTP/1.1 200"], "reset"),
        ([HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"[" * 10**7)], "too-long"),
        ([HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(JOY)], "joy"),
        ([HEAD + b"\r\n", gzip.compress(JOY)[:-9]], "joy"),
        ([HEAD + b"\r\n", b"\x1f\x8b and no more"], "bad-json"),
    ],
)
def test_raw_bytes(chunks: list[bytes], expected: str) -> None:
    assert expected in play(lambda: raw(chunks, 0.0, {}))


def test_bytes_that_come_slowly_are_waited_for() -> None:
    pieces = [
        HEAD + b"Content-Length: %d\r\n\r\n" % len(JOY),
        *(JOY[n : n + 9] for n in range(0, len(JOY), 9)),
    ]
    assert play(lambda: raw(pieces, 0.03, {"between_bytes": HANG_S})) == "joy"
    assert play(lambda: raw(pieces, 0.2, {"between_bytes": 0.05})) == "stalled"


def test_a_redirect_does_not_carry_the_key_away() -> None:
    async def scene() -> list[str]:
        async with ChatServer() as other:
            location = f"Location: {other.url}/chat/completions\r\n".encode()
            for status in (b"301", b"302", b"307", b"308"):
                head = b"HTTP/1.1 " + status + b" Moved\r\n" + location + b"Content-Length: 0\r\n\r\n"
                assert "not as a chat endpoint" in await raw([head], 0.0, {})
            return [seen.call for seen in other.seen]

    assert play(scene) == []


def test_a_closed_model_can_be_asked_again() -> None:
    async def scene() -> None:
        async with ChatServer() as server, asking(server.url) as chat:
            await chat.ask(ASKED)
            await chat.close()
            assert (await chat.ask(ASKED)).text == "happiness"

    play(scene)


def test_a_model_outlives_its_event_loop() -> None:
    chats: list[tuple[OpenAIChat, int]] = []

    async def scene() -> str:
        async with ChatServer(port=chats[0][1] if chats else 0) as server:
            if not chats:
                chats.append((asking(server.url), server.port))
            return (await chats[0][0].ask(ASKED)).text

    assert [play(scene), play(scene)] == ["happiness", "happiness"]


# Addresses


@pytest.mark.parametrize(
    ("base_url", "url", "shown"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        (
            "http://localhost:8000/v1/",
            "http://localhost:8000/v1/chat/completions",
            "http://localhost:8000/v1",
        ),
        ("http://[::1]:80", "http://[::1]:80/chat/completions", "http://[::1]:80"),
        ("https://a.b/v1/chat/completions", "https://a.b/v1/chat/completions", "https://a.b/v1"),
        (
            "https://a.b/d?api-version=1&key=s3",
            "https://a.b/d/chat/completions?api-version=1&key=s3",
            "https://a.b/d",
        ),
        ("https://me:s3@a.b/v1", "https://a.b/v1/chat/completions", "https://a.b/v1"),
    ],
)
def test_where_requests_go_and_what_is_shown(base_url: str, url: str, shown: str) -> None:
    address = Address.of(base_url, "EXPLLM_NO_SUCH_KEY")
    assert (address.url, address.shown) == (url, shown)
    assert "s3" not in repr(address)


def test_credentials_in_the_address_are_sent_but_not_shown() -> None:
    async def scene() -> None:
        async with ChatServer() as server, asking(server.url.replace("//", "//me:p%40ss@")) as chat:
            await chat.ask(ASKED)
            assert server.seen[0].headers["Authorization"] == "Basic bWU6cEBzcw=="
            assert "p@ss" not in repr(chat)
            said = chat._address.scrub(f"p@ss, p%40ss, bWU6cEBzcw== and {CANARY} at /v1?key=s3cret")
            assert said == "***, ***, *** and *** at /v1?key=s3cret"

    play(scene)


def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, CANARY)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert Address.of("https://outside.example/v1", KEY_ENV).proxy() == "http://proxy:3128"
    assert Address.of("https://inside.example/v1", KEY_ENV).proxy() is None
    assert Address.of("https://127.0.0.1/v1", KEY_ENV).proxy() is None
