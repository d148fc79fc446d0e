"""A run over a Ray cluster of two nodes, one of them killed in the middle: nothing lost, nothing twice."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import honest
import pytest
from ray_cluster import two_nodes
from running import order, served, write_reference
from waiting import wait_until

from expllm.cli.cot_make import work
from expllm.core.errors import ExpllmError
from expllm.cot.cluster import Opening, WorkerShard, run_on_cluster
from expllm.cot.engine import Engine
from expllm.cot.export import export
from expllm.cot.journal import Journal, JournalReader, SampleOutcome
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import RunBudget
from expllm.cot.writers import LLMWriter
from expllm.data import Sample, open_dataset
from expllm.files.runs import RunFolder

SAMPLES = 40


def opening(data: Path, url: str) -> Opening:
    """What a worker opens; it travels, so it names only files and addresses."""

    def opened() -> tuple[Engine, Iterable[tuple[int, Sample]]]:
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
    return run_on_cluster(folder, 1, lambda: pytest.fail("opened here"), lambda _: None)


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


def _ended(path: Path) -> set[str]:
    reader = JournalReader(path)
    try:
        return reader.finished()
    finally:
        reader.close()


def _exported(run: RunFolder, target: Path) -> bytes:
    export(run, "jsonl", target, statuses=("resolved", "unresolved", "invalid"))
    return target.read_bytes()
