"""Every kind of reply, sent by a real server and read by the real client."""

import json
from pathlib import Path
from typing import Any

import pytest
from asking import ASKED, KEY_ENV, play, served
from chatserver import Canned, ChatServer
from replies import AGAIN, ANSWER, CASES, FILTERED, PROBED, Case

from expllm.chat import ChatError, ChatFailed, Message, Reply
from expllm.core.errors import ExitCode

SHARED = Path(__file__).parents[3] / "shared" / "cases" / "replies.json"


def asked(reply: Canned, **options: Any) -> tuple[Reply | ChatFailed | ChatError, ChatServer]:
    """What comes of a question to a server that always replies this."""
    return asked_of(ChatServer(canned=lambda payload: reply), **options)


def asked_of(server: ChatServer, **options: Any) -> tuple[Reply | ChatFailed | ChatError, ChatServer]:
    """What comes of a question to a server."""

    async def scene() -> Reply | ChatFailed | ChatError:
        async with served(server=server, **{"max_attempts": 3, **options}) as (_, chat):
            try:
                return await chat.ask(ASKED)
            except (ChatFailed, ChatError) as error:
                return error

    return play(scene), server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_reply_gets_what_it_must(case: Case) -> None:
    found, server = asked(case.reply, **case.options)
    reason = case.expect.removesuffix(AGAIN).removesuffix(PROBED)
    if case.expect == ANSWER:
        assert isinstance(found, Reply), found
        assert ((found.text,), found.refused) == (case.words, False)
    elif case.expect == FILTERED:
        assert isinstance(found, Reply), found
        assert found.filtered
        assert all(word in found.text for word in case.words)
    elif case.expect == "refused":
        assert isinstance(found, Reply), found
        assert ((found.text,), found.refused) == (case.words, True)
    else:
        assert isinstance(found, ChatFailed | ChatError), found
        assert (found.reason if isinstance(found, ChatFailed) else type(found).__name__) == reason, found
        assert all(word in found.line for word in case.words), found
        assert isinstance(found, ChatFailed) or found.exit_code == ExitCode.FAILURE
    assert len(server.seen) == (
        3 if case.expect.endswith(AGAIN) else 2 if case.expect.endswith(PROBED) else 1
    )


def test_names_of_cases_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


# What depends on more than one reply


OLD_NAME = {
    "error": {
        "message": "Unsupported parameter: 'max_tokens' is not known. Use 'max_completion_tokens' instead.",
        "param": "max_tokens", "code": "unsupported_parameter",
    }
}  # fmt: skip
NEW_NAME = {"error": {"message": "Unrecognized request argument supplied: max_completion_tokens"}}


def refusing(name: str, error: dict[str, Any]) -> ChatServer:
    reply = Canned(json.dumps(error).encode(), 400)
    return ChatServer(canned=lambda payload: reply if name in payload else None)


def test_the_other_name_of_the_token_limit_is_tried_once_and_remembered() -> None:
    server = refusing("max_tokens", OLD_NAME)

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            first = await chat.ask(ASKED, max_tokens=90)
            assert (first.text, first.attempts) == ("happiness", 2)
            for again in (chat, chat.reseeded(7)):
                assert (await again.ask(ASKED, max_tokens=91)).attempts == 1

    play(scene)
    sent = [json.loads(seen.body or b"") for seen in server.seen]
    assert [one.get("max_tokens") for one in sent] == [90, None, None, None]
    assert [one.get("max_completion_tokens") for one in sent] == [None, 90, 91, 91]
    assert [one.get("seed") for one in sent] == [None, None, None, 7]


def test_a_server_that_takes_neither_name_says_so() -> None:
    replies = {"max_tokens": OLD_NAME, "max_completion_tokens": NEW_NAME}

    def answer(payload: dict[str, Any]) -> Canned | None:
        return next(
            (Canned(json.dumps(e).encode(), 400) for name, e in replies.items() if name in payload), None
        )

    server = ChatServer(canned=answer)

    async def scene() -> str:
        async with served(server=server, max_tokens=9) as (_, chat):
            with pytest.raises(ChatError, match="leave out --max-new-tokens") as caught:
                await chat.ask(ASKED)
            return caught.value.line

    assert "Unrecognized request argument" in play(scene)
    assert len(server.seen) == 2


def test_the_cache_knows_the_answer_under_the_name_that_was_taken(tmp_path: Path) -> None:
    server = refusing("max_tokens", OLD_NAME)

    async def scene() -> None:
        async with served(server=server, cache=tmp_path / "replies.sqlite", max_tokens=9) as (_, chat):
            await chat.ask(ASKED)
            assert (await chat.ask(ASKED)).cached

    play(scene)
    assert len(server.seen) == 2


ODD = {"error": {"message": "Request 17 is odd", "type": "invalid_request_error"}}


@pytest.mark.parametrize("first", [False, True])
def test_a_refusal_in_unknown_words_is_that_question_s_own_if_others_are_taken(first: bool) -> None:
    reply = Canned(json.dumps(ODD).encode(), 400)
    server = ChatServer(canned=lambda payload: reply if "0.3" in payload["messages"][-1]["content"] else None)

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            if not first:
                await chat.ask(ASKED[:1])
            with pytest.raises(ChatFailed, match="Request 17 is odd") as caught:
                await chat.ask(ASKED)
            assert (caught.value.reason, caught.value.attempts) == ("http-400", 2 if first else 1)
            with pytest.raises(ChatFailed):
                await chat.ask(ASKED)

    play(scene)
    assert len(server.seen) == 3


