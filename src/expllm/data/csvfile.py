"""A table of pictures and labels: CSV, with any of the usual delimiters."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from expllm.data.cells import any_split, au_columns, find_columns, find_picture, read_aus, read_label
from expllm.data.dataset import Source
from expllm.data.sample import Row, Sample
from expllm.errors import RecordError, VocabularyError
from expllm.faces import LabelOrder

DELIMITERS: Final = (",", ";", "\t", "|")


def load(path: Path, order: LabelOrder | None = None, kind: str = "csv") -> Source:
    """A CSV with a header: a picture or action units in each row, and a label.

    Raises:
        RecordError: its header names neither pictures nor action units.
    """
    header = read_header(path)
    if not is_table(header):
        raise RecordError(
            f"{path}: no column names a picture ('path', 'image', ...) or an action unit: "
            f"its columns are {', '.join(header)[:200] or 'none'}"
        )
    return Source(path.name, kind, lambda: _rows(path, order), order.labels if order else None)


def is_table(header: list[str]) -> bool:
    """Whether a header is that of a table of faces."""
    return "image" in find_columns(header) or bool(au_columns(header))


def read_header(path: Path) -> list[str]:
    """The names of a table's columns; empty if it is not text."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = file.readline(1 << 20)
    except (OSError, UnicodeDecodeError):
        return []
    return [name.strip() for name in _cells(line, _delimiter(line))]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _delimiter(header: str) -> str:
    """The delimiter that gives most columns; a comma if none does."""
    return max(DELIMITERS, key=lambda delimiter: len(_cells(header, delimiter)))


def table_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(number from 1, cells by column) of each row.

    Raises:
        RecordError: not text, or broken quoting; the message names the line.
    """
    line = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(first), strict=True)
            header = [name.strip() for name in next(reader, [])]
            number, line = 0, reader.line_num
            for cells in reader:
                line = reader.line_num
                if cells:
                    number += 1
                    yield number, dict(zip(header, cells, strict=False))
    except (csv.Error, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as CSV after line {line} ({error})") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from None


def _rows(path: Path, order: LabelOrder | None) -> Iterator[Row]:
    header = read_header(path)
    columns, units = find_columns(header), au_columns(header)
    if "status" in header and "label" not in header:
        columns.pop("label", None)  # an output of expllm: its expression is a guess, not a label
    for number, cells in table_rows(path):
        where = f"row {number}"
        split = any_split(cells.get(columns.get("split", "")))
        try:
            yield _row(path.parent, where, cells, columns, units, order, split)
        except VocabularyError as error:
            yield Row(where, reason=str(error), split=split)


def _row(
    folder: Path,
    where: str,
    cells: Mapping[str, Any],
    columns: Mapping[str, str],
    units: Mapping[str, str],
    order: LabelOrder | None,
    split: str | None,
) -> Row:
    def cell(meaning: str) -> str:
        return str(cells.get(columns.get(meaning, ""), "")).strip()

    aus = read_aus(cells, units)
    image, size, name = None, "", cell("image")
    if name:
        image, size = find_picture(folder, name)
        if image is None and aus is None:
            return Row(where, reason=size, split=split)
    elif aus is None:
        return Row(where, reason="neither a picture nor an action unit", split=split)
    sample = Sample(
        id=cell("id") or name or where,
        expression=read_label(cell("label"), order) if "label" in columns else None,
        aus=aus,
        image=image,
        split=split,
        identity=cell("identity") or None,
        text=cell("text") or None,
        au_source=(cell("au_source") or "csv") if aus is not None else None,
    )
    return Row.of(where, sample, size)
