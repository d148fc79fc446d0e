"""`kill -9` at random moments: nothing that was journaled is asked again, and the export is the same."""

import json
import multiprocessing
import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import honest
import pytest
from chatserver import ChatServer
from forking import fork_server
from running import order, served, write_reference
from waiting import wait_until

from expllm.cli.cot_make import work
from expllm.cot.export import export
from expllm.cot.journal import JournalReader
from expllm.cot.sample_session import key_of
from expllm.files.runs import RunFolder

SAMPLES = 60
EVERY = ("resolved", "unresolved", "invalid")


def begin(data: Path, run: Path, url: str, **given: Any) -> None:
    """What a killed process does: module level, so that a fork server can start it."""
    work(order(data, run, url, **given))


def journaled(run: Path) -> set[str]:
    if not (run / "journal.sqlite").exists():
        return set()
    with closing(JournalReader(run / "journal.sqlite")) as reader:
        tables = reader.db.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'calls'").fetchone()[0]
        return {key for (key,) in reader.db.execute("SELECT key FROM calls")} if tables else set()


def asked_key(body: bytes) -> str:
    """The journal's key of a request's conversation."""
    messages = json.loads(body)["messages"]
    return key_of(text for message in messages for text in (message["role"], message["content"]))


def killed(process: Any, server: ChatServer, chance: random.Random) -> None:
    """Kills while it starts, or after up to thirty more requests and a moment."""
    asked = len(server.seen) + chance.choice((0, *range(30)))
    wait_until(lambda: len(server.seen) >= asked or not process.is_alive())
    time.sleep(chance.uniform(0.0, 0.02))
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    return fork_server("expllm.cli.cot_make", "expllm.chat.endpoint", "test_engine_kill")


@pytest.mark.parametrize(
    ("seed", "kills"), [(0, 3), *(pytest.param(seed, 20, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_killed_again_and_again_and_nothing_is_asked_twice(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext, seed: int, kills: int
) -> None:
    chance = random.Random(seed)
    data = write_reference(tmp_path / "reference.jsonl", SAMPLES, seed)
    with served(honest.of_payload, latency=0.01) as server:
        whole = tmp_path / "whole"
        work(order(data, whole, server.url))
        expected = Counter(asked_key(seen.body) for seen in server.seen if seen.body)
        run, repeated = tmp_path / "run", 0
        for _ in range(kills):
            known, before = journaled(run), len(server.seen)
            process = processes.Process(target=begin, args=(data, run, server.url))
            process.start()
            killed(process, server, chance)
            again = [asked_key(seen.body) for seen in server.seen[before:] if seen.body]
            repeated += sum(key in known for key in again)
        known, before = journaled(run), len(server.seen)
        work(order(data, run, server.url))
        repeated += sum(asked_key(s.body) in known for s in server.seen[before:] if s.body)
    assert repeated == 0
    assert set(expected) == journaled(run) == journaled(whole)
    outputs = []
    for folder in (whole, run):
        target = tmp_path / f"{folder.name}.jsonl"
        assert export(RunFolder(folder), "jsonl", target, statuses=EVERY) == SAMPLES
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_a_budget_holds_through_kills(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), tmp_path / "run"
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"models": {"honest": {"input": 1000.0, "output": 0.0}}}))
    budget, slots, chance = 25.0, 8, random.Random(0)
    asked: dict[str, Any] = {"prices": prices, "budget": budget, "concurrency": slots}
    with served(honest.of_payload, latency=0.01) as server:
        for _ in range(6):
            process = processes.Process(target=begin, args=(data, run, server.url), kwargs=asked)
            process.start()
            killed(process, server, chance)
        work(order(data, run, server.url, **asked))
        dearest = max(seen.prompt_tokens or 0 for seen in server.seen) * 1e-3
        before = len(server.seen)
        work(order(data, run, server.url, **asked))
        assert len(server.seen) == before  # nothing is left to spend
        with closing(JournalReader(run / "journal.sqlite")) as reader:
            assert budget <= reader.spent() <= budget + slots * dearest
        work(order(data, run, server.url, prices=prices, budget=10_000.0))
    with closing(JournalReader(run / "journal.sqlite")) as reader:
        assert len(reader.finished()) == SAMPLES
