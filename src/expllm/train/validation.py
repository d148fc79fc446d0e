"""Validation loss, computed after every checkpoint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from expllm.core.errors import RecordError, UsageError
from expllm.model.bundle import Bundle
from expllm.train.data_sources import read_stage
from expllm.train.dataloader import Collate, Examples
from expllm.train.recipe import Recipe, StageConfig
from expllm.train.sampling import SampleDraw
from expllm.train.training_sets import TASKS, FaceTrainingSet

MOST_FACES: Final = 256
"""Enough to see where a loss goes; figures for a table come from an evaluation of the finished model."""


@dataclass(frozen=True)
class Validation:
    """A fixed part of the validation faces, evenly drawn from all of them, unaugmented.

    Attributes:
        path: Where the losses are written, one line of JSON a checkpoint.
    """

    examples: Examples
    stage: StageConfig
    path: Path

    def take(self, learner: nn.Module, step: int, device: torch.device, *, writes: bool) -> dict[str, float]:
        """Nats a supervised token by task; every process computes it, the first one writes.

        Raises:
            RecordError: it cannot be written.
        """
        sums = torch.zeros(len(TASKS), 2)
        learner.eval()
        with torch.no_grad():
            for batch in self._batches():
                inputs = {name: tensor.to(device) for name, tensor in batch.items() if name != "indices"}
                sums += learner(**inputs)[1].float().cpu()
        learner.train()
        losses: dict[str, float] = {
            task: float(loss / count)
            for task, (loss, count) in zip(TASKS, sums.tolist(), strict=True)
            if count
        }
        if writes:
            append_losses(self.path, step, losses)
        return losses

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        collate, keys = Collate(self.examples.preparer), list(self._draws())
        size = self.stage.micro_batch
        for start in range(0, len(keys), size):
            yield collate([self.examples[0, draw] for draw in keys[start : start + size]])

    def _draws(self) -> Iterator[SampleDraw]:
        """Labels first, then explanations: batches of like length."""
        reading = self.examples.reading
        chosen = range(0, len(reading), max(1, -(-len(reading) // MOST_FACES)))
        if self.stage.task == "captions":
            yield from (SampleDraw(index, "caption") for index in chosen)
            return
        yield from (SampleDraw(index, "label") for index in chosen)
        if self.stage.explanation and isinstance(reading, FaceTrainingSet):
            yield from (SampleDraw(i, "explanation") for i in chosen if reading.faces[i].cot is not None)


def append_losses(path: Path, step: int, losses: dict[str, float]) -> None:
    """Writes one line of `valid.jsonl`.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "by_task": losses}) + "\n")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror})") from None


def validation_of(
    recipe: Recipe, stage: StageConfig, bundle: Bundle, learned: Examples, path: Path
) -> Validation | None:
    """Validation on the faces that the recipe names for it; None if it names none.

    Raises:
        UsageError: they have other labels than those that are learned.
    """
    if recipe.data.valid is None:
        return None
    reading = read_stage(recipe.data, stage, bundle.questions, "valid")
    if isinstance(reading, FaceTrainingSet) and reading.labels != bundle.labels:
        raise UsageError(
            f"data.valid={recipe.data.valid}: its labels are {', '.join(reading.labels)}, and those of "
            f"data.train {', '.join(bundle.labels)}: validate on faces with the same"
        )
    return Validation(replace(learned, reading=reading, augmentation=None, still=True), stage, path)


def read_losses(path: Path) -> dict[int, dict[str, float]]:
    """Losses by step; of a step that was taken twice, after a resumption, the later."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return {line["step"]: line["by_task"] for line in lines}
