"""Explanations of a few faces by their action units, and a judge that answers as the scripted one does."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.rule_writer import write_cot
from expllm.data import Sample
from expllm.evals.judge import scripted_judge
from expllm.evals.saved_answers import Answer

E = Expression
SEVEN = label_set(7)
UNITS: dict[Expression, dict[str, float]] = {
    E.HAPPINESS: {"left lip corner pull": 0.7, "right lip corner pull": 0.72, "upper lip raise": 0.3},
    E.SURPRISE: {"jaw drop": 0.6, "left lid raise": 0.5, "right lid raise": 0.5},
    E.ANGER: {"left brow lower": 0.6, "right brow lower": 0.55, "lower lip depress": 0.4},
    E.SADNESS: {"chin raise": 0.4, "left eye close": 0.4, "right eye close": 0.35},
}
LABELS = tuple(UNITS)
UNREADABLE = "The left eyebrow jabberwocks."
"""A sentence about the face that no reader of claims can read."""


def units(label: Expression, number: int = 0) -> AUVector:
    """What moves in a face with this label, a little differently in each."""
    return AUVector.from_positive({name: value + number / 200 for name, value in UNITS[label].items()})


def text(label: Expression, number: int = 0) -> str:
    return write_cot(units(label, number), label).text


def answered(sample: Sample, labels: Sequence[Expression], logs: Sequence[float]) -> Answer:
    """The likeliest label. `logs`: [C] natural logarithms, normalised."""
    assert sample.expression is not None
    best = max(range(len(labels)), key=lambda place: logs[place])
    return Answer(id=sample.id, truth=sample.expression, log_probabilities=tuple(logs), label=labels[best])


def answer(label: Expression, number: int = 0, **changed: object) -> Answer:
    """A face that is explained without a fault, but for `changed`."""
    sample = Sample(id=f"{label}{number}", expression=label)
    known = {"text": text(label, number), "aus": units(label, number), "reference": text(label, number)}
    logs = [math.log(0.4 if one is label else 0.1) for one in SEVEN]
    return answered(sample, SEVEN, logs).model_copy(update={**known, **changed})


def reference_file(path: Path, count: int = 12, *, texts: bool = True) -> Path:
    """A reference JSONL of so many faces."""
    rows = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        aus = {name.title(): value for name, value in units(label, number).active().items()}
        cot = text(label, number) if texts else ""
        rows.append({"id": f"f{number:03d}", "expression": label.title(), "aus": aus, "cot": cot})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts_of(payload: dict[str, Any]) -> Sequence[str]:
    """The two texts of a question that the shipped judge's file asks."""
    asked = payload["messages"][-1]["content"]
    return [re.search(rf"<{name}>\n(.*)\n</{name}>", asked, re.S)[1] for name in ("first", "second")]  # type: ignore[index]


def fair(payload: dict[str, Any]) -> str:
    """Thinks aloud, with a first verdict that it takes back."""
    verdict = scripted_judge.reply(*texts_of(payload))
    return f"VERDICT: key observations 5, interpretation 5, conclusion 5? No.\n{verdict}\nThat is all."
