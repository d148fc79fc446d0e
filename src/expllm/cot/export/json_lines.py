"""Exports that are text: JSON Lines of records and of messages, and the released JSON."""

import json
import math
from collections.abc import Iterator
from typing import Any

from expllm.core.errors import RecordError
from expllm.core.vocabulary import FEAFA_NAMES
from expllm.cot.explanation import CotRecord
from expllm.cot.export import rounds
from expllm.cot.export.selection import Selection, label_of

_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


def json_text(values: Any, *, in_order: bool = False) -> str:
    """JSON in one line, also for readers that take a Unicode line separator for the end of a line."""
    text = json.dumps(values, ensure_ascii=False, sort_keys=not in_order)
    return text.translate(_LINE_ENDS)


def jsonl(selection: Selection) -> Iterator[str]:
    """Each `CotRecord` on a line."""
    for text in selection.texts():
        yield text.translate(_LINE_ENDS) + "\n"


def messages(selection: Selection) -> Iterator[str]:
    """Each talk on a line, as chat models are trained on it; the face is told by its action units."""
    for record in selection:
        told = []
        for number, (question, answer) in enumerate(rounds.rounds(record, selection.labels)):
            seen = rounds.measurements(record) if number == 0 else ""
            told += [
                {"role": "user", "content": f"{seen} {question}".strip()},
                {"role": "assistant", "content": answer},
            ]
        label = label_of(record)
        values = {
            "id": record.id,
            "expression": label and label.value,
            "split": record.split,
            "messages": told,
        }
        yield json_text(values, in_order=True) + "\n"


def released(selection: Selection) -> Iterator[str]:
    """One array, as the authors' files are: file name, label, 24 numbers in FEAFA's order, text."""
    separator = "[\n"
    for record in selection:
        yield separator + json_text(_released(record), in_order=True)
        separator = ",\n"
    yield "\n]\n"


def _released(record: CotRecord) -> dict[str, Any]:
    if record.aus is None or record.cot is None:
        raise RecordError(f"{record.id}: has no action units or no text: the released format needs both")
    values = [math.nan if (value := record.aus[name]) is None else value for name in FEAFA_NAMES]
    return {"file_name": record.id, "emo": _title(record), "au": values, "description": record.cot.text}


def reference_lines(selection: Selection) -> Iterator[str]:
    """Each text on a line with its positive units by name; null marks one of FEAFA's that was not measured.

    A unit that only FACS has and that is left out was not measured either: a measured one at rest is 0.
    """
    for record in selection:
        if record.aus is None or record.cot is None:
            raise RecordError(f"{record.id}: has no action units or no text: the released format needs both")
        units = {name.title(): value for name, value in record.aus.items() if _is_written(name, value)}
        values = {"id": record.id, "expression": _title(record), "aus": units, "cot": record.cot.text}
        yield json_text(values, in_order=True) + "\n"


def _is_written(name: str, value: float | None) -> bool:
    """Whether a reader of the format would not know it otherwise (`AUVector.from_positive`)."""
    return value != 0 if name in FEAFA_NAMES else value is not None


def _title(record: CotRecord) -> str | None:
    label = label_of(record)
    return None if label is None else label.value.capitalize()
