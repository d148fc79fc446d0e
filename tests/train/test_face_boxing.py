"""Faces boxed by the detector before training, and what is left out for want of one."""

from dataclasses import replace
from pathlib import Path

import pytest
import small
from conftest import ASTRONAUT
from PIL import Image

from expllm.core.conversations import QUESTIONS
from expllm.core.errors import ExitCode, NoFaceError
from expllm.data import ImageRef
from expllm.train.face_boxing import boxed_faces
from expllm.train.stages import prepare_faces
from expllm.train.training_sets import FaceTrainingSet, TrainingFace

NOBODY = "nobody"


def faces(folder: Path) -> tuple[TrainingFace, ...]:
    Image.new("RGB", (300, 300), "grey").save(folder / "nobody.png")
    paths = {"astronaut": ASTRONAUT, NOBODY: folder / "nobody.png", "gone": folder / "gone.png"}
    return tuple(
        TrainingFace(name, small.LABELS[0], ImageRef(path=str(path))) for name, path in paths.items()
    )


def test_a_face_gets_its_box_and_a_picture_without_one_is_left_out(tmp_path: Path) -> None:
    kept, left_out = boxed_faces(faces(tmp_path), tmp_path / "boxes.sqlite", quiet=True)
    assert [face.id for face in kept] == ["astronaut"]
    assert [name for name, _ in left_out] == [NOBODY, "gone"]
    assert left_out[0][1] == "no face was found"
    again, _ = boxed_faces(faces(tmp_path), tmp_path / "boxes.sqlite", quiet=True)
    assert again == kept


def test_what_is_seen_is_the_face(tmp_path: Path) -> None:
    """Cut out square around the box, and smaller than the picture."""
    reading = FaceTrainingSet(faces(tmp_path), small.LABELS, QUESTIONS, 0.0, "test")
    recipe = small.recipe(small.draw_faces(tmp_path), small.ALIGN)
    boxed = replace(recipe, data=replace(recipe.data, boxes=True))
    seen = prepare_faces(boxed, reading, small.ALIGN, tmp_path / "1-align")
    assert isinstance(seen, FaceTrainingSet)
    assert (len(seen), len(seen.left_out)) == (1, 2)
    width, height = seen.image(0).size
    whole, _ = reading.image(0).size
    assert width == height < whole


def test_no_face_in_any_picture_is_one_line(tmp_path: Path) -> None:
    reading = FaceTrainingSet(faces(tmp_path)[1:], small.LABELS, QUESTIONS, 0.0, "test")
    recipe = small.recipe(small.draw_faces(tmp_path), small.ALIGN)
    boxed = replace(recipe, data=replace(recipe.data, boxes=True))
    with pytest.raises(NoFaceError, match="no face in any of 2 pictures, such as nobody") as raised:
        prepare_faces(boxed, reading, small.ALIGN, tmp_path / "1-align")
    assert raised.value.exit_code == ExitCode.NO_FACE
