"""The training loops of several versions of this project beside each other: processor time a step.

    git worktree add /tmp/before fec8292~1
    python benchmarks/train_loop.py /tmp/before . [--preset tiny] [--steps 30] [--rounds 3]

Each version trains the same model on the same drawn faces in a process of its own, with its own code and its
own `benchmarks/train.py`. Versions take turns; a version's figure is its best round. The first steps, in
which memory is laid out, do not count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

SKIPPED: Final = 5
CHILD: Final = "--one"


def one(preset: str, steps: int) -> dict[str, Any]:
    """In a child process: milliseconds of processor time a step, and the last step's loss."""
    benchmark: Any = import_module("train")  # of the version that is measured
    stage = benchmark.StageConfig(
        trains=benchmark.TRAINS, batch=8, micro_batch=4, max_steps=steps, lr=5e-4, dataloader_num_workers=0,
        report_to="none", save_steps=10**9, epochs=100, warmup_steps=1, precision="fp32",
    )  # fmt: skip
    ends, losses = list[float](), list[float]()

    def done(step: Any) -> None:
        ends.append(time.process_time())
        losses.append(step.loss)

    with tempfile.TemporaryDirectory() as name:
        reading = benchmark.faces(Path(name), 8 * steps)
        bundle = benchmark.fresh(preset, benchmark.torch.float32)
        made = benchmark.make_trainer(bundle, reading, stage, benchmark.Place(Path(name) / "run"))
        trainer = made[0] if isinstance(made, tuple) else made
        trainer.on_step = done
        with benchmark.quiet_transformers():
            trainer.train()
    spent = [after - before for before, after in pairwise(ends)][SKIPPED:]
    return {
        "ms": 1000 * statistics.mean(spent),
        "median": 1000 * statistics.median(spent),
        "loss": losses[-1],
    }


def measured(tree: Path, given: argparse.Namespace) -> dict[str, Any]:
    path = os.pathsep.join(str(tree / part) for part in ("src", "benchmarks"))
    command = [sys.executable, "-P", __file__, CHILD, "--preset", given.preset, "--steps", str(given.steps)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(CHILD, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.preset, given.steps)))
        return
    trees = [tree.resolve() for tree in given.trees]
    rounds = [{tree: measured(tree, given) for tree in trees} for _ in range(given.rounds)]
    print(
        f"load {os.getloadavg()[0]:.1f}, {given.preset}, 32 bits, {given.steps} steps of 8 faces "
        "in two micro-batches"
    )
    for tree in trees:
        mean, median = (min(found[tree][key] for found in rounds) for key in ("ms", "median"))
        loss = rounds[0][tree]["loss"]
        print(f"{tree}: {mean:.1f} ms a step (median {median:.1f}), last loss {loss:.6f}")


if __name__ == "__main__":
    main()
