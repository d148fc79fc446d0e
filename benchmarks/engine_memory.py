"""Memory of `expllm cot make` over as many faces as the paper's, against a server that answers at once.

    python benchmarks/engine_memory.py [--samples 49824] [--concurrency 64]

Leaves with 1 when a bound is missed: under 300 MB at any time, and less than 10 % more at the end than after
5,000 samples. Linux only: it reads /proc.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from engine import KEY_ENV, TESTS, server

sys.path.insert(0, str(TESTS))
from running import write_reference

SETTLED: Final = 5_000
MOST_MB: Final = 300.0
MOST_GROWTH: Final = 0.10


def resident_mb(process: int) -> float:
    """Resident memory of a process in MB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0
    )


def ended(journal: Path) -> int:
    """Samples that have ended, read beside the run."""
    if not journal.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0


def watch(command: list[str], journal: Path) -> list[tuple[int, float]]:
    """(samples ended, MB) about twice a second until the command ends."""
    seen = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            seen.append((ended(journal), resident_mb(process.pid)))
            time.sleep(0.5)
        if process.returncode:
            sys.exit(f"expllm ended with {process.returncode}")
    return [(count, memory) for count, memory in seen if memory]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=49_824)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    os.environ.setdefault(KEY_ENV, "none")
    with tempfile.TemporaryDirectory() as folder, server(0.0, 0.0) as url:
        data = write_reference(Path(folder) / "reference.jsonl", options.samples, fitting=True)
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "expllm", "cot", "make", str(data), "-o", str(run), "--quiet"]
        command += ["--model", "bench", "--base-url", url, "--key-env", KEY_ENV]
        started = time.monotonic()
        seen = watch([*command, "--concurrency", str(options.concurrency)], run / "journal.sqlite")
        seconds = time.monotonic() - started
        count = ended(run / "journal.sqlite")
    settled = max(memory for samples, memory in seen if samples <= SETTLED)
    most = max(memory for _, memory in seen)
    growth = most / settled - 1
    print(f"{count:,} samples in {seconds:.0f} s ({count / seconds:.0f}/s)")
    print(f"up to {SETTLED:,} samples: {settled:.0f} MB; at most: {most:.0f} MB ({growth:+.1%})")
    if most >= MOST_MB or growth >= MOST_GROWTH:
        sys.exit("a bound was missed")


if __name__ == "__main__":
    main()
