"""Outputs: every format reads back, columns keep their types, files appear whole or not at all."""

import csv
import errno
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expllm.core.errors import OutputError, UsageError
from expllm.core.records import Box, CoT, FaceAnalysis, HeadPose, Provenance
from expllm.core.vocabulary import AUVector, Expression
from expllm.files.atomic import output_stream, whole_file
from expllm.report.columns import COLUMN_LAYOUTS, au_row, row_maker
from expllm.report.output_writers import OUTPUT_FORMATS, format_for, writer_for

CHECKS = (
    "text text_problem concluded second_label agree grounding_precision grounding_recall face_sentences "
    "unread_sentences"
).split()
COT = CoT(key_observations="One.", overall_emotional_interpretation="Two.", conclusion="Three.")
FULL = FaceAnalysis(
    input="p.jpg",
    face_id=0,
    status="ok",
    box=Box(x=1, y=2, width=3, height=4),
    score=0.75,
    pose=HeadPose(pitch=1, yaw=2, roll=3),
    aus=AUVector(
        {"left lid raise": 0.04, "left lip corner pull": 0.5, "right lip corner pull": 0.25, "jaw drop": 0.0}
    ),
    expression=Expression.HAPPINESS,
    probabilities={Expression.HAPPINESS: 0.9, Expression.NEUTRAL: 0.1},
    cot=COT,
    warnings=("Turned.", "Dark."),
    provenance=Provenance(expllm="0", detector="d", au_reader="r", classifier="c", writer="offline"),
)
EMPTY = FaceAnalysis(input="q.jpg", status="no_face")


def written(format_: str, *analyses: FaceAnalysis, **options: Any) -> str:
    file = io.StringIO()
    with writer_for(format_, file, render=lambda found: found[0].input, **options) as writer:
        for analysis in analyses:
            writer.write([analysis], None)
    return file.getvalue()


def test_json_and_jsonl_read_back() -> None:
    lines = written("jsonl", FULL, EMPTY).splitlines()
    assert [FaceAnalysis.from_json(line) for line in lines] == [FULL, EMPTY]
    array = json.loads(written("json", FULL, EMPTY))
    assert [FaceAnalysis.from_dict(one) for one in array] == [FULL, EMPTY]
    assert json.loads(written("json")) == []


def test_text_is_what_the_view_renders() -> None:
    assert written("text", FULL, EMPTY) == "p.jpg\nq.jpg\n"


def test_csv_cells() -> None:
    full, empty = csv.DictReader(io.StringIO(written("csv", FULL, EMPTY)))
    assert full["left lip corner pull"] == "0.5"
    assert full["jaw drop"] == "0.0"
    assert full["cheeks puff"] == ""
    assert (full["FaceRectX"], full["FaceScore"], full["Yaw"]) == ("1.0", "0.75", "2.0")
    assert (full["expression"], full["prob_happiness"], full["prob_fear"]) == ("happiness", "0.9", "")
    assert (full["key_observations"], full["conclusion"]) == ("One.", "Three.")
    assert (full["warnings"], full["writer"]) == ("Turned. Dark.", "offline")
    assert (empty["status"], empty["face_id"], empty["jaw drop"]) == ("no_face", "", "")


def test_inner_and_outer_brows_have_columns_of_their_own_where_they_were_read() -> None:
    apart = FULL.model_copy(update={"facs": {"AU01": 0.6, "AU02": 0.1}})
    pyfeat, openface = (row_maker(columns)(apart) for columns in ("pyfeat", "openface"))
    assert (pyfeat["AU01"], pyfeat["AU02"]) == (0.6, 0.1)
    assert (openface["AU01_r"], openface["AU02_r"]) == (3.0, 0.5)
    joined = row_maker("pyfeat")(FULL)
    assert joined["AU01"] == joined["AU02"]


