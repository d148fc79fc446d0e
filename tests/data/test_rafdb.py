"""RAF-DB in the layout of its authors."""

import shutil
from pathlib import Path

import pytest
from trees import labels_by_id, picture_file, rafdb_tree, write_csv

from expllm.core.errors import MissingData
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import open_dataset
from expllm.data.check import check_dataset

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
    assert "no label" in reasons[1]
    assert "not called train_" in reasons[2]
    assert reasons[3].startswith("no picture at")


def test_a_list_that_names_the_aligned_pictures(tmp_path: Path) -> None:
    root = rafdb_tree(tmp_path, LINES)
    names = [line.replace(".jpg", "_aligned.jpg") for line in LINES]
    (root / "basic" / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(names))
    assert len(open_dataset(str(root))) == len(LINES)


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


@pytest.mark.parametrize(
    "line",
    ["{name}\t{label}", "{name} {label} 7", "{name},{label}", "{name}  {label}\t0.98", "{name};{label};x"],
)
def test_the_label_is_the_second_column_whatever_parts_them(tmp_path: Path, line: str) -> None:
    root = rafdb_tree(tmp_path, LINES)
    lines = [line.format(name=name, label=label) for name, label in (one.split() for one in LINES)]
    (root / "basic" / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    found = labels_by_id(open_dataset(str(root)))
    names = [label.value for label in LABEL_ORDERS["rafdb"].labels]
    assert list(found.values()) == [*names, "neutral"]


def test_a_label_in_another_column_is_an_error(tmp_path: Path) -> None:
    lines = [
        LINES[0],
        "train_00002.jpg 0.97 5",
        "3 train_00003.jpg",
        "train_00004.jpg -1 3",
        "train_00005.jpg",
    ]
    root = rafdb_tree(tmp_path, [LINES[0]])
    for number in range(2, 6):
        picture_file(root / "basic" / "Image" / "aligned" / f"train_0000{number}_aligned.jpg", number)
    (root / "basic" / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    report = check_dataset("rafdb", str(root))
    assert report.samples == 1
    assert len(report.unreadable) == 4
    assert all(reason.startswith("cannot be read") for _, reason in report.unreadable)


def test_the_copy_with_numbered_folders(tmp_path: Path) -> None:
    for split, names in {"train": ("1", "4"), "test": ("7",)}.items():
        for name in names:
            picture_file(tmp_path / "DATASET" / split / name / f"{split}_0000{name}_aligned.jpg", int(name))
    for split in ("train", "test"):
        write_csv(tmp_path / f"{split}_labels.csv", [("image", "label"), (f"{split}_00001_aligned.jpg", 1)])
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, dataset.splits) == ("rafdb", ("train", "test"))
    assert list(labels_by_id(dataset).values()) == ["neutral", "surprise", "happiness"]
    assert labels_by_id(open_dataset(str(tmp_path / "DATASET"), kind="rafdb")) == labels_by_id(dataset)
