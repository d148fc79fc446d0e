"""The predictor with a trained model: a small random one, whose texts are malformed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ASTRONAUT
from numpy.typing import NDArray
from PIL import Image
from randommodels import run_with_model

from expllm import Predictor
from expllm.core.errors import MissingWeights, NoFaceError, UsageError
from expllm.core.records import FaceAnalysis
from expllm.faces.boxes import crop
from expllm.faces.crops import crops_of
from expllm.files.images import open_image
from expllm.model.inference.generate import FaceVLM
from expllm.model.shipped import _shipped, model_folder
from expllm.predict import open_explainer
from expllm.predict.base import FaceInput

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with_model(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def predictor(run: Path) -> Iterator[Predictor]:
    with Predictor.load(run, order="label-first", dtype="float32") as opened:
        yield opened


@pytest.fixture(scope="module")
def face(predictor: Predictor) -> FaceAnalysis:
    return predictor.analyze(ASTRONAUT)[0]


def cut_out(face: FaceAnalysis) -> Image.Image:
    assert face.box is not None
    box = (face.box.x, face.box.y, face.box.width, face.box.height)
    return Image.fromarray(crop(open_image(ASTRONAUT, analysis_side=None), box))


def test_a_lone_face_is_heard_while_it_is_explained(run: Path, face: FaceAnalysis) -> None:
    heard: list[str] = []
    with Predictor.load(run, order="label-first", dtype="float32", on_token=heard.append) as opened:
        assert opened.analyze(ASTRONAUT)[0] == face
        assert face.explanation is not None
        assert "".join(heard) == face.explanation.text
        heard.clear()
        opened.predict([ASTRONAUT, ASTRONAUT], explain=True)
        assert not heard  # of several faces at once, no text would be whole


def test_label_text_and_checks_are_those_of_the_model(run: Path, face: FaceAnalysis) -> None:
    direct = FaceVLM.load(run / "model").generate([cut_out(face)], "label-first")
    assert face.expression is direct.labels.best[0]
    assert face.probabilities is not None
    shares = np.exp(direct.labels.log_probabilities[0])
    assert list(face.probabilities.values()) == pytest.approx(shares, abs=1e-5)
    assert face.explanation is not None
    assert face.explanation.text == direct.explanations[0].text
    assert face.explanation.second_label is direct.labels_after.best[0]
    assert face.provenance is not None
    assert face.provenance.writer.startswith(f"{run / 'model'} (sha256 ")


def test_a_malformed_text_is_kept_and_said_to_be_so(face: FaceAnalysis) -> None:
    assert face.cot is None
    assert face.explanation is not None
    assert face.explanation.text
    assert face.explanation.problem is not None
    assert face.explanation.agree is False
    assert face.aus is not None
    assert face.explanation.grounding is not None
    assert face.explanation.grounding.recall is not None
    assert FaceAnalysis.from_json(face.to_json()) == face.model_copy(update={"landmarks": None})


def test_the_other_order_gives_the_other_label_second(run: Path, face: FaceAnalysis) -> None:
    with Predictor.load(run, order="explanation-first", dtype="float32") as paper:
        (other,) = paper.analyze(ASTRONAUT)
    direct = FaceVLM.load(run / "model").generate([cut_out(face)], "explanation-first")
    assert other.expression is direct.labels_after.best[0]
    assert other.explanation is not None
    assert other.explanation.second_label is direct.labels.best[0]


def test_predict_gives_labels_in_batches_and_texts_on_demand(
    predictor: Predictor, face: FaceAnalysis, astronaut: Pixels
) -> None:
    black = np.zeros((80, 80, 3), np.uint8)
    labels = predictor.predict([astronaut, black, ASTRONAUT, astronaut], batch_size=2)
    assert [len(faces) for faces in labels] == [1, 0, 1, 1]
    (found,) = labels[2]
    assert (found.expression, found.cot, found.explanation) == (face.expression, None, None)
    assert found.provenance is not None
    assert found.provenance.writer == "none"
    ((explained,),) = predictor.predict([ASTRONAUT], explain=True)
    assert explained == face


def test_a_stream_is_the_text_and_then_the_analysis(predictor: Predictor, face: FaceAnalysis) -> None:
    *pieces, last = predictor.stream(ASTRONAUT)
    assert pieces
    assert isinstance(last, FaceAnalysis)
    assert last.explanation is not None
    assert face.explanation is not None
    assert "".join(map(str, pieces)) == last.explanation.text == face.explanation.text
    assert (last.probabilities, last.explanation.second_label) == (face.probabilities, None)
    with pytest.raises(NoFaceError, match="no face found"):
        next(predictor.stream(np.zeros((80, 80, 3), np.uint8)))


def test_uncertain_is_no_label(run: Path, face: FaceAnalysis) -> None:
    assert face.probabilities is not None
    sure = max(face.probabilities.values())
    for least, uncertain in ((sure + 0.001, True), (sure - 0.001, False)):
        with Predictor.load(run, abstain=least, write=False, dtype="float32") as careful:
            (found,) = careful.analyze(ASTRONAUT)
        assert found.uncertain is uncertain
        assert found.expression is (None if uncertain else face.expression)
        assert found.probabilities == face.probabilities
        assert any("Uncertain" in warning for warning in found.warnings) is uncertain
    with pytest.raises(UsageError, match="from 0 to 1"):
        Predictor.load(run, abstain=1.5)


def test_small_faces_are_cut_out_of_the_full_size(face: FaceAnalysis) -> None:
    assert face.box is not None
    picture = Image.open(ASTRONAUT).convert("RGB").resize((2048, 2048))
    small = open_image(picture, analysis_side=512)
    box = tuple(4 * value for value in (face.box.x, face.box.y, face.box.width, face.box.height))
    assert len(box) == 4
    (sharp,), (blurred,) = crops_of(small, [box]), crops_of(replace(small, reopen=None), [box])
    assert sharp.width > 3.9 * blurred.width
    (mirrored,) = crops_of(small, [box], flipped=True)
    assert np.array_equal(np.asarray(mirrored)[:, ::-1], np.asarray(sharp))


def test_a_face_crop_is_taken_whole_by_a_model_that_was_trained_on_such(face: FaceAnalysis) -> None:
    tiny = cut_out(face).resize((48, 48))
    box = (4.0, 4.0, 38.0, 40.0)
    (whole,) = crops_of(open_image(tiny), [box], whole=True)
    assert np.array_equal(np.asarray(whole), np.asarray(tiny))
    (cut,) = crops_of(open_image(tiny), [(14.0, 14.0, 20.0, 20.0)], whole=True)
    assert cut.size == (24, 24)


def test_a_tight_crop_of_48_pixels_is_answered(predictor: Predictor, face: FaceAnalysis) -> None:
    (found,) = predictor.analyze(cut_out(face).resize((48, 48)))
    assert found.expression is not None


def test_what_a_name_stands_for(run: Path, tmp_path: Path) -> None:
    assert model_folder(run) == model_folder(run / "model") == run / "model"
    with pytest.raises(UsageError, match="there is no model"):
        model_folder(tmp_path / "nothing")
    with pytest.raises(UsageError, match="not a model directory"):
        open_explainer(tmp_path)
    with pytest.raises(MissingWeights, match="does not ship"):
        _shipped("nothing")


def test_it_is_asked_as_it_was_trained(run: Path) -> None:
    """The random model's card names no order: that of the paper."""
    with (
        Predictor.load(run, dtype="float32") as unsaid,
        Predictor.load(run, order="explanation-first", dtype="float32") as paper,
    ):
        (one,), (other,) = unsaid.analyze(ASTRONAUT), paper.analyze(ASTRONAUT)
    assert one.to_json() == other.to_json()


