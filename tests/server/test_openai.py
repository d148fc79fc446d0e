"""The real `openai` client, as users have it."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from serving_expllm import ASTRONAUT, Running, portrait, running
from test_queue import Blocked
from waiting import HANG_S, wait_until

from expllm.core.conversations import label_question
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import label_set
from expllm.server.chat_replies import Sentences
from expllm.server.server_config import ServerLimits

ROOT = Path(__file__).parents[2]
_URL_SAFE = str.maketrans("+/", "-_")


def data_uri(data: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode()


def conversation(data: bytes | str, text: str = "What does this face show?") -> Any:
    url = data if isinstance(data, str) else data_uri(data)
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_example_of_the_docs_runs(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:8000", server.url)
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        exec(compile(example, "docs/server.md", "exec"), {})
    finally:
        os.chdir(before)
    shown = capsys.readouterr().out
    assert "**Conclusion:**" in shown
    assert "'happiness': 0.99" in shown


def test_a_reply_has_the_text_and_the_analysis(server: Running, client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="offline", messages=conversation(portrait()), temperature=0.3, seed=1
    )
    extra = reply.model_extra or {}
    (expected,) = server.analyze(portrait()).json["faces"]
    others = extra["expllm"].pop("others")
    assert others == []
    assert FaceAnalysis.from_dict(extra["expllm"]) == FaceAnalysis.from_dict(expected)
    assert reply.choices[0].message.content == FaceAnalysis.from_dict(expected).cot.text  # type: ignore[union-attr]
    assert reply.choices[0].finish_reason == "stop"
    assert extra["warnings"] == ["Ignored: seed, temperature."]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 5
    assert reply.usage.total_tokens == 5 + reply.usage.completion_tokens


def test_a_stream_is_the_same_text_sentence_by_sentence(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="offline", messages=conversation(portrait()))
    chunks = list(
        client.chat.completions.create(
            model="offline", messages=conversation(portrait()), stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    pieces = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert len(pieces) > 3
    assert "".join(pieces) == whole.choices[0].message.content
    assert all(piece.rstrip().endswith((".", "!", "?")) for piece in pieces)
    assert chunks[0].choices[0].delta.role == "assistant"
    last, usage = chunks[-2], chunks[-1]
    assert last.choices[0].finish_reason == "stop"
    assert (last.model_extra or {})["expllm"]["expression"] == "happiness"
    assert usage.choices == []
    assert usage.usage == whole.usage
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_stream_without_usage_has_none(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="offline", messages=conversation(portrait()), stream=True)
    )
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("labels", [7, 8])
@pytest.mark.parametrize("stream", [False, True])
def test_the_papers_question_for_a_label_gets_a_label(client: OpenAI, labels: int, stream: bool) -> None:
    question = label_question(label_set(labels)).turns[0].text
    messages = conversation(portrait(), question)
    if stream:
        chunks = client.chat.completions.create(model="offline", messages=messages, stream=True)
        said = "".join(c.choices[0].delta.content or "" for c in chunks)
    else:
        said = (
            client.chat.completions.create(model="offline", messages=messages).choices[0].message.content
            or ""
        )
    assert said == "happiness"


def test_the_last_picture_counts_and_other_faces_stand_beside(client: OpenAI) -> None:
    pair = (ASTRONAUT.parent / "render_pair.jpg").read_bytes()
    said = {"role": "assistant", "content": "A smile."}
    messages = [*conversation(portrait()), said, *conversation(pair)]
    reply = client.chat.completions.create(model="offline", messages=messages)
    face = (reply.model_extra or {})["expllm"]
    assert face["faces_found"] == 2
    assert [one["face_id"] for one in face["others"]] == [1]
    assert face["others"][0]["cot"] is None
    assert face["others"][0]["expression"] is not None


def test_every_spelling_of_base64_is_the_same_picture(client: OpenAI) -> None:
    plain = data_uri(portrait())
    head, _, text = plain.partition(",")
    lines = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    spellings = [plain, f"{head},{lines}\r\n", plain.rstrip("="), f"{head},{text.translate(_URL_SAFE)}"]
    assert len(set(spellings)) >= 3
    replies = [
        client.chat.completions.create(model="offline", messages=conversation(one)) for one in spellings
    ]
    assert [one.model_extra for one in replies] == [replies[0].model_extra] * 4


def test_an_address_without_an_object_and_answers_of_tools_are_taken(client: OpenAI) -> None:
    picture = {"type": "image_url", "image_url": data_uri(portrait())}
    call = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages: Any = [
        {"role": "user", "content": [picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "noon"},
        {"role": "function", "name": "clock", "content": "noon"},
        {"role": "user", "content": "And now?"},
    ]
    reply = client.chat.completions.create(model="offline", messages=messages)
    assert (reply.model_extra or {})["expllm"]["expression"] == "happiness"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 2


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["offline"]
    assert client.models.retrieve("offline").owned_by == "expllm"
    with pytest.raises(openai.NotFoundError, match="not served"):
        client.models.retrieve("a/b")


BLANK = data_uri(base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), "image/gif")


REFUSED: list[tuple[dict[str, Any], type[openai.APIStatusError], str]] = [
    ({"model": "gpt-9"}, openai.NotFoundError, "model_not_found"),
    ({"messages": [{"role": "user", "content": "Hello"}]}, openai.BadRequestError, "missing_image"),
    ({"messages": []}, openai.BadRequestError, "invalid_value"),
    ({"n": 2}, openai.BadRequestError, "invalid_value"),
    ({"messages": conversation("data:image/png;base64,%")}, openai.BadRequestError, "invalid_image_url"),
    ({"messages": conversation("data:image/png,abc")}, openai.BadRequestError, "invalid_image_url"),
    ({"messages": conversation("https://example.org/a")}, openai.BadRequestError, "invalid_image_url"),
    ({"messages": conversation(b"no picture")}, openai.UnprocessableEntityError, "invalid_image"),
    ({"messages": conversation(BLANK)}, openai.UnprocessableEntityError, "no_face"),
    ({"messages": conversation(b"x" * 9_000_000)}, openai.APIStatusError, "body_too_large"),
]


@pytest.mark.parametrize(("changed", "error", "code"), REFUSED, ids=[code for *_, code in REFUSED])
@pytest.mark.parametrize("stream", [False, True])
def test_errors_arrive_as_the_clients_own(
    client: OpenAI, changed: dict[str, Any], error: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    asked = {"model": "offline", "messages": conversation(portrait()), "stream": stream} | changed
    with pytest.raises(error) as raised:
        client.chat.completions.create(**asked)
    assert raised.value.code == code
    assert raised.value.body["message"]  # type: ignore[index]


def test_a_wrong_key_is_an_authentication_error() -> None:
    with (
        running(keys=("sk-right",)) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="sk-wrong") as client,
    ):
        with pytest.raises(openai.AuthenticationError, match="API key"):
            client.models.list()
        assert client.with_options(api_key="sk-right").models.list().data


def test_too_many_requests_and_a_full_server_are_the_clients_own_errors() -> None:
    limits = ServerLimits(waiting_per_worker=0)
    asked: Any = {"model": "offline", "messages": conversation(portrait())}
    with (
        running(rate=0.01, limits=limits) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(1) as clients,
    ):
        with Blocked(server):
            first = clients.submit(lambda: client.chat.completions.create(**asked))
            wait_until(lambda: server.analyzer.queue.taken == 1)
            with pytest.raises(openai.InternalServerError, match="busy") as full:
                client.chat.completions.create(**asked)
        assert first.result(HANG_S).choices[0].message.content
        with pytest.raises(openai.RateLimitError, match="Too many requests") as early:
            client.models.list()
    for error, status, code in ((full, 503, "busy"), (early, 429, "rate_limit_exceeded")):
        assert (error.value.status_code, error.value.code) == (status, code)
        assert int(error.value.response.headers["retry-after"]) >= 1


def test_sentences_lose_nothing() -> None:
    text = "**Key Observations:** One. Two is 0.5 wide!\n\n**Conclusion:** Three"
    for size in (1, 2, 7, 100):
        sentences = Sentences()
        cut = [s for at in range(0, len(text), size) for s in sentences.feed(text[at : at + size])]
        cut += sentences.rest()
        assert "".join(cut) == text
        assert [one.strip() for one in cut] == [
            "**Key Observations:** One.", "Two is 0.5 wide!", "**Conclusion:** Three"
        ]  # fmt: skip
