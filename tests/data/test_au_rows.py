"""Tables of action units as data sets: ours and those of other tools."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from trees import encoded, picture_file, write_csv

from expllm.core.errors import MissingData, RecordError
from expllm.core.records import Box, CoT, Explanation, FaceAnalysis
from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.data import open_dataset

SMILE = AUVector({"left lip corner pull": 0.5, "right lip corner pull": 0.5})


Cells = list[tuple[str, ...]]


def own(name: str, face: int | None = 0, **fields: object) -> str:
    status = "ok" if face is not None else "no_face"
    values = {"input": name, "face_id": face, "status": status, "aus": SMILE if face is not None else None}
    return FaceAnalysis.from_dict(values | fields).to_json() + "\n"


def test_two_faces_of_a_picture_are_two_samples_with_their_places(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    boxes = [Box(x=1, y=2, width=3, height=4), Box(x=5, y=6, width=2, height=2)]
    path = tmp_path / "own.jsonl"
    path.write_text(
        own("a.png", 0, box=boxes[0]) + own("a.png", 1, box=boxes[1]) + own("b.png", 0) + own("c.png", None)
    )
    dataset = open_dataset(str(path))
    assert (dataset.kind, dataset.labels) == ("aus", label_set(7))
    assert [(one.id, one.box, one.image is not None) for one in dataset] == [
        ("a.png", (1, 2, 3, 4), True), ("a.png#1", (5, 6, 2, 2), True), ("b.png", None, False),
    ]  # fmt: skip
    assert dataset.skipped == (("row 4", "nothing was measured (no_face)"),)


def test_a_second_face_without_a_place_takes_no_picture(tmp_path: Path) -> None:
    """Of the picture alone, the largest face would be taken for it."""
    picture_file(tmp_path / "a.png")
    path = tmp_path / "own.jsonl"
    path.write_text(own("a.png", 0) + own("a.png", 1))
    assert [one.image is not None for one in open_dataset(str(path))] == [True, False]


def test_texts_of_ours_come_along_word_for_word(tmp_path: Path) -> None:
    cot = CoT(key_observations="A.", overall_emotional_interpretation="B.", conclusion="C.")
    path = tmp_path / "own.jsonl"
    path.write_text(
        own("a.png", cot=cot, expression="fear")
        + own("b.png", cot=cot, explanation=Explanation(text="As it was written"))
    )
    assert [(one.text, one.expression) for one in open_dataset(str(path))] == [
        (cot.text, None), ("As it was written", None),
    ]  # fmt: skip


def test_a_label_that_was_added_is_one_and_a_guess_is_none(tmp_path: Path) -> None:
    rows: Cells = [
        ("input", "face_id", "status", "jaw drop", "expression", "label"),
        ("a", "0", "ok", "1", "fear", "Angry"),
    ]
    (sample,) = open_dataset(str(write_csv(tmp_path / "own.csv", rows)))
    assert sample.expression is Expression.ANGER
    rows = [("AU12", "AU26", "emotion", "gaze_yaw"), ("0.5", "0", "1", "0")]  # OpenFace 3 guesses by number
    (sample,) = open_dataset(str(write_csv(tmp_path / "of3.csv", rows)))
    assert (sample.expression, sample.au_source) == (None, "openface3")
    rows = [("path", "expression", "AU12_r"), ("a.jpg", "Happy", "2.5"), ("b.jpg", "Hapy", "2.5")]
    dataset = open_dataset(str(write_csv(tmp_path / "of2.csv", rows)))
    assert [(one.id, one.expression, one.aus == SMILE) for one in dataset] == [
        ("a.jpg", Expression.HAPPINESS, True)
    ]
    assert "unknown expression 'Hapy'" in dataset.skipped[0][1]


def test_frames_and_faces_of_a_video_have_ids_of_their_own(tmp_path: Path) -> None:
    rows: Cells = [("input", "frame", "AU12"), *(("v.mp4", frame, "0.5") for frame in ("0", "1", "1", "2"))]
    dataset = open_dataset(str(write_csv(tmp_path / "fex.csv", rows)))
    assert [one.id for one in dataset] == ["v.mp4", "v.mp4@1", "v.mp4@1#1", "v.mp4@2"]
    rows = [
        ("frame", "face_id", "success", "AU12_r"),
        ("1", "0", "1", "1"),
        ("1", "1", "1", "2"),
        ("2", "0", "0", "0"),
    ]
    dataset = open_dataset(str(write_csv(tmp_path / "of.csv", rows)))
    assert [one.id for one in dataset] == ["row 1", "row 2"]  # OpenFace does not say whose frames these are
    assert dataset.skipped == (("row 3", "nothing was measured (no_landmarks)"),)


@pytest.mark.parametrize("write", ["json", "jsonl", "parquet", "csv"])
def test_a_tools_table_in_any_container(tmp_path: Path, write: str) -> None:
    table = pa.table({"input": ["a.jpg", "b.jpg"], "AU12": [0.5, None], "AU26": [None, None]})
    path = tmp_path / f"fex.{write}"
    if write == "parquet":
        parquet.write_table(table, path)
    elif write == "csv":
        path.write_text(";input;AU12;AU26\n0;a.jpg;0,5;\n1;b.jpg;NaN;\n", encoding="utf-16")
    else:
        rows = table.to_pylist()
        path.write_text(
            json.dumps(rows) if write == "json" else "".join(json.dumps(row) + "\r\n" for row in rows)
        )
    dataset = open_dataset(str(path))
    assert [(one.id, one.aus, one.au_source) for one in dataset] == [("a.jpg", SMILE, "py-feat")]
    assert dataset.skipped == (("row 2", "nothing was measured (no_face)"),)


def test_pictures_in_parquet_stay_its_pictures(tmp_path: Path) -> None:
    """A table with pictures of its own is read for these, whatever columns of other tools it has."""
    table = pa.table({"image": [encoded()], "label": ["fear"], "AU12": [0.5]})
    parquet.write_table(table, tmp_path / "x.parquet")
    (sample,) = open_dataset(str(tmp_path / "x.parquet"))
    assert (sample.image is not None, sample.expression) == (True, Expression.FEAR)


def test_bad_rows_are_named_and_cost_no_other(tmp_path: Path) -> None:
    rows: Cells = [("input", "AU12_r"), ("a", "2.5"), ("b", "inf"), ("c", "7"), ("d",), ("e", "2.5")]
    dataset = open_dataset(str(write_csv(tmp_path / "t.csv", rows)))
    assert [one.id for one in dataset] == ["a", "e"]
    assert dataset.skipped == (
        ("row 2", "cannot be read: AU12_r: 'inf' is not a finite number"),
        ("row 3", "cannot be read: AU12_r is 7: OpenFace 2 writes 0 to 5"),
        ("row 4", "cannot be read: cut off after 1 of 2 cells"),
    )
    path = write_csv(tmp_path / "none.csv", [("input", "AU12_r"), ("a", "")])
    with pytest.raises(RecordError, match=r"none of its 1 rows .* row 1: nothing was measured \(no_face\)"):
        open_dataset(str(path))


def test_a_kind_that_is_given_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(own("a.png") + own("a.png", 1))
    for kind in (None, "aus", "reference"):
        assert [one.id for one in open_dataset(str(tmp_path / "own.jsonl"), kind=kind)] == [
            "a.png",
            "a.png#1",
        ]
    rows: Cells = [("input", "face_id", "status", "jaw drop"), ("a", "0", "ok", "1"), ("a", "1", "ok", "1")]
    path = write_csv(tmp_path / "own.csv", rows)
    for kind in (None, "aus", "csv"):
        assert [one.id for one in open_dataset(str(path), kind=kind)] == ["a", "a#1"]
    with pytest.raises((RecordError, MissingData)):
        open_dataset(str(write_csv(tmp_path / "x.csv", [("a", "b"), ("1", "2")])), kind="aus")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("AU12_r,label,label", "the column 'label' is there twice"),
        ("AU12_r,label,Class", "row 2: columns of one"),
    ],
)
def test_labels_that_contradict_each_other(tmp_path: Path, header: str, told: str) -> None:
    (tmp_path / "of.csv").write_text(f"{header}\n3,sad,sad\n3,happy,sad\n")
    for kind in (None, "aus"):
        with pytest.raises(RecordError, match=told):
            open_dataset(str(tmp_path / "of.csv"), kind=kind)


def test_a_guess_contradicts_no_label(tmp_path: Path) -> None:
    rows = [("AU1", "gaze_yaw", "emotion", "label"), ("0.5", "0", "sad", "happy")]
    (sample,) = open_dataset(str(write_csv(tmp_path / "of.csv", rows)))
    assert sample.expression == "happiness"
