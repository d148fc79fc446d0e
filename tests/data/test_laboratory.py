"""CK+, JAFFE and KDEF as they are handed out: labels from files and names, people for the splits."""

from pathlib import Path

import pytest
from test_fer2013 import cell
from trees import labels_by_id, picture_file, write_csv

from expllm.core.errors import MissingData, RecordError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import open_dataset
from expllm.data.check import check_dataset
from expllm.data.people import people_part

EMOTIONS = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}


def sequence(root: Path, name: str, frames: int, label: object = None) -> None:
    """A sequence of CK+, and its label as the authors write it."""
    subject, number = name.split("_")
    for frame in range(1, frames + 1):
        picture_file(root / "cohn-kanade-images" / subject / number / f"{name}_{frame:08d}.png", frame)
    if frames:
        (root / "cohn-kanade-images" / subject / number / ".DS_Store").write_bytes(b"x")
    labels = root / "Emotion" / subject / number
    labels.mkdir(parents=True)
    if label is not None:
        text = label if isinstance(label, str) else f"   {label:.7e}\n"
        (labels / f"{name}_{frames:08d}_emotion.txt").write_text(text)


def test_ckplus_peaks_have_the_label_and_first_frames_are_neutral(tmp_path: Path) -> None:
    for number in EMOTIONS:
        sequence(tmp_path, f"S{number:03d}_001", 4, number)
    sequence(tmp_path, "S005_002", 3)
    sequence(tmp_path, "S006_002", 3, "seven")
    sequence(tmp_path, "S007_002", 0, 3)
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, dataset.labels, dataset.splits) == ("ckplus", LABEL_ORDERS["ckplus"].labels, ())
    expected: dict[str, str] = {}
    for number, label in EMOTIONS.items():
        stem = f"S{number:03d}/001/S{number:03d}_001"
        expected |= {f"{stem}_00000001.png": "neutral", f"{stem}_00000004.png": label}
    assert labels_by_id(dataset) == expected
    assert {sample.identity for sample in dataset} == {f"S{number:03d}" for number in EMOTIONS}
    reasons = [reason for _, reason in dataset.skipped]
    assert reasons.count("between neutral and the peak") == 14
    assert reasons.count("its sequence has no label") == 3
    assert sum("its label cannot be read (unknown expression 'seven'" in reason for reason in reasons) == 3
    assert reasons[-1] == "no picture at cohn-kanade-images/S007/002"


def test_ckplus_is_split_by_person(tmp_path: Path) -> None:
    for number in range(20):
        sequence(tmp_path, f"S{number:03d}_001", 2, 5)
    for split in ("train", "valid"):
        found = {sample.identity for sample in open_dataset(f"{tmp_path}:{split}")}
        assert found == {f"S{n:03d}" for n in range(20) if people_part(f"S{n:03d}") == split}
        assert found


def test_ckplus_without_its_labels(tmp_path: Path) -> None:
    sequence(tmp_path, "S005_001", 2, 3)
    (tmp_path / "Emotion").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingData, match=r"no 'Emotion' beside .*cohn-kanade-images"):
        open_dataset(str(tmp_path))
    (tmp_path / "elsewhere").rename(tmp_path / "Emotion_labels")
    (tmp_path / "Emotion_labels" / "S005").rename(tmp_path / "S005")
    (tmp_path / "Emotion_labels" / "Emotion").mkdir()
    (tmp_path / "S005").rename(tmp_path / "Emotion_labels" / "Emotion" / "S005")
    assert len(open_dataset(str(tmp_path))) == 2


@pytest.mark.parametrize("folder", ["", "CK+48"])
def test_ckplus_as_class_folders(tmp_path: Path, folder: str) -> None:
    for name in (
        "anger/S010_004_00000017.png",
        "contempt/S138_008_00000007.png",
        "happy/S010_006_00000013.png",
    ):
        picture_file(tmp_path / folder / name, len(name))
    dataset = open_dataset(str(tmp_path))
    assert dataset.kind == "ckplus"
    assert {sample.id: (sample.expression, sample.identity) for sample in dataset} == {
        "anger/S010_004_00000017.png": ("anger", "S010"),
        "contempt/S138_008_00000007.png": ("contempt", "S138"),
        "happy/S010_006_00000013.png": ("happiness", "S010"),
    }


