"""Training history: one JSON line per step, truncated to the checkpoint on resumption."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from expllm.core.errors import OutputError
from expllm.files.atomic import whole_file


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        step: Its number, from 1.
        loss: Nats a supervised token, over all devices.
        by_task: The same by task; a task without a token in the step is missing.
        lr: Learning rate of the step.
        gradient: Length of the gradient before it was clipped.
        tokens: Supervised tokens.
        seconds: Wall time of the step.
    """

    step: int
    loss: float
    by_task: dict[str, float]
    lr: float
    gradient: float
    tokens: int
    seconds: float

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Reads a line that `History` wrote."""
        return cls(**values)

    @property
    def note(self) -> str:
        """The losses, for a progress bar."""
        return "loss " + ", ".join(f"{task} {loss:.3f}" for task, loss in self.by_task.items())


@dataclass(frozen=True)
class RolloutStep(Step):
    """One step of a stage that learns from rewards; `tokens` are those of its sampled texts.

    Attributes:
        reward: Mean of the texts, 0-1.
        rewards: Mean of each reward, 0-1; None where no face can be judged by it.
        spread: Standard deviation of the rewards of a face, mean over faces.
        kl: From the model that the stage began with, nats a token; None where it is not taken.
        entropy: Of the policy, nats a token.
        clipped: Share of the tokens whose ratio was clipped, 0-1.
        length: Mean tokens of a text.
        cut: Share of the texts that had not ended at the limit, 0-1.
        claims: Mean number of different claims of a text.
        padding: Share of these that are vague or denied, 0-1.
        labels: The true label of each text's face, and the one that is likeliest behind the text.
        texts: Hashes of the texts.
    """

    reward: float
    rewards: dict[str, float | None]
    spread: float
    kl: float | None
    entropy: float
    clipped: float
    length: float
    cut: float
    claims: float
    padding: float
    labels: list[list[str]]
    texts: list[str]

    @property
    def note(self) -> str:
        """Reward, its spread and the divergence, for a progress bar."""
        kl = "" if self.kl is None else f", KL {self.kl:.3f}"
        return f"reward {self.reward:.3f}, spread {self.spread:.3f}{kl}, entropy {self.entropy:.2f}"


class History:
    """The steps of a stage, in a file.

    Args:
        path: The file; begun when the first step comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Step]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
                yield (RolloutStep if "rewards" in values else Step).from_dict(values)
            except (ValueError, TypeError):  # the line that was being written when the process was killed
                return

    def add(self, step: Step) -> None:
        """Appends a step.

        Raises:
            OutputError: it cannot be written; the last checkpoint is kept.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(step)) + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); everything up to the last "
                "checkpoint is saved: free space, then run the same command again"
            ) from None

    def cut(self, step: int) -> None:
        """Drops the lines after `step`, which will be computed again."""
        kept = [one for one in self if one.step <= step]
        os.makedirs(self.path.parent, exist_ok=True)
        with whole_file(str(self.path), "w") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in kept)
