"""Runs the engine on several machines with Ray (extra `[ray]`): one journal per worker.

Samples are dealt out by a hash of their id, so that a sample that was begun is taken up by whoever holds its
journal. A shard that loses its node starts again elsewhere and reads what it had journaled: the run's folder
must be on storage that every node sees.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ExpllmError, MissingDependency, UsageError, one_line
from expllm.cot.engine import Engine
from expllm.cot.journal import Journal, JournalReader
from expllm.cot.sample_shards import shard_of
from expllm.data import Sample
from expllm.files.runs import RunFolder, held

_RESTARTS: Final = 5
"""How often in a row a shard may lose its worker without ending a sample before the run gives up on it."""


@dataclass(frozen=True)
class WorkerShard:
    """One worker's part of a run.

    Attributes:
        index: 0 to `count` - 1.
        count: Workers of the run; fixed when it begins, because it decides who holds which sample.
        folder: The run's folder.
    """

    index: int
    count: int
    folder: Path

    @property
    def journal(self) -> Path:
        return RunFolder(self.folder).shard_journal(self.index)

    def holds(self, sample: str) -> bool:
        return shard_of(sample, self.count) == self.index


Opening = Callable[[WorkerShard], tuple[Engine, Iterable[tuple[int, Sample]]]]
"""Opens the engine, and the samples of a shard (or more) with their places, on a worker: only what opens them
travels."""


def work_shard(shard: WorkerShard, opening: Opening) -> int:
    """Works through a shard in this process; returns how many of its samples have ended."""
    engine, samples = opening(shard)
    # A worker that was given up for lost may still be at work on this journal: two may not.
    with held(shard.journal.with_suffix(".lock")), closing(Journal(shard.journal)) as journal:
        asyncio.run(_work(engine, samples, shard, journal))
    return _ended(shard)


async def _work(
    engine: Engine, samples: Iterable[tuple[int, Sample]], shard: WorkerShard, journal: Journal
) -> None:
    try:
        # Positions count the whole data set, so that an export is in its order whoever did the work.
        await engine.run_placed(_mine(samples, shard), journal)
    finally:
        await engine.close()


def _mine(samples: Iterable[tuple[int, Sample]], shard: WorkerShard) -> Iterator[tuple[int, Sample]]:
    return ((position, sample) for position, sample in samples if shard.holds(sample.id))


def run_on_cluster(folder: Path, count: int, opening: Opening, on_ended: Callable[[int], None]) -> int:
    """Runs all shards on the Ray cluster that `ray.init` has joined; returns how many samples have ended.

    Args:
        folder: The run's folder, seen by every node.
        count: Shards.
        opening: Opens engine and data on a worker.
        on_ended: Told how many samples a shard has ended, when it ends.

    Raises:
        MissingDependency: Ray is not installed.
        ExpllmError: a shard failed for another reason than a lost worker, or only lost workers.
    """
    ray = _ray()
    # Ray would count every loss, and a run of days on machines that are taken away has many.
    remote = ray.remote(num_cpus=1, max_retries=0)(_guarded)
    shards = [WorkerShard(index, count, folder) for index in range(count)]
    waiting = {remote.remote(shard, opening): (shard, _Losses(_ended(shard))) for shard in shards}
    total, failures = 0, []
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        shard, losses = waiting.pop(ready)
        try:
            ended, failure = ray.get(ready)
        except ray.exceptions.RayTaskError as error:  # a fault of the program: again would fail again
            ended, failure = 0, f"{type(error.cause).__name__}: {one_line(str(error.cause))[:200]}"
        except ray.exceptions.RayError as error:
            if losses.may_go_on(_ended(shard)):
                waiting[remote.remote(shard, opening)] = (shard, losses)
                continue
            ended, failure = 0, losses.line(type(error).__name__)
        if failure:
            failures.append(f"shard {shard.index}: {failure}")
        total += ended
        on_ended(ended)
    if failures:
        raise ExpllmError("; ".join(failures))
    return total


@dataclass
class _Losses:
    """How often a shard lost its worker since it last ended a sample.

    Attributes:
        ended: Samples that had ended at the last loss.
        count: Losses since then.
    """

    ended: int
    count: int = 0

    def may_go_on(self, ended: int) -> bool:
        """Counts a loss; whether the shard may begin again."""
        self.count = 0 if ended > self.ended else self.count + 1
        self.ended = ended
        return self.count <= _RESTARTS

    def line(self, kind: str) -> str:
        """What stopped the shard, and what to do."""
        return (
            f"its worker died {self.count} times without ending a sample (Ray: {kind}), last after "
            f"{self.ended:,} samples: look for a lack of memory ('ray logs' has the worker's last "
            "lines), then run the same command again"
        )


def _ended(shard: WorkerShard) -> int:
    """Samples that a shard has ended, by its journal."""
    if not shard.journal.is_file():
        return 0
    with closing(JournalReader(shard.journal)) as reader:
        try:
            return reader.count_finished()
        except sqlite3.Error:  # lost before its first table was written
            return 0


def join_cluster(address: str) -> None:
    """Joins a Ray cluster: `local` starts one here, `auto` takes the one that this machine belongs to.

    Raises:
        MissingDependency: Ray is not installed.
        UsageError: nothing answers there.
    """
    ray = _ray()
    if ray.is_initialized():
        return
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        raise UsageError(f"--ray {address}: cannot join the cluster ({one_line(str(error))[:200]})") from None


def _guarded(shard: WorkerShard, opening: Opening) -> tuple[int, str | None]:
    """A shard's result, or the line of what stopped it: Ray need not know this package's errors."""
    try:
        return work_shard(shard, opening), None
    except ExpllmError as error:
        return 0, error.line


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingDependency("Ray is not installed: pip install 'expllm[ray]'") from None
    return ray
