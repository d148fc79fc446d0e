"""Pictures in a conversation: what is sent, what is cached, what a budget expects of them."""

import base64
import json
from pathlib import Path

from asking import ASKED, play, served
from chatserver import ChatServer

from expllm.chat import Message, picture_uri
from expllm.chat.endpoint import TOKENS_PER_PICTURE, _tokens

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30_000)
SHOWN = (Message("user", "What is it?", (picture_uri(PNG),)),)


def test_a_picture_stands_before_the_text_and_survives() -> None:
    server = ChatServer()

    async def scene() -> None:
        async with served(server=server) as (_, chat):
            await chat.ask(SHOWN)
            await chat.ask(ASKED)

    play(scene)
    sent = [json.loads(seen.body or b"")["messages"] for seen in server.seen]
    picture, text = sent[0][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert (picture["type"], kind) == ("image_url", "data:image/png;base64")
    assert base64.b64decode(data) == PNG
    assert [turn["content"] for turn in sent[1]] == [message.content for message in ASKED]


def test_another_picture_is_another_question(tmp_path: Path) -> None:
    other = Message("user", "What is it?", (picture_uri(b"\xff\xd8\xff"),))
    assert other.images[0].startswith("data:image/jpeg;")
    server = ChatServer()

    async def scene() -> None:
        async with served(server=server, cache=tmp_path / "kept") as (_, chat):
            for message in (SHOWN[0], other, SHOWN[0]):
                await chat.ask([message])

    play(scene)
    assert len(server.seen) == 2


def test_the_bytes_of_a_picture_are_no_tokens() -> None:
    body = json.dumps([SHOWN[0].content, *SHOWN[0].images]).encode()
    assert len(body) > 40_000
    assert TOKENS_PER_PICTURE < _tokens(body, SHOWN) < TOKENS_PER_PICTURE + 10
