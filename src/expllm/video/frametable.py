"""The rows of a video as a table: in the columns of ExpLLM, py-feat or OpenFace, as CSV or Parquet.

One row a face and frame; a frame without a face has a row, too, so that rows and frames line up.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from expllm.core.errors import UsageError
from expllm.core.records import Box, FaceAnalysis, HeadPose
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.faces.au_classifier import AUClassifier
from expllm.files.atomic import whole_file
from expllm.report.columns import Cell, OutputRow, openface_row, pyfeat_row
from expllm.video.analysis import VideoRow
from expllm.video.readings import Doubt
from expllm.video.timecode import clock

COLUMN_SETS: Final = ("expllm", "pyfeat", "openface")
_TABLE_FORMATS: Final = ("parquet", "csv")
_TOGETHER: Final = 512
"""Rows that are classified and written at once."""

CHANGE: Final = " change"
"""What the name of a unit ends with in the column of its intensity above rest."""

_INTEGERS: Final = frozenset("frame face_id FaceID success reliable".split())
_TEXTS: Final = frozenset(
    "input person status unreliable_because expression Identity approx_time error".split()
)


class _TableWriter(Protocol):
    def write(self, rows: Sequence[OutputRow]) -> None: ...

    def close(self) -> None: ...


def write_frames(
    path: Path, name: str, rows: Iterable[VideoRow], *, classifier: AUClassifier, columns: str = "expllm"
) -> None:
    """Writes `path`, whole or not at all; its suffix, `.csv` or `.parquet`, is the format.

    Args:
        path: The file.
        name: What the column `input` holds.
        rows: Of a [`VideoAnalysis`][expllm.video.analysis.VideoAnalysis].
        columns: One of `COLUMN_SETS`.
        classifier: Gives the probabilities of each row.

    Raises:
        UsageError: there is no such column set.
        OutputError: the file cannot be written.
    """
    binary = path.suffix == ".parquet"
    with whole_file(path, "wb" if binary else "w") as file:
        frames_into(file, name, rows, binary=binary, columns=columns, classifier=classifier)


def frames_into(
    file: Any, name: str, rows: Iterable[VideoRow], *, binary: bool, classifier: AUClassifier,
    columns: str = "expllm",
) -> None:  # fmt: skip
    """The same into an open file: Parquet if it is `binary`, else CSV.

    Raises:
        UsageError: there is no such column set.
    """
    if columns not in COLUMN_SETS:
        raise UsageError(f"no column set {columns!r}: use one of {', '.join(COLUMN_SETS)}")
    make: Callable[[str, VideoRow, _Label], OutputRow] = {
        "expllm": _own_row, "pyfeat": _pyfeat_row, "openface": _openface_row,
    }[columns]  # fmt: skip
    header = list(make(name, VideoRow(0, 0.0), None))
    writer: _TableWriter = _Parquet(file, header) if binary else _Csv(file, header)
    try:
        for batch in _batches(rows):
            labelled = zip(batch, _labels(batch, classifier), strict=True)
            writer.write([make(name, row, label) for row, label in labelled])
    finally:
        writer.close()


_Label = dict[Expression, float] | None


def _batches(rows: Iterable[VideoRow]) -> Iterator[list[VideoRow]]:
    left = iter(rows)
    while batch := list(islice(left, _TOGETHER)):
        yield batch


def _labels(rows: Sequence[VideoRow], classifier: AUClassifier) -> list[_Label]:
    """Probabilities of each face that can be relied on, all at once; none in a blink, nor without a face."""
    import numpy as np

    clear = [row.reliable and Doubt.blink.name not in row.unreliable_because for row in rows]
    units = np.array(
        [
            (row.aus if row.aus is not None and ok else AUVector()).to_array()
            for row, ok in zip(rows, clear, strict=True)
        ]
    )
    found = classifier.batch(units)
    return [
        None
        if not ok or np.isnan(shares).any()
        else dict(zip(classifier.labels, shares.tolist(), strict=True))
        for ok, shares in zip(clear, found, strict=True)
    ]


def _own_row(name: str, row: VideoRow, label: _Label) -> OutputRow:
    box, pose = row.box or (None,) * 4, row.pose or (None,) * 3
    shares = label or {}
    change = row.change or AUVector()
    return {
        "input": name, "frame": row.frame, "time": round(row.time, 6), "person": row.person,
        "status": "no_face" if row.aus is None else "ok",
        **dict(zip(("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"), box, strict=True)),
        "FaceScore": row.score,
        **dict(zip(("Pitch", "Yaw", "Roll"), pose, strict=True)),
        **(row.aus or AUVector()),
        **{unit + CHANGE: change[unit] for unit in AU_NAMES},
        "expression": max(shares, key=shares.__getitem__).value if shares else None,
        **{f"prob_{one}": _rounded(shares.get(one)) for one in Expression},
        "reliable": None if row.reliable is None else int(row.reliable),
        "unreliable_because": row.unreliable_because or None,
    }  # fmt: skip


def _analysis(name: str, row: VideoRow, label: _Label) -> FaceAnalysis:
    box = None if row.box is None else Box(**dict(zip(("x", "y", "width", "height"), row.box, strict=True)))
    pose = None
    if row.pose is not None:
        pose = HeadPose(pitch=row.pose[0], yaw=row.pose[1], roll=row.pose[2])
    return FaceAnalysis(
        input=name, frame=row.frame, face_id=_face_id(row), status="no_face" if row.aus is None else "ok",
        box=box, score=row.score, pose=pose, aus=row.aus,
        probabilities=None if label is None else {one: round(share, 6) for one, share in label.items()},
    )  # fmt: skip


def _face_id(row: VideoRow) -> int | None:
    digits = (row.person or "").removeprefix("P")
    return int(digits) - 1 if digits.isdigit() else None


def _pyfeat_row(name: str, row: VideoRow, label: _Label) -> OutputRow:
    made: dict[str, Cell] = pyfeat_row(_analysis(name, row, label))
    extra: OutputRow = {"Identity": row.person, "approx_time": clock(row.time, 0)}
    return {**made, **extra, "time": round(row.time, 6), **_trust(row)}


def _openface_row(name: str, row: VideoRow, label: _Label) -> OutputRow:
    made: dict[str, Cell] = openface_row(_analysis(name, row, label))
    return {**made, "timestamp": round(row.time, 6), "person": row.person, **_trust(row)}


def _trust(row: VideoRow) -> OutputRow:
    return {
        "reliable": None if row.reliable is None else int(row.reliable),
        "unreliable_because": row.unreliable_because or None,
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


class _Csv:
    def __init__(self, file: Any, header: list[str]) -> None:
        self._table = csv.DictWriter(file, header, lineterminator="\n")
        self._table.writeheader()

    def write(self, rows: Sequence[OutputRow]) -> None:
        self._table.writerows(rows)

    def close(self) -> None:
        """Nothing is held back."""


class _Parquet:
    def __init__(self, file: Any, header: list[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(name, _arrow_type(name)) for name in header])
        self._table_of = pa.Table.from_pylist
        self._parquet = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[OutputRow]) -> None:
        self._parquet.write_table(self._table_of(list(rows), schema=self._schema))

    def close(self) -> None:
        with suppress(OSError):  # a full disk is told by the file itself
            self._parquet.close()


def _arrow_type(column: str) -> Any:
    import pyarrow as pa

    if column in _INTEGERS or column.endswith("_c"):
        return pa.int32()
    return pa.string() if column in _TEXTS else pa.float64()
