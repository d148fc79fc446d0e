"""AffectNet in the layouts of its two releases."""

from pathlib import Path

import numpy as np
import pytest
from trees import labels_by_id, picture_file, write_csv

from expllm.core.errors import MissingData
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import open_dataset
from expllm.data.check import check_dataset
from expllm.data.readers.affectnet import AFFECTNET_COLUMNS

NAMES = "neutral happiness sadness surprise fear disgust anger contempt".split()


def table_row(name: str, expression: object) -> list[object]:
    return [name, 1, 2, 30, 40, "1.0;2.0;3.0;4.0", expression, -0.5, 0.25]


@pytest.mark.parametrize("folder", ["", "Manually_Annotated_file_lists"])
@pytest.mark.parametrize("header", [True, False])
def test_first_release(folder: str, header: bool, tmp_path: Path) -> None:
    names = [f"{number}/face.jpg" for number in range(11)]
    for name in names:
        picture_file(tmp_path / "Manually_Annotated_Images" / name)
    rows = [table_row(name, number) for number, name in enumerate(names)]
    write_csv(tmp_path / folder / "training.csv", [AFFECTNET_COLUMNS, *rows] if header else rows)
    picture_file(tmp_path / "Manually_Annotated_Images" / "v" / "face.jpg")
    write_csv(tmp_path / folder / "validation.csv", [AFFECTNET_COLUMNS, table_row("v/face.jpg", 1)])
    dataset = open_dataset(str(tmp_path))
    assert dataset.kind == "affectnet8"
    assert labels_by_id(dataset) == {**dict(zip(names, NAMES, strict=False)), "v/face.jpg": "happiness"}
    assert [reason for _, reason in dataset.skipped] == [
        "labelled as none", "labelled as uncertain", "labelled as no face",
    ]  # fmt: skip
    assert [sample.id for sample in open_dataset(f"{tmp_path}:valid")] == ["v/face.jpg"]
    seven = open_dataset(str(tmp_path), kind="affectnet7")
    assert seven.labels == LABEL_ORDERS["affectnet7"].labels
    assert len(seven) == len(dataset) - 1
    assert "contempt is left out" in [reason for _, reason in seven.skipped]


def test_second_release(tmp_path: Path) -> None:
    for number, label in ((2, "7"), (10, "0"), (3, "9"), (4, "1")):
        picture_file(tmp_path / "val_set" / "images" / f"{number}.jpg")
        (tmp_path / "val_set" / "annotations").mkdir(exist_ok=True)
        np.save(tmp_path / "val_set" / "annotations" / f"{number}_exp.npy", np.array(label))
        np.save(tmp_path / "val_set" / "annotations" / f"{number}_val.npy", np.array("0.1"))
    (tmp_path / "val_set" / "annotations" / "4_exp.npy").write_bytes(b"cut")
    np.save(tmp_path / "val_set" / "annotations" / "5_exp.npy", np.array("1"))
    dataset = open_dataset(str(tmp_path))
    assert list(labels_by_id(dataset).items()) == [
        ("val_set/images/2.jpg", "contempt"),
        ("val_set/images/10.jpg", "neutral"),
    ]
    assert dataset.splits == ("valid",)
    skipped = dict(dataset.skipped)
    assert skipped["val_set/images/3.jpg"] == "labelled as uncertain"
    assert "cannot be read" in skipped["val_set/images/4.jpg"]
    assert "no picture at" in skipped["val_set/images/5.jpg"]


def test_pickled_annotations_are_never_loaded(tmp_path: Path) -> None:
    picture_file(tmp_path / "val_set" / "images" / "1.jpg")
    (tmp_path / "val_set" / "annotations").mkdir()
    np.save(tmp_path / "val_set" / "annotations" / "1_exp.npy", np.array(object()), allow_pickle=True)
    picture_file(tmp_path / "val_set" / "images" / "2.jpg")
    np.save(tmp_path / "val_set" / "annotations" / "2_exp.npy", np.array(1))
    dataset = open_dataset(str(tmp_path))
    assert labels_by_id(dataset) == {"val_set/images/2.jpg": "happiness"}
    assert "allow_pickle=False" in dataset.skipped[0][1]


def test_a_table_of_another_is_not_taken_for_affectnet(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    write_csv(tmp_path / "training.csv", [("path", "label"), ("a.png", "fear")])
    assert open_dataset(str(tmp_path)).kind == "csv"


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="AffectNet is given on request"):
        open_dataset(str(tmp_path), kind="affectnet7")
    write_csv(tmp_path / "training.csv", [AFFECTNET_COLUMNS, table_row("1/a.jpg", 1)])
    with pytest.raises(MissingData, match=r"none of its 1 rows.*no picture at 1/a\.jpg"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    "label", [np.float64(3.0), np.float32(3), np.array([3.0]), np.array(b"3"), np.array("3.0")]
)
def test_annotations_of_any_number_type_are_read(tmp_path: Path, label: object) -> None:
    (tmp_path / "val_set" / "annotations").mkdir(parents=True)
    for number, cell in ((1, label), (2, np.float64(3.5)), (3, np.float64(np.nan)), (4, np.float64(np.inf))):
        picture_file(tmp_path / "val_set" / "images" / f"{number}.jpg")
        np.save(tmp_path / "val_set" / "annotations" / f"{number}_exp.npy", np.asarray(cell))
    dataset = open_dataset(str(tmp_path))
    assert labels_by_id(dataset) == {"val_set/images/1.jpg": "surprise"}
    assert [reason for _, reason in dataset.skipped] == [
        f"cannot be read: label '{cell}' is not a whole number" for cell in ("3.5", "nan", "inf")
    ]


def test_annotations_that_are_no_label_are_damage(tmp_path: Path) -> None:
    (tmp_path / "val_set" / "annotations").mkdir(parents=True)
    cells = ["1", "happy", "2.5", "nan", "happi", "11", "-1", "rubbish", "9"]
    for number, cell in enumerate(cells):
        picture_file(tmp_path / "val_set" / "images" / f"{number}.jpg", number)
        np.save(tmp_path / "val_set" / "annotations" / f"{number}_exp.npy", np.array(cell))
    report = check_dataset(None, str(tmp_path))
    assert (report.samples, dict(report.left_out), report.is_whole) == (
        2,
        {"labelled as uncertain": 1},
        False,
    )
    assert len(report.unreadable) == 6
    assert "did you mean 'happy'?" in dict(report.unreadable)["val_set/images/4.jpg"]


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-16"), (";", "cp1252"), ("\t", "utf-8-sig")])
def test_tables_that_were_saved_again(tmp_path: Path, delimiter: str, encoding: str) -> None:
    picture_file(tmp_path / "Manually_Annotated_Images" / "é" / "a.jpg")
    row = table_row("é\\a.jpg", 4)
    row[5] = '"' + ";".join(["1.5"] * 136) + '"' if delimiter == ";" else ";".join(["1.5"] * 136)
    lines = [delimiter.join(AFFECTNET_COLUMNS), delimiter.join(map(str, row))]
    (tmp_path / "validation.csv").write_bytes("\r\n".join(lines).encode(encoding))
    dataset = open_dataset(str(tmp_path))
    assert dataset.kind == "affectnet8"
    assert labels_by_id(dataset) == {"é\\a.jpg": "fear"}


def test_landmarks_of_a_table_without_header_are_no_columns(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.jpg")
    row = table_row("a.jpg", 6)
    row[5] = ";".join(["1.5"] * 136)
    write_csv(tmp_path / "training.csv", [row])
    assert labels_by_id(open_dataset(str(tmp_path))) == {"a.jpg": "anger"}
