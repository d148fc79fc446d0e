"""The Batch API: one file for all who wait, every state of a batch, and nothing asked twice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asking import asking, play
from batchserver import BatchServer, expired, failed

from expllm.chat import BadRequest, ChatFailed, Message, OpenAIChat, Prices, Reply, Unreachable
from expllm.chat.batch_files import answers, question_files
from expllm.chat.batches import BatchPlan, BatchTimes
from expllm.chat.chat_errors import AnswersLater
from expllm.chat.prices import Price
from expllm.chat.transport import HttpReply

TIMES = BatchTimes(quiet=0.05, poll=0.02, longest=0.05, held=0.1)


def batched(folder: Path, url: str, lines: int = 50_000, **options: Any) -> OpenAIChat:
    plan = BatchPlan(folder / "batches.sqlite", lines, TIMES)
    return asking(url, batches=plan, **options)


def question(number: int) -> tuple[Message, ...]:
    return (Message("user", f"Question {number}"),)


def echo(payload: dict[str, Any]) -> str:
    return f"To: {payload['messages'][-1]['content']}"


async def all_of(chat: OpenAIChat, numbers: range) -> list[Reply]:
    return await asyncio.gather(*(chat.ask(question(number)) for number in numbers))


def test_all_who_wait_go_into_one_file_and_get_their_own_answers(tmp_path: Path) -> None:
    async def scene() -> None:
        prices = Prices({"gpt-4o": Price(1e6, 2e6)})
        async with BatchServer(echo) as server, batched(tmp_path, server.url, prices=prices) as chat:
            replies = await all_of(chat, range(40))
            assert [reply.text for reply in replies] == [f"To: Question {n}" for n in range(40)]
            assert [len(batch) for batch in server.questions] == [40]
            direct = prices.cost("gpt-4o", replies[0].usage)
            assert direct is not None
            assert replies[0].cost == pytest.approx(direct / 2)
            (first, *_), *_ = server.questions
            assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
            assert first["body"]["model"] == "gpt-4o"

    play(scene)


def test_equal_questions_are_one_line(tmp_path: Path) -> None:
    async def scene() -> None:
        async with BatchServer(echo) as server, batched(tmp_path, server.url) as chat:
            replies = await asyncio.gather(*(chat.ask(question(number % 3)) for number in range(9)))
            assert [len(batch) for batch in server.questions] == [3]
            assert {reply.text for reply in replies} == {f"To: Question {n}" for n in range(3)}

    play(scene)


def test_a_full_batch_does_not_wait_and_files_are_parted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with BatchServer(echo) as server, batched(tmp_path, server.url, lines=16) as chat:
            assert len(await all_of(chat, range(40))) == 40
            assert [len(batch) for batch in server.questions] == [16, 16, 8]

    play(scene)


def test_what_expired_is_asked_again(tmp_path: Path) -> None:
    def lines(number: int, key: str, answer: Any) -> Any:
        return expired(key) if number == 0 and key < "8" else answer

    async def scene() -> None:
        fate = ("expired", "completed")
        async with (
            BatchServer(echo, lines=lines, fate=lambda n: fate[n]) as server,
            batched(tmp_path, server.url) as chat,
        ):
            replies = await all_of(chat, range(40))
            assert [reply.text for reply in replies] == [f"To: Question {n}" for n in range(40)]
            first, second = server.questions
            late = {row["custom_id"] for row in first if row["custom_id"] < "8"}
            assert {row["custom_id"] for row in second} == late
            assert sorted({reply.attempts for reply in replies}) == [1, 2]

    play(scene)


def test_lines_that_are_missing_altogether_are_asked_again(tmp_path: Path) -> None:
    async def scene() -> None:
        gone = lambda number, key, answer: None if number == 0 else answer  # noqa: E731
        async with BatchServer(echo, lines=gone) as server, batched(tmp_path, server.url) as chat:
            assert len(await all_of(chat, range(5))) == 5
            assert [len(batch) for batch in server.questions] == [5, 5]

    play(scene)


def test_one_question_s_trouble_is_its_own(tmp_path: Path) -> None:
    def lines(_: int, key: str, answer: Any) -> Any:
        text = answer["response"]["body"]["choices"][0]["message"]["content"]
        if text.endswith(" 3"):
            return failed(
                key, 400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded"
            )
        return answer

    async def scene() -> None:
        async with BatchServer(echo, lines=lines) as server, batched(tmp_path, server.url) as chat:
            found = await asyncio.gather(*(chat.ask(question(n)) for n in range(6)), return_exceptions=True)
            (trouble,) = [one for one in found if isinstance(one, BaseException)]
            assert isinstance(trouble, ChatFailed)
            assert trouble.reason == "context-length"
            assert len(server.batches) == 1

    play(scene)


def test_a_model_that_is_not_there_ends_the_run(tmp_path: Path) -> None:
    def lines(_: int, key: str, __: Any) -> Any:
        return failed(key, 404, "The model `gpt-4o` does not exist", "model_not_found")

    async def scene() -> None:
        async with BatchServer(echo, lines=lines) as server, batched(tmp_path, server.url) as chat:
            with pytest.raises(Exception, match="has no model 'gpt-4o'"):
                await chat.ask(question(0))

    play(scene)


def test_a_batch_without_room_waits_until_there_is(tmp_path: Path) -> None:
    async def scene() -> None:
        fate = ("failed", "completed")
        async with BatchServer(echo, fate=lambda n: fate[n]) as server, batched(tmp_path, server.url) as chat:
            assert len(await all_of(chat, range(5))) == 5
            assert len(server.batches) == 2

    play(scene)


def test_an_upload_that_fails_in_passing_is_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with BatchServer(echo) as server, batched(tmp_path, server.url) as chat:
            server.passing_errors = 2
            assert len(await all_of(chat, range(3))) == 3
            assert len(server.batches) == 1

    play(scene)


def test_a_server_without_batches_says_so(tmp_path: Path) -> None:
    from chatserver import ChatServer

    async def scene() -> None:
        async with ChatServer(echo) as server, batched(tmp_path, server.url) as chat:
            with pytest.raises(Unreachable, match="leave out --batch-api"):
                await chat.ask(question(0))

    play(scene)


def test_a_batch_that_is_wrong_as_a_whole_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import batchserver

    monkeypatch.setattr(batchserver, "LIMITS", {"code": "invalid_json_line", "message": "Line 1 is no JSON."})

    async def scene() -> None:
        async with (
            BatchServer(echo, fate=lambda _: "failed") as server,
            batched(tmp_path, server.url) as chat,
        ):
            with pytest.raises(BadRequest, match=r"refuses a batch: Line 1 is no JSON\."):
                await chat.ask(question(0))

    play(scene)


def test_who_leaves_finds_the_answers_later(tmp_path: Path) -> None:
    """The next process waits for the batch that lies at the server, and sends only what is new."""

    async def scene() -> None:
        async with BatchServer(echo, looks=10**9) as server:
            async with batched(tmp_path, server.url) as chat:
                asked = asyncio.gather(*(chat.ask(question(n)) for n in range(10)), return_exceptions=True)
                while not server.asked:
                    await asyncio.sleep(0.01)
                assert chat.batches is not None
                assert chat.batches.note == "0 of 10 answered in batches"
                left = chat.batches
                left.leave()
                assert all(isinstance(one, AnswersLater) for one in await asked)
            assert left.note == ""  # a progress bar may ask once more
            server.looks = 1
            async with batched(tmp_path, server.url) as chat:
                replies = await all_of(chat, range(12))
            assert [reply.text for reply in replies] == [f"To: Question {n}" for n in range(12)]
            assert [len(batch) for batch in server.questions] == [10, 2]
            async with batched(tmp_path, server.url) as chat:  # and what was fetched is there
                assert len(await all_of(chat, range(12))) == 12
            assert len(server.batches) == 2

    play(scene)


@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_a_batch_that_nobody_heard_of_is_not_paid_twice(tmp_path: Path, made: bool) -> None:
    """The process ends between the upload and the server's word that the batch was made."""

    async def scene() -> None:
        async with BatchServer(echo) as server:
            async with batched(tmp_path, server.url, max_attempts=1) as chat:
                server.lose_next_batch = True
                with pytest.raises(Unreachable, match="run the same command again"):
                    await chat.ask(question(0))
            if not made:
                server.batches.clear()
            async with batched(tmp_path, server.url) as chat:
                assert (await chat.ask(question(0))).text == "To: Question 0"
            assert len(server.batches) == 1
            assert len(server.questions[0]) == 1

    play(scene)


