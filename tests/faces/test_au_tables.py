"""Other tools' tables: the right unit from the right column, unknown kept unknown, one line for bad ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import RecordError
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUVector
from expllm.data.check import check_dataset
from expllm.faces.au_reader import channel_of, load_calibration
from expllm.faces.au_tables import AURow, from_facs, read_au_table, to_facs
from expllm.files.tabular import doubted_names
from expllm.predict.predictor import Explainer, measured_row
from expllm.report.columns import expllm_row

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


def test_names_in_another_encoding_are_doubted(tmp_path: Path) -> None:
    path = tmp_path / "of.csv"
    for encoding, names, doubted in (
        ("shift-jis", ["a.png", "\N{CJK UNIFIED IDEOGRAPH-9854}1.png"], True),
        ("mac-roman", ["S\xfc\xdf.png"], True),
        ("utf-8", ["S\xfc\xdf.png"], False),
        ("cp1252", ["a.png"], False),
    ):
        path.write_bytes("".join(["input,AU12_r\n", *(f"{name},2\n" for name in names)]).encode(encoding))
        found = [row.input for row in read_au_table(path)]
        told = doubted_names(path, found)
        assert told.startswith("the table was read as cp1252: save it as UTF-8 if ") == doubted
        report = check_dataset(None, str(path))
        assert (report.samples, report.doubt) == (len(names), told)


LIVE_LINK = {
    "EyeBlinkLeft": 0.9,
    "EyeLookDownLeft": 0.0,
    "JawOpen": 0.5,
    "MouthSmileRight": 0.8,
    "TongueOut": 0.0,
}


@pytest.mark.parametrize(
    ("spelled", "source"),
    [
        (lambda name: name, "arkit"),
        (lambda name: name[0].lower() + name[1:].replace("Left", "_L").replace("Right", "_R"), "arkit"),
        (lambda name: "_neutral" if name == "TongueOut" else name[0].lower() + name[1:], "mediapipe"),
        (
            lambda name: "x" if name == "TongueOut" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(),
            "mediapipe",
        ),
    ],
)
def test_blendshapes_are_read_by_the_calibration(
    tmp_path: Path, spelled: Callable[[str], str], source: str
) -> None:
    header = ("Timecode", "BlendshapeCount", *map(spelled, LIVE_LINK))
    cells = ("00:00:01:02.3", "61", *map(str, LIVE_LINK.values()))
    lost = ("00:00:01:03.3", "0", *[""] * len(LIVE_LINK))
    wrong = ("00:00:01:04.3", "61", "90", *["0"] * (len(LIVE_LINK) - 1))
    text = "\n".join(",".join(row) for row in (header, cells, lost, wrong))
    row, empty, over = rows(tmp_path, text)
    entry = load_calibration()["aus"]
    assert row.source == source
    assert row.aus["left eye close"] == round(channel_of(entry["left eye close"]).read(
        {"eyeBlinkLeft": 0.9, "eyeLookDownLeft": 0.0}
    ), 4)  # fmt: skip
    assert row.aus["jaw drop"] == round(channel_of(entry["jaw drop"]).read({"jawOpen": 0.5}), 4) != 0.5
    assert row.aus.measured == ("left eye close", "jaw drop", "right lip corner pull")
    assert (row.status, empty.status, over.status) == ("ok", "no_face", "error")
    assert "is 90: blendshapes are 0 to 1" in (over.error or "")


def test_two_columns_of_one_blendshape(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="'jawOpen' and 'JawOpen' stand for the same blendshape"):
        rows(tmp_path, "jawOpen,JawOpen\n0.1,0.2\n")


@pytest.mark.parametrize("cell", ["-", "--", "\N{EN DASH}", "n.a.", "(null)", "\\N", "undefined"])
def test_signs_for_a_missing_value_cost_their_unit(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, f"AU04_r,AU12_r\n{cell},2.5\n")
    assert (row.status, row.aus["left brow lower"], row.aus["left lip corner pull"]) == ("ok", None, 0.5)


def test_pyfeat(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, PYFEAT)
    assert (row.input, row.frame, row.source) == ("a b.jpg", 7, "py-feat")
    assert row.aus["left brow raise"] == row.aus["right brow raise"] == 0.75
    assert row.aus["left brow lower"] is None  # an empty cell
    assert row.aus["upper lip suck"] == row.aus["lower lip suck"] == 0.1
    assert row.aus["right eye close"] == 0.2


REAL_PYFEAT = (
    "FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,x_0,y_0,Pitch,Roll,Yaw,X,Y,Z,AU01,AU02,AU04,"
    "AU12,AU43,anger,neutral,Identity_1,input,frame,approx_time,Identity\n"
    "10.5,20.0,30.0,40.0,0.99,1,2,0,0,0,0,0,0,0.25,0.5,0.0,0.75,0.1,0.1,0.9,0.01,clip.mp4,7,00:00,Person_0\n"
    "99.0,20.0,30.0,40.0,0.98,1,2,0,0,0,0,0,0,0.5,0.0,0.0,0.25,0.1,0.1,0.9,0.02,clip.mp4,7,00:00,Person_1\n"
    ",,,,,,,,,,,,,,,,,,,,,clip.mp4,8,00:00,\n"
    "10.5,20.0,30.0,40.0,0.99,1,2,0,0,0,0,0,0,0.25,0.5,0.0,0.75,0.1,0.1,0.9,0.01,clip.mp4,9,00:00,Person_0\n"
)


def test_a_fex_of_py_feat_2_counts_the_faces_of_a_frame(tmp_path: Path) -> None:
    read = rows(tmp_path, REAL_PYFEAT)
    assert [(row.input, row.frame, row.face_id, row.status) for row in read] == [
        ("clip.mp4", 7, 0, "ok"), ("clip.mp4", 7, 1, "ok"), ("clip.mp4", 8, 0, "no_face"),
        ("clip.mp4", 9, 0, "ok"),
    ]  # fmt: skip
    assert [row.aus["left lip corner pull"] for row in read] == [0.75, 0.25, None, 0.75]
    assert [row.box and row.box[0] for row in read] == [10.5, 99.0, None, 10.5]
    assert {row.source for row in read} == {"py-feat"}


def test_openface_of_an_image_numbers_its_faces(tmp_path: Path) -> None:
    """FaceLandmarkImg calls the column `face`, and has neither frame nor success."""
    read = rows(tmp_path, "face, confidence, AU12_r, AU26_r\n0, 0.9, 2.5, 1.0\n1, 0.8, 5.0, 0.0\n")
    assert [(row.face_id, row.status) for row in read] == [(0, "ok"), (1, "ok")]
    assert [row.aus["right lip corner pull"] for row in read] == [0.5, 1.0]


def test_a_frame_in_which_openface_saw_nothing_has_no_face(tmp_path: Path) -> None:
    header = "frame,face_id,confidence,success,AU12_r\n"
    read = rows(tmp_path, header + "1,0,0.98,1,2.5\n2,0,0.3,0,0\n3,0,0,0,0.00\n")
    assert [row.status for row in read] == ["ok", "no_landmarks", "no_face"]
    assert [row.aus.measured for row in read[1:]] == [(), ()]
    read = rows(tmp_path, "FRAME\tSUCCESS\tAU12_R\n1\tTRUE\t2.5\n2\tFALSE\t0\n")  # as SPSS and R rewrite it
    assert [(row.frame, row.status) for row in read] == [(1, "ok"), (2, "no_landmarks")]


LIBREFACE = (
    "frame_idx,frame_time_in_ms,pitch,au_1,au_10,au_1_intensity,au_2_intensity,au_4_intensity,au_5_intensity,"
    "au_6_intensity,au_9_intensity,au_12_intensity,au_20_intensity,au_26_intensity,facial_expression\n"
    "4,133.3,1.5,1,1,1.0,2.5,0.0,0.5,4.0,0.25,5.0,0.0,1.5,Happiness\n"
    "5,166.7,,,,,,,,,,,,,\n"
)


def test_libreface(tmp_path: Path) -> None:
    face, none = rows(tmp_path, LIBREFACE)
    assert (face.frame, face.source, face.status, none.frame, none.status) == (
        4,
        "libreface",
        "ok",
        5,
        "no_face",
    )
    expected = {
        "left brow raise": 0.5, "right lid raise": 0.1, "left brow lower": 0.0, "nose wrinkle": 0.05,
        "right lip corner pull": 1.0, "left lip corner stretch": 0.0, "jaw drop": 0.3,
        "upper lip raise": None,  # au_10 says that it is there, not how strongly
    }  # fmt: skip
    assert {name: face.aus[name] for name in expected} == expected


OPENFACE3 = (
    "timestamp,image_path,face_id,face_detection,landmarks,emotion,gaze_yaw,gaze_pitch,action_units\n"
    '2025-06-12 10:00:00,a/b.jpg,0,"[1.0, 2.0, 30.0, 40.0, 0.9]","[[1, 2], [3, 4]]",1,-0.79,-0.82,'
    '"[[0.25, 0.5, 0.0, 0.125, 0.0625, 0.75, 0.5, 1.0]]"\n'
    '2025-06-12 10:00:00,a/b.jpg,1,"[50.0, 2.0, 80.0, 40.0, 0.8]",,6,0.1,0.2,"[[0, 0, 1.0, 0, 0, 0, 0, 0]]"\n'
    "2025-06-12 10:00:01,c.jpg,,,,,,,\n"
)


def test_openface_3(tmp_path: Path) -> None:
    first, second, none = rows(tmp_path, OPENFACE3)
    assert [(row.input, row.face_id, row.status) for row in (first, second, none)] == [
        ("a/b.jpg", 0, "ok"), ("a/b.jpg", 1, "ok"), ("c.jpg", 0, "no_face"),
    ]  # fmt: skip
    expected = {
        "left brow raise": 0.5, "left brow lower": 0.0, "nose wrinkle": 0.0625, "right lip corner pull": 0.75,
        "jaw drop": 1.0, "left lid raise": None,
    }  # fmt: skip
    assert {name: first.aus[name] for name in expected} == expected
    assert second.aus.active() == {"left brow lower": 1.0, "right brow lower": 1.0}
    assert first.source == "openface3"
    (short,) = rows(tmp_path, OPENFACE3.splitlines()[0] + '\n,a.jpg,0,,,1,0,0,"[[1, 2]]"\n')
    assert "action_units must be a list of 8 numbers" in (short.error or "")


@pytest.mark.parametrize("column", ["AU{}", "AU{:02}", "AU_{}", "au{:02}"])
def test_openface_3_with_a_column_for_each_unit(tmp_path: Path, column: str) -> None:
    names = ",".join(column.format(number) for number in (1, 2, 4, 6, 9, 12, 25, 26))
    (row,) = rows(tmp_path, f"frame_idx,{names},emotion,gaze_yaw,gaze_pitch\n3,0,0,0,0,0,0.5,0,1,happy,0,0\n")
    assert (row.source, row.frame) == ("openface3", 3)
    assert row.aus.active() == {"jaw drop": 1.0, "left lip corner pull": 0.5, "right lip corner pull": 0.5}


def test_named_units_in_the_spelling_of_other_programs(tmp_path: Path) -> None:
    """R makes dots of blanks."""
    (row,) = rows(tmp_path, "path;Jaw.Drop;left_lid_raise\na.jpg;0,5;NA\n")
    assert (row.input, row.aus.active(), row.aus["left lid raise"]) == ("a.jpg", {"jaw drop": 0.5}, None)


@pytest.fixture
def field(shared: Path) -> Path:
    if not (shared / "cases" / "tables").is_dir():
        pytest.skip("needs ../shared/cases/tables, which is not here")
    return shared / "cases" / "tables"


@pytest.mark.parametrize("name", ["of_semicolon", "of_semicolon_dot", "of_tab", "of_utf16"])
def test_dialects_from_the_field(field: Path, name: str) -> None:
    (row,) = read_au_table(field / f"{name}.csv")
    (twin, cut) = read_au_table(field / "of_cut.csv")
    assert (row.aus, row.frame, row.status) == (twin.aus, 1, "ok")
    assert row.aus["left lip corner pull"] == 0.8
    assert (cut.status, "row 2: cut off" in (cut.error or "")) == ("error", True)


def test_tables_from_the_field(field: Path) -> None:
    assert [row.face_id for row in read_au_table(field / "of_image2faces.csv")] == [0, 1]
    (libre,) = read_au_table(field / "libreface.csv")
    assert libre.aus["left lip corner pull"] == pytest.approx(0.64)
    assert libre.source == "libreface"
    assert [row.input for row in read_au_table(field / "u2028.jsonl")] == ["a\u2028b.jpg", "c.jpg"]


def test_released_json(tmp_path: Path) -> None:
    numbers = [0.0] * 24
    numbers[4], numbers[20] = 0.25, 0.5
    entry = {"file_name": "test_0001.jpg", "emo": "Sadness", "au": numbers, "description": "..."}
    (row,) = rows(tmp_path, json.dumps([entry]), "released.json")
    assert row.aus.active() == {"left brow lower": 0.25, "chin raise": 0.5}
    assert len(row.aus.measured) == 24
    assert (row.input, row.source) == ("test_0001.jpg", "expllm-released")
    entry["au"] = [None, *numbers[1:]]  # what pandas makes of NaN
    (row,) = rows(tmp_path, json.dumps([entry]), "released.json")
    assert (row.aus["left eye close"], row.aus["chin raise"]) == (None, 0.5)


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
        ("", "is empty"),
        (
            "a,b\n1,2\n",
            "no action units among its columns (a, b): known are those of expllm, OpenFace 2 (AU01_r)",
        ),
        ("AU12_r,AU12_r\n1,2\n", "the column 'AU12_r' is there twice"),
        ("input,face,face,AU12_r\na.png,0,1,2\n", "the column 'face' is there twice"),
        ("AU01_r,AU02_r,AU03_r,AU04_r\n1,0,0,0\n", "numbered by position, not by unit"),
        ("[1]", "row 1: not a JSON object"),
        ('{"x": 1}', "neither 'au'"),
        ("{broken", "row 1: line 1 is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_files_that_are_no_tables_get_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(RecordError) as caught:
        rows(tmp_path, text)
    assert complaint in caught.value.line
    assert "table.csv: " in caught.value.line


GOOD_LINE = '{"aus": {"jaw drop": 0.5}}'


@pytest.mark.parametrize(
    ("header", "good", "bad", "complaint"),
    [
        ("AU01_r,AU26_r", "1,2.5", "1,x", "AU26_r: 'x' is not a number"),
        ("AU01_r,AU26_r", "1,2.5", "1,inf", "AU26_r: 'inf' is not a finite number"),
        ("AU01_r,AU26_r", "1,2.5", '1,"1,2,3"', "AU26_r: '1,2,3' is not a number"),
        ("AU01_r,AU26_r", "1,2.5", "1,5.1", "AU26_r is 5.1: OpenFace 2 writes 0 to 5"),
        ("AU01_r,AU26_r", "1,2.5", "1", "cut off after 1 of 2 cells"),
        ("AU01_r,AU26_r", "1,2.5", "1,0,5", "3 cells, but there are 2 columns"),
        ("AU01_r,AU26_r", "1,2.5", '1,"0', "not valid CSV"),
        ("AU01,AU26", "0.5,0.5", "0.5,1.5", "AU26 is 1.5: py-feat writes 0 to 1"),
        ("AU01,AU26", "0.5,0.5", "-0.5,0", "AU01 is -0.5: py-feat writes 0 to 1"),
        ("frame,AU26", "1,0.5", "inf,0.5", "frame: 'inf' is not a finite number"),
        ("frame,AU26", "1,0.5", "1.5,0.5", "frame is 1.5: it must be a whole number"),
        ("frame,AU26", "1,0.5", "1e10,0.5", "frame is 1e+10: it must be a whole number"),
        ("success,AU26_r", "1,2.5", "yes,2.5", "success: 'yes' is not a number"),
        ("jaw drop,path", "0.5,a", "1.5,b", "intensity of 'jaw drop' is 1.5"),
        ("input,status,jaw drop", "a,ok,0.5", "a,fine,0.5", "status is 'fine': it must be one of ok, "),
        ("au_26_intensity,au_1", "2.5,1", "6,1", "au_26_intensity is 6: LibreFace writes 0 to 5"),
        ("AU26,emotion,gaze_yaw", "0.5,1,0", "2,1,0", "AU26 is 2: OpenFace 3 writes 0 to 1"),
        (GOOD_LINE, GOOD_LINE, '{"au": [1, 2]}', "an AU array has 24 or 31 numbers, not 2"),
        (GOOD_LINE, GOOD_LINE, '{"aus": {"jaw dorp": 1}}', "did you mean 'jaw drop'"),
        (GOOD_LINE, GOOD_LINE, '{"aus": {"jaw drop": Infinity}}', "intensity of 'jaw drop' is inf"),
        (GOOD_LINE, GOOD_LINE, '{"aus": 5}', ""),
        (GOOD_LINE, GOOD_LINE, '{"aus": {"jaw', "line 3 is not JSON, or cut short"),
        (GOOD_LINE, GOOD_LINE, '{"status": "ok"}', "'aus' is missing"),
    ],
)
def test_a_bad_value_costs_its_row_and_no_other(
    tmp_path: Path, header: str, good: str, bad: str, complaint: str
) -> None:
    """Not the unit alone: where one number is out of place, the others are not to be trusted."""
    read = rows(tmp_path, f"{header}\n{good}\n{bad}\n{good}\n")[-3:]
    assert [row.status for row in read] == ["ok", "error", "ok"]
    assert [row.aus["jaw drop"] for row in read] == [0.5, None, 0.5]
    number = 3 if header == GOOD_LINE else 2
    assert (read[1].error or "").startswith(f"{tmp_path / 'table.csv'}: row {number}: ")
    assert complaint in (read[1].error or "")


@pytest.mark.parametrize("word", ["", "NA", "NaN", "n/a", "null"])
def test_a_missing_value_costs_its_unit_alone(tmp_path: Path, word: str) -> None:
    (row,) = rows(tmp_path, f"AU04_r,AU26_r\n{word},2.5\n")
    assert row.aus.measured == ("jaw drop",)
    (empty,) = rows(tmp_path, f"frame,AU04_r,AU26_r\n7,{word},{word}\n")
    assert (empty.status, empty.frame) == ("no_face", 7)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00jpeg")
    for name in ("binary.csv", "missing.csv"):
        with pytest.raises(RecordError, match=f"{name}: cannot be read as text"):
            list(read_au_table(tmp_path / name))


def test_units_that_only_facs_has_are_read_and_others_left_out() -> None:
    read = from_facs({6: 1.0, 7: 0.9, 11: 1.0, 15: 0.5, 23: 0.1, 25: 0.0})
    assert read.measured == (
        "cheek raiser", "lid tightener", "lip corner depressor", "lip tightener", "lips part"
    )  # fmt: skip
    assert (read["lid tightener"], read["lips part"]) == (0.9, 0.0)
    assert 11 not in to_facs(read)
    assert to_facs(AUVector.from_positive({}))[6] is None, "released texts do not say whether cheeks rose"


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


def _categories(jaw: float, name: str = "categoryName") -> list[dict[str, object]]:
    return [
        {"index": 0, "score": 0.01, name: "_neutral", "displayName": ""},
        {"index": 25, "score": jaw, name: "jawOpen", "displayName": ""},
    ]


NOBODY = None
RESULTS_OF_TRACKERS: dict[str, tuple[dict[str, object], list[float | None]]] = {
    "JavaScript": ({"faceBlendshapes": [{"categories": _categories(0.7), "headIndex": -1}]}, [1.0]),
    "two faces": (
        {"faceLandmarks": [[]], "faceBlendshapes": [{"categories": _categories(a)} for a in (0.7, 0.0)]},
        [1.0, 0.0],
    ),
    "Python": ({"face_blendshapes": [_categories(0.7, "category_name")]}, [1.0]),
    "one face": ({"categories": _categories(0.7), "head_index": 0}, [1.0]),
    "nobody": ({"faceBlendshapes": []}, [NOBODY]),
    "ARKit's anchor": ({"blendShapes": {"jawOpen": 0.7, "tongueOut": 0}, "transform": [[1, 0]]}, [1.0]),
}


@pytest.mark.parametrize("form", RESULTS_OF_TRACKERS)
def test_results_of_trackers_are_read_face_by_face(tmp_path: Path, form: str) -> None:
    held, jaws = RESULTS_OF_TRACKERS[form]
    path = tmp_path / "faces.jsonl"
    path.write_text(json.dumps({"image": "a.jpg", **held}) + "\n", "utf-8")
    faces = list(read_au_table(path))
    assert [(one.input, one.face_id) for one in faces] == [("a.jpg", n) for n in range(len(jaws))]
    for one, jaw in zip(faces, jaws, strict=True):
        assert one.status == ("no_face" if jaw is NOBODY else "ok")
        assert one.aus["jaw drop"] == (NOBODY if jaw is NOBODY else pytest.approx(jaw, abs=0.02))


def test_a_fault_in_a_trackers_result_costs_its_face_alone(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    wrong = {"categories": _categories(7.0)}
    path.write_text(json.dumps([{"faceBlendshapes": [wrong, {"categories": _categories(0.7)}]}]), "utf-8")
    first, second = read_au_table(path)
    assert "blendshapes are 0 to 1" in (first.error or "")
    assert second.status == "ok"
