"""Texts about faces that are not learned from, audited after every checkpoint, by two sources if asked for.

A policy may learn what one reader of action units sees wrongly. Another reader does not share all of its
faults: where the reward by the first rises and that by the other falls, the policy has learned the reader.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from expllm.core.errors import ExpllmError, RecordError
from expllm.core.vocabulary import AUVector
from expllm.faces.measure import FaceMeasurer
from expllm.files.atomic import whole_file
from expllm.files.images import open_image
from expllm.rewards import weighted
from expllm.train.alarms import Alarm, second_source
from expllm.train.face_prompts import FacePrompts
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.rewarded_texts import RewardedText, RewardedTextWriter, on_device, rewards_of
from expllm.train.sampling import SampleDraw
from expllm.train.training_sets import FaceTrainingSet
from expllm.train.validation import append_losses, read_losses

SECOND: Final = "second_source"
"""Name of the reward by the other source, in `valid.jsonl`."""


@dataclass(frozen=True)
class HeldOutAudit:
    """The likeliest text about each of some faces, with its rewards.

    Attributes:
        prompts: The faces.
        settings: Of the stage.
        path: Where figures are written, one line of JSON a checkpoint.
        writer: Writes with the weights of now.
        writing: What texts are written inside of.
        rows: Most texts at once.
        others: By id of a face, what the other source measured; empty without one.
    """

    prompts: FacePrompts
    settings: GrpoSettings
    path: Path
    writer: Callable[[FacePrompts], RewardedTextWriter]
    writing: Callable[[], AbstractContextManager[None]]
    rows: int
    others: Mapping[str, AUVector]

    def take(self, learner: nn.Module, step: int, device: torch.device, *, writes: bool) -> dict[str, float]:
        """Means of all rewards by name, 0-1: `reward` is all of them as one, `second_source` by the other.

        Raises:
            RecordError: it cannot be written.
        """
        with self.writing():
            writer = self.writer(self.prompts)
            texts = [
                text
                for batch in self._batches()
                for text in writer.texts(on_device(batch, device), 1, 0.0, "held out")
            ]
        found = self._figures(texts)
        if writes:
            append_losses(self.path, step, found)
        return found

    def alarm(self) -> Alarm | None:
        """Whether the reward by the other source has fallen since before the first step."""
        rows = read_losses(self.path)
        if not rows:
            return None
        before, now = rows.get(0, {}).get(SECOND), rows[max(rows)].get(SECOND)
        return second_source(before, now, self.settings.bounds[SECOND])

    def _figures(self, texts: list[RewardedText]) -> dict[str, float]:
        found = {"reward": _mean([one.reward for one in texts])}
        for name in texts[0].rewards:
            if known := [value for one in texts if (value := one.rewards[name]) is not None]:
                found[name] = _mean(known)
        seen = [one for one in texts if one.face.id in self.others]
        if seen:
            parts = rewards_of(seen, [self.others[one.face.id] for one in seen])
            found[SECOND] = _mean(weighted(parts, self.settings.weights))
        return found

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        count = len(self.prompts.reading)
        for start in range(0, count, self.rows):
            keys = [
                (0, SampleDraw(index, "explanation")) for index in range(start, min(count, start + self.rows))
            ]
            batch = self.prompts.__getitems__(keys)
            if isinstance(batch, ExpllmError):
                raise batch
            yield batch


def measured_by(source: str, reading: FaceTrainingSet, cache: Path) -> dict[str, AUVector]:
    """What another source measures of each face, by id; faces that it cannot measure are missing.

    Args:
        source: Of action units, as `--au-source`.
        cache: Keeps what was measured.

    Raises:
        MissingWeights, MissingDependency: the source cannot be had.
        OutputError: the cache cannot be written.
    """
    known = _cached(cache, source, [face.id for face in reading.faces])
    if known is not None:
        return known
    found: dict[str, AUVector] = {}
    measurer = FaceMeasurer(au_source=source)
    try:
        for index, face in enumerate(reading.faces):
            picture = open_image(np.asarray(reading.image(index)), name=face.id)
            _, seen = measurer.measure(picture)
            if seen and seen[0].aus is not None and seen[0].aus.measured:
                found[face.id] = AUVector(seen[0].aus)
    finally:
        measurer.close()
    with whole_file(str(cache), "w") as file:
        values = {name: dict(aus) for name, aus in found.items()}
        json.dump({"source": source, "ids": [face.id for face in reading.faces], "aus": values}, file)
    return found


def _cached(cache: Path, source: str, ids: list[str]) -> dict[str, AUVector] | None:
    try:
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["source"] != source or kept["ids"] != ids:
            return None
        return {name: AUVector(values) for name, values in kept["aus"].items()}
    except (OSError, ValueError, KeyError, TypeError, RecordError):
        return None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
