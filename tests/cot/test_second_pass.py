"""The second pass: late samples are tried again without their label, and the first pass stays."""

import asyncio
import json
import multiprocessing
import random
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import honest
import pytest
from chatserver import ChatServer
from forking import fork_server
from running import order, served, write_reference
from test_engine_batches import TIMES
from test_engine_kill import killed
from typer.testing import CliRunner

from expllm.chat import Message, ScriptedChat
from expllm.cli.cot_make import work
from expllm.cli.cot_show import sample_figures
from expllm.cli.main import app
from expllm.core.errors import UsageError
from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.best_of import BestOf
from expllm.cot.case import Case, Rules
from expllm.cot.cluster import WorkerShard, work_shard
from expllm.cot.cluster_run import check_shards
from expllm.cot.engine import Engine
from expllm.cot.engine_setup import CotMakeOptions
from expllm.cot.export import export
from expllm.cot.journal import Journal, JournalReader
from expllm.cot.ledger import Ledger
from expllm.cot.prompt_set import Prompts
from expllm.cot.rule_writer import write_cot
from expllm.cot.sample_session import RunBudget, SampleSession
from expllm.cot.second_pass import try_again
from expllm.cot.shares import Share
from expllm.cot.writers import LLMWriter, RuleWriter
from expllm.data import open_dataset
from expllm.files.runs import RunError, RunFolder

SAMPLES = 24
EVERY = ("resolved", "unresolved", "invalid")


def moody(payload: Mapping[str, Any]) -> str:
    """An honest model that names another expression for each seed, as one that is sampled does."""
    messages, seed = payload["messages"], payload.get("seed")
    last = messages[-1]["content"]
    if seed is None or "Original description:" in messages[0]["content"] or last.startswith("Determine"):
        return honest.answer(messages)
    prompt = messages[0]["content"]
    guess = honest.ranked(prompt)[seed % len(honest.LABELS)]
    if last.startswith(("Based on the description", "That was not one")):
        return str(guess.capitalize())
    return str(honest._description(prompt, guess))


def again(data: Path, run: Path, url: str, drafts: int, **given: Any) -> CotMakeOptions:
    return replace(order(data, run, url, **given), retry_hinted=True, best_of=drafts)


def begin(data: Path, run: Path, url: str, drafts: int) -> None:
    """What a killed process does."""
    work(again(data, run, url, drafts))


def records(run: Path, out: Path) -> dict[str, dict[str, Any]]:
    export(RunFolder(run), "jsonl", out, statuses=EVERY)
    return {row["id"]: row for row in map(json.loads, out.read_text().splitlines())}


def dumped(journal: Path) -> list[str]:
    with closing(sqlite3.connect(journal)) as db:
        return list(db.iterdump())


def test_late_samples_are_resolved_without_the_label_and_the_first_pass_stays(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), tmp_path / "run"
    with served(moody) as server:
        work(order(data, run, server.url))
        first, before = Ledger.of(RunFolder(run)), records(run, tmp_path / "first.jsonl")
        journal, asked = dumped(run / "journal.sqlite"), len(server.seen)
        work(again(data, run, server.url, 7))
        bodies = [json.loads(seen.body) for seen in server.seen[asked:] if seen.body]
        count = len(server.seen)
        work(again(data, run, server.url, 7))
        assert len(server.seen) == count  # it had ended
    late = {name for name, row in before.items() if row["hinted"]}
    assert len(late) >= SAMPLES // 3
    assert dumped(run / "journal.sqlite") == journal
    assert not any(
        "The correct expression is" in turn["content"] for one in bodies for turn in one["messages"]
    )
    assert {body["seed"] for body in bodies} == set(range(1, 8))
    ledger, after = Ledger.of(RunFolder(run)), records(run, tmp_path / "second.jsonl")
    assert ledger.second_pass is not None
    assert (ledger.second_pass.drafts, ledger.second_pass.unanswered) == (7, 0)
    resolved = {name for name, row in after.items() if "drafts" in row}
    assert ledger.second_pass.hinted == Share(len(resolved), len(late))
    assert ledger.second_pass.rejected == Share(0, 0)
    assert resolved
    for name, row in after.items():
        if name not in resolved:
            assert row == before[name]
            continue
        assert (row["drafts"], row["hinted"], row["rounds"]) == (7, False, before[name]["rounds"])
        assert row["predictions"][: len(before[name]["predictions"])] == before[name]["predictions"]
        assert row["expression"] in row["predictions"][len(before[name]["predictions"]) :]
    assert ledger.first_guess == first.first_guess  # what the drafts guessed is no first guess
    assert ledger.hinted_resolved.count == first.hinted_resolved.count - len(resolved)
    assert ledger.usage.calls == first.usage.calls + len(bodies)
    card = (tmp_path / "second.jsonl.card.md").read_text()
    assert f"best of 7 drafts without the label (`drafts` in their records): {len(resolved)} of" in card


