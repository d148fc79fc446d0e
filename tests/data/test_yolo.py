"""Faces with boxes in YOLO's layout: numbers by data.yaml, boxes in pixels."""

from pathlib import Path

import pytest
from PIL import Image
from trees import labels_by_id

from expllm.core.errors import MissingData, RecordError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import open_dataset
from expllm.data.check import check_dataset

ALPHABETICAL = ("Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
YAML = "train: ../train/images\nval: ../valid/images\nnc: 8\nnames: [{}]\n".format(", ".join(ALPHABETICAL))


def face(
    root: Path, part: str, name: str, label: str | None, size: tuple[int, int] = (100, 50), turn: int = 1
) -> None:
    """A picture in `PART/images` and its label file in `PART/labels`, or the other way round."""
    pictures, labels = (root / where.format(kind) for kind in ("images", "labels") for where in [part])
    pictures.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.new("RGB", size, (len(name), 9, 9)).save(pictures / f"{name}.jpg", exif=exif.tobytes())
    if label is not None:
        (labels / f"{name}.txt").write_text(label)


def tree(root: Path, part: str = "train/{}", names: str | None = YAML) -> Path:
    for number in range(8):
        face(root, part, f"face{number}", f"{number} 0.5 0.5 0.8 0.6\n")
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


EXPECTED = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


@pytest.mark.parametrize("part", ["train/{}", "{}/train", "{}"])
@pytest.mark.parametrize("kind", ["affectnet8", "yolo", None])
def test_numbers_are_read_by_the_names_beside_them(tmp_path: Path, part: str, kind: str | None) -> None:
    root = tree(tmp_path / "set" / "YOLO_format", part).parent
    dataset = open_dataset(str(root), kind=kind)
    assert dataset.kind == (kind or "yolo")
    assert list(labels_by_id(dataset).values()) == EXPECTED
    assert dataset.splits == (() if part == "{}" else ("train",))
    assert next(iter(dataset)).box == pytest.approx((10, 10, 80, 30))
    assert next(iter(labels_by_id(dataset))) == f"{part.format('images')}/face0.jpg"


def test_affectnet7_leaves_contempt_out(tmp_path: Path) -> None:
    dataset = open_dataset(str(tree(tmp_path)), kind="affectnet7")
    assert dataset.labels == LABEL_ORDERS["affectnet7"].labels
    assert dataset.skipped == (("train/images/face1.jpg", "contempt is not among its labels"),)


def test_names_with_their_numbers_and_splits(tmp_path: Path) -> None:
    tree(tmp_path, names="names:\n  0: surprise\n  1: fear\n  7: 0_neutral\n")
    face(tmp_path, "valid/{}", "other", "1 0.25 0.5 0.5 1", (40, 20), turn=6)
    dataset = open_dataset(str(tmp_path))
    assert dataset.splits == ("train", "valid")
    assert labels_by_id(dataset) == {
        "train/images/face0.jpg": "surprise",
        "train/images/face1.jpg": "fear",
        "train/images/face7.jpg": "neutral",
        "valid/images/other.jpg": "fear",
    }
    assert {reason for _, reason in dataset.skipped} == {
        f"cannot be read: data.yaml has no name for the class {number}" for number in range(2, 7)
    }
    assert next(iter(open_dataset(f"{tmp_path}:valid"))).box == pytest.approx(
        (0, 0, 10, 40)
    )  # upright: 20 x 40


def test_several_faces_and_bad_lines(tmp_path: Path) -> None:
    for name, label in {
        "two": "4 0.2 0.5 0.2 0.5\n5 0.8 0.5 0.2 0.5\n",
        "none": "",
        "absent": None,
        "word": "happy 0.5 0.5 1 1",
        "outline": "4 0.1 0.1 0.9 0.1 0.5 0.9",
        "certain": "5 0.5 0.5 0.2 0.4 0.97",
        "odd": "4 0.1 0.1 0.9 0.1 0.5 0.9 0.3",
        "outside": "4 0.9 0.5 0.5 0.5",
        "empty": "4 0.5 0.5 0 0.5",
        "beyond": "9 0.5 0.5 1 1",
    }.items():
        face(tmp_path, "train/{}", name, label)
    (tmp_path / "train" / "labels" / "lost.txt").write_text("4 0.5 0.5 1 1")
    (tmp_path / "train" / "images" / "text.jpg").write_text("not a picture at all")
    (tmp_path / "train" / "labels" / "text.txt").write_text("4 0.5 0.5 1 1")
    (tmp_path / "data.yaml").write_text(YAML)
    dataset = open_dataset(str(tmp_path))
    boxes = {Path(one.id).stem: one.box for one in dataset}
    assert boxes["outline"] == pytest.approx((10, 5, 80, 40))
    assert boxes["certain"] == pytest.approx((40, 15, 20, 20))
    assert labels_by_id(dataset) == {
        "train/images/certain.jpg": "neutral",
        "train/images/outline.jpg": "happiness",
        "train/images/two.jpg#0": "happiness",
        "train/images/two.jpg#1": "neutral",
    }
    reasons = {Path(where).stem: reason for where, reason in dataset.skipped}
    assert reasons["lost"] == "no picture at train/images/lost"
    assert reasons["none"] == "no face is labelled in it"
    assert reasons["absent"] == "no label at train/labels/absent.txt"
    assert "cannot be read as a class and a box" in reasons["word"]
    assert "cannot be read as a class and a box" in reasons["odd"]
    box = "cannot be read: its box is empty, or reaches out of the picture"
    assert (reasons["outside"], reasons["empty"]) == (box, box)
    assert reasons["beyond"] == "cannot be read: data.yaml has no name for the class 9"
    assert "not a supported picture format" in reasons["text"]
    assert not check_dataset("yolo", str(tmp_path)).is_whole


@pytest.mark.parametrize(
    "name", ["dataset.yml", "affectnet.yaml", "classes.txt", "labels/classes.txt", "obj.names"]
)
def test_names_of_the_numbers_as_other_tools_write_them(tmp_path: Path, name: str) -> None:
    tree(tmp_path, names=None)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    names = "Anger Contempt Disgust Fear Happy Neutral Sad Surprise".split()
    (tmp_path / name).write_text("\n".join(names) if name.endswith(("txt", "names")) else YAML)
    assert list(labels_by_id(open_dataset(str(tmp_path))).values()) == EXPECTED
    (tmp_path / "train" / "labels" / "face0.txt").write_text("8 0.5 0.5 0.8 0.6\n")
    report = check_dataset(None, str(tmp_path), fast=True)
    told = f"{Path(name).name} has no name for the class 8"
    assert report.unreadable == (("train/images/face0.jpg", told),)


def test_without_names_nothing_is_guessed(tmp_path: Path) -> None:
    tree(tmp_path, names=None)
    for kind in ("affectnet8", "yolo", None):
        with pytest.raises(MissingData, match=r"no 'data\.yaml' or 'classes\.txt' in .*: its labels"):
            open_dataset(str(tmp_path), kind=kind)
    for text in ("nc: 8\n", "names: 7\n", "[1", "names: {a: b}\n"):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(RecordError, match=r"data\.yaml: "):
            open_dataset(str(tmp_path))
