"""A run over a Ray cluster of two nodes, one of them killed in the middle: nothing lost, nothing twice."""

import asyncio
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import honest
import pytest
from ray_cluster import one_node, two_nodes
from running import order, served, write_reference
from waiting import wait_until

from expllm.cli.cot_make import work
from expllm.core.errors import ExpllmError
from expllm.cot.cluster import Opening, WorkerShard, run_on_cluster, work_shard
from expllm.cot.cluster_run import EngineOpening
from expllm.cot.engine import Engine
from expllm.cot.engine_setup import CotMakeOptions
from expllm.cot.export import export
from expllm.cot.journal import Journal, JournalReader, SampleOutcome
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import RunBudget
from expllm.cot.sample_shards import SampleShards
from expllm.cot.writers import LLMWriter
from expllm.data import Sample, open_dataset
from expllm.files.runs import RunFolder

SAMPLES = 40


def opening(data: Path, url: str) -> Opening:
    """What a worker opens; it travels, so it names only files and addresses."""

    def opened(_: WorkerShard) -> tuple[Engine, Iterable[tuple[int, Sample]]]:
        from expllm.chat import OpenAIChat

        os.environ["EXPLLM_TEST_KEY"] = "sk-test"
        dataset = open_dataset(str(data))
        chat = OpenAIChat("honest", base_url=url, api_key_env="EXPLLM_TEST_KEY", concurrency=4)
        prompts = Prompts.load()
        writer = LLMWriter(chat, prompts)
        return Engine(
            writer=writer, labels=dataset.labels, gate=RunBudget(4), prompt_hash=prompts.hash
        ), enumerate(dataset)

    return opened


def test_every_sample_has_one_shard() -> None:
    shards = [WorkerShard(index, 3, Path("run")) for index in range(3)]
    for number in range(100):
        assert sum(shard.holds(f"sample {number}") for shard in shards) == 1


class _LostError(Exception):
    """Stands for Ray's `RayError`."""