def test_what_resolves_with_no_draft_keeps_its_text(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), tmp_path / "run"
    with served(moody) as server:
        work(again(data, run, server.url, 1))
    ledger = Ledger.of(RunFolder(run))
    assert ledger.second_pass is not None
    assert 0 <= ledger.second_pass.hinted.count < ledger.second_pass.hinted.of
    found = records(run, tmp_path / "out.jsonl")
    assert sum(row["hinted"] for row in found.values()) == ledger.hinted_resolved.count
    kept = next(name for name, row in found.items() if row["hinted"])
    talks = sample_figures(RunFolder(run), kept)["talks"]
    assert [talk[0]["step"] for talk in talks] == ["AU2Des", "AU2Des"]  # both passes are there to read


def test_rejected_samples_are_tried_as_well_and_failed_calls_are_not(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), tmp_path / "run"
    with served(moody) as server:
        first = {"hint_after": 9, "max_rounds": 1}  # nobody is told, and one guess is all
        work(again(data, run, server.url, 7, **first))
    ledger = Ledger.of(RunFolder(run))
    assert ledger.second_pass is not None
    assert ledger.second_pass.hinted == Share(0, 0)
    again_ = ledger.second_pass.rejected
    assert again_.count > 0
    assert ledger.resolved.count == ledger.resolved_in_round[1].count + again_.count
    assert sum(ledger.status.values()) == SAMPLES
    assert ledger.status.get("unresolved", 0) == again_.of - again_.count


def test_a_cache_and_batches_answer_each_draft_by_itself(tmp_path: Path) -> None:
    from batchserver import BatchServer
    from serving import running

    data = write_reference(tmp_path / "reference.jsonl", 8)
    with served(moody) as server:
        work(again(data, tmp_path / "plain", server.url, 7))
        work(again(data, tmp_path / "cached", server.url, 7, cache=tmp_path / "cache.sqlite"))
    with running(BatchServer(moody)) as batches:
        options = again(data, tmp_path / "batches", batches.url, 7)
        work(replace(options, batch_api=True, batch_times=TIMES))
    found = [records(tmp_path / name, tmp_path / f"{name}.jsonl") for name in ("plain", "cached", "batches")]
    assert any("drafts" in row for row in found[0].values())
    assert found[0] == found[1] == found[2]


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    return fork_server("expllm.cli.cot_make", "expllm.chat.endpoint", "test_second_pass")


def bodies_of(server: ChatServer) -> Counter[bytes]:
    return Counter(seen.body for seen in server.seen if seen.body)


@pytest.mark.parametrize(
    ("seed", "kills"), [(0, 3), *(pytest.param(seed, 12, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_killed_in_the_second_pass_and_the_export_is_the_same(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext, seed: int, kills: int
) -> None:
    chance = random.Random(seed)
    data, whole, run = (
        write_reference(tmp_path / "reference.jsonl", 40, seed),
        tmp_path / "whole",
        tmp_path / "run",
    )
    with served(moody, latency=0.01) as server:
        work(again(data, whole, server.url, 7))
        expected = set(bodies_of(server))
        work(order(data, run, server.url))
        for _ in range(kills):
            process = processes.Process(target=begin, args=(data, run, server.url, 7))
            process.start()
            killed(process, server, chance)
        with closing(JournalReader(RunFolder(run).second_journal)) as reader:
            known = {key for (key,) in reader.db.execute("SELECT sample || number FROM calls")}
        work(again(data, run, server.url, 7))
        asked = bodies_of(server)
    with closing(JournalReader(RunFolder(run).second_journal)) as reader:
        calls = {key for (key,) in reader.db.execute("SELECT sample || number FROM calls")}
    assert known <= calls
    assert set(asked) == expected
    # Once in each run, and a kill loses at most the calls that were under way or not on the disk yet.
    assert sum(asked.values()) - 2 * len(expected) <= (16 + 8 + 1) * kills
    outputs = []
    for folder in (whole, run):
        target = tmp_path / f"{folder.name}.jsonl"
        assert export(RunFolder(folder), "jsonl", target, statuses=EVERY) == 40
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1]


def test_a_pass_keeps_its_number_of_drafts(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 6), tmp_path / "run"
    with served(moody) as server:
        work(order(data, run, server.url))
        work(again(data, run, server.url, 2))
        with pytest.raises(RunError, match="begun with best_of 2, not 3"):
            work(again(data, run, server.url, 3))
        work(order(data, run, server.url))  # the first pass alone goes on as ever
        with pytest.raises(UsageError, match="--temperature 0"):
            again(data, run, server.url, 2, temperature=0.0)
    assert RunFolder(run).settings()["best_of"] == 2


def test_the_budget_holds_what_the_first_pass_spent(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 12), tmp_path / "run"
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"models": {"honest": {"input": 1000.0, "output": 0.0}}}))
    with served(moody) as server:
        work(order(data, run, server.url, prices=prices))
        spent = Ledger.of(RunFolder(run)).usage.cost
        assert spent is not None
        before = len(server.seen)
        work(again(data, run, server.url, 4, prices=prices, budget=spent))
        assert len(server.seen) == before  # nothing is left to spend
        work(again(data, run, server.url, 4, prices=prices, budget=spent + 1000))
        after = Ledger.of(RunFolder(run))
    assert len(server.seen) > before
    assert after.usage.cost is not None
    assert after.usage.cost > spent


