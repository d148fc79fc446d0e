"""The sheet of augmentations: what is on it, and the command that draws it."""

from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from expllm.cli.data_preview import preview
from expllm.core.errors import ExpllmError, ImageError, MissingData, UsageError
from expllm.core.vocabulary import Expression
from expllm.data import ImageRef, Sample
from expllm.data.augment import NO_AUGMENTATION, Augmentation, PictureChange
from expllm.data.preview import contact_sheet, single_changes, words_beside

COLUMN = 178  # pixels, gap included


@pytest.fixture
def samples(tmp_path: Path, astronaut: NDArray[np.uint8]) -> list[Sample]:
    face, point = tmp_path / "face.png", tmp_path / "point.png"
    Image.fromarray(astronaut[20:200, 150:330]).save(face)
    Image.new("LA", (1, 1)).save(point)
    return [
        Sample(
            id="face\n1",
            expression=Expression.HAPPINESS,
            image=ImageRef(path=str(face)),
            text="Calm. The left brow is raised.",
        ),
        Sample(id="2", image=ImageRef(path=str(point))),
    ]


def run_preview(*arguments: str) -> None:
    """The command on a group of its own; its errors as they are."""
    app = typer.Typer()
    app.command()(preview)
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None:
        raise result.exception


def test_each_augmentation_stands_alone_at_both_ends() -> None:
    shown = dict(single_changes(Augmentation()))
    assert shown["flipped"] == PictureChange(flip=True)
    assert shown["turned -15 degrees"] == PictureChange(degrees=-15)
    assert shown["contrast x 1.25"] == PictureChange(contrast=1.25)
    assert shown["hue +0.1 of the circle"] == PictureChange(hue=0.1)
    assert len(shown) == 1 + 2 + 6 + 2 + 2
    erased = shown["erased 12%"].erased
    assert erased is not None
    assert erased[2] * erased[3] == pytest.approx(0.12)
    assert list(single_changes(NO_AUGMENTATION)) == []


def test_the_sheet_holds_the_original_its_mirror_image_and_the_draws(samples: list[Sample]) -> None:
    sheet = np.asarray(contact_sheet(samples[:1], Augmentation(), seed=1, columns=4))
    assert sheet.shape[1] == 10 + 4 * COLUMN
    row = sheet[28 : 28 + 168]
    original, flipped = row[:, 10:178], row[:, 10 + COLUMN : 178 + COLUMN]
    assert np.array_equal(flipped, original[:, ::-1])
    assert not np.array_equal(flipped, original)


def test_the_same_seed_draws_the_same_sheet(samples: list[Sample]) -> None:
    one, again, other = (contact_sheet(samples, Augmentation(), seed) for seed in (0, 0, 1))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


def test_a_face_with_nothing_to_do_is_shown_as_it_is(samples: list[Sample]) -> None:
    sheet = np.asarray(contact_sheet(samples[:1], NO_AUGMENTATION, columns=4))
    tiles = [sheet[28 : 28 + 168, 10 + i * COLUMN : 178 + i * COLUMN] for i in range(4)]
    assert all(np.array_equal(tile, tiles[0]) for tile in tiles[1:])


def test_the_words_that_flipping_changes_are_shown() -> None:
    assert words_beside("Calm.  The left\nbrow is raised.") == (
        "text: The left brow is raised.",
        "flipped: The right brow is raised.",
    )
    assert words_beside("Calm. Still.") == ("text: Calm.", "flipped: Calm.")
    assert words_beside("") == ()


def test_faces_without_pictures_and_broken_ones_are_named(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no face"):
        contact_sheet([], Augmentation())
    with pytest.raises(MissingData, match="sample x"):
        contact_sheet([Sample(id="x")], Augmentation())
    (tmp_path / "point.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"point\.png"):
        contact_sheet(samples, Augmentation())


def test_the_command_writes_a_sheet_of_the_first_faces(tmp_path: Path, samples: list[Sample]) -> None:
    for folder, name in (("happiness", "face.png"), ("neutral", "point.png")):
        (tmp_path / "set" / folder).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / "set" / folder / name)
    sheets = [tmp_path / "one.png", tmp_path / "two.png"]
    run_preview(str(tmp_path / "set"), "-o", str(sheets[0]), "--rows", "1")
    run_preview(str(tmp_path / "set"), "-o", str(sheets[1]), "--seed", "5")
    one, two = (Image.open(sheet) for sheet in sheets)
    assert one.width == two.width
    assert two.height > 1.8 * one.height


@pytest.mark.parametrize(
    ("output", "error", "what"),
    [("sheet.jpg", UsageError, r"ends in \.png"), ("none/sheet.png", ExpllmError, "cannot write")],
)
def test_an_output_that_cannot_be_is_refused(
    tmp_path: Path, samples: list[Sample], output: str, error: type[Exception], what: str
) -> None:
    (tmp_path / "set" / "neutral").mkdir(parents=True)
    (tmp_path / "point.png").rename(tmp_path / "set" / "neutral" / "point.png")
    with pytest.raises(error, match=what):
        run_preview(str(tmp_path / "set"), "-o", str(tmp_path / output))
