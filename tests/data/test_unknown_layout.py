"""Folders that hold no data set: the line says what lies there, and what to do."""

import shutil
from pathlib import Path

import pytest
from trees import picture_file

from expllm.core.errors import MissingData
from expllm.data import open_dataset


def complaint(folder: Path) -> str:
    with pytest.raises(MissingData) as caught:
        open_dataset(str(folder))
    assert "\n" not in caught.value.line
    return caught.value.line


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "it is empty"),
        ({"a.md": b"x"}, "it holds no pictures"),
        ({"happy_01.jpg": None, "sad_02.jpg": None}, "pictures without labels; 'expllm analyze"),
        ({"traurig/a.jpg": None, "wütend/b.jpg": None}, "(traurig, wütend) are not called like expressions"),
        ({"suprise/a.jpg": None}, "misspelt: suprise (did you mean 'surprise'?);"),
        ({"hapy/anna/a.jpg": None, "x.md": b""}, "misspelt: hapy (did you mean 'happy'?);"),
        ({"train/hapy/1.jpg": None, "test/sadd/2.jpg": None}, "test/sadd (did you mean 'sad'?), train/"),
        (
            {"train/hapy/1.jpg": None, "train/sadd/2.jpg": None, "tset/happy/3.jpg": None},
            "train/hapy (did you mean 'happy'?), train/sadd (did you mean 'sad'?), tset (did you mean 'test",
        ),
        ({"trian/happy/1.jpg": None, "tset/sad/2.jpg": None}, "trian (did you mean 'train'?), tset (did you"),
        ({"x/y/suprise/1.jpg": None}, "misspelt: x/y/suprise (did you mean 'surprise'?);"),
        ({"train/traurig/1.jpg": None}, "(train/traurig) are not called like expressions"),
        ({"a/b/Training/happy/1.jpg": None, "a/b/Testing/sad/2.jpg": None}, "give {folder}/a/b;"),
        ({"__MACOSX/happy/1.jpg": None, "faces/happy/1.jpg": None}, "give {folder}/faces;"),
        ({"train/labels.csv": b"path,label\n1.jpg,happy\n", "train/1.jpg": None}, "give {folder}/train;"),
        ({"s1/happy/1.jpg": None, "s2/happy/1.jpg": None}, "several below it (s1, s2): give one of them"),
        ({"faces.zip": b"PK\3\4", "a.jpg": None}, "unpack faces.zip first"),
        ({"shard-0.tar": bytes(1024)}, "unpack shard-0.tar first"),
        ({"labels.xlsx": b"PK\3\4", "a.jpg": None}, "labels.xlsx: an Excel workbook, or another"),
        ({"labels.csv": b"a.jpg,happy\nb.jpg,sad\n", "a.jpg": None}, "its columns are a.jpg, happy"),
        ({"labels.csv": b"", "a.jpg": None}, "labels.csv: is empty"),
        ({"labels.json": b'{"a.jpg": "happy"}', "a.jpg": None}, "its columns are a.jpg"),
        ({"labels.csv": "путь,метка\n".encode("cp1251")}, "neither in UTF-8 nor in the alphabet of western"),
    ],
)  # fmt: skip
def test_what_lies_there_is_named(tmp_path: Path, files: dict[str, bytes | None], told: str) -> None:
    for name, data in files.items():
        path = tmp_path / name
        if data is None:
            picture_file(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    assert told.replace("{folder}", str(tmp_path)) in complaint(tmp_path)


def test_the_docs_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a,b\n1,2\n")
    assert complaint(tmp_path).count("see docs/data.md") == 1


def test_the_folder_that_is_named_opens(tmp_path: Path) -> None:
    picture_file(tmp_path / "deep" / "er" / "happy" / "a.jpg")
    named = complaint(tmp_path).partition("give ")[2].partition(";")[0]
    assert [sample.id for sample in open_dataset(named)] == ["happy/a.jpg"]
    shutil.rmtree(tmp_path / "deep")
    assert "it is empty" in complaint(tmp_path)


def test_a_great_many_folders_are_not_all_looked_into(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"n{number:03d}" / "x").mkdir(parents=True)
    picture_file(tmp_path / "n299" / "x" / "y" / "happy" / "a.jpg")
    assert "it holds no pictures" in complaint(tmp_path)
