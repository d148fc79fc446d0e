"""What the replies of many kinds of servers mean, and those of hostile ones."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expllm.chat import ChatError, KeyRejected, QuotaSpent, UnknownModel, Unreachable, Usage
from expllm.chat.address import Address
from expllm.chat.outcomes import Completion, FailedAttempt
from expllm.chat.replies import parse_reply
from expllm.chat.transport import HttpReply

ADDRESS = Address.of("http://127.0.0.1:8000/v1", "EXPLLM_NO_SUCH_KEY")


def meaning(body: Any, status: int = 200, kind: str = "application/json") -> Completion | FailedAttempt:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_reply(HttpReply(status, {"content-type": kind}, raw), "gpt-4o", ADDRESS)


def saying(message: Any, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}], "model": "gpt-4o-2024-08-06"} | more


def test_a_completion() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    assert meaning(saying({"content": " Joy. "}, usage=usage)) == Completion(
        " Joy. ", "gpt-4o-2024-08-06", "stop", Usage(12, 3), refused=False
    )


@pytest.mark.parametrize(
    "usage",
    [
        *(None, [], "many", {}, {"prompt_tokens": 1.5}),
        {"prompt_tokens": -1, "completion_tokens": True},
        {"prompt_tokens": 10**30, "completion_tokens": "3"},
    ],
)
def test_a_usage_that_cannot_be_is_unknown(usage: Any) -> None:
    found = meaning(saying({"content": "joy"}, usage=usage))
    assert found.usage == Usage(None, None)


def test_parts_and_half_characters() -> None:
    parts = [{"type": "text", "text": "jo"}, {"type": "text", "text": "y"}, {"type": "image"}, None, 7]
    assert getattr(meaning(saying({"content": parts})), "text", None) == "joy"
    half = meaning(b'{"choices": [{"message": {"content": "a\\ud800b"}}], "model": "m\\udfff"}')
    assert isinstance(half, Completion)
    assert (half.text, half.model, half.finish) == ("a\ufffdb", "m\ufffd", "unknown")
    whole = meaning(b'{"choices": [{"message": {"content": "\\ud83d\\ude00"}}]}')
    assert getattr(whole, "text", None) == "\U0001f600"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"7", b'"joy"', b"\xff\xfe", b"9" * 5000),
        *(b"[" * 100_000, b'{"a":' * 100_000),
        *(b'{"choices": []}', b'{"choices": {"0": 1}}', b'{"choices": [7]}'),
        b'{"choices": [{"message": "joy"}]}',
    ],
)
def test_what_is_no_completion_is_bad_json(body: bytes) -> None:
    found = meaning(body)
    assert isinstance(found, FailedAttempt)
    assert (found.reason, found.again) == ("bad-json", True)


@pytest.mark.parametrize("content", ["", " \n\t", None, [], 7, {"text": "joy"}])
def test_nothing_said_is_empty(content: Any) -> None:
    found = meaning(saying({"content": content}, usage={"prompt_tokens": 5, "completion_tokens": 0}))
    assert isinstance(found, FailedAttempt)
    assert (found.reason, found.usage) == ("empty", Usage(5, 0))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KNOWN = st.sampled_from(
    ["choices", "message", "content", "usage", "finish_reason", "refusal", "error", "code"]
)


def line_of(body: Any, status: int) -> str:
    """What a person reads of the reply, if it stops the run."""
    try:
        meaning(body, status)
    except ChatError as error:
        return error.line
    return ""


@settings(max_examples=50)
@given(
    st.dictionaries(KNOWN, JSON | st.lists(st.dictionaries(KNOWN, JSON), max_size=2), max_size=5),
    st.booleans(),
)
def test_no_json_breaks_it(data: Any, nested: bool) -> None:
    for status in (200, 400, 404, 429, 503):
        assert line_of({"choices": [data]} if nested else data, status).isprintable()


@settings(max_examples=50)
@given(st.binary(max_size=40), st.integers(100, 599))
def test_no_bytes_break_it(body: bytes, status: int) -> None:
    assert line_of(body, status).isprintable()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": {"message": "no"}}, KeyRejected),
        (403, {"detail": "Not authenticated"}, KeyRejected),
        (402, {"error": {"message": "Insufficient Balance"}}, QuotaSpent),
        (404, {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError"}}, UnknownModel),
        (404, {"object": "error", "message": "The model `x` does not exist."}, UnknownModel),
        (404, {"error": 'model "x" not found, try pulling it first'}, UnknownModel),
        (404, {"detail": "Not Found"}, Unreachable),
        (404, b"404: Not Found", Unreachable),
        (405, b"", Unreachable),
        (301, b"", Unreachable),
    ],
)
def test_the_dialects_of_servers(status: int, body: Any, error: type[ChatError]) -> None:
    with pytest.raises(error) as caught:
        meaning(body, status)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc****xyz.", "Incorrect API key provided: ***"),
        ("key_1234567890 and gsk_abcdef", "*** and ***"),
        ("a\nb\x1b[31m", "a b\\x1b[31m"),
        ("x" * 1000, "x" * 197 + "..."),
    ],
)
def test_what_a_server_says_is_quoted_without_keys_in_one_short_line(said: str, shown: str) -> None:
    assert ADDRESS.scrub(said) == shown
