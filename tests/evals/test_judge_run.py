"""Asking a judge: both orders, faults, resumption, and what is read from the journal."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chatserver import ChatServer, Fault
from explanations import LABELS, fair, text, texts_of
from serving import served
from waiting import HANG_S

from expllm.chat import BadRequest, OpenAIChat, Prices, Reply, ScriptedChat, Usage
from expllm.chat.retries import Backoff
from expllm.cot.journal import JournalReader
from expllm.cot.sample_session import JournalMismatch, RunBudget
from expllm.evals.judge import scripted_judge
from expllm.evals.judge.judge_run import ChatJudge, JudgeRun, JudgeSettings, TextPair, readings_of
from expllm.evals.judge.judge_scores import NO_VERDICT, Judged, judged
from expllm.evals.judge.rubric import JudgeFile
from expllm.files.runs import RunError

FILE = JudgeFile.load()
PAIRS = [TextPair(f"p{n}", text(LABELS[n % 4], n), text(LABELS[(n + n // 4) % 4], n)) for n in range(8)]
VERDICT = "key observations {}, interpretation 5, conclusion 5"


def passport(**changed: Any) -> JudgeSettings:
    return JudgeSettings(**{"judge": "chat:m", "file": FILE.text, "prompt_hash": FILE.hash, **changed})


def chats(url: str, repeats: int = 1, **options: Any) -> list[OpenAIChat]:
    quick = Backoff(base=0.005, cap=0.02, patience=5.0)
    given = {
        "backoff": quick,
        "prices": Prices(),
        "timeout": HANG_S,
        "api_key_env": "EXPLLM_TEST_KEY",
        **options,
    }
    return [OpenAIChat("m", base_url=url, seed=n, **given) for n in range(repeats)]


def asked(
    run: JudgeRun, judge: ChatJudge, who: JudgeSettings, *, gate: RunBudget | None = None, **given: Any
) -> Judged:
    """What comes of asking about all pairs."""

    async def scene() -> None:
        readings = [reading for pair in PAIRS for reading in readings_of(pair, who.repeats)]
        try:
            await run.ask(judge, readings, gate or RunBudget(4), **given)
        finally:
            await judge.close()

    run.folder.path.mkdir(parents=True, exist_ok=True)
    run.begin(who)
    asyncio.run(scene())
    return judged(run, PAIRS)


def by_server(path: Path, answer: Callable[[dict[str, Any]], str], **given: Any) -> tuple[Judged, ChatServer]:
    who = passport()
    with served(answer, **given) as server:
        found = asked(JudgeRun.within(path, who), ChatJudge(chats(server.url), FILE), who)
    return found, server


def test_a_judge_that_does_its_work(tmp_path: Path) -> None:
    found, server = by_server(tmp_path, fair)
    assert found.complete
    assert (found.pairs, found.readings, len(found.totals)) == (8, 16, 8)
    assert len(server.seen) == 16
    expected = [FILE.read(scripted_judge.reply(pair.reference, pair.candidate)) for pair in PAIRS]
    assert [found.totals[pair.id] for pair in PAIRS] == [FILE.total(one) for one in expected if one]
    assert found.score is not None
    assert found.score.low < found.score.estimate < 1
    assert found.parts is not None
    assert set(found.parts) == {"key_observations", "interpretation", "conclusion"}
    assert found.alpha == 1
    assert found.order_gap is not None
    assert found.order_gap.estimate == 0
    assert found.models == ("m",)
    assert found.passport.begun.startswith("20")
    assert found.cost is None  # the model has no price
    assert found.to_dict()["scored"] == 8


def test_both_orders_are_asked(tmp_path: Path) -> None:
    """A judge that likes what it reads first is found out."""
    references = {pair.reference for pair in PAIRS}
    same = {pair.reference for pair in PAIRS if pair.reference == pair.candidate}

    def partial(payload: dict[str, Any]) -> str:
        first, _ = texts_of(payload)
        return VERDICT.format(5 if first in references - same else 2)

    found, _ = by_server(tmp_path, partial)
    assert found.order_gap is not None
    assert found.order_gap.estimate == pytest.approx(4 * 0.2 / 8)  # four pairs differ, by 3 of 15 points
    assert found.alpha is not None
    assert found.alpha < 0.5


def test_a_judge_that_answers_prose_is_unscored_never_zero(tmp_path: Path) -> None:
    found, _ = by_server(tmp_path, lambda _: "Both texts are lovely.")
    assert found.unscored == {NO_VERDICT: 16}
    assert (found.score, found.parts, found.alpha, found.totals) == (None, None, None, {})
    assert not found.complete


def test_a_judge_that_fails_half_of_the_time(tmp_path: Path) -> None:
    who = passport()
    with served(fair, faults=lambda number: Fault.BAD_REQUEST if number % 2 else None) as server:
        judge = ChatJudge(chats(server.url, max_attempts=1), FILE)
        run = JudgeRun.within(tmp_path, who)
        with pytest.raises(BadRequest):  # wrong for all: the run stops, and can go on
            asked(run, judge, who)
    with served(fair, faults=lambda number: Fault.ERROR if number % 2 else None) as server:
        found = asked(run, ChatJudge(chats(server.url, max_attempts=1), FILE), who, gate=RunBudget(1))
    failed = sum(found.unscored.values())
    assert found.unscored == {"the call failed: http-500": failed}
    assert 5 <= failed <= 8
    assert found.open == 0
    known = [FILE.read(scripted_judge.reply(p.reference, p.candidate)) for p in PAIRS if p.id in found.totals]
    assert list(found.totals.values()) == [FILE.total(one) for one in known if one]
    with served(fair) as server:
        again = ChatJudge(chats(server.url), FILE)
        assert asked(run, again, who).unscored == found.unscored
        assert server.seen == []
        mended = asked(run, ChatJudge(chats(server.url), FILE), who, retry_failed=True)
        assert len(server.seen) == failed
    assert mended.complete
    assert mended.score is not None


def test_a_cut_run_goes_on(tmp_path: Path) -> None:
    who, gate = passport(), RunBudget(1)
    run = JudgeRun.within(tmp_path, who)

    def stopping(payload: dict[str, Any]) -> str:
        gate.stopping = gate.calls >= 4
        return fair(payload)

    with served(stopping) as server:
        found = asked(run, ChatJudge(chats(server.url), FILE), who, gate=gate)
        first = len(server.seen)
    assert found.open == 16 - first > 0
    with served(fair) as server:
        whole = asked(run, ChatJudge(chats(server.url), FILE), who)
        assert len(server.seen) == 16 - first
    assert whole.complete


def test_a_budget_is_kept(tmp_path: Path) -> None:
    who = passport()
    replies = [
        Reply(VERDICT.format(n % 6), "m-2", "stop", Usage(3, 2), 0.01, 0, 1, refused=False, cached=False)
        for n in range(16)
    ]
    judge = ChatJudge([ScriptedChat(replies, identity="m")], FILE)
    found = asked(JudgeRun.within(tmp_path, who), judge, who, gate=RunBudget(1, budget=0.045))
    assert found.open == 11
    assert found.cost == pytest.approx(0.05)
    assert found.models == ("m-2",)
    assert found.tokens == (15, 10)


def test_repeats_are_other_questions_also_to_a_cache(tmp_path: Path) -> None:
    who = passport(repeats=3, temperature=0.7)
    with served(fair) as server:
        judge = ChatJudge(chats(server.url, 3, cache=tmp_path / "cache.sqlite", temperature=0.7), FILE)
        found = asked(JudgeRun.within(tmp_path, who), judge, who)
        same = sum(pair.reference == pair.candidate for pair in PAIRS)
        # Of a pair of equal texts both orders are the same request; the cache may answer the second.
        assert 48 - 3 * same <= len(server.seen) <= 48
        again = ChatJudge(chats(server.url, 3, cache=tmp_path / "cache.sqlite", temperature=0.7), FILE)
        before = len(server.seen)
        other = asked(JudgeRun.within(tmp_path / "other", who), again, who)
        assert len(server.seen) == before
    assert found.readings == 48
    assert other.totals == found.totals


def test_other_settings_have_a_folder_of_their_own(tmp_path: Path) -> None:
    base = JudgeRun.within(tmp_path, passport()).folder.path
    for changed in ({"repeats": 2}, {"prompt_hash": "x"}, {"judge": "chat:n"}, {"temperature": 0.1}):
        assert JudgeRun.within(tmp_path, passport(**changed)).folder.path != base
    assert JudgeRun.within(tmp_path, passport(base_url="http://elsewhere")).folder.path == base


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    run = JudgeRun.within(tmp_path, passport())
    run.folder.path.mkdir()
    run.begin(passport())
    run.folder.begin({**run.folder.settings(), "judge_format": 7})
    with pytest.raises(RunError, match="of format 7, and this is format 1"):
        judged(run, PAIRS)


def test_a_reply_serves_the_question_that_it_was_given_to(tmp_path: Path) -> None:
    """A run that was cut between a reply and its verdict goes on only with the same texts."""
    who = passport()
    run = JudgeRun.within(tmp_path, who)
    with served(fair) as server:
        asked(run, ChatJudge(chats(server.url), FILE), who)
    with closing(JournalReader(run.folder.journal)) as reader, reader.db:
        reader.db.execute("DELETE FROM outcomes")
    other = JudgeFile.parse(FILE.text.replace("Think briefly", "Think long"), "other")
    with pytest.raises(JournalMismatch):
        asked(run, ChatJudge([ScriptedChat([])], other), who)
