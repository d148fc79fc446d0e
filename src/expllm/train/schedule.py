"""Learning-rate schedule: linear warm-up, then cosine decay."""

import math
from dataclasses import dataclass
from typing import Final

from expllm.core.errors import UsageError
from expllm.train.recipe import StageConfig

LONGEST_WARMUP: Final = 0.5
"""Of all steps. The paper's 20,000 steps are more than its training has: the rate would only ever rise."""

_ROWS: Final = 4
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step, as a share of the highest.

    The values are those of `transformers`' `get_cosine_schedule_with_warmup`.

    Attributes:
        steps: Of the whole stage, at least 1.
        warmup: Steps until the highest rate is reached.
    """

    steps: int
    warmup: int

    def __call__(self, step: int) -> float:
        """The share of the highest rate, 0-1, at a step that is counted from 0."""
        if step < self.warmup:
            return step / self.warmup
        fallen = (step - self.warmup) / max(1, self.steps - self.warmup)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * fallen)))


def schedule_of(stage: StageConfig, steps: int) -> Schedule:
    """The schedule of a stage that has `steps` optimizer steps.

    Raises:
        UsageError: the warm-up is longer than half of the steps, so that the rate would hardly fall.
    """
    most = int(LONGEST_WARMUP * steps)
    warmup = stage.warmup_steps
    if warmup is None:
        return Schedule(steps, min(round(stage.warmup_ratio * steps), most))
    if warmup > most:
        raise UsageError(
            f"stage {stage.name}: train.warmup_steps is {warmup:,} and the stage has {steps:,} steps: the "
            f"learning rate would hardly fall again; use at most {most:,}, or "
            "train.warmup_steps=null for a share of the steps (train.warmup_ratio)"
        )
    return Schedule(steps, warmup)


def curve(schedule: Schedule, width: int = 60) -> list[str]:
    """The schedule drawn with block characters: one line of text a row, the top row first."""
    last = schedule.steps - 1
    columns = min(width, schedule.steps)
    shares = [schedule(round(column * last / max(1, columns - 1))) for column in range(columns)]
    levels = len(_BLOCKS) - 1
    heights = [round(share * _ROWS * levels) for share in shares]
    return [
        "".join(_BLOCKS[min(levels, max(0, height - row * levels))] for height in heights).rstrip()
        for row in reversed(range(_ROWS))
    ]
