"""The engine at scale on one machine: rate, memory, journals, resuming, exporting, workers that are killed.

    python benchmarks/engine_scale.py [--samples 20000] [--workers 8] [--kills 20] [--ray] [--servers 2]

Faces are drawn by their number and dealt out, as `cot make --ray` deals them. One process works through all
of them; then as many workers as asked, each with its shard, on a Ray cluster of this machine (`--ray`) or
as plain processes; then the same again while workers are killed (SIGKILL) and begun again. Without
`--servers` texts are written by rules: what is measured is the engine alone. With it, every call goes over
HTTP to as many loopback servers, which take the same processors. Processor time counts from when a worker
opens its shard, behind its imports and the tables of writer and audit. Prints rows of a table, and leaves
with 1 when a sample is lost or stands twice.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from engine import KEY_ENV, server

from expllm.chat import OpenAIChat
from expllm.core.vocabulary import FEAFA_NAMES, AUVector, Expression, label_set
from expllm.cot.cluster import WorkerShard, run_on_cluster, work_shard
from expllm.cot.engine import Engine
from expllm.cot.export import export
from expllm.cot.journal import JournalReader
from expllm.cot.prompt_set import Prompts
from expllm.cot.rule_writer import write_cot
from expllm.cot.sample_session import RunBudget
from expllm.cot.sample_shards import SampleShards
from expllm.cot.writers import LLMWriter, RuleWriter
from expllm.data import Sample
from expllm.files.runs import RunFolder
from expllm.grounding import audit

LABELS: Final = label_set(7)
MOVING: Final = 4
PART: Final = 10**9
IN_FLIGHT: Final = 64
TRIES: Final = 4


@dataclass(frozen=True)
class Worked:
    """What some workers took: wall seconds, processor seconds of all, the most MB of one."""

    wall: float
    cpu: float
    most_mb: float


@dataclass(frozen=True)
class Opening:
    """Opens a worker's shard; what the worker took lies in the run's folder when it ends.

    Attributes:
        urls: Of the servers; empty for rules.
        in_flight: Calls under way in one worker.
    """

    urls: tuple[str, ...]
    in_flight: int

    def __call__(self, shard: WorkerShard) -> tuple[Engine, Iterator[tuple[int, Sample]]]:
        warm_up()
        began = time.process_time()
        os.environ[KEY_ENV] = "sk-bench"

        def tell() -> None:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            took = {"cpu": time.process_time() - began, "mb": most}
            (shard.folder / f"took-{shard.index}-{os.getpid()}.json").write_text(json.dumps(took))

        writer: Any = RuleWriter()
        if self.urls:
            url = self.urls[shard.index % len(self.urls)]
            chat = OpenAIChat("honest", base_url=url, api_key_env=KEY_ENV, concurrency=self.in_flight)
            writer = LLMWriter(chat, Prompts.load())
        engine = Engine(writer=writer, labels=LABELS, gate=RunBudget(self.in_flight), release=tell)
        return engine, SampleShards(shard.folder, shard.count).read(shard.index)


Start = Callable[[RunFolder, int, Opening], None]
"""Works through all shards of a run; a worker that dies is begun again."""


def drawn_face(number: int) -> Sample:
    """A face of a label with a few moving units; the same one for the same number."""
    draw = random.Random(number)
    moving = {name: round(draw.uniform(0.06, 1), 3) for name in draw.sample(FEAFA_NAMES, MOVING)}
    label: Expression = draw.choice(LABELS)
    return Sample(id=f"face {number}", expression=label, aus=AUVector.from_positive(moving))


def warm_up() -> None:
    """Reads the tables of writer and audit, a second's work that does not grow with the samples."""
    face = drawn_face(0)
    assert face.aus is not None
    for label in LABELS:
        audit(write_cot(face.aus, label).text, face.aus, label)


