"""OpenAIChat against a real server: what it sends, what it makes of replies and of passing faults."""

import asyncio
import json
import time
from typing import Any

import pytest
from asking import ASKED, one_reply, play, served
from canary import CANARY
from chatserver import REFUSAL, ChatServer, Fault, by_chance

from expllm.chat import (
    ChatFailed,
    Message,
    OpenAIChat,
    Price,
    Prices,
    Reply,
    Usage,
    request_key,
)
from expllm.chat.retries import Backoff


def failure(fault: Fault, **options: Any) -> tuple[ChatFailed, ChatServer]:
    """What a call comes to that meets nothing but this fault, after a first one that went well."""
    server = ChatServer(faults=lambda number: fault if number else None)

    async def scene() -> ChatFailed:
        fewer: dict[str, Any] = {"max_attempts": 2, **options}
        async with served(None, server, **fewer) as (_, chat):
            await chat.ask(ASKED)
            with pytest.raises(ChatFailed) as caught:
                await chat.ask(ASKED)
            return caught.value

    return play(scene), server


def test_a_reply_says_what_it_took() -> None:
    began = time.monotonic()
    reply, server = one_reply(prices=Prices({"gpt-4o": Price(2.5, 10.0)}))
    assert (reply.text, reply.model, reply.finish) == ("happiness", "gpt-4o", "stop")
    assert reply.usage == Usage(7, 1)
    assert reply.cost == pytest.approx((7 * 2.5 + 10.0) / 1e6)
    assert (reply.attempts, reply.refused, reply.cached) == (1, False, False)
    assert 0 < reply.seconds < time.monotonic() - began
    assert server.counts()["requests"] == 1


def test_the_request_is_the_payload_and_nothing_else() -> None:
    server = ChatServer()

    async def scene() -> str:
        options: dict[str, Any] = {"temperature": 0.7, "seed": 11, "extra": {"top_p": 0.9}}
        async with served(server=server, **options) as (_, chat):
            await chat.ask(ASKED, max_tokens=99)
            return request_key(chat.payload(ASKED, max_tokens=99))

    key = play(scene)
    seen = server.seen[0]
    assert seen.key == key
    assert json.loads(seen.body or b"") == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You read faces."},
            {"role": "user", "content": "left brow lower: 0.3"},
        ],
        "temperature": 0.7,
        "seed": 11,
        "max_tokens": 99,
        "top_p": 0.9,
    }
    assert seen.headers["Authorization"] == f"Bearer {CANARY}"


def test_a_local_server_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLLM_NO_KEY", raising=False)
    reply, server = one_reply(api_key_env="EXPLLM_NO_KEY")
    assert reply.text == "happiness"
    assert "Authorization" not in server.seen[0].headers


def test_usage_that_is_missing_is_unknown_and_so_is_the_cost() -> None:
    reply, _ = one_reply({0: Fault.NO_USAGE}, prices=Prices({"gpt-4o": Price(2.5, 10.0)}))
    assert reply.usage == Usage(None, None)
    assert reply.cost is None


@pytest.mark.parametrize("fault", [Fault.REFUSAL, Fault.REFUSAL_IN_WORDS])
def test_a_refusal_is_a_reply(fault: Fault) -> None:
    reply, _ = one_reply({0: fault})
    assert reply.refused
    assert reply.text == REFUSAL


@pytest.mark.parametrize("fault", [Fault.FILTERED, Fault.FILTERED_PROMPT])
def test_a_filter_is_a_refusal(fault: Fault) -> None:
    reply, _ = one_reply({0: fault})
    assert reply.refused
    assert reply.finish == "content_filter"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.TOO_MANY, "http-429"),
        (Fault.ERROR, "http-500"),
        (Fault.UNAVAILABLE, "http-503"),
        (Fault.RESET, "reset"),
        (Fault.CUT_BODY, "reset"),
        (Fault.CUT_JSON, "bad-json"),
        (Fault.NO_CHOICES, "http-502"),
        (Fault.EMPTY_BODY, "bad-json"),
        (Fault.EMPTY, "empty"),
        (Fault.CONTENT_TYPE, "content-type"),
        (Fault.ENDLESS, "too-long"),
    ],
)
def test_a_fault_is_tried_again_and_then_has_its_reason(fault: Fault, reason: str) -> None:
    reply, server = one_reply({0: fault, 1: fault})
    assert (reply.text, reply.attempts) == ("happiness", 3)
    assert server.counts()["calls"] == 1
    failed, server = failure(fault)
    assert (failed.reason, failed.attempts) == (reason, 2)
    assert len(server.seen) == 3
    assert "2 attempts" in failed.line


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.STALL, "timeout"), (Fault.STALL_HALFWAY, "stalled"), (Fault.DRIP, "timeout")],
)
def test_a_server_that_stalls_is_left(fault: Fault, reason: str) -> None:
    """The server would stall for an hour; only the first call, which goes well, needs to be quick."""
    patience = {"between_bytes": 0.1} if fault is Fault.STALL_HALFWAY else {"timeout": 2.0}
    failed, server = failure(fault, max_attempts=1, **patience)
    assert (failed.reason, len(server.seen)) == (reason, 2)


