"""RAF-DB in the layout of its authors."""

import shutil
from pathlib import Path

import pytest
from trees import labels_by_id, rafdb_tree

from expllm.data import open_dataset
from expllm.errors import MissingData
from expllm.faces import LABEL_ORDERS

LINES = [f"train_{number:05d}.jpg {number}" for number in range(1, 8)] + ["test_0001.jpg 7"]


def test_numbers_begin_at_one_and_prefixes_split(tmp_path: Path) -> None:
    dataset = open_dataset(str(rafdb_tree(tmp_path, LINES)))
    assert list(labels_by_id(dataset).items()) == [
        ("train_00001_aligned.jpg", "surprise"),
        ("train_00002_aligned.jpg", "fear"),
        ("train_00003_aligned.jpg", "disgust"),
        ("train_00004_aligned.jpg", "happiness"),
        ("train_00005_aligned.jpg", "sadness"),
        ("train_00006_aligned.jpg", "anger"),
        ("train_00007_aligned.jpg", "neutral"),
        ("test_0001_aligned.jpg", "neutral"),
    ]
    assert dataset.labels == LABEL_ORDERS["rafdb"].labels
    assert [sample.split for sample in open_dataset(f"{tmp_path}:test")] == ["test"]


def test_bad_lines_and_missing_pictures_are_skipped_with_their_reason(tmp_path: Path) -> None:
    lines = [*LINES, "train_00008.jpg 8", "train_00009.jpg", "other_1.jpg 1", "train_00010.jpg 2"]
    dataset = open_dataset(str(rafdb_tree(tmp_path, lines, missing=["train_00010.jpg"])))
    assert len(dataset) == len(LINES)
    reasons = [reason for _, reason in dataset.skipped]
    assert [where for where, _ in dataset.skipped] == [
        f"list_patition_label.txt line {number}" for number in range(9, 13)
    ]
    assert "rafdb has no label 8" in reasons[0]
    assert "unknown expression" in reasons[1]
    assert "not called train_" in reasons[2]
    assert reasons[3].startswith("no picture at")


def test_missing_parts_say_how_to_get_them(tmp_path: Path) -> None:
    basic = rafdb_tree(tmp_path, LINES) / "basic"
    shutil.rmtree(basic / "Image")
    with pytest.raises(MissingData, match=r"no 'basic/Image/aligned' under .*: RAF-DB is given on request"):
        open_dataset(str(tmp_path))
    (basic / "Image" / "aligned").mkdir(parents=True)
    with pytest.raises(MissingData, match="none of its 8 rows can be used"):
        open_dataset(str(tmp_path))
    shutil.rmtree(basic / "EmoLabel")
    with pytest.raises(MissingData, match=r"no 'basic/EmoLabel/list_patition_label\.txt'"):
        open_dataset(str(tmp_path))
