"""The engine at scale on one machine: rate, memory, journals, resuming, exporting, workers that are killed.

    python benchmarks/engine_scale.py [--samples 20000] [--workers 2] [--kills 20]

Faces are drawn by their number, texts are written by rules: what is measured is the engine and not a server.
One process works through all of them; then as many workers as asked, each with its shard, as `cot make --ray`
has them, without Ray; then the same again while workers are killed (SIGKILL) and begun again. Processor time
counts from when a worker opens its shard, behind its imports. Prints rows of a table, and leaves with 1 when
a sample is lost or stands twice.
"""

import argparse
import multiprocessing
import os
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

from expllm.core.vocabulary import FEAFA_NAMES, AUVector, Expression, label_set
from expllm.cot.cluster import WorkerShard, work_shard
from expllm.cot.engine import Engine
from expllm.cot.export import export
from expllm.cot.journal import JournalReader
from expllm.cot.sample_session import RunBudget
from expllm.cot.writers import RuleWriter
from expllm.data import Sample
from expllm.files.runs import RunFolder

LABELS: Final = label_set(8)
MOVING: Final = 4
PART: Final = 10**9


@dataclass(frozen=True)
class Worked:
    """What some workers took: wall seconds, processor seconds of all, the most MB of one."""

    wall: float
    cpu: float
    most_mb: float


def drawn_face(number: int) -> Sample:
    """A face of a label with a few moving units; the same one for the same number."""
    draw = random.Random(number)
    moving = {name: round(draw.uniform(0.06, 1), 3) for name in draw.sample(FEAFA_NAMES, MOVING)}
    label: Expression = draw.choice(LABELS)
    return Sample(id=f"face {number}", expression=label, aus=AUVector.from_positive(moving))


def opening(samples: int) -> tuple[Engine, Iterator[tuple[int, Sample]]]:
    """What a worker opens."""
    engine = Engine(writer=RuleWriter(), labels=LABELS, gate=RunBudget(64))
    return engine, ((number, drawn_face(number)) for number in range(samples))


def work(
    shard: WorkerShard, samples: int, results: "multiprocessing.SimpleQueue[tuple[float, float]]"
) -> None:
    """A worker's process; it tells its processor seconds and MB when it ends."""
    began = time.process_time()
    work_shard(shard, partial(opening, samples))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put((time.process_time() - began, most))


def begun(folder: Path) -> RunFolder:
    """A run's folder as `cot make` begins one."""
    folder.mkdir()
    run = RunFolder(folder)
    run.begin({"expllm": "bench", "dataset": "drawn", "model": "offline", "labels": [*map(str, LABELS)]})
    return run


def worked(run: RunFolder, samples: int, workers: int, kills: int = 0) -> Worked:
    """Works through a run, and kills a worker `kills` times at even shares of the samples."""
    spawn = multiprocessing.get_context("spawn")
    results = spawn.SimpleQueue()
    began = time.perf_counter()

    def start(index: int) -> SpawnProcess:
        process = spawn.Process(target=work, args=(WorkerShard(index, workers, run.path), samples, results))
        process.start()
        return process

    processes = [start(index) for index in range(workers)]
    marks = [samples * (number + 1) // (kills + 2) for number in range(kills)]
    for number, mark in enumerate(marks):
        while ended(run) < mark and any(process.is_alive() for process in processes):
            time.sleep(0.05)
        index = number % workers
        processes[index].kill()
        processes[index].join()
        processes[index] = start(index)
    for process in processes:
        process.join()
        if process.exitcode:
            sys.exit(f"a worker ended with {process.exitcode}")
    wall = time.perf_counter() - began
    told = [results.get() for _ in range(workers)]
    return Worked(wall, sum(cpu for cpu, _ in told), max(mb for _, mb in told))


def ended(run: RunFolder) -> int:
    """Samples that have ended in all journals."""
    return sum(names(run).values())


def names(run: RunFolder) -> Counter[str]:
    """How often each sample has ended."""
    found: Counter[str] = Counter()
    for path in run.journals():
        with closing(JournalReader(path)) as reader, suppress(sqlite3.OperationalError):  # not made yet
            found.update(reader.finished())
    return found


def journal_bytes(run: RunFolder) -> int:
    """Bytes of all journals."""
    return sum(path.stat().st_size for path in run.journals())


def exported(run: RunFolder) -> tuple[int, float]:
    """Records and seconds of an export in parts."""
    began = time.perf_counter()
    count = export(run, "jsonl", run.path / "parts", part_size=PART)
    return count, time.perf_counter() - began


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    return parser.parse_args(arguments)


def main() -> None:
    """Measures, and prints the table."""
    options = read_options()
    samples, workers = options.samples, options.workers
    print(
        f"{samples:,} samples, {workers} workers, load {os.getloadavg()[0]:.1f}\n\n"
        "| figure | value |\n| --- | --- |"
    )
    with tempfile.TemporaryDirectory() as folder:
        one = worked(begun(Path(folder, "one")), samples, 1)
        row("one process: samples a second of processor time", samples / one.cpu)
        many_run = begun(Path(folder, "many"))
        many = worked(many_run, samples, workers)
        row(f"{workers} workers: the same", samples / many.cpu)
        row("... of one process (bound: 0.9)", one.cpu / many.cpu)
        row("most memory of a worker, MB (bound: 300)", many.most_mb)
        row("journals, kB a sample", journal_bytes(many_run) / samples / 1000)
        row("resuming when all is done, s", worked(many_run, samples, workers).wall)
        count, seconds = exported(many_run)
        row("export in parts, records a second (bound: 20,000)", count / seconds)
        killed_run = begun(Path(folder, "killed"))
        worked(killed_run, samples, workers, options.kills)
        found = names(killed_run)
        lost, twice = samples - len(found), sum(count > 1 for count in found.values())
        row(f"lost after {options.kills} kills", lost)
        row("twice", twice)
    sys.exit(1 if lost or twice else 0)


def row(figure: str, value: float) -> None:
    """A row of the table."""
    print(f"| {figure} | {value:,.2f} |", flush=True)


if __name__ == "__main__":
    main()
