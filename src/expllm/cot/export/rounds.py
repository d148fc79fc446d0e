"""Explanations as talks of two rounds, the explanation and then the label: as the paper trains (III-C2)."""

from collections.abc import Sequence

from expllm.core.vocabulary import Expression
from expllm.cot.case import positive_text, unknown_text
from expllm.cot.explanation import CotRecord
from expllm.cot.export.selection import label_of

EXPLAIN = (
    "Explain the expression of this face step by step: give key observations, an overall emotional "
    "interpretation and a conclusion."
)


def questions(labels: Sequence[Expression]) -> str:
    """The question of the second round."""
    if not labels:
        return "Which expression does the face show? Answer with one word."
    names = ", ".join(label.value.capitalize() for label in labels)
    return f"Which expression does the face show? Answer with one of: {names}."


def rounds(record: CotRecord, labels: Sequence[Expression]) -> list[tuple[str, str]]:
    """(question, answer) of each round; the second one is missing where no label is known."""
    assert record.cot is not None, "only resolved records are made into talks"
    label = label_of(record)
    talk = [(EXPLAIN, record.cot.text)]
    return talk if label is None else [*talk, (questions(labels), label.value.capitalize())]


def measurements(record: CotRecord) -> str:
    """The action units, for a reader that sees no picture; what nobody measured is said to be unknown."""
    if record.aus is None:
        return ""
    shown = positive_text(record.aus)
    unknown = unknown_text(record.aus)
    others = "all others that were measured are 0" if unknown else "all others are 0"
    return f"The positive action units of a face are {shown}, and {others}.{unknown}"