def test_rules_name_one_expression_after_the_other(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), tmp_path / "run"
    made = ["cot", "make", str(data), "-o", str(run), "--quiet", "--retry-hinted", "--best-of", "7"]
    assert CliRunner().invoke(app, made).exit_code == 0
    ledger = Ledger.of(RunFolder(run))
    assert ledger.second_pass is not None
    assert ledger.second_pass.hinted.of >= SAMPLES // 3
    assert ledger.second_pass.hinted.count == ledger.second_pass.hinted.of  # seven drafts name seven labels
    assert ledger.hinted_resolved.count == 0
    shown = CliRunner().invoke(app, ["cot", "status", str(run)]).output
    assert "Tried again: the best of 7 drafts without the label." in shown
    late = next(name for name, row in records(run, tmp_path / "out.jsonl").items() if "drafts" in row)
    talk = CliRunner().invoke(app, ["cot", "show", str(run), late]).output
    assert "Tried again without the label" in talk
    assert "Draft 7" in talk
    alone = CliRunner().invoke(app, [*made[:-3], "--best-of", "3"])
    assert isinstance(alone.exception, UsageError)
    assert alone.exception.line == "--best-of needs --retry-hinted"


def test_a_run_of_several_workers_is_passed_over_again(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), RunFolder(tmp_path / "run")
    dataset = open_dataset(str(data))
    run.path.mkdir()
    run.begin({"expllm": "0", "labels": [*map(str, dataset.labels)]})
    for index in range(2):
        engine = Engine(writer=RuleWriter(), labels=dataset.labels, gate=RunBudget(4))
        work_shard(WorkerShard(index, 2, run.path), lambda _, engine=engine: (engine, enumerate(dataset)))  # type: ignore[misc]
    hinted = Ledger.of(run).hinted_resolved.count
    options = CotMakeOptions(dataset=str(data), output=run.path, quiet=True, retry_hinted=True, best_of=7)
    assert not try_again(options, Prompts.load(), dataset, run)
    check_shards(run, 2)
    ledger = Ledger.of(run)
    assert ledger.second_pass is not None
    assert ledger.second_pass.hinted == Share(hinted, hinted)
    assert ledger.ended == SAMPLES


FACE = AUVector.from_positive(
    {"left lip corner pull": 0.7, "right lip corner pull": 0.72, "jaw drop": 0.3, "chin raise": 0.08}
)


def drafted(
    tmp_path: Path, texts: Mapping[int, str], count: int, verify: Any = "rules", judge: str = "Correct"
) -> tuple[dict[str, Any], list[str]]:
    """What best-of-N makes of a face by these descriptions, and the descriptions that were refined."""
    refined: list[str] = []

    def answer(number: int, messages: list[Message]) -> str:
        last = str(messages[-1].content)
        if "Original description:" in str(messages[0].content):
            refined.append(last)
            return write_cot(FACE, Expression.HAPPINESS).text
        if last.startswith("Determine"):
            return judge if texts[number] == texts[max(texts)] else "Incorrect"
        return "Happiness" if last.startswith("Based on") else texts[number]

    def chat(number: int) -> ScriptedChat:
        return ScriptedChat(partial(answer, number))

    writer = LLMWriter(chat(1), Prompts.load(), chat)
    case = Case(FACE, label_set(7), Expression.HAPPINESS)
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:

        async def run() -> dict[str, Any]:
            session = SampleSession("a", journal, RunBudget(1))
            return await BestOf(writer, session, case, Rules(verify=verify), count).through()

        return asyncio.run(run()), refined


PLAIN = "Both lip corners are strongly pulled up. The jaw is slightly dropped."
FULL = f"{PLAIN} The chin is slightly raised."
FALSE = f"{PLAIN} The nose is strongly wrinkled."


def test_the_draft_that_tells_most_is_refined(tmp_path: Path) -> None:
    found, refined = drafted(tmp_path, {1: PLAIN, 2: FALSE, 3: FULL}, 3)
    assert found["status"] == "resolved"
    assert len(refined) == 1
    assert FULL in refined[0]


def test_the_next_draft_is_taken_where_the_model_finds_the_best_one_wrong(tmp_path: Path) -> None:
    found, refined = drafted(tmp_path, {1: FULL, 2: FALSE, 3: PLAIN}, 3, "both")
    assert found["status"] == "resolved"
    assert len(refined) == 1
    assert "chin" not in refined[0]


def test_without_a_draft_that_passes_nothing_is_refined(tmp_path: Path) -> None:
    found, refined = drafted(tmp_path, {1: FALSE, 2: FALSE}, 2)
    assert found == {"status": "unresolved", "reason": "none of 2 drafts passed without the label"}
    assert refined == []
