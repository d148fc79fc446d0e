"""OpenAIChat against a real server: what it keeps, and what it keeps to itself."""

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from asking import ASKED, always, asking, one_reply, play, served
from canary import CANARY
from chatserver import ChatServer, Fault
from waiting import HANG_S

from expllm.chat import (
    ChatError,
    ChatFailed,
    Price,
    Prices,
    Usage,
)
from expllm.core.errors import OutputError


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
            "between_bytes": 0.1 if fault is Fault.STALL_HALFWAY else HANG_S,
            "timeout": 1.0 if fault is Fault.DRIP else HANG_S,
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