def begun(folder: Path, samples: int, workers: int) -> tuple[RunFolder, float]:
    """A run's folder as `cot make` begins one, its samples dealt out; the seconds that dealing took."""
    folder.mkdir()
    run = RunFolder(folder)
    run.begin({"expllm": "bench", "dataset": "drawn", "model": "offline", "labels": [*map(str, LABELS)]})
    faces = [(number, drawn_face(number)) for number in range(min(samples, 10_000))]
    rest = ((number, drawn_face(number)) for number in range(len(faces), samples))
    began = time.process_time()
    SampleShards(folder, workers).deal((face for some in (faces, rest) for face in some), {})
    return run, time.process_time() - began


def in_processes(run: RunFolder, workers: int, opening: Opening) -> None:
    """Plain processes, as Ray would have them."""
    spawn = multiprocessing.get_context("spawn")

    def start(index: int) -> Any:
        process = spawn.Process(target=work_shard, args=(WorkerShard(index, workers, run.path), opening))
        process.start()
        return process

    alive = {index: start(index) for index in range(workers)}
    while alive:
        wait([process.sentinel for process in alive.values()])
        for index, process in [*alive.items()]:
            if process.exitcode is None:
                continue
            if process.exitcode > 0:
                sys.exit(f"a worker ended with {process.exitcode}")
            del alive[index]
            if process.exitcode < 0:
                alive[index] = start(index)


def begin_ray(workers: int) -> Callable[[], object]:
    """A cluster on this machine with a processor for each worker; gives what ends it."""
    import ray

    for tries in range(TRIES):
        try:
            ray.init(
                num_cpus=workers, include_dashboard=False, log_to_driver=False,
                object_store_memory=10**8, logging_level=logging.ERROR,
            )  # fmt: skip
            break
        except Exception:  # a busy machine: a node has 30 s to register, and no setting changes that
            ray.shutdown()
            if tries == TRIES - 1:
                raise
    return ray.shutdown


def on_ray(run: RunFolder, workers: int, opening: Opening) -> None:
    """Workers of a Ray cluster on this machine."""
    run_on_cluster(run.path, workers, opening, lambda _: None)


def worked(start: Start, run: RunFolder, workers: int, opening: Opening) -> Worked:
    """Works through a run, and adds up what its workers took."""
    for file in run.path.glob("took-*.json"):
        file.unlink()
    began = time.perf_counter()
    start(run, workers, opening)
    wall = time.perf_counter() - began
    told = [json.loads(file.read_text()) for file in run.path.glob("took-*.json")]
    return Worked(wall, sum(one["cpu"] for one in told), max(one["mb"] for one in told))


def kill(
    run: RunFolder, workers: int, marks: Sequence[int], killed: list[int], over: threading.Event
) -> None:
    """Kills a worker whenever so many samples have ended, in turn; their processes go to `killed`."""
    for number, mark in enumerate(marks):
        while not over.is_set():
            turn = [(number + more) % workers for more in range(workers)]
            alive = [pid for index in turn if (pid := _worker(run, index)) and pid not in killed]
            if alive and ended(run) >= mark:
                killed.append(alive[0])
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(alive[0], signal.SIGKILL)
                break
            time.sleep(0.05)


def _worker(run: RunFolder, index: int) -> int | None:
    """The process that holds a shard's journal; None where it has ended."""
    lock = run.shard_journal(index).with_suffix(".lock")
    text = lock.read_text() if lock.exists() else ""
    return int(text) if text and Path(f"/proc/{text}").exists() else None


def ended(run: RunFolder) -> int:
    """Samples that have ended in all journals."""
    count = 0
    for path in run.journals():
        with closing(JournalReader(path)) as reader, suppress(sqlite3.OperationalError):  # not made yet
            count += reader.count_finished()
    return count


def names(run: RunFolder) -> Counter[str]:
    """How often each sample has ended."""
    found: Counter[str] = Counter()
    for path in run.journals():
        with closing(JournalReader(path)) as reader:
            found.update(reader.finished())
    return found


