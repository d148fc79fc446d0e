"""FER-2013 as one CSV of pixels, with FER+'s votes beside it or not."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from trees import labels_by_id, votes_of, write_csv

from expllm.core.errors import ImageError, MissingData, RecordError, UsageError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import image_bytes, open_dataset
from expllm.data.check import check_dataset
from expllm.data.readers.ferplus import VOTES
from expllm.data.sample import ImageRef

HEADER = ("emotion", "pixels", "Usage")
USAGE = ("Training", "Training", "PublicTest", "PrivateTest", "PrivateTest")
EMOTIONS = (0, 3, 6, 5, 4)
VOTED = (
    votes_of(neutral=6, fear=4),
    votes_of(happiness=10),
    votes_of(contempt=9),
    votes_of(NF=10),
    votes_of(unknown=8, fear=2),
)
NAMES = ("fer0000000.png", "fer0000001.png", "fer0028638.png", "", "fer0032220.png")


def levels(seed: int, side: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def cell(seed: int, side: int = 48) -> str:
    return " ".join(map(str, levels(seed, side).ravel()))


def fer2013(folder: Path, header: Sequence[str] = HEADER, **how: str) -> Path:
    rows = [
        (emotion, cell(seed), usage)
        for seed, (emotion, usage) in enumerate(zip(EMOTIONS, USAGE, strict=True))
    ]
    return write_csv(folder / "fer2013.csv", [header, *rows], **how)


def votes(folder: Path, usage: Sequence[str] = USAGE, name: str = "fer2013new.csv") -> Path:
    rows = [
        (split, image, *row.values())
        for split, image, row in zip(usage, NAMES[: len(usage)], VOTED, strict=False)
    ]
    return write_csv(folder / name, [("Usage", "Image name", *VOTES), *rows])


def shown(ref: ImageRef | None) -> NDArray[np.uint8]:
    assert ref is not None
    return np.asarray(Image.open(io.BytesIO(image_bytes(ref))))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    text = fer2013(tmp_path).read_text("utf-8").replace("\n", "\r\n")
    (tmp_path / "fer2013.csv").write_bytes(text.encode(encoding))
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, len(dataset), dataset.skipped) == ("fer2013", len(EMOTIONS), ())
    for seed, sample in enumerate(dataset):
        assert np.array_equal(shown(sample.image), levels(seed))


def test_rows_that_are_no_pictures_are_damage(tmp_path: Path) -> None:
    bright = cell(9).split()
    rows: list[Sequence[object]] = [
        (2, cell(1), "Training"),
        (2, *cell(2).split(), "Training"),
        (2, " ".join(["300", *bright[1:]]), "Training"),
        (2, " ".join(["-1", *bright[1:]]), "Training"),
        (2, "128", "Training"),
        (2, " ".join(["007", *bright[1:]]), "Training"),
        (2, cell(3), "Training", ""),
    ]
    write_csv(tmp_path / "fer2013.csv", [HEADER, *rows])
    dataset = open_dataset(str(tmp_path))
    assert [sample.id for sample in dataset] == ["fer2013/000000", "fer2013/000005", "fer2013/000006"]
    assert dict(dataset.skipped) == {
        "row 2": "cannot be read: 2,306 cells, but there are 3 columns",
        "row 3": "cannot be read as a picture: a pixel is 300: grey levels are 0-255",
        "row 4": "cannot be read as a picture: the pixel '-1' is not a whole number",
        "row 5": "cannot be read as a picture: 1 pixels are not a square",
    }
    assert dataset.splits == ("train",)
    assert not check_dataset(None, str(tmp_path)).is_whole
    write_csv(tmp_path / "fer2013.csv", [("emotion", *HEADER), (2, 3, cell(1), "Training")])
    with pytest.raises(RecordError, match="the column 'emotion' is there twice"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    "header", [HEADER, ("emotion", " pixels", " Usage"), ("\ufeffEmotion", "Pixels ", "usage")]
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_pictures_come_from_the_pixels(tmp_path: Path, header: Sequence[str], delimiter: str) -> None:
    path = fer2013(tmp_path, header, delimiter=delimiter)
    for spec, kind in ((path, None), (tmp_path, None), (path, "fer2013"), (tmp_path, "fer2013")):
        dataset = open_dataset(str(spec), kind=kind)
        assert (dataset.kind, dataset.labels) == ("fer2013", LABEL_ORDERS["fer2013"].labels)
        assert labels_by_id(dataset) == {
            "fer2013/000000": "anger",
            "fer2013/000001": "happiness",
            "fer2013/000002": "neutral",
            "fer2013/000003": "surprise",
            "fer2013/000004": "sadness",
        }
        assert dataset.splits == ("train", "valid", "test")
        for seed, sample in enumerate(dataset):
            assert np.array_equal(shown(sample.image), levels(seed))
            assert sample.votes is None
    assert len(open_dataset(f"{tmp_path}:test")) == 2


def test_votes_beside_the_pixels_are_joined_by_their_order(tmp_path: Path) -> None:
    path = fer2013(tmp_path)
    votes(tmp_path)
    for spec, kind in (
        (path, None),
        (tmp_path, None),
        (tmp_path, "ferplus"),
        (tmp_path / "fer2013new.csv", "ferplus"),
    ):
        if spec.name == "fer2013new.csv":
            continue
        dataset = open_dataset(str(spec), kind=kind)
        assert dataset.kind == "ferplus"
        assert labels_by_id(dataset) == {
            "FER2013Train/fer0000000.png": "neutral",
            "FER2013Train/fer0000001.png": "happiness",
            "FER2013Valid/fer0028638.png": "contempt",
        }
        assert [sample.votes for sample in dataset] == list(VOTED[:3])
        assert np.array_equal(shown(list(dataset)[2].image), levels(2))
        assert dict(dataset.skipped) == {
            "row 4": "FER+ leaves the picture out: it gives it no name",
            "row 5": "most votes are for unknown",
        }
    own = open_dataset(str(tmp_path), kind="fer2013")  # its own labels, and the votes where FER+ has them
    assert list(labels_by_id(own).values()) == ["anger", "happiness", "neutral", "surprise", "sadness"]
    assert [sample.votes for sample in own] == [*VOTED[:3], None, VOTED[4]]


def test_votes_alone_say_what_they_lack(tmp_path: Path) -> None:
    path = votes(tmp_path)
    for spec, kind in (
        (path, "ferplus"),
        (path, None),
        (tmp_path, "ferplus"),
        (tmp_path, None),
        (path, "fer2013"),
    ):
        with pytest.raises(
            MissingData, match=r"these are votes without pictures: put fer2013\.csv .* beside them"
        ):
            open_dataset(str(spec), kind=kind)
    path.unlink()
    fer2013(tmp_path)
    with pytest.raises(MissingData, match=r"no fer2013new\.csv beside"):
        open_dataset(str(tmp_path), kind="ferplus")


@pytest.mark.parametrize(
    ("usage", "says"),
    [
        (USAGE[:4], r"fer2013\.csv has a row 5, and fer2013new\.csv ends before: .* do not belong together"),
        (
            (*USAGE[:2], "Training", *USAGE[3:]),
            r"row 3 is of valid, and of train in fer2013new\.csv: .*together",
        ),
    ],
)
def test_votes_of_other_rows_are_refused(tmp_path: Path, usage: Sequence[str], says: str) -> None:
    fer2013(tmp_path)
    votes(tmp_path, usage)
    with pytest.raises(RecordError, match=says):
        open_dataset(str(tmp_path))


def test_bad_rows_cost_themselves(tmp_path: Path) -> None:
    rows = [
        (0, cell(0), "Training"),
        (1, cell(1)[:500], "Training"),
        (2, "1 2 x 4", "Training"),
        (7, cell(3), "Training"),
        ("", cell(4), "Training"),
        (3, "", "Training"),
        (3, "0 300 0 0", "Training"),
        (3,),
        (5, cell(8), "PrivateTest"),
    ]
    path = write_csv(tmp_path / "fer2013.csv", [HEADER, *rows])
    dataset = open_dataset(str(path))
    assert [sample.id for sample in dataset] == ["fer2013/000000", "fer2013/000008"]
    reasons = dict(dataset.skipped)
    assert "pixels are not a square" in reasons["row 2"]
    assert "the pixel 'x' is not a whole number" in reasons["row 3"]
    assert "fer2013 has no label 7" in reasons["row 4"]
    assert "the kind ckplus" in reasons["row 4"]
    assert reasons["row 5"] == "no label"
    assert "0 pixels" in reasons["row 6"]
    assert "a pixel is 300" in reasons["row 7"]
    assert "cut short: 1 of 3 cells" in reasons["row 8"]
    assert np.array_equal(shown(list(dataset)[-1].image), levels(8))
    report = check_dataset("fer2013", str(path))
    assert report.samples == 2
    unreadable = ["row 2", "row 3", "row 4", "row 6", "row 7", "row 8"]
    assert [where for where, _ in report.unreadable] == unreadable
    with pytest.raises(ImageError, match="has no row 9"):
        image_bytes(ImageRef(path=str(path), row=9, column="pixels"))


def test_the_archive_of_the_challenge(tmp_path: Path) -> None:
    """It holds the same rows thrice; those that say their split are taken."""
    fer2013(tmp_path).rename(tmp_path / "icml_face_data.csv")
    write_csv(tmp_path / "train.csv", [("emotion", "pixels"), (0, cell(0))])
    write_csv(tmp_path / "test.csv", [("pixels",), (cell(1),)])
    assert len(open_dataset(str(tmp_path), kind="fer2013")) == 5
    fer2013(tmp_path)
    with pytest.raises(UsageError, match=r"several data sets: give one of fer2013\.csv, icml_face_data\.csv"):
        open_dataset(str(tmp_path), kind="fer2013")


def test_a_table_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = fer2013(tmp_path)
    before = next(iter(open_dataset(str(path))))
    assert np.array_equal(shown(before.image), levels(0))
    write_csv(path, [HEADER, (3, cell(77, side=12), "Training")])
    assert np.array_equal(shown(before.image), levels(77, side=12))
    fingerprint = open_dataset(str(path)).fingerprint
    write_csv(path, [HEADER, (3, cell(78, side=12), "Training")])
    assert open_dataset(str(path)).fingerprint != fingerprint
