"""OpenAIChat against a real server: how long it waits, and how much it asks at one time."""

import asyncio
import json
import time
from itertools import pairwise

import pytest
from asking import ASKED, always, one_reply, play, served
from chatserver import ChatServer, Fault, by_chance

from expllm.chat import (
    ChatFailed,
)


@pytest.mark.parametrize("fault", [Fault.TOO_MANY_SECONDS, Fault.UNAVAILABLE_SECONDS])
def test_retry_after_in_seconds_is_never_undercut(fault: Fault) -> None:
    server = ChatServer(faults={0: fault, 1: fault}, retry_after=0.15)
    reply, _ = one_reply(server=server)
    assert reply.attempts == 3
    assert server.undercut() == []
    assert [later.at - seen.at >= 0.15 for seen, later in pairwise(server.seen)] == [True, True]


def test_retry_after_as_a_date_is_never_undercut() -> None:
    server = ChatServer(faults={0: Fault.TOO_MANY_DATE}, retry_after=0.3)
    reply, _ = one_reply(server=server)
    assert reply.attempts == 2
    assert server.undercut() == []
    assert server.seen[1].at >= (server.seen[0].not_before or 1e12)


def test_the_server_s_check_can_fail() -> None:
    server = ChatServer(faults={0: Fault.TOO_MANY_SECONDS}, retry_after=0.15)

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            body = json.dumps(chat.payload(ASKED)).encode()
            for _ in range(2):
                await chat._transport.post(body, "same-1")

    play(scene)
    assert len(server.undercut()) == 1


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for() -> None:
    server = ChatServer(faults=always(Fault.TOO_MANY_SECONDS), retry_after=3600.0)

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            with pytest.raises(ChatFailed) as caught:
                await chat.ask(ASKED)
            assert caught.value.reason == "retry-after"

    play(scene)
    assert len(server.seen) == 1


def test_overload_lowers_the_concurrency_and_good_replies_raise_it() -> None:
    faults = by_chance(1.0, (Fault.TOO_MANY,))
    server = ChatServer(faults=lambda number: faults(number) if number < 40 else None, latency=0.01)

    async def scene() -> None:
        async with served(server=server, concurrency=16, max_attempts=50) as (_, chat):
            first = [asyncio.create_task(chat.ask(ASKED)) for _ in range(30)]
            while len(server.seen) < 40:
                await asyncio.sleep(0.002)
            low = chat.gate.limit
            await asyncio.gather(*first)
            await asyncio.gather(*(chat.ask(ASKED) for _ in range(200)))
            assert low <= 8
            assert chat.gate.limit > low

    play(scene)
    assert server.most_in_flight <= 16


def test_a_budget_of_requests_is_kept() -> None:
    server = ChatServer()

    async def scene() -> None:
        async with served(server=server, requests_per_minute=1200) as (_, chat):
            await asyncio.gather(*(chat.ask(ASKED) for _ in range(30)))

    began = time.time()
    play(scene)
    assert server.seen[-1].at - began >= 29 * 61 / 1200 - 1.0  # a second's worth may go at once


def test_a_budget_of_tokens_is_kept() -> None:
    server = ChatServer(answer=lambda payload: "word " * 100)

    async def scene() -> None:
        async with served(server=server, tokens_per_minute=60_000, concurrency=4) as (_, chat):
            await asyncio.gather(*(chat.ask(ASKED) for _ in range(24)))

    began = time.time()
    play(scene)
    assert server.seen[-1].at - began >= 0.5