def test_a_refusal_in_unknown_words_of_everything_stops_the_run() -> None:
    found, server = asked(Canned(json.dumps(ODD).encode(), 400))
    assert isinstance(found, ChatError)
    assert "Request 17 is odd" in found.line
    assert len(server.seen) == 2


FORBIDDEN = Canned(b"<html><title>403 Forbidden</title></html>", 403, "text/html")


def asked_in_turn(server: ChatServer, *questions: str) -> list[str]:
    """What comes of several questions to one server: the answer, or the reason of the failure."""

    async def scene() -> list[str]:
        async with served(server=server) as (_, chat):
            found = []
            for question in questions:
                try:
                    found.append((await chat.ask([Message("user", question)])).text)
                except ChatFailed as failed:
                    found.append(failed.reason)
                except ChatError as error:
                    found.append(error.line)
            return found

    found: list[str] = play(scene)
    return found


def test_a_403_in_unknown_words_is_that_question_s_own_if_others_are_taken() -> None:
    server = ChatServer(
        canned=lambda payload: FORBIDDEN if payload["messages"][0]["content"] == "odd" else None
    )
    joy = "happiness"
    assert asked_in_turn(server, "a", "b", "odd", "d", "e") == [joy, joy, "http-403", joy, joy]
    assert len(server.seen) == 5
    server.seen.clear()
    assert asked_in_turn(server, "odd", "b") == ["http-403", joy]
    assert len(server.seen) == 3  # and a harmless question


def test_access_that_is_withdrawn_meanwhile_stops_the_run() -> None:
    server = ChatServer(
        canned=lambda payload: None if payload["messages"][0]["content"] == "a" else FORBIDDEN
    )
    found = asked_in_turn(server, "a", "b", "c")
    assert found[:2] == ["happiness", "http-403"]
    assert "denies access (HTTP 403)" in found[2]
    assert "key" not in found[2]


def test_dashscope_s_quota_passes_and_openai_s_does_not() -> None:
    from expllm.chat.dialects import dialect_of
    from expllm.chat.error_kinds import error_kind

    words = "code=insufficient_quota You exceeded your current quota"
    assert error_kind(words, dialect_of("dashscope-intl.aliyuncs.com", None)) is None
    assert error_kind(words, dialect_of("api.openai.com", None)) == "credit"
    assert dialect_of("notdashscope.aliyuncs.com.example", None).name == "any other"


def test_what_a_message_asks_to_wait_is_waited_for() -> None:
    gemini = {"error": {"code": 429, "message": "Quota", "details": [{"retryDelay": "700s"}]}}
    found, server = asked(Canned(json.dumps([gemini]).encode(), 429))
    assert isinstance(found, ChatFailed)
    assert (found.reason, len(server.seen)) == ("retry-after", 1)  # more than our patience


def test_azure_gets_the_key_in_its_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    from expllm.chat.address import Address

    monkeypatch.setenv(KEY_ENV, "abc123")
    azure = Address.of("https://me.openai.azure.com/openai/deployments/d?api-version=1", KEY_ENV)
    assert (azure.key_header, azure.authorization.reveal()) == ("api-key", "abc123")
    other = Address.of("https://openai.azure.com.example/v1", KEY_ENV)
    assert (other.key_header, other.authorization.reveal()) == ("Authorization", "Bearer abc123")


# The fixtures


def shared_cases() -> dict[str, dict[str, Any]]:
    rows = json.loads(SHARED.read_text("utf-8")) if SHARED.is_file() else []
    return {row["name"]: row for row in rows}


TEXT_OF = {"fenced": "The face shows happiness."}
COMES_TO = {
    "error-in-200": ("http-429, again", "Provider returned error"),
    "no-credit-in-200": ("QuotaSpent", "Insufficient credits"),
    "flagged-403": (FILTERED, "your input was flagged"),
    "context-llama.cpp": ("context-length", "available context size"),
    "filtered-no-message": (FILTERED, ""),
    "error-list": ("KeyRejected", "API key not valid"),
    "no-temperature": ("BadRequest", "leave it out with --temperature none"),
    "empty-by-length": ("out-of-tokens", "4,096 tokens thinking, before it answered: raise --max-new-tokens"),
}
"""Fixtures that hold no answer -> what they come to; all others say Happiness."""


@pytest.mark.parametrize("name", shared_cases())
def test_the_fixtures(name: str) -> None:
    row = shared_cases()[name]
    reply = Canned(row["body"].encode(), row["status"], row["content_type"])
    if name == "max-completion-tokens":
        server = refusing("max_tokens", json.loads(row["body"]))
        found, _ = asked_of(server, max_tokens=9)
        assert isinstance(found, Reply)
        assert (found.text, found.attempts) == ("happiness", 2)
        return
    expect, words = COMES_TO.get(name, (ANSWER, TEXT_OF.get(name, "Happiness")))
    if name == "fenced":
        found, _ = asked(reply)
        assert isinstance(found, Reply)
        assert (found.text[:3], found.text[-len(words) :]) == ("**K", words)
        return
    test_a_reply_gets_what_it_must(Case(name, reply, expect, (words,), {"temperature": 0.7}))