def test_tokens_of_useless_replies_are_counted() -> None:
    prices = Prices({"gpt-4o": Price(1e5, 1e5)})
    reply, server = one_reply({0: Fault.EMPTY, 1: Fault.ERROR}, prices=prices)
    assert reply.usage == Usage(14, 1)
    assert reply.cost == pytest.approx(1.5)
    assert reply.usage.prompt_tokens == server.counts()["prompt_tokens"]
    failed, server = failure(Fault.EMPTY, prices=prices)
    assert failed.usage == Usage(14, 0)
    assert failed.cost == pytest.approx(1.4)


def test_endless_text_does_not_fill_the_memory() -> None:
    """60 MB are offered; hardly more than the limit is taken."""
    import tracemalloc

    tracemalloc.start()
    failed, _ = failure(Fault.ENDLESS, max_attempts=1, most_bytes=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert failed.reason == "too-long"
    assert peak < 12_000_000  # the server is in this process, too


def test_a_prompt_that_is_too_long_fails_at_once() -> None:
    failed, server = failure(Fault.TOO_LONG_PROMPT)
    assert (failed.reason, failed.attempts, len(server.seen)) == ("context-length", 1, 2)


SURVIVABLE = tuple(
    fault for fault in Fault if fault.value not in ("401", "404", "400", "quota", "307", "drip", "no-usage")
)


def test_calls_under_every_fault_lose_nothing_and_add_up() -> None:
    chance = by_chance(0.2, SURVIVABLE, seed=3)
    server = ChatServer(
        faults=chance, answer=lambda payload: payload["messages"][0]["content"], retry_after=0.05, stall=0.2
    )
    reasons: list[str] = []
    options: dict[str, Any] = {"max_attempts": 8, "most_bytes": 50_000}

    async def one(chat: OpenAIChat, number: int) -> tuple[int, Usage]:
        try:
            reply = await chat.ask((Message("user", f"face {number}"),))
        except ChatFailed as failed:
            reasons.append(failed.reason)
            return failed.attempts, failed.usage
        assert reply.refused or reply.text in (f"face {number}", "bewilderment")
        return reply.attempts, reply.usage

    async def scene() -> list[tuple[int, Usage]]:
        async with served(server=server, backoff=Backoff(0.002, 0.01), **options) as (_, chat):
            return await asyncio.gather(*(one(chat, number) for number in range(600)))

    spent = play(scene)
    counts = server.counts()
    assert counts["calls"] == len(spent) == 600
    assert sum(attempts for attempts, _ in spent) == counts["requests"]
    total = sum((usage for _, usage in spent), Usage(0, 0))
    assert total == Usage(counts["prompt_tokens"], counts["completion_tokens"])
    assert server.undercut() == []
    assert set(reasons) == {"context-length"}


def test_calls_that_time_out_give_their_places_back() -> None:
    server = ChatServer(faults=lambda number: Fault.STALL if number < 6 else None)

    async def scene() -> list[Reply]:
        options: dict[str, Any] = {"concurrency": 2, "timeout": 0.5, "max_attempts": 50}
        async with served(server=server, **options) as (_, chat):
            replies = await asyncio.gather(*(chat.ask(ASKED) for _ in range(6)))
            assert chat.gate.inside == 0
            return replies

    replies = play(scene)
    assert {reply.text for reply in replies} == {"happiness"}
    assert sum(reply.attempts for reply in replies) >= len(server.seen) >= 12


def test_a_cancelled_call_gives_its_place_back() -> None:
    server = ChatServer(faults={0: Fault.STALL})

    async def scene() -> None:
        async with served(server=server, concurrency=1) as (_, chat):
            first = asyncio.create_task(chat.ask(ASKED))
            while not server.seen:
                await asyncio.sleep(0.002)
            waiting = asyncio.create_task(chat.ask(ASKED))
            await asyncio.sleep(0.01)
            first.cancel()
            assert (await waiting).text == "happiness"
            assert chat.gate.inside == 0

    play(scene)
