"""Progress of a training: start line, progress bar with losses, history, plot; and how Ctrl-C stops it."""

import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import torch

from expllm.files.progress import Progress
from expllm.train.dataloader import Batches
from expllm.train.recipe import StageConfig
from expllm.train.step_history import History, RolloutStep, Step
from expllm.train.trainer import StageTrainer, TrainingError
from expllm.train.training_sets import TrainingSet


def announce(
    stage: StageConfig, learns: dict[str, int], reading: TrainingSet, order: Batches, quiet: bool
) -> None:
    """Prints one line on standard error: trained parts, examples, steps."""
    if quiet:
        return
    parts = ", ".join(f"{part} {count:,}" for part, count in learns.items())
    counts = order.counts()
    told = f"{counts.label:,} labels, {counts.explanation:,} explanations, {counts.caption:,} captions"
    short = (
        f"; {counts.fell_back:,} without an explanation are trained on their label"
        if counts.fell_back
        else ""
    )
    left = getattr(reading, "left_out", ())
    out = f"; {len(left):,} rows left out, such as {left[0][0]}: {left[0][1]}" if left else ""
    sys.stderr.write(
        f"expllm: stage {stage.name}: trains {parts} weights on {len(reading):,} examples "
        f"({told} in the first epoch{short}{out}), {order.steps:,} steps\n"
    )


@contextmanager
def progress_shown(
    stage: StageConfig, trainer: StageTrainer, history: History, quiet: bool
) -> Iterator[None]:
    """Bar, rate and losses on standard error; every step into the history."""
    last: list[Step] = []

    def note() -> str:
        if not last:
            return ""
        rate = last[-1].tokens / max(last[-1].seconds, 1e-9)
        return f"{last[-1].note}, lr {last[-1].lr:.1e}, {rate:.0f} tokens/s"

    total = trainer.batches.steps - trainer.from_step
    with Progress(total, shown=not quiet, doing=stage.name, note=note, things="steps") as progress:

        def told(step: Step) -> None:
            history.add(step)
            last[:] = [step]
            progress.step(0)

        trainer.on_step = told
        yield


class Stoppable(Protocol):
    """What ends after the step under way once it is told to."""

    stopping: bool


@contextmanager
def stop_on_interrupt(trainer: Stoppable) -> Iterator[None]:
    """The first Ctrl-C finishes the current step and saves; the second stops at once."""

    def stop(*_: Any) -> None:
        if trainer.stopping:
            raise KeyboardInterrupt
        trainer.stopping = True

    before: dict[int, Any] = {}
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not the main thread
            before[name] = signal.signal(name, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def readable_errors(stage: StageConfig) -> Iterator[None]:
    """Turns out-of-memory errors, and those of other processes that died, into one line.

    Raises:
        TrainingError: one of these.
    """
    safe = "everything up to the last checkpoint is saved"
    try:
        yield
    except torch.OutOfMemoryError:
        raise TrainingError(
            f"stage {stage.name}: the GPU has too little memory for train.micro_batch {stage.micro_batch}: "
            f"take a smaller one, or train.gradient_checkpointing=true; {safe}"
        ) from None
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        if not re.search("gloo|nccl|connection", reason, re.IGNORECASE):
            raise
        raise TrainingError(
            f"stage {stage.name}: another process of this training ended ({reason}); {safe}: "
            "restart all processes"
        ) from None


def plot(done: Sequence[Step], valid: Mapping[int, Mapping[str, float]], path: Path) -> None:
    """The losses of a stage by task, those of validation beside them, as a picture."""
    from expllm.train.loss_curves import loss_curves

    if isinstance(done[-1], RolloutStep):
        _plot_rewards([step for step in done if isinstance(step, RolloutStep)], valid, path)
        return
    tasks = sorted({task for step in done for task in step.by_task})
    curves = {task: [step.by_task.get(task) for step in done] for task in tasks}
    for task in sorted({task for losses in valid.values() for task in losses}):
        curves[f"{task}, validation"] = [valid.get(step.step, {}).get(task) for step in done]
    loss_curves([step.step for step in done], curves, path)


def _plot_rewards(done: Sequence[RolloutStep], valid: Mapping[int, Mapping[str, float]], path: Path) -> None:
    """The rewards of a stage by name, and that of held-out texts."""
    from expllm.train.loss_curves import loss_curves

    curves: dict[str, list[float | None]] = {"all": [step.reward for step in done]}
    curves |= {name: [step.rewards.get(name) for step in done] for name in done[-1].rewards}
    if valid:
        curves["all, held out"] = [valid.get(step.step, {}).get("reward") for step in done]
    loss_curves([step.step for step in done], curves, path, what="reward (0 to 1)")
