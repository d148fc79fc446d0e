"""OpenAIChat against a real server: what it sends, what it makes of replies, what it does about faults."""

import asyncio
import json
import logging
import socket
import time
import traceback
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asking import ASKED, CANARY, KEY_ENV, asking, one_reply, play, served
from chatserver import REFUSAL, ChatServer, Fault, by_chance

from expllm.chat import (
    BadRequest,
    ChatError,
    ChatFailed,
    KeyRejected,
    Message,
    OpenAIChat,
    Price,
    Prices,
    QuotaSpent,
    UnknownModel,
    Unreachable,
    Usage,
    request_key,
)
from expllm.chat.retries import Backoff
from expllm.errors import ExitCode, OutputError, UsageError


def always(fault: Fault, times: int = 50) -> dict[int, Fault]:
    return dict.fromkeys(range(times), fault)


def failure(fault: Fault, **options: Any) -> tuple[ChatFailed, ChatServer]:
    """What asking a server with nothing but this fault comes to."""
    server = ChatServer(faults=always(fault))

    async def scene() -> ChatFailed:
        fewer: dict[str, Any] = {"max_attempts": 2, **options}
        async with served(None, server, **fewer) as (_, chat):
            with pytest.raises(ChatFailed) as caught:
                await chat.ask(ASKED)
            return caught.value

    return play(scene), server


# What is sent, and what comes back


def test_a_reply_says_what_it_took() -> None:
    reply, server = one_reply(prices=Prices({"gpt-4o": Price(2.5, 10.0)}))
    assert (reply.text, reply.model, reply.finish) == ("happiness", "gpt-4o", "stop")
    assert reply.usage == Usage(7, 1)
    assert reply.cost == pytest.approx((7 * 2.5 + 10.0) / 1e6)
    assert (reply.attempts, reply.refused, reply.cached) == (1, False, False)
    assert 0 < reply.seconds < 5
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


# Faults that pass


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.TOO_MANY, "http-429"),
        (Fault.ERROR, "http-500"),
        (Fault.UNAVAILABLE, "http-503"),
        (Fault.RESET, "reset"),
        (Fault.CUT_BODY, "reset"),
        (Fault.CUT_JSON, "bad-json"),
        (Fault.NO_CHOICES, "bad-json"),
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
    assert len(server.seen) == 2
    assert "2 attempts" in failed.line


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.STALL, "timeout"), (Fault.STALL_HALFWAY, "stalled"), (Fault.DRIP, "timeout")],
)
def test_a_server_that_stalls_is_left(fault: Fault, reason: str) -> None:
    patience = (
        {"timeout": 0.4} if fault is not Fault.STALL_HALFWAY else {"timeout": 5.0, "between_bytes": 0.1}
    )
    failed, _ = failure(fault, **patience)
    assert failed.reason == reason
    assert failed.seconds < 2


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
    assert (failed.reason, failed.attempts, len(server.seen)) == ("context-length", 1, 1)


# Waiting


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
    server = ChatServer(faults=always(Fault.TOO_MANY_SECONDS), retry_after=9.0)

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            with pytest.raises(ChatFailed) as caught:
                await chat.ask(ASKED)
            assert caught.value.reason == "retry-after"

    play(scene, seconds=4)
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

    play(scene)
    assert server.seen[-1].at - server.seen[0].at >= 0.5


# Faults that stop a run


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault.KEY, KeyRejected, KEY_ENV),
        (Fault.MODEL, UnknownModel, "'gpt-4o'"),
        (Fault.QUOTA, QuotaSpent, "credit"),
        (Fault.BAD_REQUEST, BadRequest, "temperature"),
        (Fault.REDIRECT, Unreachable, "--base-url"),
    ],
)
def test_what_stops_a_run_does_so_at_once_in_one_line(
    fault: Fault, error: type[ChatError], words: str
) -> None:
    server = ChatServer(faults=always(fault))
    with pytest.raises(error) as caught:
        one_reply(server=server)
    assert words in caught.value.line
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.FAILURE
    assert len(server.seen) == 1


def test_a_wrong_path_is_a_wrong_base_url() -> None:
    async def scene() -> None:
        async with ChatServer() as server, asking(server.url.replace("/v1", "/v2")) as chat:
            with pytest.raises(Unreachable, match=r"/v2 answers, but not as a chat endpoint .*--base-url"):
                await chat.ask(ASKED)

    play(scene)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://user:secret@127.0.0.1:PORT/v1?token=secret", "refused"),
        ("http://no-such-host.invalid/v1", "not known"),
    ],
)
def test_nobody_there_is_said_after_a_few_tries(url: str, why: str) -> None:
    async def scene() -> None:
        async with asking(url.replace("PORT", str(closed_port()))) as chat:
            with pytest.raises(Unreachable, match=why) as caught:
                await chat.ask(ASKED)
            assert "secret" not in caught.value.line
            assert "secret" not in repr(chat)

    play(scene)


def test_a_server_that_goes_away_later_is_one_call_s_failure() -> None:
    async def scene() -> None:
        async with ChatServer() as server, asking(server.url, max_attempts=4) as chat:
            await chat.ask(ASKED)
            await server.__aexit__()
            with pytest.raises(ChatFailed) as caught:
                await chat.ask(ASKED)
            assert caught.value.attempts == 4
            assert caught.value.reason in ("unreachable", "reset")

    play(scene)


