"""Files of action units -> one row a face."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.vocabulary import AUVector
from expllm.faces.au_tables.layouts import AURow, TableFormat, format_of
from expllm.faces.au_tables.nested_blendshapes import one_row_a_face
from expllm.files.tabular import DelimitedFile, TableRow, first_sign, json_rows
from expllm.files.tabular.parquetfile import parquet_rows, plain_columns, starts_as_parquet

_KNOWN: Final = (
    "known are those of expllm, OpenFace 2 (AU01_r), OpenFace 3 (action_units), py-feat (AU01), LibreFace "
    "(au_1_intensity), and blendshapes of ARKit and MediaPipe (eyeBlinkLeft)"
)


def read_au_table(path: Path) -> Iterator[AURow]:
    """Every face of a table, in its order. A row that cannot be read has the status `error`, and says why.

    Raises:
        RecordError: the file is unreadable, or in none of the known formats.
    """
    return (face for _, face in au_rows(path))


def au_rows(path: Path) -> Iterator[tuple[TableRow, AURow]]:
    """As `read_au_table`, with the row that each face stands in."""
    last: tuple[str, int, int] | None = None
    for row, format_ in _rows(path):
        face = _face(row, format_, path)
        if not format_.numbered and face.named:
            face = _numbered(face, last)
            last = (face.input, face.frame, face.face_id)
        yield row, face


def _face(row: TableRow, format_: TableFormat, path: Path) -> AURow:
    where = f"{path}:{row.number}"
    problem = row.problem
    if not problem:
        try:
            return format_.read(row.cells, where)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
    name = "" if row.problem else str(row.cells.get(format_.picture or "") or "").strip()
    error_line = f"{path}: row {row.number}: {problem[:300]}"
    return AURow(name or where, 0, 0, AUVector(), format_.source, "error", error_line, named=bool(name))


def _numbered(face: AURow, last: tuple[str, int, int] | None) -> AURow:
    """The next number where a table lists several faces of a picture and does not number them."""
    if last is not None and last[:2] == (face.input, face.frame):
        return replace(face, face_id=last[2] + 1)
    return face


def _rows(path: Path) -> Iterator[tuple[TableRow, TableFormat]]:
    if starts_as_parquet(path):
        columns = plain_columns(path)
        format_ = _of_header(columns, path)
        return ((row, format_) for row in parquet_rows(path, columns))
    if first_sign(path) in ("{", "["):
        return _of_objects((face for row in json_rows(path) for face in one_row_a_face(row)), path)
    table = DelimitedFile(path)
    format_ = _of_header(table.header, path)
    return ((row, format_) for row in table.rows())


def _of_header(header: tuple[str, ...], path: Path) -> TableFormat:
    try:
        format_ = format_of(header)
    except VocabularyError as error:
        raise RecordError(f"{path}: {error}") from None
    if not header:
        raise RecordError(f"{path}: is empty")
    if format_ is None:
        named = ", ".join(filter(None, header))[:200]
        raise RecordError(f"{path}: no action units among its columns ({named}): {_KNOWN}")
    return format_


def _of_objects(rows: Iterator[TableRow], path: Path) -> Iterator[tuple[TableRow, TableFormat]]:
    """Objects with the format of each; one that has none is read as that before it, and fails alone."""
    broken: list[TableRow] = []
    format_: TableFormat | None = None
    for row in rows:
        if row.problem and format_ is None:
            broken.append(row)
            continue
        format_ = (None if row.problem else format_of(tuple(row.cells))) or format_
        if format_ is None:
            raise RecordError(
                f"{path}: a row has neither 'au' (24 numbers) nor 'aus' (names and intensities), nor columns "
                f"of action units: {_KNOWN}"
            )
        for one in (*broken, row):
            yield one, format_
        broken.clear()
    if broken:
        raise RecordError(f"{path}: row {broken[0].number}: {broken[0].problem}")