def journal_bytes(run: RunFolder) -> int:
    """Bytes of all journals."""
    return sum(path.stat().st_size for path in run.journals())


def exported(run: RunFolder) -> tuple[int, float, float]:
    """Records, seconds and processor seconds of an export in parts."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = export(run, "jsonl", run.path / "parts", part_size=PART)
    return count, time.perf_counter() - wall, time.process_time() - cpu


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ray", action="store_true", help="workers of a local Ray cluster")
    parser.add_argument("--servers", type=int, default=0, help="loopback servers; 0: texts by rules")
    parser.add_argument("--folder", type=Path, help="where runs are made; a temporary one by default")
    return parser.parse_args(arguments)


def main() -> None:
    """Measures, and prints the table."""
    options = read_options()
    print(
        f"{options.samples:,} samples, {options.workers} workers ({'Ray' if options.ray else 'processes'}), "
        f"{options.servers or 'no'} servers, load {os.getloadavg()[0]:.1f}\n\n| figure | value | bound |\n"
        "| --- | --- | --- |"
    )
    with ExitStack() as stack:
        urls = tuple(stack.enter_context(server(0, 0)) for _ in range(options.servers))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        start: Start = in_processes
        if options.ray:
            stack.callback(begin_ray(options.workers))
            start = on_ray
        lost, twice = measure(folder, start, options, urls)
    sys.exit(1 if lost or twice else 0)


def measure(
    folder: Path, start: Start, options: argparse.Namespace, urls: tuple[str, ...]
) -> tuple[int, int]:
    """Prints the rows; how many samples were lost, and how many stand twice."""
    samples, workers = options.samples, options.workers
    one_run, dealing = begun(folder / "one", samples, 1)
    row("dealing out, samples a second of processor time", samples / dealing)
    one = worked(in_processes, one_run, 1, Opening(urls, IN_FLIGHT))
    row("one process: samples a second of processor time", samples / one.cpu)
    row("... most memory, MB", one.most_mb, "300")
    many_run, _ = begun(folder / "many", samples, workers)
    opening = Opening(urls, max(1, IN_FLIGHT // workers))
    many = worked(start, many_run, workers, opening)
    row(f"{workers} workers: samples a second of processor time", samples / many.cpu)
    row("... of one process", one.cpu / many.cpu, "0.9 at least")
    row("... most memory of a worker, MB", many.most_mb, "300")
    row("... samples a second of wall time", samples / many.wall)
    row("journals, kB a sample", journal_bytes(many_run) / samples / 1000)
    row("resuming when all is done, s", worked(start, many_run, workers, opening).wall, "60")
    count, seconds, cpu = exported(many_run)
    row("export in parts, records a second", count / seconds, "20,000 at least")
    row("... of processor time", count / cpu)
    return killed_run(folder / "killed", start, options, opening)


def killed_run(folder: Path, start: Start, options: argparse.Namespace, opening: Opening) -> tuple[int, int]:
    """The run whose workers are killed; how many samples were lost, and how many stand twice."""
    samples, workers, kills = options.samples, options.workers, options.kills
    run, _ = begun(folder, samples, workers)
    marks = [samples * (number + 1) // (kills + 2) for number in range(kills)]
    killed: list[int] = []
    over = threading.Event()
    killer = threading.Thread(target=partial(kill, run, workers, marks, killed, over))
    killer.start()
    worked(start, run, workers, opening)
    over.set()
    killer.join()
    found = names(run)
    lost, twice = samples - len(found), sum(count > 1 for count in found.values())
    row("workers killed", len(killed), str(kills))
    row("... samples lost", lost, "0")
    row("... samples twice", twice, "0")
    return lost, twice


def row(figure: str, value: float, bound: str = "") -> None:
    """A row of the table."""
    print(f"| {figure} | {value:,.2f} | {bound} |", flush=True)


if __name__ == "__main__":
    main()