def test_https_to_a_server_without_is_said() -> None:
    async def scene() -> None:
        async with ChatServer() as server, asking(server.url.replace("http:", "https:")) as chat:
            with pytest.raises(Unreachable, match="TLS"):
                await chat.ask(ASKED)

    play(scene)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "localhost:8000/v1"}, "base URL"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "base URL"),
        ({"base_url": "http://me:secret@127.0.0.1:99999/v1"}, "base URL"),
        ({"extra": {"messages": []}}, "'messages'"),
        ({"extra": {"top_p": {1, 2}}}, "JSON"),
        ({"temperature": float("nan")}, "JSON"),
        ({"timeout": 0}, "timeout"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        OpenAIChat("m", **({"base_url": "http://127.0.0.1:1/v1"} | options))
    assert "secret" not in caught.value.line


def test_openai_without_a_key_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(KeyRejected, match="set OPENAI_API_KEY"):
        OpenAIChat("gpt-4o")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\nbroken")
    with pytest.raises(KeyRejected, match="OPENAI_API_KEY") as caught:
        OpenAIChat("gpt-4o")
    assert "broken" not in caught.value.line


def test_openai_gets_the_limit_under_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    chat = OpenAIChat("gpt-4o", prices=Prices())
    assert chat.payload(ASKED, max_tokens=9)["max_completion_tokens"] == 9
    assert asking("http://127.0.0.1:1/v1").payload(ASKED, max_tokens=9)["max_tokens"] == 9


# The cache


def test_a_cached_reply_is_not_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "replies.db"
    prices = Prices({"gpt-4o": Price(2.5, 10.0)})
    first, _ = one_reply(cache=file, prices=prices)
    again, server = one_reply(cache=file, prices=prices)
    assert server.seen == []
    assert (again.text, again.cached, again.cost, again.attempts) == (first.text, True, 0.0, 0)
    assert again.usage == Usage(0, 0)
    _, server = one_reply(cache=file, temperature=0.1)
    assert len(server.seen) == 1


def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    one_reply({0: Fault.REFUSAL}, cache=tmp_path / "replies.db")
    reply, server = one_reply(cache=tmp_path / "replies.db")
    assert (reply.refused, len(server.seen)) == (False, 1)


def test_a_cache_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone/replies\.db"):
        asking("http://127.0.0.1:1/v1", cache=tmp_path / "gone" / "replies.db")
    (tmp_path / "letter").write_text("Dear reader, " * 200)
    with pytest.raises(ChatError, match="not a response cache"):
        asking("http://127.0.0.1:1/v1", cache=tmp_path / "letter")


# Keys


@pytest.mark.parametrize("fault", [None, *(fault for fault in Fault if fault is not Fault.STALL)])
def test_the_key_appears_nowhere(
    fault: Fault | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    contexts: list[BaseException | None] = []
    server = ChatServer(faults=always(fault) if fault else None, retry_after=0.01)

    async def scene() -> None:
        options: dict[str, Any] = {
            "max_attempts": 2,
            "between_bytes": 0.1,
            "timeout": 0.3,
            "cache": tmp_path / "replies.db",
        }
        async with served(server=server, **options) as (_, chat):
            shown.append(f"{chat!r} {chat} {chat._address!r} {chat._address.authorization}")
            try:
                shown.append(repr(await chat.ask(ASKED)))
            except (ChatError, ChatFailed) as error:
                shown.append(str(error) + repr(error) + "".join(traceback.format_exception(error)))
                contexts.append(error.__context__)

    play(scene)
    assert server.seen[0].headers["Authorization"].endswith(CANARY)
    assert contexts in ([], [None])
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    captured = capfd.readouterr()
    assert CANARY not in "".join([*shown, caplog.text, captured.out, captured.err])
    assert CANARY.encode() not in files


# Many at once


def test_a_thousand_calls_with_every_fault_lose_nothing() -> None:
    kinds = tuple(
        fault for fault in Fault if fault.value not in ("401", "404", "400", "quota", "307", "drip")
    )
    chance = by_chance(0.2, kinds, seed=3)
    server = ChatServer(
        faults=chance, answer=lambda payload: payload["messages"][0]["content"], retry_after=0.05
    )
    reasons: set[str] = set()
    options: dict[str, Any] = {"timeout": 0.5, "between_bytes": 0.3, "max_attempts": 8, "most_bytes": 50_000}

    async def one(chat: OpenAIChat, number: int) -> tuple[int, int, int]:
        try:
            reply = await chat.ask((Message("user", f"face {number}"),))
        except ChatFailed as failed:
            reasons.add(failed.reason)
            return failed.attempts, failed.usage.prompt_tokens or 0, failed.usage.completion_tokens or 0
        assert reply.refused or reply.text in (f"face {number}", "bewilderment")
        return reply.attempts, reply.usage.prompt_tokens or 0, reply.usage.completion_tokens or 0

    async def scene() -> list[tuple[int, int, int]]:
        async with served(server=server, backoff=Backoff(0.002, 0.01), **options) as (_, chat):
            return await asyncio.gather(*(one(chat, number) for number in range(1000)))

    spent = play(scene, seconds=40)
    counts = server.counts()
    assert counts["calls"] == len(spent) == 1000
    assert sum(attempts for attempts, _, _ in spent) == counts["requests"]
    assert server.undercut() == []
    assert reasons == {"context-length"}


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