def test_weights_are_read_ahead_and_what_is_wrong_with_them_is_told_later(run: Path, tmp_path: Path) -> None:
    explainer = open_explainer(run)
    explainer.preload()
    shown = FaceInput(Image.new("RGB", (60, 60)), None)
    assert len(explainer.explain([shown], write=False)) == 1
    copy = Path(shutil.copytree(run / "model", tmp_path / "model"))
    (copy / "projector.safetensors").unlink()
    broken = open_explainer(copy)
    broken.preload()
    with pytest.raises(MissingWeights, match=r"projector\.safetensors"):
        broken.explain([shown], write=False)


def test_options_that_are_for_others(run: Path) -> None:
    with pytest.raises(UsageError, match="label set of its own"):
        open_explainer(run, labels=7)
    with pytest.raises(UsageError, match="use label-first"):
        open_explainer(run, order="backwards")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--dtype is 'int3'"):
        open_explainer(run, dtype="int3")
    with pytest.raises(UsageError, match="use 7, or 8"):
        open_explainer("offline", labels=9)


@pytest.mark.parametrize(("audited", "rejected"), [(None, ()), (True, ()), (False, None)])
def test_texts_are_audited_while_they_are_written_unless_they_are_to_stay(
    run: Path, face: FaceAnalysis, audited: bool | None, rejected: tuple[()] | None
) -> None:
    """The small model claims nothing: whether anybody looked is all that differs."""
    with Predictor.load(run, order="label-first", dtype="float32", audited=audited) as opened:
        (found,) = opened.analyze(ASTRONAUT)
        *_, streamed = opened.stream(ASTRONAUT)
    assert found.explanation is not None
    assert face.explanation is not None
    assert (found.explanation.rejected, found.explanation.text) == (rejected, face.explanation.text)
    assert isinstance(streamed, FaceAnalysis)
    assert streamed.explanation is not None
    assert streamed.explanation.rejected == rejected
