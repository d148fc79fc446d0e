"""What a check finds: pictures that are missing, broken or double, and classes that are short."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from test_captions import chat_row, jpeg, llava_tree, pairs, shard
from test_expw import LINES, expw_tree
from trees import picture_file, rafdb_tree, write_csv

from expllm.core.errors import MissingData
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import DATASET_KINDS, open_dataset
from expllm.data.about import ABOUT, CAPTIONS, about
from expllm.data.check import check_dataset


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def shaded_tree(root: Path) -> Path:
    """Class folders: two whole pictures, one cut short, one that is a text, and a double."""
    picture_file(root / "train" / "happy" / "a.jpg", 10)
    picture_file(root / "train" / "sad" / "b.jpg", 20)
    cut(picture_file(root / "train" / "sad" / "c.jpg", 30))
    (root / "train" / "sad" / "d.jpg").write_text("no picture at all")
    picture_file(root / "test" / "happy" / "e.jpg", 10)
    picture_file(root / "test" / "unheard of" / "f.jpg", 40)
    return root


def test_broken_and_double_pictures_are_named(tmp_path: Path) -> None:
    report = check_dataset("folder", str(shaded_tree(tmp_path)))
    assert (report.samples, report.rows, report.opened) == (5, 6, 3)
    assert report.counts == {"train": {"happiness": 1, "sadness": 3}, "test": {"happiness": 1}}
    assert [where for where, _ in report.unreadable] == ["train/sad/c.jpg", "train/sad/d.jpg"]
    assert "cut short" in report.unreadable[0][1]
    assert report.doubles == (("train/happy/a.jpg", "the same picture as test/happy/e.jpg"),)
    assert sum(report.left_out.values()) == 1
    assert not report.is_whole
    assert report.fingerprint == open_dataset(str(tmp_path)).fingerprint


def test_pictures_of_several_frames_are_named(tmp_path: Path) -> None:
    picture_file(tmp_path / "happy" / "a.jpg", 10)
    frames = [Image.new("RGB", (60, 60), (shade, 0, 0)) for shade in (10, 120, 240)]
    frames[0].save(tmp_path / "happy" / "b.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "happy" / "c.tiff", save_all=True, append_images=frames[1:2])
    report = check_dataset("folder", str(tmp_path))
    assert report.animated == (("happy/b.gif", "frame 1 of 3"), ("happy/c.tiff", "page 1 of 2"))
    assert report.is_whole


def test_without_opening_only_what_is_listed_counts(tmp_path: Path) -> None:
    report = check_dataset("folder", str(shaded_tree(tmp_path)), fast=True)
    assert (report.opened, report.unreadable, report.doubles) == (None, (), ())
    assert report.is_whole
    assert check_dataset("folder", f"{tmp_path}:test").counts == {"test": {"happiness": 1}}


@pytest.mark.parametrize("name", ["train/suprise", "vaild/happy"])
def test_a_misspelt_folder_is_never_whole(tmp_path: Path, name: str) -> None:
    picture_file(tmp_path / "train" / "happy" / "a.jpg", 10)
    assert check_dataset("folder", str(tmp_path)).is_whole
    picture_file(tmp_path / name / "b.jpg", 20)
    report = check_dataset("folder", str(tmp_path))
    assert not report.is_whole
    assert [where for where, _ in report.unreadable] == [f"{name}/b.jpg"]
    assert "did you mean" in report.unreadable[0][1]
    labels = write_csv(
        tmp_path / "labels.csv", [("path", "label"), ("train/happy/a.jpg", "happy"), ("a", "sadd")]
    )
    assert not check_dataset("csv", str(labels)).is_whole


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("t.jsonl", None, '{"id": "b", "expression": "Fear", "aus": {"Jaw Drop": NaN}, "cot": ""}\n'),
        ("t.jsonl", None, '{"id": "b", "expression": "Fear", "aus": {"Jaw Drop": true}, "cot": ""}\n'),
        ("t.jsonl", None, '{"id": "b", "expression": "Fear", "aus": [["Jaw Drop", 0.5]], "cot": ""}\n'),
        ("t.jsonl", None, '{"id": "b", "expression": "Fear", "aus": {"Jaw Flop": 0.5}, "cot": ""}\n'),
        ("t.csv", "rafdb", "b.jpg,9,\n"),
        ("t.csv", "rafdb", "b.jpg,1,much\n"),
        ("t.csv", "rafdb", "b.jpg,1,1.5\n"),
    ],
)
def test_a_bad_value_is_never_whole(tmp_path: Path, name: str, kind: str | None, text: str) -> None:
    picture_file(tmp_path / "b.jpg", 10)
    good = {"t.jsonl": '{"id": "a", "expression": "Fear", "aus": {"Jaw Drop": 0.5}, "cot": ""}\n',
            "t.csv": "path,label,jaw drop\nb.jpg,1,\n"}[name]  # fmt: skip
    (tmp_path / name).write_text(good)
    assert not check_dataset(kind, str(tmp_path / name)).unreadable
    (tmp_path / name).write_text(good + text)
    report = check_dataset(kind, str(tmp_path / name))
    assert (report.samples, [where for where, _ in report.unreadable]) == (1, ["row 2"])
    assert not report.is_whole


def test_rafdb_is_held_against_its_published_counts(tmp_path: Path) -> None:
    lines = [f"test_{number:04d}.jpg {number}" for number in range(1, 8)] + ["train_00001.jpg 7"]
    report = check_dataset("rafdb", str(rafdb_tree(tmp_path, lines, missing=["test_0002.jpg"])))
    assert report.missing == (
        ("list_patition_label.txt line 2", "no picture at aligned/test_0002_aligned.jpg"),
    )
    short = dict(report.short)
    assert short["test fear"] == "0 of 74 faces"
    assert short["train happiness"] == "0 of 4,772 faces"
    assert len(short) == 14
    assert all(where.startswith("test ") for where, _ in check_dataset("rafdb", f"{tmp_path}:test").short)


def test_published_counts_are_those_of_the_splits() -> None:
    rafdb = ABOUT["rafdb"].classes
    assert [sum(rafdb[split].values()) for split in ("train", "test")] == [12_271, 3_068]
    assert all(set(row) == set(LABEL_ORDERS["rafdb"].labels) for row in rafdb.values())
    assert list(rafdb["test"].values()) == [329, 74, 160, 1185, 478, 162, 680]
    assert set(ABOUT) <= {*DATASET_KINDS, CAPTIONS}
    assert all(known.obtain and known.terms.endswith(".") for known in ABOUT.values())
    assert all(known.source for known in ABOUT.values() if known.totals or known.classes)


def test_a_protocol_leaves_out_and_breaks_nothing(tmp_path: Path) -> None:
    report = check_dataset("expw", str(expw_tree(tmp_path, LINES)))
    assert report.left_out == {"the confidence is not over 60": 2}
    assert report.is_whole
    assert report.doubles == ()  # two faces of one photograph


@pytest.mark.parametrize("layout", ["llava", "shards"])
def test_captions_are_opened_too(layout: str, tmp_path: Path) -> None:
    if layout == "llava":
        llava_tree(tmp_path, [chat_row(n) for n in range(1, 5)], [1, 2, 3])
        cut(tmp_path / "images" / "GCC_train_000000002.jpg")
    else:
        broken = jpeg(9)[:200]
        shard(tmp_path / "a.tar", [*pairs([1, 3]), ("2.jpg", broken), ("2.txt", b"x"), ("4.txt", b"y")])
    report = check_dataset("cc3m", str(tmp_path))
    assert (report.samples, report.opened, report.rows) == (3, 2, 4)
    assert len(report.unreadable) == 1
    assert "cut short" in report.unreadable[0][1]
    assert len(report.missing) == (layout == "llava")
    assert not report.is_whole


def test_what_is_not_there_says_how_to_obtain_it(tmp_path: Path) -> None:
    for kind in ("rafdb", "affectnet8", "expw", "cc3m"):
        with pytest.raises(MissingData) as raised:
            check_dataset(kind, str(tmp_path))
        assert about(kind).obtain in raised.value.line
    shutil.rmtree(tmp_path)
    with pytest.raises(MissingData, match=r"lay your pictures out as docs/data\.md says"):
        check_dataset("folder", str(tmp_path))
