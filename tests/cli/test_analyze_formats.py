"""Every format of `expllm analyze`, written by one call each and read back as its users would."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from calling import call, faceless
from conftest import ASTRONAUT

from expllm.core.records import CoT, FaceAnalysis
from expllm.core.vocabulary import AU_NAMES, Expression
from expllm.report.columns import OPENFACE_AUS, OPENFACE_PRESENCES, PYFEAT_AUS

TEXTS = ("key_observations", "overall_emotional_interpretation", "conclusion")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a portrait, a picture without a face and a broken one; calls start in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ASTRONAUT, "1 face.jpg")
    (tmp_path / "2 slope.png").write_bytes(faceless())
    (tmp_path / "3 broken.jpg").write_bytes(ASTRONAUT.read_bytes()[:20_000])
    return tmp_path


@pytest.fixture(scope="module")
def face() -> FaceAnalysis:
    """What is said of the portrait."""
    result = call("analyze", ASTRONAUT, "--format", "jsonl")
    assert result.code == 0
    (analysis,) = result.analyses
    return analysis


def test_the_portrait_is_explained(face: FaceAnalysis) -> None:
    assert face.status == "ok"
    assert face.expression == Expression.HAPPINESS
    assert face.probabilities is not None
    assert set(face.probabilities) == set(Expression)
    assert sum(face.probabilities.values()) == pytest.approx(1.0, abs=1e-4)
    assert face.cot is not None
    assert 0 < face.cot.word_count <= 130
    assert face.provenance is not None
    assert face.provenance.writer == "offline"


def test_seven_labels_leave_out_contempt() -> None:
    (analysis,) = call("analyze", ASTRONAUT, "--labels", "7", "--format", "jsonl").analyses
    assert analysis.probabilities is not None
    assert set(analysis.probabilities) == set(Expression) - {Expression.CONTEMPT}


def test_mirrored_swaps_the_sides(face: FaceAnalysis) -> None:
    (analysis,) = call("aus", ASTRONAUT, "--mirrored", "--format", "jsonl").analyses
    assert face.aus is not None
    assert analysis.aus == face.aus.mirrored()
    assert analysis.aus != face.aus


def test_json_lines_round_trip_and_aus_says_no_more(face: FaceAnalysis, folder: Path) -> None:
    result = call("aus", ".", "--format", "jsonl")
    assert result.code == 3
    for line, analysis in zip(result.out.splitlines(), result.analyses, strict=True):
        assert analysis.to_json() == line
    assert [one.status for one in result.analyses] == ["ok", "no_face", "error"]
    only_aus = result.analyses[0]
    assert only_aus.aus == face.aus
    assert (only_aus.expression, only_aus.probabilities, only_aus.cot) == (None, None, None)


def test_landmarks_only_on_request() -> None:
    plain, full = (
        call("aus", ASTRONAUT, "--format", "jsonl", *more).analyses for more in ([], ["--landmarks"])
    )
    assert plain[0].landmarks is None
    assert full[0].landmarks is not None
    assert len(full[0].landmarks) == 478
    assert full[0].box is not None
    nose_x, nose_y, _ = full[0].landmarks[1]
    assert full[0].box.x < nose_x < full[0].box.x + full[0].box.width
    assert full[0].box.y < nose_y < full[0].box.y + full[0].box.height


def test_json_is_one_array(folder: Path) -> None:
    result = call("aus", ".", "--format", "json")
    assert [row["status"] for row in json.loads(result.out)] == ["ok", "no_face", "error"]
    nothing = call("aus", "2 slope.png", "--on-no-face", "skip", "--format", "json")
    assert json.loads(nothing.out) == []


def test_csv(face: FaceAnalysis, folder: Path) -> None:
    result = call("analyze", ".", "--format", "csv")
    assert result.code == 3
    known, faceless_row, broken = csv.DictReader(io.StringIO(result.out, newline=""))
    assert list(known)[:4] == ["input", "frame", "face_id", "status"]
    assert face.aus is not None
    assert face.probabilities is not None
    assert face.cot is not None
    cells = {name: "" if value is None else str(value) for name, value in face.aus.items()}
    assert {name: known[name] for name in AU_NAMES} == cells
    assert "" in cells.values()  # not measured is not zero
    assert "0.0" in cells.values()
    assert known["expression"] == "happiness"
    assert {label: float(known[f"prob_{label}"]) for label in Expression} == face.probabilities
    assert tuple(known[name] for name in TEXTS) == face.cot.parts
    assert known["writer"] == "offline"
    for row, status in ((faceless_row, "no_face"), (broken, "error")):
        assert row["status"] == status
        assert {row[name] for name in AU_NAMES} == {""}
    assert "cut short" in broken["error"]


def test_csv_of_nothing_is_a_header(folder: Path) -> None:
    result = call("aus", "2 slope.png", "--on-no-face", "skip", "--format", "csv")
    assert result.code == 4
    assert result.out.count("\n") == 1
    assert result.out.startswith("input,frame,face_id,status,")


@pytest.mark.parametrize("inputs", [["."], ["2 slope.png"]])
def test_parquet_types_do_not_depend_on_the_values(folder: Path, inputs: list[str]) -> None:
    call("analyze", *inputs, "-o", "faces.parquet")
    table = pq.read_table("faces.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    floats = [*AU_NAMES, *(f"prob_{label}" for label in Expression), "FaceRectX", "FaceScore", "Pitch"]
    assert {kinds[name] for name in floats} == {"double"}
    assert {kinds[name] for name in ("input", "status", "expression", "error", "writer", *TEXTS)} == {
        "string"
    }
    assert {kinds[name] for name in ("frame", "face_id")} == {"int32"}
    assert table.column("status").to_pylist() == (["ok"] if inputs == ["."] else []) + ["no_face"] + (
        ["error"] if inputs == ["."] else []
    )


def test_pyfeat_columns(face: FaceAnalysis) -> None:
    result = call("analyze", ASTRONAUT, "--format", "csv", "--columns", "pyfeat")
    (row,) = csv.DictReader(io.StringIO(result.out, newline=""))
    emotions = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert list(row) == [
        "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", "Pitch", "Roll", "Yaw",
        "X", "Y", "Z", *(f"AU{number:02}" for number in PYFEAT_AUS), *emotions, "input", "frame", "FaceID",
        "Identity", "approx_time", "status", "error",
    ]  # fmt: skip
    assert face.aus is not None
    assert face.probabilities is not None
    assert float(row["AU12"]) == max(
        face.aus["left lip corner pull"] or 0, face.aus["right lip corner pull"] or 0
    )
    assert float(row["AU12"]) > 0.3
    assert {row[name] for name in ("AU06", "AU24", "X", "Z", "Identity", "approx_time", "error")} == {""}
    assert float(row["happiness"]) == face.probabilities[Expression.HAPPINESS]


def test_openface_columns(face: FaceAnalysis) -> None:
    result = call("aus", ASTRONAUT, "--format", "csv", "--columns", "openface")
    (row,) = csv.DictReader(io.StringIO(result.out, newline=""))
    intensities, presences = (
        [f"AU{n:02}_r" for n in OPENFACE_AUS],
        [f"AU{n:02}_c" for n in OPENFACE_PRESENCES],
    )
    assert list(row) == [
        "frame", "face_id", "timestamp", "confidence", "success", *intensities, *presences, "input", "status",
        "error",
    ]  # fmt: skip
    assert presences[-3:] == ["AU26_c", "AU28_c", "AU45_c"]
    assert face.aus is not None
    smile = max(face.aus["left lip corner pull"] or 0, face.aus["right lip corner pull"] or 0)
    assert float(row["AU12_r"]) == pytest.approx(5 * smile)
    assert (row["AU12_c"], row["success"], row["AU06_r"], row["AU06_c"]) == ("1", "1", "", "")
    assert (row["input"], row["timestamp"], row["status"]) == (str(ASTRONAUT), "", "ok")


def test_html_is_one_page_with_picture_and_text(face: FaceAnalysis, folder: Path) -> None:
    assert call("analyze", ".", "-o", "page.html").code == 3
    page = Path("page.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".html") == ["page.html"]
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert page.count('src="data:image/jpeg;base64,') == 2  # the broken picture has none
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert face.cot is not None
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert face.cot.conclusion in words
    assert "cut short" in words


def test_text_has_the_three_headings(folder: Path) -> None:
    result = call("analyze", ".", "-o", "out.txt")
    assert result.out == ""
    text = Path("out.txt").read_text(encoding="utf-8")
    assert [heading for heading in CoT.HEADINGS if heading not in text] == []
    assert "1 face.jpg" in text
    assert "No face was found" in text
    assert "3 broken.jpg" not in text  # that is told on stderr
    assert result.complaints[0].startswith("expllm: ./3 broken.jpg: ")
