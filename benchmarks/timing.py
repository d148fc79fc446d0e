"""Clocks, tables and pictures that the benchmarks share."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ASTRONAUT = Path(__file__).parent.parent / "examples" / "faces" / "astronaut.jpg"


@dataclass
class Clock:
    """Wall and CPU seconds (all threads) of a block that is run several times; the least of each counts.

    The least, as whatever else the machine does can only add to a time.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)

    @property
    def best_wall(self) -> float:
        return min(self.wall)

    @property
    def best_cpu(self) -> float:
        return min(self.cpu)


def side_by_side(rounds: int, **sides: Callable[[], object]) -> dict[str, Clock]:
    """Times the sides in turn, round after round, so that a busy moment hits all of them."""
    clocks = {name: Clock() for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            with clocks[name].running():
                side()
    return clocks


@dataclass(frozen=True)
class Line:
    """One line of the table at the end; without a bound it only informs.

    Attributes:
        what: What was measured, with its unit.
        value: The figure.
        at_most: Upper bound, or None.
        at_least: Lower bound, or None.
    """

    what: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def missed(self) -> bool:
        above = self.at_most is not None and self.value > self.at_most
        below = self.at_least is not None and self.value < self.at_least
        return above or below

    def __str__(self) -> str:
        bound = ""
        if self.at_most is not None:
            bound = f"<= {self.at_most:g}"
        if self.at_least is not None:
            bound = f">= {self.at_least:g}"
        verdict = "" if not bound else "MISSED" if self.missed else "ok"
        return f"{self.what:<66} {self.value:10.3f}  {bound:<9} {verdict}"


def load() -> str:
    """How busy the machine is: compare figures only where it is idle."""
    one, five, _ = os.getloadavg()
    return f"load average {one:.1f} (1 min), {five:.1f} (5 min) on {os.cpu_count()} processors"


def portraits(data: Path | None, count: int) -> list[bytes]:
    """Encoded pictures: portraits of the Parquet files in `data`, else the bundled face again and again."""
    if data is None:
        return [ASTRONAUT.read_bytes()] * count
    import pyarrow.parquet as pq

    found: list[bytes] = []
    for path in sorted(data.glob("portraits_*.parquet")):
        found += pq.read_table(path, columns=["image"])["image"].to_pylist()[: count - len(found)]
    if not found:
        raise SystemExit(f"no portraits_*.parquet in {data}")
    return (found * (count // len(found) + 1))[:count]