def test_column_orders() -> None:
    assert list(row_maker("expllm")(FULL))[:9] == (
        "input frame face_id status FaceRectX FaceRectY FaceRectWidth FaceRectHeight FaceScore".split()
    )
    assert list(au_row(FULL)) == [
        name
        for name in row_maker("expllm")(FULL)
        if not name.startswith("prob_")
        and name not in ("expression", "uncertain", "classifier", "writer", *COT.model_dump(), *CHECKS)
    ]
    pyfeat = row_maker("pyfeat")(FULL)
    assert [name for name in pyfeat if name.startswith("AU")] == (
        "AU01 AU02 AU04 AU05 AU06 AU07 AU09 AU10 AU11 AU12 "
        "AU14 AU15 AU17 AU20 AU23 AU24 AU25 AU26 AU28 AU43".split()
    )
    assert (pyfeat["AU12"], pyfeat["AU26"], pyfeat["AU06"], pyfeat["happiness"]) == (0.5, 0.0, None, 0.9)
    openface = row_maker("openface")(FULL)
    assert (openface["AU12_r"], openface["AU12_c"]) == (2.5, 1)
    assert openface["AU05_r"] == pytest.approx(0.2)
    assert openface["AU05_c"] == 0  # a trace is no presence
    assert (openface["AU26_r"], openface["AU26_c"], openface["AU06_r"], openface["AU06_c"]) == (
        0.0,
        0,
        None,
        None,
    )
    assert (openface["success"], openface["confidence"]) == (1, 0.75)


@pytest.mark.parametrize("columns", COLUMN_LAYOUTS)
@pytest.mark.parametrize("analyses", [(), (EMPTY,), (FULL, EMPTY)])
def test_parquet_keeps_types_where_all_is_missing(
    columns: str, analyses: tuple[FaceAnalysis, ...], tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    with (
        whole_file(path, "wb") as file,
        writer_for("parquet", file, columns=columns, render=str) as writer,
    ):
        for analysis in analyses:
            writer.write([analysis], None)
    table = pq.read_table(path)
    assert table.num_rows == len(analyses)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["input"] == "string"
    assert kinds["frame"] == "int32"
    units = [name for name in kinds if name.endswith("_r") or name in ("AU12", "jaw drop")]
    assert units
    assert {kinds[name] for name in units} == {"double"}
    assert [
        row == COLUMN_LAYOUTS[columns](one) for row, one in zip(table.to_pylist(), analyses, strict=True)
    ] == [True] * len(analyses)


@pytest.mark.parametrize(
    ("output", "chosen", "expected"),
    [
        (None, None, "text"),
        (None, "json", "json"),
        ("a.CSV", None, "csv"),
        ("a.htm", None, "html"),
        ("a.ndjson", None, "jsonl"),
        ("a.txt", "json", "json"),
        ("a.out", "csv", "csv"),
    ],
)
def test_formats(output: str | None, chosen: str | None, expected: str) -> None:
    assert format_for(output, chosen) == expected


@pytest.mark.parametrize(
    ("output", "chosen", "complaint"),
    [
        (None, "xml", "no format 'xml': use one of " + ", ".join(OUTPUT_FORMATS)),
        ("a.xyz", None, "cannot tell the format of 'a.xyz'"),
        (None, "parquet", "parquet goes into a file: add -o FILE.parquet"),
    ],
)
def test_wrong_formats(output: str | None, chosen: str | None, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        format_for(output, chosen)
    assert complaint in caught.value.line


def test_wrong_columns() -> None:
    with pytest.raises(UsageError, match="no column set 'fex'"):
        row_maker("fex")


def test_a_file_appears_whole_with_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    with whole_file(path) as file:
        file.write("é\n")
        assert not path.exists()
    assert path.read_bytes() == "é\n".encode()
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()])
def test_nothing_stays_of_a_broken_off_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def break_off() -> None:
        with whole_file(path) as file:
            file.write("new")
            raise error

    with pytest.raises(type(error)):
        break_off()
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with (
        pytest.raises(OutputError, match=r"a\.txt: the disk is full"),
        whole_file(tmp_path / "a.txt") as file,
    ):
        file.write("x")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"), whole_file(tmp_path):
        pass
    with pytest.raises(OutputError, match="the folder does not exist"), whole_file(tmp_path / "no" / "a.txt"):
        pass


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with output_stream(None) as file:
        file.write("x\n")
    assert capsys.readouterr().out == "x\n"
