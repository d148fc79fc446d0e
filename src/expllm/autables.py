"""Action units that another tool measured: read its table, so that any AU source can feed ExpLLM.

Formats are told apart by what is in the file, never by its name:

* released ExpLLM JSON: a list of ``{"file_name", "emo", "au": [24 numbers], "description"}``;
* JSON Lines with named units: ``{"id", "aus": {"Left Eye Close": 0.03, ...}}`` (absent means 0), and the
  JSON, JSON Lines and CSV that `expllm` itself writes;
* OpenFace 2 CSV: ``AU01_r`` ... on a scale of 0-5, no sides;
* py-feat ``Fex`` CSV: ``AU01`` ... from 0 to 1, no sides.

A FACS tool that does not tell the sides apart gives both sides the same reading. Units that the table does
not have are not measured. FACS units that FEAFA cannot say (6, 7, 11, 14, 15, 23, 24, 25) are left out.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from expllm.errors import RecordError, VocabularyError
from expllm.faces import ACTION_UNITS, AU_NAMES, AUVector

OPENFACE_FULL_SCALE: Final = 5.0
"""OpenFace 2 writes intensities on FACS' five-step scale."""

TABLE_SUFFIXES: Final = (".json", ".jsonl", ".csv")


@dataclass(frozen=True)
class AURow:
    """One face of a table.

    Attributes:
        input: The picture that the table names, else ``table:row``.
        frame: Frame number, 0 if the table has none.
        face_id: Number of the face in the picture, 0 if the table has none.
        aus: The action units.
        source: The format, for provenance.
        status: `ok`, or why the table has no measurement (as in `records.FaceStatus`).
        error: What was wrong with the input, where the status is `error`.
    """

    input: str
    frame: int
    face_id: int
    aus: AUVector
    source: str
    status: str = "ok"
    error: str | None = None


def read_au_table(path: Path) -> Iterator[AURow]:
    """Every face of a table, in its order.

    Raises:
        RecordError: unreadable, or in none of the known formats; the message names the file and the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as text ({error})") from None
    start = text.lstrip()[:1]
    rows = _json_rows(text, path) if start in ("{", "[") else _csv_rows(text, path)
    for number, (row, read) in enumerate(rows, start=1):
        try:
            yield read(row, f"{path}:{number}")
        except (VocabularyError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise RecordError(f"{path}: row {number}: {reason}") from None


Row = Mapping[str, Any]
ReadRow = Callable[[Row, str], AURow]


def _json_rows(text: str, path: Path) -> Iterator[tuple[Row, ReadRow]]:
    try:
        values = json.loads(text)
        rows = values if isinstance(values, list) else [values]
    except json.JSONDecodeError:
        rows = _json_lines(text, path)
    except RecursionError:
        raise RecordError(f"{path}: the JSON is nested too deeply") from None
    for row in rows:
        if not isinstance(row, dict):
            raise RecordError(f"{path}: a row is not a JSON object")
        yield row, _json_reader(row, path)


def _json_lines(text: str, path: Path) -> list[Any]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise RecordError(f"{path}: line {number} is not JSON ({error.msg})") from None
    return rows


def _json_reader(row: Row, path: Path) -> ReadRow:
    if "au" in row:
        return _read_released
    if "aus" in row:
        return _read_own if "status" in row else _read_named
    raise RecordError(f"{path}: a row has neither 'au' (24 numbers) nor 'aus' (names and intensities)")


def _read_released(row: Row, where: str) -> AURow:
    return AURow(str(row.get("file_name", where)), 0, 0, AUVector.from_array(row["au"]), "expllm-released")


def _read_named(row: Row, where: str) -> AURow:
    name = str(row.get("id", row.get("file_name", where)))
    return AURow(name, 0, 0, AUVector.from_positive(row["aus"]), "expllm-reference")


def _read_own(row: Row, where: str) -> AURow:
    return AURow(
        str(row.get("input") or where),
        int(row.get("frame") or 0),
        int(row.get("face_id") or 0),
        AUVector(row["aus"] or {}),
        "expllm",
        str(row["status"]),
        row.get("error"),
    )


def _csv_rows(text: str, path: Path) -> Iterator[tuple[Row, ReadRow]]:
    try:
        # OpenFace 2 puts a blank after each comma, in the header too.
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        read = _csv_reader(header, path)
        for row in reader:
            yield row, read
    except csv.Error as error:
        raise RecordError(f"{path}: not a CSV table ({error})") from None


def _csv_reader(header: list[str], path: Path) -> ReadRow:
    if any(name in AU_NAMES for name in header):
        return _read_own_csv
    if "AU01_r" in header:
        return _read_openface
    if "AU01" in header:
        return _read_pyfeat
    raise RecordError(
        f"{path}: no action units among its columns: known are those of expllm, OpenFace 2 (AU01_r) "
        "and py-feat (AU01)"
    )


def _read_own_csv(row: Row, where: str) -> AURow:
    aus = AUVector({name: _number(row.get(name)) for name in AU_NAMES})
    return AURow(
        row.get("input") or where,
        _count(row.get("frame")),
        _count(row.get("face_id")),
        aus,
        "expllm",
        row.get("status") or "ok",
        row.get("error") or None,
    )


def _read_openface(row: Row, where: str) -> AURow:
    facs, status = _facs(row, "AU{:02d}_r", OPENFACE_FULL_SCALE), "ok"
    if _number(row.get("success", "1")) == 0:
        facs, status = {}, "no_landmarks"  # OpenFace writes zeros where it lost the face: not measured
    frame, face_id = _count(row.get("frame")), _count(row.get("face_id"))
    return AURow(where, frame, face_id, from_facs(facs), "openface2", status)


def _read_pyfeat(row: Row, where: str) -> AURow:
    aus = from_facs(_facs(row, "AU{:02d}", 1.0))
    return AURow(
        row.get("input") or where, _count(row.get("frame")), _count(row.get("FaceID")), aus, "py-feat"
    )


def _facs(row: Row, pattern: str, full_scale: float) -> dict[int, float]:
    """FACS number -> intensity 0-1, of the columns that have a number."""
    cells = {number: _number(row.get(pattern.format(number))) for number in range(1, 65)}
    return {number: min(value / full_scale, 1.0) for number, value in cells.items() if value is not None}


def from_facs(intensities: Mapping[int, float]) -> AUVector:
    """FEAFA units from FACS units without sides: the strongest of the FACS units that a unit stands for."""
    given = {
        au.name: [intensities[number] for number in au.facs if number in intensities]
        for au in ACTION_UNITS
        if au.direction is None  # FACS 30 does not say which way the jaw slides
    }
    return AUVector({name: max(values) for name, values in given.items() if values})


def to_facs(aus: AUVector) -> dict[int, float | None]:
    """FACS units from FEAFA units: the stronger side; None where no unit of that number was measured."""
    result: dict[int, float | None] = {}
    for au in ACTION_UNITS:
        value = aus[au.name]
        for number in au.facs:
            known = result.get(number)
            result[number] = value if known is None else known if value is None else max(known, value)
    return result


def _number(cell: Any) -> float | None:
    """A cell as a number; None for an empty cell or NaN."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    number = float(cell)
    return None if math.isnan(number) else number


def _count(cell: Any) -> int:
    return int(_number(cell) or 0)
