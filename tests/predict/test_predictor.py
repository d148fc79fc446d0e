"""The one door: every source of a picture, the same answer; what was not measured is not explained."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ASTRONAUT
from numpy.typing import NDArray
from PIL import Image

import expllm
from expllm.core.errors import ImageError, VocabularyError
from expllm.core.vocabulary import AUVector, Expression
from expllm.faces.au_tables import AURow
from expllm.predict.predictor import OTHER_SCALE, Explainer, Predictor, measured_row

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor() as opened:
        yield opened


def test_the_bundled_face_is_explained_as_happiness(predictor: Predictor) -> None:
    (face,) = predictor.analyze(ASTRONAUT)
    assert face.expression is Expression.HAPPINESS
    assert face.probabilities is not None
    assert list(face.probabilities) == list(Expression)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.probabilities[Expression.HAPPINESS] > 0.8
    assert face.cot is not None
    assert "happiness" in face.cot.conclusion
    assert face.cot.word_count <= 130
    assert (face.image_width, face.image_height, face.face_id, face.status) == (512, 512, 0, "ok")
    assert face.landmarks is not None
    assert len(face.landmarks) == 478
    assert face.provenance is not None
    assert (face.provenance.writer, face.provenance.detector) == ("offline", "mediapipe")
    assert face.provenance.classifier.startswith("au-")


def test_every_source_gives_the_same_answer(predictor: Predictor) -> None:
    data = ASTRONAUT.read_bytes()
    picture = Image.open(ASTRONAUT)
    pixels = np.asarray(picture.convert("RGB"))
    sources = (ASTRONAUT, str(ASTRONAUT), data, picture, pixels)
    answers = [predictor.analyze(source, name="same")[0].to_json(landmarks=True) for source in sources]
    assert len(set(answers)) == 1


def test_seven_labels_leave_out_contempt() -> None:
    with Predictor(labels=7) as seven:
        (face,) = seven.analyze(ASTRONAUT)
    assert face.probabilities is not None
    assert list(face.probabilities) == [label for label in Expression if label is not Expression.CONTEMPT]
    with pytest.raises(VocabularyError, match="not of 9"):
        Predictor(labels=9)


def test_mirrored_swaps_the_sides(predictor: Predictor) -> None:
    (plain,) = predictor.analyze(ASTRONAUT)
    with Predictor(mirrored=True) as selfie:
        (mirrored,) = selfie.analyze(ASTRONAUT)
    assert plain.aus is not None
    assert mirrored.aus == plain.aus.mirrored()
    assert mirrored.box == plain.box


def test_action_units_only() -> None:
    with Predictor(explain=False) as measuring:
        (face,) = measuring.analyze(ASTRONAUT)
    assert face.aus is not None
    assert (face.expression, face.probabilities, face.cot) == (None, None, None)
    assert face.provenance is not None
    assert (face.provenance.writer, face.provenance.classifier) == ("none", "none")


def test_no_face_is_an_empty_list(predictor: Predictor) -> None:
    assert predictor.analyze(np.zeros((80, 80, 3), np.uint8)) == []


def test_a_face_that_cannot_be_measured_is_not_explained(predictor: Predictor, astronaut: Pixels) -> None:
    tiny = Image.fromarray(astronaut[50:190, 170:290]).resize((20, 23))
    (face,) = predictor.analyze(tiny)
    assert (face.status, face.aus, face.expression, face.cot) == ("too_small", None, None, None)
    assert "at least 24" in face.warnings[0]


def test_an_upside_down_face_is_read_with_a_warning(predictor: Predictor, astronaut: Pixels) -> None:
    (face,) = predictor.analyze(np.ascontiguousarray(astronaut[::-1, ::-1]))
    assert face.expression is Expression.HAPPINESS
    assert any("upside down" in warning for warning in face.warnings)


def test_bad_pictures_are_named(predictor: Predictor) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        predictor.analyze("nowhere.jpg")


def test_nothing_measured_nothing_said() -> None:
    explained = Explainer(8).explain(AUVector(), detector="none", au_reader="x")
    assert list(explained) == ["provenance"]


def test_a_row_of_another_tool_is_explained() -> None:
    smile = AUVector.from_positive(
        {"left lip corner pull": 0.9, "right lip corner pull": 0.8, "jaw drop": 0.2}
    )
    row = AURow("x.jpg", 3, 1, smile, "openface2")
    face = measured_row(row, Explainer(7))
    assert (face.expression, face.input, face.frame, face.face_id) == (Expression.HAPPINESS, "x.jpg", 3, 1)
    assert face.provenance is not None
    assert face.provenance.au_reader == "table/openface2"
    assert face.warnings == (OTHER_SCALE,)
    assert measured_row(row, None, mirrored=True).aus == smile.mirrored()


def test_the_python_api_in_a_fresh_process_is_quiet_and_right() -> None:
    code = (
        "import expllm, sys\n"
        "assert not {'mediapipe', 'torch'} & set(sys.modules)\n"
        f"faces = [expllm.analyze({str(ASTRONAUT)!r})[0] for _ in range(2)]\n"
        "assert faces[0] == faces[1]\n"
        "print(faces[0].expression)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("happiness\n", 0), done.stderr
    # MediaPipe may log one line about the alignment of its memory, at a moment that nobody can foresee.
    assert [line for line in done.stderr.splitlines() if "memory alignment requirements" not in line] == []


def test_public_names() -> None:
    assert set(dir(expllm)) == set(expllm.__all__)
    for name in expllm.__all__:
        assert getattr(expllm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'smile'"):
        expllm.smile  # noqa: B018
