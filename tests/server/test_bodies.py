"""Bodies: their size, by head and while they come; how long they may take; and nothing on disk."""

import socket
import time
from collections.abc import Iterator

import pytest
from serving_expllm import Running, running

from expllm.server.server_config import ServerLimits

SMALL = ServerLimits(body_bytes=100_000, stall_s=0.5, body_s=1.2)
HEAD = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def small() -> Iterator[Running]:
    with running(limits=SMALL) as server:
        yield server


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    read = b""
    while piece := connection.recv(65536):
        read += piece
    return read


def test_a_body_that_says_it_is_too_large_is_not_read(small: Running) -> None:
    with small.connection() as connection:
        connection.sendall(HEAD + b"Content-Length: 100001\r\n\r\n")
        assert b"413" in rest(connection).splitlines()[0]


def test_a_body_that_does_not_say_is_read_to_the_limit(small: Running) -> None:
    with small.connection() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        connection.sendall(chunk * 20)  # no end follows
        assert b" 413 " in rest(connection).splitlines()[0]
    assert small.ask("GET", "/health/ready").status == 200


def test_the_answer_to_a_body_too_large_has_the_shape_of_all_errors(small: Running) -> None:
    answer = small.analyze(b"x" * 100_001)
    assert answer.status == 413
    assert answer.error["code"] == "body_too_large"
    assert "100,000" in answer.error["message"]
    assert answer.headers["connection"] == "close"


def test_a_client_that_still_sends_gets_its_answer() -> None:
    """Closed at once, the connection would break under its hands."""
    with running(keys=("sk",), limits=ServerLimits(body_bytes=1_000_000)) as server:
        for data, status in ((b"x" * 30_000_000, 413), (b"x" * 900_000, 401)):
            answer = server.analyze(data)
            assert answer.status == status
            assert answer.headers["connection"] == "close"


def test_a_body_that_stalls_or_drips_is_answered_and_closed(small: Running) -> None:
    with small.connection() as stalled, small.connection() as dripping:
        stalled.sendall(HEAD + b"Content-Length: 1000\r\n\r\nxxx")
        dripping.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        dripping.settimeout(0.3)
        said = b""
        for _ in range(40):
            try:
                dripping.sendall(b"x")
                said = dripping.recv(65536)
            except TimeoutError:
                continue
            break
        assert b" 408 " in said.splitlines()[0]
        assert b" 408 " in rest(stalled).splitlines()[0]
    assert small.ask("GET", "/health/ready").status == 200


def test_all_bodies_together_are_limited() -> None:
    """A thousand clients that have not sent their last byte would fill the memory."""
    with running(limits=ServerLimits(body_bytes=100_000, held_bytes=150_000, stall_s=0.5)) as server:
        with server.connection() as first:
            first.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 90_000)
            time.sleep(0.2)
            assert server.analyze(b"x" * 90_000).status == 503
            rest(first)
        assert server.analyze(b"x" * 90_000).status == 422


def test_what_follows_an_unread_body_is_no_request(small: Running) -> None:
    """Else the end of a refused body could ask in another's name."""
    smuggled = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with small.connection() as connection:
        connection.sendall(HEAD + b"Content-Length: 100001\r\n\r\n" + smuggled)
        time.sleep(0.1)
        assert rest(connection).count(b"HTTP/1.1") == 1


def test_garbage_is_answered_in_the_one_shape(small: Running) -> None:
    with small.connection() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400")
    assert b'"code": "invalid_http"' in said
