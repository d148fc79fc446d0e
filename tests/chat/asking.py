"""Models that ask the server on loopback without patience, and the key that must not leak."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from canary import CANARY
from chatserver import ChatServer, Fault
from waiting import HANG_S

from expllm.chat import Message, OpenAIChat, Prices, Reply
from expllm.chat.retries import Backoff

KEY_ENV = "EXPLLM_CANARY_KEY"

ASKED = (Message("system", "You read faces."), Message("user", "left brow lower: 0.3"))
QUICK = Backoff(base=0.005, cap=0.02, patience=5.0)


def asking(url: str, **options: Any) -> OpenAIChat:
    """A model at `url` that waits little and has no prices, unless told otherwise."""
    os.environ[KEY_ENV] = CANARY
    usual: dict[str, Any] = {"backoff": QUICK, "prices": Prices(), "timeout": HANG_S, "api_key_env": KEY_ENV}
    return OpenAIChat("gpt-4o", base_url=url, **(usual | options))


@asynccontextmanager
async def served(
    faults: Mapping[int, Fault] | None = None, server: ChatServer | None = None, **options: Any
) -> AsyncIterator[tuple[ChatServer, OpenAIChat]]:
    """A server that runs, and a model that asks it."""
    async with server or ChatServer(faults=faults) as running, asking(running.url, **options) as chat:
        yield running, chat


def play(scene: Callable[[], Awaitable[Any]], seconds: float = HANG_S) -> Any:
    """Runs a scene to its end; one that hangs fails."""

    async def timed() -> Any:
        async with asyncio.timeout(seconds):
            return await scene()

    return asyncio.run(timed())


def one_reply(
    faults: Mapping[int, Fault] | None = None, server: ChatServer | None = None, **options: Any
) -> tuple[Reply, ChatServer]:
    """Asks once; the reply, and the server that was asked."""

    async def scene() -> tuple[Reply, ChatServer]:
        async with served(faults, server, **options) as (running, chat):
            return await chat.ask(ASKED), running

    reply: tuple[Reply, ChatServer] = play(scene)
    return reply


def always(fault: Fault, times: int = 50) -> dict[int, Fault]:
    """Nothing but this fault."""
    return dict.fromkeys(range(times), fault)
