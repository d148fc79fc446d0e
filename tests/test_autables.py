"""Other tools' tables: the right unit from the right column, unknown kept unknown, one line for bad ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.autables import AURow, from_facs, read_au_table, to_facs
from expllm.errors import RecordError
from expllm.faces import ACTION_UNITS, AU_NAMES, AUVector
from expllm.predict import Explainer, measured_row
from expllm.records import FaceAnalysis
from expllm.tables import expllm_row

OPENFACE = (
    "frame, face_id, timestamp, confidence, success, AU01_r, AU02_r, AU04_r, AU05_r, AU06_r, AU09_r, AU12_r, "
    "AU26_r, AU45_r, AU12_c, AU28_c\n"
    "1, 0, 0.000, 0.98, 1, 1.00, 2.50, 0.00, 0.50, 3.00, 0.25, 5.00, 1.00, 4.00, 1.00, 1.00\n"
    "2, 0, 0.033, 0.10, 0, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00\n"
)
PYFEAT = (
    ",input,frame,FaceRectX,FaceScore,AU01,AU02,AU04,AU06,AU12,AU28,AU43,anger,happiness\n"
    "0,a b.jpg,7,1.0,0.99,0.25,0.75,,0.9,0.5,0.1,0.2,0.1,0.9\n"
)


def rows(tmp_path: Path, text: str, name: str = "table.csv") -> list[AURow]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return list(read_au_table(path))


def test_openface(tmp_path: Path) -> None:
    first, lost = rows(tmp_path, OPENFACE)
    assert (first.frame, first.face_id, first.source) == (1, 0, "openface2")
    expected = {
        "left brow raise": 0.5,  # the stronger of AU 1 and AU 2, on OpenFace's scale of 5
        "right brow raise": 0.5,
        "left brow lower": 0.0,
        "right lid raise": 0.1,
        "nose wrinkle": 0.05,
        "left lip corner pull": 1.0,
        "right lip corner pull": 1.0,
        "jaw drop": 0.2,
        "left eye close": 0.8,
    }
    assert {name: first.aus[name] for name in expected} == expected
    assert first.aus["lower lip suck"] is None  # AU28_c says that, not how strongly
    assert first.aus["jaw slide left"] is None
    assert lost.aus.measured == ()  # success 0: zeros there are not measurements
    assert (first.status, lost.status) == ("ok", "no_landmarks")


def test_pyfeat(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, PYFEAT)
    assert (row.input, row.frame, row.source) == ("a b.jpg", 7, "py-feat")
    assert row.aus["left brow raise"] == row.aus["right brow raise"] == 0.75
    assert row.aus["left brow lower"] is None  # an empty cell
    assert row.aus["upper lip suck"] == row.aus["lower lip suck"] == 0.1
    assert row.aus["right eye close"] == 0.2


def test_released_json(tmp_path: Path) -> None:
    numbers = [0.0] * 24
    numbers[4], numbers[20] = 0.25, 0.5
    entry = {"file_name": "test_0001.jpg", "emo": "Sadness", "au": numbers, "description": "..."}
    (row,) = rows(tmp_path, json.dumps([entry]), "released.json")
    assert row.aus.active() == {"left brow lower": 0.25, "chin raise": 0.5}
    assert len(row.aus.measured) == 24
    assert (row.input, row.source) == ("test_0001.jpg", "expllm-released")


def test_reference_jsonl(tmp_path: Path) -> None:
    line = {
        "id": "x.jpg",
        "expression": "Surprise",
        "aus": {"Left Lid Raise": 0.5, "Jaw Drop": 0.25},
        "cot": "",
    }
    first, second = rows(tmp_path, json.dumps(line) + "\n\n" + json.dumps(line), "reference.jsonl")
    assert first.aus.active() == {"left lid raise": 0.5, "jaw drop": 0.25}
    assert first.aus["nose wrinkle"] == 0.0
    assert second == first


def test_our_own_json_keeps_unknown_unknown(tmp_path: Path) -> None:
    analysis = FaceAnalysis(input="p.jpg", face_id=2, status="ok", aus=AUVector({"jaw drop": 0.5}))
    (row,) = rows(tmp_path, analysis.to_json(), "own.json")
    assert (row.input, row.face_id, row.aus) == ("p.jpg", 2, analysis.aus)


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_our_own_rows_keep_what_went_wrong(tmp_path: Path, format_: str) -> None:
    broken = FaceAnalysis(input="b.jpg", status="error", error="b.jpg: cut short")
    row = expllm_row(broken)
    lines = {
        "json": broken.to_json(),
        "csv": "\n".join([",".join(row), ",".join(str(cell or "") for cell in row.values())]),
    }
    (read,) = rows(tmp_path, lines[format_])
    assert (read.status, read.error, read.aus.measured) == ("error", "b.jpg: cut short", ())
    analysis = measured_row(read, Explainer())
    assert (analysis.status, analysis.error, analysis.aus, analysis.cot) == (
        "error",
        broken.error,
        None,
        None,
    )


def test_the_reference_file_reads_whole(shared: Path) -> None:
    read = list(read_au_table(shared / "data" / "exp_cot_reference.jsonl"))
    assert len(read) == 2070
    assert read[0].aus.active() == {
        "left lid raise": 0.5518,
        "right lid raise": 0.5585,
        "left brow raise": 0.4043,
        "right brow raise": 0.4125,
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no action units among its columns"),
        ("a,b\n1,2\n", "no action units among its columns"),
        ("AU01_r,AU12_r\n1,x\n", "row 1: could not convert"),
        ("AU01,AU12\n0.5,0.5\n0.5,1.5\n", None),  # beyond the scale: cut to 1, as the scale's end
        ("AU01,AU12\n-0.5,0\n", "row 1: intensity of"),
        ("jaw drop\n1.5\n", "row 1: intensity of 'jaw drop' is 1.5"),
        ("[1]", "not a JSON object"),
        ('{"x": 1}', "neither 'au'"),
        ('{"au": [1, 2]}', "row 1: an AU array has 24 numbers, not 2"),
        ('{"aus": {"jaw dorp": 1}}', "did you mean 'jaw drop'"),
        ('{"aus": {"jaw drop": 0.5}}\n{broken', "line 2 is not JSON"),
        ('{"aus": 5}', "row 1"),
        ("frame,AU01\ninf,0.5\n", "row 1: cannot convert float infinity"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_tables_get_one_line(tmp_path: Path, text: str, complaint: str | None) -> None:
    if complaint is None:
        assert rows(tmp_path, text)[1].aus["left lip corner pull"] == 1.0
        return
    with pytest.raises(RecordError) as caught:
        rows(tmp_path, text)
    assert complaint in caught.value.line
    assert "table.csv" in caught.value.line


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00jpeg")
    for name in ("binary.csv", "missing.csv"):
        with pytest.raises(RecordError, match=f"{name}: cannot be read as text"):
            list(read_au_table(tmp_path / name))


def test_what_feafa_cannot_say_is_left_out() -> None:
    assert from_facs({6: 1.0, 7: 1.0, 15: 1.0, 23: 1.0, 25: 1.0}).measured == ()
    assert 6 not in to_facs(AUVector.from_positive({}))


def test_facs_takes_the_stronger_side_and_keeps_unknown() -> None:
    facs = to_facs(
        AUVector({"left lip corner pull": 0.25, "right lip corner pull": 0.5, "left lid raise": 0.0})
    )
    assert (facs[12], facs[5], facs[4]) == (0.5, 0.0, None)


@given(st.dictionaries(st.sampled_from(sorted({n for au in ACTION_UNITS for n in au.facs})), st.floats(0, 1)))
def test_facs_round_trip_never_invents(intensities: dict[int, float]) -> None:
    aus = from_facs(intensities)
    for number, value in to_facs(aus).items():
        if number in intensities and number not in (30,):
            assert value is not None
            assert value >= intensities[number]  # units that share a FEAFA unit take its strongest
    for name in AU_NAMES:
        value = aus[name]
        assert value is None or value in intensities.values()
