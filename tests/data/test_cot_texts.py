"""Published explanations: lines with named units, and the released JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from trees import picture_file

from expllm.core.errors import RecordError
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression, label_set
from expllm.data import open_dataset


def reference(**changes: Any) -> dict[str, Any]:
    row = {"id": "test_0002_aligned.jpg", "expression": "Surprise", "aus": {"Jaw Drop": 0.4}, "cot": "Why."}
    return row | changes


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_lines_with_named_units(tmp_path: Path) -> None:
    dataset = open_dataset(str(write_lines(tmp_path / "a.jsonl", reference())))
    (sample,) = dataset
    assert (dataset.kind, dataset.labels) == ("reference", label_set(7))
    assert (sample.id, sample.expression) == ("test_0002_aligned.jpg", Expression.SURPRISE)
    assert sample.aus is not None
    assert (sample.aus["jaw drop"], sample.aus["left eye close"]) == (0.4, 0.0)
    assert (sample.text, sample.au_source, sample.image) == ("Why.", "expllm-reference", None)


def test_released_json(tmp_path: Path) -> None:
    numbers = [0.0] * len(AU_NAMES)
    numbers[AU_NAMES.index("jaw drop")] = 0.7
    row = {"file_name": "test_0001.jpg", "emo": "Sadness", "au": numbers, "description": "Text."}
    path = tmp_path / "released.json"
    path.write_text(json.dumps([row]))
    picture_file(tmp_path / "test_0001.jpg")
    dataset = open_dataset(str(path))
    (sample,) = dataset
    assert dataset.kind == "released"
    assert (sample.id, sample.expression, sample.text) == ("test_0001.jpg", "sadness", "Text.")
    assert sample.aus is not None
    assert sample.aus.active() == {"jaw drop": 0.7}
    assert sample.image is not None


def test_contempt_makes_eight_labels(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", reference(), reference(id="b", expression="contempt"))
    assert open_dataset(str(path)).labels == label_set(8)


def test_bad_rows_are_skipped_with_their_reason(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "a.jsonl",
        reference(),
        reference(id="b", expression="boredom"),
        reference(id="c", expression=None),
        reference(id="d", aus={"Jaw Drop": 7}),
        reference(id="e", aus={"Jaw Dropp": 0.7}),
        reference(id="f", aus=[1, 2]),
        {"id": "g", "expression": "fear"},
        reference(id="h", aus={"Jaw Drop": None}),
    )
    dataset = open_dataset(str(path))
    assert [sample.id for sample in dataset] == ["test_0002_aligned.jpg", "h"]
    assert [where for where, _ in dataset.skipped] == [f"row {number}" for number in range(2, 8)]


def test_lines_without_a_label_at_all_are_samples_without_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": "a\u2028b.jpg", "aus": {"Jaw Drop": 0.5}}\n{"id": "c.jpg", "aus": {}}\n', encoding="utf-8"
    )
    dataset = open_dataset(str(path))
    assert [(one.id, one.expression) for one in dataset] == [("a\u2028b.jpg", None), ("c.jpg", None)]


def test_an_analysis_of_ours_has_no_label(tmp_path: Path) -> None:
    own = FaceAnalysis(
        input="a.png", status="ok", aus=AUVector({"jaw drop": 0.2}), expression=Expression.FEAR
    )
    path = tmp_path / "own.jsonl"
    path.write_text(own.to_json() + "\n")
    (sample,) = open_dataset(str(path))
    assert (sample.id, sample.expression, sample.au_source) == ("a.png", None, "expllm")
    assert sample.aus is not None
    assert sample.aus["left eye close"] is None


def test_what_is_not_whole(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", reference())
    path.write_text(path.read_text() + '{"id": "b", "au')
    dataset = open_dataset(str(path))
    assert (len(dataset), [where for where, _ in dataset.skipped]) == (1, ["row 2"])
    assert "not JSON, or cut short" in dataset.skipped[0][1]
    path.write_text('{"id": "b", "au')
    with pytest.raises(RecordError):
        open_dataset(str(path))
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    with pytest.raises(RecordError):
        open_dataset(str(deep))
    other = write_lines(tmp_path / "other.json", {"a": 1})
    with pytest.raises(RecordError, match="neither 'aus' nor 'au'"):
        open_dataset(str(other))
