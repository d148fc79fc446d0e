"""The key of a request, usage, the scripted model, and how light the import is."""

import asyncio
import hashlib
import json
import pickle
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from expllm.chat import ChatError, ChatFailed, ChatModel, Message, ScriptedChat, Usage, request_key
from expllm.chat.address import Secret
from expllm.chat.protocol import canonical_json

ASKED = (Message("user", "left brow lower: 0.3"),)


def test_the_key_is_of_the_bytes_and_minds_no_order() -> None:
    payload = {"model": "m", "messages": [{"role": "user", "content": "na\u00efve"}]}
    assert request_key(payload) == request_key(dict(reversed(payload.items())))
    assert request_key(payload) == hashlib.sha256(canonical_json(payload)).hexdigest()
    assert json.loads(canonical_json(payload)) == payload
    assert request_key(payload) != request_key(payload | {"seed": 1})


def test_unknown_usage_makes_the_sum_unknown() -> None:
    assert Usage(3, 1) + Usage(4, 2) == Usage(7, 3)
    assert Usage(3, 1) + Usage(None, 2) == Usage(None, 3)


def test_a_script_is_said_in_order_and_remembers_the_questions() -> None:
    async def scene() -> None:
        chat: ChatModel = ScriptedChat(
            ["fear", ChatFailed("timeout", 6), "I'm sorry, I can't assist with that."]
        )
        reply = await chat.ask(ASKED, max_tokens=5)
        assert (reply.text, reply.usage, reply.refused) == ("fear", Usage(4, 1), False)
        with pytest.raises(ChatFailed):
            await chat.ask(ASKED)
        assert (await chat.ask(ASKED)).refused
        with pytest.raises(ChatError, match="3 replies, and was asked 4 times"):
            await chat.ask(ASKED)
        assert isinstance(chat, ScriptedChat)
        assert chat.asked == [ASKED] * 4
        assert chat.limits == [5, None, None, None]
        await chat.close()
        assert chat.closed

    asyncio.run(scene())


def test_a_script_may_be_a_function() -> None:
    chat = ScriptedChat(lambda messages: messages[-1].content.upper(), identity="loud")
    reply = asyncio.run(chat.ask(ASKED))
    assert (reply.text, reply.model) == ("LEFT BROW LOWER: 0.3", "loud")


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("sk-1234")
    assert "sk-1234" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_import_is_light() -> None:
    code = "import expllm.chat as c; c.OpenAIChat; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"aiohttp", "openai", "sqlite3", "pydantic", "numpy"} & set(loaded)


def test_the_server_runs_as_a_process() -> None:
    script = Path(__file__).parent.parent / "chatserver.py"
    command = [sys.executable, str(script), "--latency-ms", "1", "--answer", "fear", "--fault-share", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            root = f"http://127.0.0.1:{int(process.stdout.readline())}"
            body = canonical_json({"model": "m", "messages": [{"role": "user", "content": "left brow"}]})
            with urllib.request.urlopen(f"{root}/v1/chat/completions", body) as reply:
                assert json.load(reply)["choices"][0]["message"]["content"] == "fear"
            with urllib.request.urlopen(f"{root}/counts") as counts:
                assert json.load(counts) == {
                    "requests": 1,
                    "calls": 1,
                    "faults": {},
                    "prompt_tokens": 2,
                    "completion_tokens": 1,
                    "most_in_flight": 1,
                    "undercut": 0,
                }
        finally:
            process.terminate()
