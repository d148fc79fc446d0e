"""OpenAIChat against a real server: what stops a run, and arguments that make no sense."""

import socket
from typing import Any

import pytest
from asking import ASKED, KEY_ENV, always, asking, one_reply, play
from canary import CANARY
from chatserver import ChatServer, Fault

from expllm.chat import (
    BadRequest,
    ChatError,
    ChatFailed,
    KeyRejected,
    OpenAIChat,
    Prices,
    QuotaSpent,
    UnknownModel,
    Unreachable,
)
from expllm.core.errors import ExitCode, UsageError


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


def test_a_web_page_instead_of_an_endpoint_is_a_wrong_base_url() -> None:
    with pytest.raises(Unreachable, match=r"answers with text/html, not JSON: check --base-url"):
        one_reply(always(Fault.CONTENT_TYPE))


def test_a_key_that_is_wanted_and_not_set_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLLM_NO_KEY", raising=False)
    with pytest.raises(KeyRejected, match=r"wants an API key .*: set the environment variable EXPLLM_NO_KEY"):
        one_reply({0: Fault.KEY}, api_key_env="EXPLLM_NO_KEY")


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
