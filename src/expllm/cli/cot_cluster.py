"""`expllm cot make --ray`: the same run, its samples dealt out over a Ray cluster."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from expllm.cli.cot_engine import Order, limited, make_engine
from expllm.core.errors import UsageError
from expllm.cot.cluster import join_cluster, run_on_cluster
from expllm.cot.engine import Engine
from expllm.cot.journal import JournalReader
from expllm.cot.prompt_set import Prompts
from expllm.data import Sample
from expllm.files.progress import Progress
from expllm.files.runs import RunFolder


@dataclass(frozen=True)
class Opening:
    """Opens engine and data on a worker: what travels is the order and the prompts, never a key.

    Attributes:
        shards: Workers of the run; each gets its part of the concurrency and of the budget.
    """

    order: Order
    prompts: dict[str, str]
    shards: int

    def __call__(self) -> tuple[Engine, Iterable[Sample]]:
        from expllm.data import open_dataset

        dataset = open_dataset(self.order.dataset)
        engine = make_engine(self.order.part(self.shards), Prompts(self.prompts), dataset.labels)
        return engine, limited(dataset, self.order.limit)


def work_on_cluster(order: Order, prompts: Prompts, folder: RunFolder, total: int) -> int:
    """Runs all shards and returns how many samples have ended.

    Raises:
        MissingDependency: Ray is not installed.
        UsageError: the cluster cannot be joined.
        ExpllmError: a shard was stopped; the line says by what.
    """
    assert order.ray is not None
    join_cluster(order.ray)
    shards = order.shards or 1
    with Progress(total, shown=not order.quiet, doing="explaining") as progress:

        def count(ended: int) -> None:
            for _ in range(ended):
                progress.step(0)

        return run_on_cluster(folder.path, shards, Opening(order, prompts.texts, shards), count)


def check_shards(folder: RunFolder, shards: int | None) -> None:
    """A run keeps its shards: they decide who holds which sample.

    Raises:
        UsageError: the run has another number of journals, or was begun without a cluster.
    """
    own = folder.path / "journal.sqlite"
    if shards and own.is_file() and _has_rows(own):
        raise UsageError(f"{folder.path}: the run was begun on one machine; go on without --ray")
    if not shards and any(path != own for path in folder.journals()):
        raise UsageError(f"{folder.path}: the run was begun on a cluster; go on with --ray and --shards")


def _has_rows(path: Path) -> bool:
    with closing(JournalReader(path)) as reader:
        return bool(reader.begun() or reader.finished())