class _FaultError(_LostError):
    """Stands for Ray's `RayTaskError`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class WorkerCrashedError(_LostError):
    """As Ray names it."""


class FlakyRay:
    """As much of Ray as a run needs; each attempt of a shard ends a number of samples, or dies."""

    exceptions = SimpleNamespace(RayError=_LostError, RayTaskError=_FaultError)

    def __init__(self, *attempts: Callable[[WorkerShard], tuple[int, str | None]]) -> None:
        self.attempts = iter(attempts)
        self.begun = 0

    def remote(self, **options: object) -> Callable[[object], Any]:
        assert options["max_retries"] == 0
        return lambda _: SimpleNamespace(remote=lambda shard, _: (self._count(), shard, next(self.attempts)))

    def _count(self) -> int:
        self.begun += 1
        return self.begun

    def wait(self, waiting: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return waiting[:1], waiting[1:]

    def get(self, ready: Any) -> tuple[int, str | None]:
        _, shard, attempt = ready
        found: tuple[int, str | None] = attempt(shard)
        return found


def dies_after(more: int) -> Callable[[WorkerShard], tuple[int, str | None]]:
    def attempt(shard: WorkerShard) -> tuple[int, str | None]:
        journal = Journal(shard.journal)
        with closing(JournalReader(shard.journal)) as reader:
            before = len(reader.finished())
        rows = [SampleOutcome(str(before + n), before + n, "resolved", None, {}) for n in range(more)]

        async def add() -> None:
            for row in rows:
                await journal.add(row)

        asyncio.run(add())
        journal.close()
        raise WorkerCrashedError("The worker died unexpectedly while executing this task.")

    return attempt


def _flaky_run(monkeypatch: pytest.MonkeyPatch, folder: Path, ray: FlakyRay) -> int:
    monkeypatch.setattr("expllm.cot.cluster._ray", lambda: ray)
    (folder / "journals").mkdir(exist_ok=True)
    return run_on_cluster(folder, 1, lambda _: pytest.fail("opened here"), lambda _: None)


def test_a_shard_that_gets_on_may_lose_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FlakyRay(*[dies_after(1)] * 12, *[dies_after(0)] * 4, dies_after(1), lambda _: (13, None))
    assert _flaky_run(monkeypatch, tmp_path, ray) == 13
    assert ray.begun == 18


def test_a_shard_that_only_dies_ends_with_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FlakyRay(dies_after(3), *[dies_after(0)] * 20)
    with pytest.raises(ExpllmError) as caught:
        _flaky_run(monkeypatch, tmp_path, ray)
    assert "\n" not in caught.value.line
    for words in ("shard 0", "died 6 times", "WorkerCrashedError", "3 samples", "same command"):
        assert words in caught.value.line
    assert ray.begun == 7


def test_a_fault_of_the_program_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_: WorkerShard) -> tuple[int, str | None]:
        raise _FaultError(ZeroDivisionError("division by zero"))

    ray = FlakyRay(faulty)
    with pytest.raises(ExpllmError, match="shard 0: ZeroDivisionError: division by zero"):
        _flaky_run(monkeypatch, tmp_path, ray)


@pytest.mark.slow
def test_a_node_dies_and_the_result_is_the_same(tmp_path: Path) -> None:
    data = write_reference(tmp_path / "reference.jsonl", SAMPLES)
    with served(honest.of_payload, latency=0.05) as server:
        work(order(data, tmp_path / "single", server.url))
        run = RunFolder(tmp_path / "cluster")
        run.path.mkdir()
        run.begin(RunFolder(tmp_path / "single").settings() | {"shards": 2})
        before = len(server.seen)
        with two_nodes() as kill_second:

            def kill() -> None:
                wait_until(lambda: len(server.seen) >= before + 20)
                kill_second()

            killer = threading.Thread(target=kill)
            killer.start()
            ended = run_on_cluster(run.path, 2, opening(data, server.url), lambda _: None)
            killer.join()
    assert ended == SAMPLES
    ids = Counter(o for path in run.journals() for o in _ended(path))
    assert set(ids.values()) == {1}
    assert len(ids) == SAMPLES
    assert _exported(run, tmp_path / "a.jsonl") == _exported(
        RunFolder(tmp_path / "single"), tmp_path / "b.jsonl"
    )


@pytest.mark.slow
def test_workers_die_twenty_times_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    data = write_reference(tmp_path / "reference.jsonl", 120)
    run, killed = RunFolder(tmp_path / "cluster"), []
    with served(honest.of_payload, latency=0.05) as server, one_node(2):
        options = order(data, run.path, server.url, ray="auto", shards=2, concurrency=2)
        killer = threading.Thread(target=lambda: killed.extend(_kill_workers(run, 2, 20)))
        killer.start()
        work(options)
        killer.join()
        before = len(server.seen)
        work(options)
        assert len(server.seen) == before  # all had ended
        work(order(data, tmp_path / "single", server.url))
    assert len(set(killed)) == 20
    found = [name for path in run.journals() for name in _ended(path)]
    assert len(found) == len(set(found)) == 120
    assert _exported(run, tmp_path / "a.jsonl") == _exported(
        RunFolder(tmp_path / "single"), tmp_path / "b.jsonl"
    )


def _kill_workers(run: RunFolder, shards: int, times: int) -> list[int]:
    """Kills one worker after the other, each once it has ended a sample; the processes that were killed."""
    killed: list[int] = []
    ended = [0] * shards
    for number in range(times):
        index = number % shards
        journal = run.shard_journal(index)

        def works(journal: Path = journal, index: int = index) -> bool:
            return _count(journal) > ended[index] and _worker(journal) not in (None, *killed)

        wait_until(works)
        killed.append(_worker(journal) or 0)
        os.kill(killed[-1], signal.SIGKILL)
        ended[index] = _count(journal)
    return killed


def _worker(journal: Path) -> int | None:
    """The process that holds a journal."""
    lock = journal.with_suffix(".lock")
    text = lock.read_text() if lock.exists() else ""
    return int(text) if text else None


def _count(journal: Path) -> int:
    if not journal.exists():
        return 0
    with closing(JournalReader(journal)) as reader, suppress(sqlite3.Error):  # no table yet
        return reader.count_finished()
    return 0


def test_a_worker_reads_what_was_dealt_to_it_and_not_the_data(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", SAMPLES), RunFolder(tmp_path / "run")
    dataset = open_dataset(str(data))
    run.path.mkdir()
    run.begin({"expllm": "0", "labels": [*map(str, dataset.labels)]})
    SampleShards(run.path, 2).deal(enumerate(dataset), {})
    whole = {place: sample.id for place, sample in enumerate(dataset)}
    data.unlink()
    options = CotMakeOptions(dataset=str(data), output=run.path, ray="auto", shards=2)
    opening = EngineOpening(options, Prompts.load().texts, dataset.labels)
    assert sum(work_shard(WorkerShard(index, 2, run.path), opening) for index in range(2)) == SAMPLES
    for index in range(2):
        with closing(JournalReader(run.shard_journal(index))) as reader:
            mine = {one.position: one.sample for one in reader.outcomes()}
        assert mine == {p: name for p, name in whole.items() if WorkerShard(index, 2, run.path).holds(name)}


def _ended(path: Path) -> set[str]:
    reader = JournalReader(path)
    try:
        return reader.finished()
    finally:
        reader.close()


def _exported(run: RunFolder, target: Path) -> bytes:
    export(run, "jsonl", target, statuses=("resolved", "unresolved", "invalid"))
    return target.read_bytes()
