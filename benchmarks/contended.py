"""What the bundled picture costs while other programs are at work: processor time, wall time, threads.

    python benchmarks/contended.py

Each run is a process of its own, `expllm analyze` with the model that ships, from its start to its end:
alone, beside one busy process, and beside two. The three take turns, round after round; of processor time the
least counts, as whatever else the machine does can only add to it, of wall time the median. Leaves with 1
when a bound is missed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from timing import ASTRONAUT, Line, load

from expllm.core.threads import WAITING, cores

BUSY: Final = (0, 1, 2)
"""Other processes at work."""
MOST: Final = 1.3
"""Processor time beside others, over that alone."""
CHILD: Final = (
    "import sys\nfrom expllm.cli.main import run\ntry:\n    run(sys.argv[1:])\n"
    "finally:\n    print(sys.modules['torch'].get_num_threads(), file=sys.stderr)"
)
EVERY: Final = 0.02
"""Seconds between two looks at a run's threads."""


@dataclass
class Runs:
    """What runs of one kind cost.

    Attributes:
        cpu, wall: Seconds, of each run.
        threads: PyTorch's threads, at most.
        running: How many threads of the process ran, or waited for a core, at each look.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    threads: int = 0
    running: list[int] = field(default_factory=list)

    def run(self) -> None:
        """One more run."""
        command = [sys.executable, "-c", CHILD, "analyze", str(ASTRONAUT), "--model", "compact", "-q"]
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_unset()
        )
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            self.running.append(_running(child.pid))
            time.sleep(EVERY)
        assert child.stderr is not None
        said = child.stderr.read()
        if ended[1]:
            raise SystemExit(f"expllm failed: {said.strip()}")
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(ended[2].ru_utime + ended[2].ru_stime)
        self.threads = max(self.threads, int(said.split()[-1]))

    @property
    def at_work(self) -> float:
        """Threads that want a core at the same time, on average while any does."""
        return statistics.mean([count for count in self.running if count] or [0])


def _unset() -> dict[str, str]:
    """The environment, without anything about threads: what a user has who never heard of them."""
    names = (*WAITING, "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in names}


def _running(process: int) -> int:
    """How many threads of a process run, or could; 0 where the system does not tell."""
    count = 0
    for status in Path(f"/proc/{process}/task").glob("*/stat"):
        try:
            count += status.read_text().rpartition(")")[2].split()[0] == "R"
        except OSError:  # the thread has ended
            continue
    return count


@contextmanager
def beside(count: int) -> Iterator[None]:
    """Other processes that compute for the duration of the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def lines(sides: dict[int, Runs]) -> Iterator[Line]:
    """The table."""
    alone = min(sides[0].cpu)
    for count, runs in sides.items():
        where = f"beside {count} busy process{'es' * (count > 1)}" if count else "alone"
        yield Line(f"{where}: processor time, s (least)", min(runs.cpu))
        if count:
            yield Line("   over that alone", min(runs.cpu) / alone, at_most=MOST)
        yield Line("   wall time, s (median)", statistics.median(runs.wall))
        yield Line("   threads that want a core at once (mean)", runs.at_work, at_most=cores())
    yield Line("PyTorch's threads (most)", max(runs.threads for runs in sides.values()), at_most=cores())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(load())
    Runs().run()  # unpacks the language model, and brings all files into memory
    sides = {count: Runs() for count in BUSY}
    for number in range(options.rounds):
        for count, runs in sides.items():
            with beside(count):
                runs.run()
            print(f"round {number + 1}, {count} busy: {runs.cpu[-1]:.1f} s of processor time, "
                  f"{runs.wall[-1]:.1f} s", file=sys.stderr)  # fmt: skip
    table = [*lines(sides)]
    print(load(), *table, sep="\n")
    raise SystemExit(any(line.missed for line in table))


if __name__ == "__main__":
    main()
