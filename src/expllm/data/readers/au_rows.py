"""Tables of action units as data sets: outputs of `expllm analyze` and `aus`, and those of other tools.

What such a table calls an expression is a guess and no label, unless somebody has added a column `label`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.records import CoT, TimedUnit
from expllm.core.vocabulary import LABEL_ORDERS, LabelOrder, label_set
from expllm.data.dataset import DatasetSource
from expllm.data.readers.cells import (
    any_split,
    cell_text,
    disagreement,
    find_columns,
    find_picture,
    read_label_cell,
    same_meaning,
)
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.faces.au_tables import AURow, TableFormat, au_rows, format_of

KIND: Final = "aus"
_PARTS: Final = ("key_observations", "overall_emotional_interpretation", "conclusion")


def is_au_table(names: tuple[str, ...]) -> bool:
    """Whether these columns or keys are those of an output of expllm, or of a tool that prints FACS units.

    Columns that are named like FEAFA's units, without a status, are anybody's: `csvfile` reads them.
    """
    try:
        found = format_of(names)
    except VocabularyError:
        return True  # the reader says what is wrong with them
    return found is not None and (found.own or not found.source.startswith("expllm"))


def load_au_rows(path: Path, order: LabelOrder | None = None) -> DatasetSource:
    """A table of action units. Labels, if it has a column of them, are read as in any other table."""
    seven = LABEL_ORDERS["affectnet7"].labels
    found = {row.sample.expression for row in _rows(path, order) if row.sample}
    labels = order.labels if order else label_set(7 if found <= {None, *seven} else 8)
    return DatasetSource(path.name, KIND, lambda: _rows(path, order), labels)


def _rows(path: Path, order: LabelOrder | None) -> Iterator[DatasetRow]:
    for row, face in au_rows(path):
        place = f"row {row.number}"
        if problem := disagreement(row.cells, _shared_columns(tuple(row.cells)), order):
            raise RecordError(f"{path}: {place}: {problem}")
        reason = (face.error or "").removeprefix(f"{path}: {place}: ")
        yield row_of(place, row.cells, face, path.parent, order, reason)


@lru_cache(maxsize=64)
def _shared_columns(names: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Columns that must agree where there are several: of labels that are no guesses, and of splits."""
    guesses, shared = _guesses(format_of(names)), same_meaning(names)
    labels = [name for name in shared.get("label", []) if name.strip().casefold() not in guesses]
    return {"label": labels, "split": shared.get("split", [])}


def row_of(
    where: str,
    cells: Mapping[str, Any],
    face: AURow,
    folder: Path,
    order: LabelOrder | None = None,
    reason: str = "",
) -> DatasetRow:
    """The sample of a face that was measured, or why it is none."""
    names = tuple(cells)
    columns = find_columns(names)

    def cell(meaning: str) -> str:
        return cell_text(cells, columns, meaning)

    split = any_split(cell("split"))
    if face.status != "ok":
        broken = face.status == "error"
        why = f"cannot be read: {reason or face.error}" if broken else f"nothing was measured ({face.status})"
        return DatasetRow(where, reason=why, split=split)
    try:
        label = _label_column(names, columns)
        image, content = _picture(face, folder)
        sample = Sample(
            id=cell("id") or (face_key(face) if face.named else where),
            expression=read_label_cell(cells.get(label), order) if label else None,
            aus=face.aus,
            image=image,
            box=face.box if image else None,
            split=split,
            identity=cell("identity") or None,
            text=_text(cells),
            au_source=cell("au_source") or face.source,
            course=_course(cells.get("course")),
        )
    except (VocabularyError, RecordError, TypeError) as error:
        return DatasetRow(where, reason=" ".join(str(error).split())[:300], split=split)
    return DatasetRow.of(where, sample, content)


def _course(cell: Any) -> tuple[TimedUnit, ...] | None:
    """What moved when, as `expllm video` writes it into `apexes.csv`.

    Raises:
        RecordError: the cell holds something else.
    """
    if not cell:
        return None
    try:
        events = json.loads(cell) if isinstance(cell, str) else cell
        return tuple(TimedUnit.from_dict(event) for event in events)
    except (ValueError, TypeError) as error:
        raise RecordError(f"column course: {error}") from None


def face_key(face: AURow) -> str:
    """The id of a face: its picture, `@` and the frame if not 0, `#` and its number if not 0."""
    frame, number = f"@{face.frame}" if face.frame else "", f"#{face.face_id}" if face.face_id else ""
    return f"{face.input}{frame}{number}"


def _picture(face: AURow, folder: Path) -> tuple[ImageRef | None, str]:
    """The picture beside the table, and its size as text; none where nobody knows which face is meant."""
    if not face.named or (face.box is None and face.face_id):
        return None, ""
    image, size = find_picture(folder, face.input)
    return (image, size) if image else (None, "")


def _label_column(names: tuple[str, ...], columns: Mapping[str, str]) -> str | None:
    """The column of labels, if it is none of guesses."""
    guesses = _guesses(format_of(names))
    by_word = {name.strip().casefold(): name for name in reversed(names)}
    if (label := columns.get("label")) and label.strip().casefold() not in guesses:
        return label
    return next((by_word[word] for word in ("label", "labels", "class") if word in by_word), None)


def _guesses(found: TableFormat | None) -> frozenset[str]:
    return frozenset(("expression", "emotion")) if found is None or found.own else found.guesses


def _text(cells: Mapping[str, Any]) -> str | None:
    """The explanation of an output of ours: a model's word for word, or the parts that rules composed."""
    explanation, cot = cells.get("explanation"), cells.get("cot")
    if isinstance(explanation, dict) and explanation.get("text"):
        return str(explanation["text"])
    if isinstance(cot, dict):
        return CoT.from_dict(cot).text
    if isinstance(text := cells.get("text") or cot or explanation, str):
        return text
    parts = {name: cells.get(name) for name in _PARTS}
    return CoT.from_dict(parts).text if all(parts.values()) else None