def test_a_batch_whose_answer_was_lost_is_not_made_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with BatchServer(echo) as server, batched(tmp_path, server.url) as chat:
            server.lose_next_batch = True
            assert len(await all_of(chat, range(3))) == 3
            assert len(server.batches) == 1

    play(scene)


def test_a_refusal_may_be_asked_again(tmp_path: Path) -> None:
    async def scene() -> None:
        texts = iter(["I'm sorry, but I can't assist with that request.", "happiness"])
        async with BatchServer(lambda _: next(texts)) as server, batched(tmp_path, server.url) as chat:
            assert (await chat.ask(question(0))).refused
            assert (await chat.ask(question(0))).text == "happiness"
            assert len(server.batches) == 2

    play(scene)


def test_files_are_parted_by_lines_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expllm.chat.batch_files.MOST_BYTES", 1000)
    bodies = {str(number): b"x" * 100 for number in range(7)}
    assert [len(part) for part in question_files(bodies)] == [3, 3, 1]
    assert [len(part) for part in question_files(bodies, 2)] == [2, 2, 2, 1]


def test_lines_that_are_none_are_passed_over() -> None:
    content = (
        b'not json\n{"custom_id": 3}\n[]\n{"custom_id": "a", "response": {"status_code": 200, "body": {}}}\n'
    )
    assert [key for key, _ in answers(content)] == ["a"]
    ((_, answer),) = answers(b'{"custom_id": "b", "response": null, "error": null}')
    assert isinstance(answer, HttpReply)
    assert answer.status == 500
