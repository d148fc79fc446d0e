"""Slow clients are closed in time, and others are served meanwhile. uvicorn alone waits for ever."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from serving_expllm import portrait, running
from waiting import HANG_S

from expllm.server.server_config import ServerLimits

QUICK = ServerLimits(head_s=1.0, stall_s=1.0, body_s=2.0, write_s=1.0)
"""A tenth of what is served with; the mechanism is the same."""


def silent(connection: socket.socket) -> None:
    """Says nothing."""


def stalled_head(connection: socket.socket) -> None:
    connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localh")


def dripping_head(connection: socket.socket) -> None:
    for byte in b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 200:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def stalled_body(connection: socket.socket) -> None:
    connection.sendall(b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx")


def dripping_body_of_a_get(connection: socket.socket) -> None:
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n")
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.1)


def stalled_second_head(connection: socket.socket) -> None:
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")


SLOW = (silent, stalled_head, dripping_head, stalled_body, dripping_body_of_a_get, stalled_second_head)


def closed_after(connection: socket.socket, behave: Callable[[socket.socket], None]) -> float:
    """Seconds until the server closes."""
    began = time.monotonic()

    def act() -> None:
        with suppress(OSError):  # it is closed
            behave(connection)

    threading.Thread(target=act, daemon=True).start()
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return time.monotonic() - began


def test_slow_clients_are_closed_and_others_are_served() -> None:
    with running(limits=QUICK) as server:
        seconds: dict[str, float] = {}

        def run(behave: Callable[[socket.socket], None]) -> None:
            with server.connection() as connection:
                seconds[behave.__name__] = closed_after(connection, behave)

        threads = [threading.Thread(target=run, args=(behave,)) for behave in SLOW]
        for thread in threads:
            thread.start()
        assert server.analyze(portrait()).status == 200
        for thread in threads:
            thread.join(HANG_S)
        assert set(seconds) == {behave.__name__ for behave in SLOW}
        assert max(seconds.values()) < HANG_S / 2
        assert server.ask("GET", "/health/ready").status == 200
        assert server.log == []


def test_a_client_that_reads_nothing_is_cut_off() -> None:
    with running(limits=QUICK) as server:
        with server.connection() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
            with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
                connection.sendall(ask * 100_000)
        assert server.ask("GET", "/health/ready").status == 200


def test_the_limits_that_are_served_with_end_within_twelve_seconds() -> None:
    served = ServerLimits()
    assert served.head_s <= 12
    assert served.stall_s <= 12
