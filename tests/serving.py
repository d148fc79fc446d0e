"""The server of `chatserver` beside code that runs a loop of its own, such as the command line."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chatserver import Answer, ChatServer
from waiting import HANG_S

Kind = TypeVar("Kind", bound=ChatServer)


@contextmanager
def served(answer: Answer, **given: Any) -> Iterator[ChatServer]:
    """The server, on a loop of its own in another thread."""
    with running(ChatServer(answer, **given)) as server:
        yield server


@contextmanager
def running(server: Kind) -> Iterator[Kind]:
    """A server of any kind, likewise."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(HANG_S)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(HANG_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HANG_S)
        loop.close()