def test_ckplus_as_a_table_of_pixels(tmp_path: Path) -> None:
    rows = [(number, cell(number), "Training") for number in range(8)]
    path = write_csv(tmp_path / "ckextended.csv", [("emotion", "pixels", "Usage"), *rows])
    for spec in (path, tmp_path):
        dataset = open_dataset(str(spec), kind="ckplus")
        assert dataset.labels == LABEL_ORDERS["ckextended"].labels
        assert list(labels_by_id(dataset).values()) == (
            "anger disgust fear happiness sadness surprise neutral contempt".split()
        )


CODES = {
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}


@pytest.mark.parametrize("folder", ["", "jaffedbase"])
def test_jaffe_is_read_by_its_names(tmp_path: Path, folder: str) -> None:
    for number, code in enumerate((*CODES, "FE")):
        picture_file(tmp_path / folder / f"KA.{code}1.{number + 26}.tiff", number)
        picture_file(tmp_path / folder / f"YM.{code}2.{number + 60}.tiff", number + 50)
    picture_file(tmp_path / folder / "KA.XX1.99.tiff")
    (tmp_path / folder / "README_FIRST.txt").write_text("about")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, len(dataset), dataset.splits) == ("jaffe", 14, ())
    ids = {Path(sample.id).name: (sample.expression, sample.identity) for sample in dataset}
    assert ids["KA.AN1.26.tiff"] == ("anger", "KA")
    assert ids["YM.FE2.66.tiff"] == ("fear", "YM")
    assert {name.split(".")[1][:2]: label for name, (label, _) in ids.items()} == {**CODES, "FE": "fear"}
    assert sorted(reason for _, reason in dataset.skipped) == [
        "cannot be read: 'XX' is no expression: use one of AF, AN, DI, FE, HA, NE, SA, SU",
        "not called like a picture",
    ]


def test_kdef_is_read_by_its_names(tmp_path: Path) -> None:
    for code in (*CODES, "AF"):
        for session, person, angle in (("A", "F01", "S"), ("B", "F01", "HL"), ("A", "M35", "FR")):
            name = f"{session}{person}{code}{angle}.JPG"
            picture_file(tmp_path / "KDEF" / name[:4] / name, len(code + angle))
    picture_file(tmp_path / "AKDEF" / "AFAF.JPG")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, len(dataset), len(dataset.skipped)) == ("kdef", 21, 1)
    found = {sample.id: (sample.expression, sample.identity) for sample in dataset}
    assert found["KDEF/AF01/AF01AFS.JPG"] == ("fear", "F01")
    assert found["KDEF/BF01/BF01SUHL.JPG"] == ("surprise", "F01")  # the same woman in the second session
    assert found["KDEF/AM35/AM35NEFR.JPG"] == ("neutral", "M35")
    train = {sample.identity for sample in open_dataset(f"{tmp_path}:train")}
    assert train == {"F01", "M35"} - {person for person in ("F01", "M35") if people_part(person) == "valid"}


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("AF01AFS.JPG", "AF01XXS.JPG", "'XX' is no expression"),
        ("AF01AFS.JPG", "AF01HAZ.JPG", "'Z' is no angle: use one of FL, HL, S, HR, FR"),
        ("KA.AN1.39.tiff", "KA.QQ1.40.tiff", "'QQ' is no expression"),
    ],
)
def test_a_code_that_does_not_exist_is_damage(tmp_path: Path, good: str, bad: str, told: str) -> None:
    for shade, name in enumerate((good, bad)):
        picture_file(tmp_path / name, shade)
    report = check_dataset(None, str(tmp_path))
    assert (report.samples, report.left_out, report.is_whole) == (1, {}, False)
    ((where, reason),) = report.unreadable
    assert where == bad
    assert told in reason


@pytest.mark.parametrize("kind", ["jaffe", "kdef", "ckplus"])
def test_other_folders_are_not_taken_for_them(tmp_path: Path, kind: str) -> None:
    picture_file(tmp_path / "happy" / "a.png")
    assert open_dataset(str(tmp_path)).kind == "folder"
    with pytest.raises((MissingData, RecordError)):
        open_dataset(str(tmp_path), kind=kind)


def test_a_check_knows_what_was_published(tmp_path: Path) -> None:
    for number in EMOTIONS:
        sequence(tmp_path, f"S{number:03d}_001", 3, number)
    report = check_dataset("ckplus", str(tmp_path))
    assert not report.is_whole
    assert ("contempt", "1 of 18 faces") in [(where.strip(), what) for where, what in report.short]
