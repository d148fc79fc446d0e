"""What is covered or outside the picture is not measured, and no label comes from it."""

from collections.abc import Iterator

import numpy as np
import pytest
from groups import EXAMPLES, drawn_face, half_covered, masked, sunglasses
from numpy.typing import NDArray
from PIL import Image

from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import ACTION_UNITS, AU_BY_NAME
from expllm.faces.finder import FaceFinder
from expllm.faces.visibility import VISIBLE_PARTS, covered_parts, hides, mirrored_parts, parts_outside
from expllm.files.images import open_image
from expllm.predict.predictor import Predictor

Pixels = NDArray[np.uint8]
MOUTH, EYES = {"left mouth", "right mouth"}, {"left eye", "right eye"}
COLOURS = {"blue": (150, 190, 215), "white": (235, 238, 240), "black": (25, 25, 28), "pink": (230, 150, 170)}
HAND = (205, 150, 125)


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor() as opened:
        yield opened


@pytest.fixture(scope="module")
def points(finder: FaceFinder, astronaut: Pixels) -> NDArray[np.float32]:
    """Landmarks of the bundled face."""
    (face,) = finder.find(open_image(astronaut))
    assert face.landmarks is not None
    return face.landmarks


def not_measured(analysis: FaceAnalysis) -> set[str]:
    assert analysis.aus is not None
    return {au.name for au in ACTION_UNITS if analysis.aus[au.name] is None}


def only(predictor: Predictor, pixels: Pixels) -> FaceAnalysis:
    (analysis,) = predictor.analyze(np.ascontiguousarray(pixels))
    return analysis


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.jpg")), ids=lambda path: path.stem)
def test_nothing_of_an_uncovered_face_is_hidden(finder: FaceFinder, path: object) -> None:
    faces = finder.find(open_image(str(path)))
    assert [face.hidden for face in faces] == [frozenset()] * len(faces)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_mask_hides_the_mouth_and_gives_no_label(
    predictor: Predictor, astronaut: Pixels, points: NDArray[np.float32], colour: str
) -> None:
    face = only(predictor, masked(astronaut, points, COLOURS[colour]))
    assert set(face.hidden) >= MOUTH
    assert {"left lip corner pull", "jaw drop", "lip pucker"} <= not_measured(face)
    assert "left eye close" not in not_measured(face)
    assert (face.expression, face.probabilities, face.cot, face.uncertain) == (None, None, None, True)
    assert any("the mouth" in warning for warning in face.warnings)


def test_sunglasses_hide_the_eyes_and_the_smile_counts(
    predictor: Predictor, astronaut: Pixels, points: NDArray[np.float32]
) -> None:
    face = only(predictor, sunglasses(astronaut, points))
    assert set(face.hidden) >= EYES
    assert {"left eye close", "right lid raise"} <= not_measured(face)
    assert face.aus is not None
    assert (face.aus["left lip corner pull"] or 0) > 0.3
    assert face.expression in ("happiness", None)


def test_a_covered_half_is_not_measured(
    predictor: Predictor, astronaut: Pixels, points: NDArray[np.float32]
) -> None:
    measured = 0
    for side, left in (("left", True), ("right", False)):
        for face in predictor.analyze(half_covered(astronaut, points, HAND, left=left)):
            assert face.expression in ("happiness", None)
            if face.status == "ok":  # landmarks do not fit every half of a face
                measured += 1
                assert {f"{side} eye", f"{side} mouth"} <= set(face.hidden)
                assert {f"{side} lip corner pull", f"{side} eye close", "jaw drop"} <= not_measured(face)
    assert measured


def test_a_covered_face_without_landmarks_is_told_from_the_detectors_points(finder: FaceFinder) -> None:
    pixels = np.asarray(Image.open(EXAMPLES / "render_anger_2.jpg").convert("RGB"))
    (whole,) = finder.find(open_image(pixels))
    assert whole.landmarks is not None
    for face in finder.find(open_image(half_covered(pixels, whole.landmarks, HAND))):
        assert {"left eye", "left mouth"} <= face.hidden


def test_a_part_without_contrast_shows_nothing(astronaut: Pixels, points: NDArray[np.float32]) -> None:
    grey = np.full_like(astronaut, 90)
    assert covered_parts(grey, points) == set(VISIBLE_PARTS)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_a_drawn_face_is_measured(predictor: Predictor, seed: int) -> None:
    for face in predictor.analyze(drawn_face(seed)):
        assert (face.expression, face.probabilities, face.cot) == (None, None, None)
        assert face.aus is None or not_measured(face) == {au.name for au in ACTION_UNITS}
        assert any("not a photograph of a face" in warning for warning in face.warnings)


def test_what_lies_outside_the_picture_is_hidden(points: NDArray[np.float32]) -> None:
    x, y = points[4, :2]
    assert parts_outside((512, 512), points) == frozenset()
    assert parts_outside((int(x), 512), points) == {"left brow", "left eye", "left mouth"}
    assert parts_outside((512, int(y)), points) == MOUTH


def test_a_mirror_image_hides_the_other_side(
    finder: FaceFinder, astronaut: Pixels, points: NDArray[np.float32]
) -> None:
    covered = half_covered(astronaut, points, HAND)[:, 100:400]
    faces = [finder.find(open_image(np.ascontiguousarray(one))) for one in (covered, covered[:, ::-1])]
    if all(faces):
        assert mirrored_parts(faces[0][0].hidden) == faces[1][0].hidden
    assert mirrored_parts(frozenset({"left eye", "right brow"})) == {"right eye", "left brow"}


def test_every_unit_is_hidden_by_something_and_by_its_own_side() -> None:
    assert all(hides(frozenset(VISIBLE_PARTS), au) for au in ACTION_UNITS)
    assert not any(hides(frozenset(), au) for au in ACTION_UNITS)
    right_half = frozenset({"right mouth"})
    assert hides(right_half, AU_BY_NAME["right lip corner pull"])
    assert hides(right_half, AU_BY_NAME["jaw drop"])
    assert not hides(right_half, AU_BY_NAME["left lip corner pull"])
    assert not hides(frozenset({"left eye"}), AU_BY_NAME["left brow lower"])


def test_hidden_travels_in_the_record(
    predictor: Predictor, astronaut: Pixels, points: NDArray[np.float32]
) -> None:
    face = only(predictor, masked(astronaut, points, COLOURS["blue"]))
    assert FaceAnalysis.from_json(face.to_json()).hidden == face.hidden != ()
