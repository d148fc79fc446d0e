"""Runs without a model: models that answer by a rule, and small data sets of real files."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from explanations import answered
from PIL import Image

from expllm.core.vocabulary import Expression, label_set
from expllm.data import Sample
from expllm.evals.saved_answers import Answer, Settings, refused
from expllm.predict.base import ModelIdentity

SEVEN = label_set(7)
RAFDB_COUNTS = {
    "surprise": 329, "fear": 74, "disgust": 160, "happiness": 1185, "sadness": 478, "anger": 162,
    "neutral": 680,
}  # fmt: skip
"""Faces of RAF-DB's test set."""


class Stub:
    """Answers by a rule; `None` means that the picture cannot be read."""

    def __init__(
        self,
        rule: Callable[[Sample], Expression | None],
        labels: Sequence[Expression] = SEVEN,
        *,
        sure: float = 0.7,
        digest: str = "d",
        temperature: float = 1.0,
    ) -> None:
        self.identity = ModelIdentity("stub", digest, "float32", False, tuple(labels), temperature)
        self._rule, self._sure = rule, sure
        self.asked: list[str] = []

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        self.asked += [sample.id for sample in samples]
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Answer:
        label = self._rule(sample)
        if label is None:
            return refused(sample, "unreadable", f"{sample.id}: is no picture")
        return answered(sample, self.identity.labels, logs(self.identity.labels, label, self._sure))


def logs(labels: Sequence[Expression], label: Expression, sure: float = 0.7) -> list[float]:
    """Log-probabilities of a model that is `sure` of a label."""
    rest = (1 - sure) / (len(labels) - 1)
    return [math.log(sure if one is label else rest) for one in labels]


def truthful(sample: Sample) -> Expression | None:
    return sample.expression


def table(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """A CSV of (id, label); all rows show the same picture."""
    if not (path.parent / "face.png").exists():
        Image.new("RGB", (8, 8), "grey").save(path.parent / "face.png")
    lines = ["id,image,label", *(f"{name},face.png,{label}" for name, label in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(labels: Sequence[Expression] = SEVEN, **changed: object) -> Settings:
    """Of a run that was asked about faces with the same labels."""
    values: dict[str, object] = {
        "task": "accuracy", "model": "m", "digest": "d", "dtype": "float32", "boxes": False,
        "labels": list(labels), "dataset": "d:test", "fingerprint": "f", "truth_labels": list(labels),
        "faces": 2, "versions": {},
    }  # fmt: skip
    return Settings.from_dict({**values, **changed})


def given(
    pairs: Sequence[tuple[str, str | None]], labels: Sequence[Expression] = SEVEN, sure: float = 0.7
) -> list[Answer]:
    """Answers from (truth, answer) pairs; None is a face that was not found."""
    answers = []
    for number, (truth, label) in enumerate(pairs):
        sample = Sample(id=f"s{number:05d}", expression=Expression(truth))
        if label is None:
            answers.append(refused(sample, "no_face", "no face was found"))
        else:
            answers.append(answered(sample, labels, logs(labels, Expression(label), sure)))
    return answers
