"""A table of pictures and labels: CSV in any of its dialects, or objects of JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.vocabulary import LabelOrder
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers import au_rows
from expllm.data.readers.cells import (
    any_split,
    cell_text,
    disagreement,
    find_columns,
    find_picture,
    read_aus,
    read_label_cell,
    same_meaning,
)
from expllm.data.sample import DatasetRow, Sample
from expllm.faces.au_tables import unit_columns
from expllm.files.tabular import WINDOWS, DelimitedFile, TableRow, first_sign, json_rows


def load_csv(path: Path, order: LabelOrder | None = None, kind: str = "csv") -> DatasetSource:
    """A CSV with a header: a picture or action units in each row, and a label.

    Raises:
        RecordError: its header names neither pictures nor action units.
    """
    header = read_header(path)
    if au_rows.is_au_table(tuple(header)):
        return au_rows.load_au_rows(path, order)
    if not header:
        raise RecordError(f"{path}: {_why_without_columns(path)}")
    if not is_face_table(header):
        texts = "neither 'aus' nor 'au' of a text, and " if is_json(path) else ""
        raise RecordError(
            f"{path}: {texts}no column names a picture ('path', 'image', ...) or an action unit: "
            f"its columns are {', '.join(header)[:200]}; see docs/data.md"
        )
    check_columns(path, header, order)
    return DatasetSource(path.name, kind, lambda: _rows(path, order), order.labels if order else None)


def check_columns(path: Path, header: Iterable[str], order: LabelOrder | None = None) -> None:
    """Refuses a table in which nobody knows which of several columns to take.

    Raises:
        RecordError: a name stands twice, or two columns of labels, splits or pictures contradict each other.
    """
    try:
        shared = same_meaning(header)
    except VocabularyError as error:
        raise RecordError(f"{path}: {error}") from None
    for row in _table_rows(path) if shared else ():
        if problem := disagreement(row.cells, shared, order):
            raise RecordError(f"{path}: row {row.number}: {problem}")


def _table_rows(path: Path) -> Iterator[TableRow]:
    return json_rows(path) if is_json(path) else DelimitedFile(path).rows()


def is_face_table(header: list[str]) -> bool:
    """Whether a header is that of a table of faces."""
    return "image" in find_columns(header) or bool(unit_columns(header)) or au_rows.is_au_table(tuple(header))


def read_header(path: Path) -> list[str]:
    """The names of a table's columns; empty if it is not text, or has no rows that can be read."""
    try:
        if is_json(path):
            return list(next((row.cells for row in json_rows(path) if not row.problem), {}))
        return list(DelimitedFile(path).header)
    except RecordError:
        return []


def _why_without_columns(path: Path) -> str:
    """What is wrong with a table in which no columns were found.

    Raises:
        RecordError: it cannot be read; says why.
    """
    if not is_json(path):
        return "cannot be read" if DelimitedFile(path).header else "is empty"
    return next((row.problem for row in json_rows(path) if row.problem), "is empty")


def is_json(path: Path) -> bool:
    """Whether a table is written in JSON."""
    return first_sign(path) in ("{", "[")


def _rows(path: Path, order: LabelOrder | None) -> Iterator[DatasetRow]:
    header = read_header(path)
    columns, units = find_columns(header), unit_columns(header)
    encoding = DelimitedFile(path).encoding
    for row in _table_rows(path):
        where = f"row {row.number}"
        split = any_split(cell_text(row.cells, columns, "split"))
        if row.problem:
            yield DatasetRow(where, reason=f"cannot be read: {row.problem}", split=split)
            continue
        try:
            read = _row(path.parent, where, row.cells, columns, units, order, split)
            yield replace(read, reason=f"{read.reason}{_doubt(read.reason, encoding)}")
        except VocabularyError as error:
            yield DatasetRow(where, reason=str(error), split=split)


def _doubt(reason: str, encoding: str) -> str:
    """What may be behind a picture that is not there: a name that was read in the wrong encoding."""
    if encoding != WINDOWS or not reason.startswith(NO_PICTURE) or reason.isascii():
        return ""
    return f" (the table was read as {encoding}: save it as UTF-8 if the name is another)"


def _row(
    folder: Path,
    where: str,
    cells: Mapping[str, Any],
    columns: Mapping[str, str],
    units: Mapping[str, str],
    order: LabelOrder | None,
    split: str | None,
) -> DatasetRow:
    def cell(meaning: str) -> str:
        return cell_text(cells, columns, meaning)

    aus = read_aus(cells, units)
    image, size, name = None, "", cell("image")
    if name:
        image, size = find_picture(folder, name)
        if image is None and aus is None:
            return DatasetRow(where, reason=size, split=split)
    elif aus is None:
        return DatasetRow(where, reason="neither a picture nor an action unit", split=split)
    sample = Sample(
        id=cell("id") or name or where,
        expression=read_label_cell(cell("label"), order) if "label" in columns else None,
        aus=aus,
        image=image,
        split=split,
        identity=cell("identity") or None,
        text=cell("text") or None,
        au_source=(cell("au_source") or "csv") if aus is not None else None,
    )
    return DatasetRow.of(where, sample, size)
