"""Kinds are told by content; splits, duplicate ids and missing data are told in one line."""

import shutil
from pathlib import Path

import pytest
from trees import ferplus_shard, labels_by_id, picture_file, rafdb_tree, votes_of, write_csv

from expllm.core.errors import MissingData, RecordError, UsageError
from expllm.data import DATASET_KINDS, image_bytes, open_dataset


def class_tree(root: Path) -> Path:
    for split in ("train", "val"):
        for label in ("happy", "Sad"):
            picture_file(root / split / label / f"{label}.png", len(split))
    return root


def test_split_of_the_spec_and_of_the_option_are_the_same(tmp_path: Path) -> None:
    class_tree(tmp_path)
    by_spec = open_dataset(f"{tmp_path}:val")
    by_option = open_dataset(str(tmp_path), split="validation")
    assert list(by_spec) == list(by_option)
    assert len(by_spec) == 2
    assert by_spec.splits == ("train", "valid")
    assert {sample.split for sample in by_spec} == {"valid"}
    with pytest.raises(UsageError, match="give one"):
        open_dataset(f"{tmp_path}:val", split="train")


def test_unknown_split_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'test': it has train, valid"):
        open_dataset(str(class_tree(tmp_path)), split="test")


def test_a_path_with_a_colon_is_a_path(tmp_path: Path) -> None:
    assert len(open_dataset(str(class_tree(tmp_path / "faces:train")))) == 4


def test_iterating_twice_gives_the_same(tmp_path: Path) -> None:
    dataset = open_dataset(str(class_tree(tmp_path)))
    assert list(dataset) == list(dataset)
    assert len(list(dataset)) == len(dataset) == 4


def test_fingerprint_knows_content_and_not_place(tmp_path: Path) -> None:
    first = class_tree(tmp_path / "a")
    shutil.copytree(first, tmp_path / "b")
    before = open_dataset(str(first)).fingerprint
    assert open_dataset(str(tmp_path / "b")).fingerprint == before
    (tmp_path / "b" / "train" / "happy" / "happy.png").write_bytes(b"other")
    changed = open_dataset(str(tmp_path / "b")).fingerprint
    (first / "val" / "Sad" / "Sad.png").rename(first / "val" / "happy" / "Sad.png")
    assert len({before, changed, open_dataset(str(first)).fingerprint}) == 3


def test_fingerprint_of_what_is_skipped_knows_no_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rafdb_tree(
            tmp_path / name,
            ["train_00001.jpg 5", "train_00002.jpg 9", "train_00003.jpg 5"],
            ["train_00003.jpg"],
        )
        write_csv(
            tmp_path / name / "t.csv",
            [
                ("path", "label"),
                ("basic/Image/aligned/train_00001_aligned.jpg", "fear"),
                ("gone.png", "fear"),
            ],
        )
    for part in ("", "t.csv"):
        first, second = (open_dataset(str(tmp_path / name / part)) for name in ("a", "b"))
        assert first.skipped == second.skipped
        assert len(first.skipped) >= 1
        assert first.fingerprint == second.fingerprint


def test_pictures_are_found_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_tree(tmp_path / "faces")
    ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", [votes_of(fear=9)])
    write_csv(tmp_path / "t.csv", [("path", "label"), ("faces/val/Sad/Sad.png", "fear")])
    monkeypatch.chdir(tmp_path)
    images = [next(iter(open_dataset(name))).image for name in ("faces", "ferplus:test", "t.csv")]
    monkeypatch.chdir("/")
    for image in images:
        assert image is not None
        assert image_bytes(image)


def test_duplicate_ids_name_both_rows(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    table = write_csv(tmp_path / "t.csv", [("path", "label"), ("a.png", "fear"), ("a.png", "anger")])
    with pytest.raises(RecordError, match=r"t\.csv: row 1 and row 2 have the same id 'a\.png'"):
        open_dataset(str(table))


def test_several_data_sets_in_a_folder_are_named(tmp_path: Path) -> None:
    ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", [votes_of(fear=9)])
    picture_file(tmp_path / "a.png")
    write_csv(tmp_path / "faces.csv", [("path", "label"), ("a.png", "fear")])
    with pytest.raises(UsageError, match=r"several data sets: give one of ferplus, faces\.csv"):
        open_dataset(str(tmp_path))
    assert open_dataset(str(tmp_path), kind="ferplus").kind == "ferplus"
    assert open_dataset(str(tmp_path / "ferplus")).kind == "ferplus"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such file or folder") as caught:
        open_dataset(str(tmp_path / "nowhere"))
    assert caught.value.exit_code == 1
    with pytest.raises(MissingData, match="no data set in a known layout"):
        open_dataset(str(tmp_path))
    with pytest.raises(UsageError, match="no kind of data set is called 'rafbd'"):
        open_dataset(str(tmp_path), kind="rafbd")


@pytest.mark.parametrize("kind", DATASET_KINDS)
def test_every_kind_refuses_an_empty_folder_and_a_stray_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    for path in (tmp_path / "empty", tmp_path / "noise.bin"):
        with pytest.raises((MissingData, RecordError)):
            open_dataset(str(path), kind=kind)


def test_numbered_folders_need_a_kind(tmp_path: Path) -> None:
    for number in range(1, 8):
        picture_file(tmp_path / "train" / str(number) / "a.png")
    with pytest.raises(UsageError, match="named by numbers: give the kind"):
        open_dataset(str(tmp_path))
    assert labels_by_id(open_dataset(str(tmp_path), kind="rafdb"))["train/4/a.png"] == "happiness"
    assert labels_by_id(open_dataset(str(tmp_path), kind="affectnet8"))["train/4/a.png"] == "fear"
    assert labels_by_id(open_dataset(str(tmp_path), kind="expw"))["train/4/a.png"] == "sadness"


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    rafdb_tree(tmp_path / "one", ["train_00001.jpg 5"])
    assert open_dataset(str(tmp_path / "one")).kind == "rafdb"
    assert open_dataset(str(tmp_path / "one" / "basic")).kind == "rafdb"
    ferplus_shard(tmp_path / "shard.bin", [votes_of(fear=9)])
    assert open_dataset(str(tmp_path / "shard.bin")).kind == "ferplus"
    assert open_dataset(str(class_tree(tmp_path / "two"))).kind == "folder"
