"""`expllm cot make --ray`: the same run, its samples dealt out over a Ray cluster."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.cot.cluster import WorkerShard, join_cluster, run_on_cluster
from expllm.cot.engine import Engine
from expllm.cot.engine_setup import CotMakeOptions, FaceReaders, make_engine
from expllm.cot.journal import JournalReader
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_shards import SampleShards
from expllm.data import Dataset, Sample
from expllm.data.drawn import drawn_samples
from expllm.files.progress import Progress
from expllm.files.runs import RunFolder


@dataclass(frozen=True)
class EngineOpening:
    """Opens the engine on a worker, and what was dealt to it: options and prompts travel, never a key.

    Attributes:
        labels: The label set of the data.
    """

    options: CotMakeOptions
    prompts: dict[str, str]
    labels: tuple[Expression, ...]
    face_reader: FaceReaders | None = None

    def __call__(self, shard: WorkerShard) -> tuple[Engine, Iterable[tuple[int, Sample]]]:
        part = self.options.part(shard.count)
        engine = make_engine(part, Prompts(self.prompts), self.labels, self.face_reader)
        return engine, SampleShards(shard.folder, shard.count).read(shard.index)


def work_on_cluster(
    options: CotMakeOptions, prompts: Prompts, folder: RunFolder, dataset: Dataset,
    face_reader: FaceReaders | None,
) -> int:  # fmt: skip
    """Deals the samples out, runs all shards and returns how many samples have ended.

    Raises:
        OutputError: the samples of the workers cannot be written.
        MissingDependency: Ray is not installed.
        UsageError: the cluster cannot be joined.
        ExpllmError: a shard was stopped; the line says by what.
    """
    assert options.ray is not None
    join_cluster(options.ray)
    shards = options.shards or 1
    samples = drawn_samples(dataset, options.limit)
    dealt = {"fingerprint": dataset.fingerprint, "limit": options.limit}
    SampleShards(folder.path, shards).deal(samples, dealt)
    total = min(len(dataset), options.limit or len(dataset))
    with Progress(total, shown=not options.quiet, doing="explaining") as progress:

        def count(ended: int) -> None:
            for _ in range(ended):
                progress.step(0)

        opening = EngineOpening(options, prompts.texts, dataset.labels, face_reader)
        return run_on_cluster(folder.path, shards, opening, count)


def check_shards(folder: RunFolder, shards: int | None) -> None:
    """A run keeps its shards: they decide who holds which sample.

    Raises:
        UsageError: the run has another number of journals, or was begun without a cluster.
    """
    own = folder.path / "journal.sqlite"
    if shards and own.is_file() and _has_rows(own):
        raise UsageError(f"{folder.path}: the run was begun on one machine; go on without --ray")
    if not shards and any(path != own for path in folder.first_journals()):
        raise UsageError(f"{folder.path}: the run was begun on a cluster; go on with --ray and --shards")


def _has_rows(path: Path) -> bool:
    with closing(JournalReader(path)) as reader:
        return bool(reader.begun() or reader.finished())
