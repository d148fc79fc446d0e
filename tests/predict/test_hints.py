"""What a trained model is told of a face before it explains: what was measured, what pixels say, nothing."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from conftest import ASTRONAUT
from PIL import ImageFilter
from randommodels import run_with_model
from smallconv import SMALL

from expllm import Predictor
from expllm.core.conversations import HINT, Questions
from expllm.core.errors import UsageError
from expllm.core.records import FaceAnalysis, Hint
from expllm.core.vocabulary import AUVector, label_set
from expllm.faces.crop_reader import CropReader
from expllm.faces.crops import crops_of
from expllm.files.images import open_image
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import save
from expllm.model.inference.generate import FaceVLM
from expllm.predict import FaceInput, open_explainer
from expllm.predict.hints import HINTS, Hints

TOKENS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model that was trained with hints."""
    place = tmp_path_factory.mktemp("hinted") / "model"
    bundle = new_bundle(SMALL, label_set(7), seed=3)
    drawn = torch.Generator().manual_seed(1)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:  # so large that every word of a question changes the answer
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 3
    bundle.questions = Questions(hint=HINT)
    save(place, bundle, {})
    return place


@pytest.fixture(scope="module")
def face(folder: Path) -> Iterator[FaceInput]:
    """The astronaut, cut out and measured as `analyze` does it."""
    with Predictor.load(folder, dtype="float32") as predictor:
        yield predictor.measure(open_image(ASTRONAUT))[0].input


def written(folder: Path, face: FaceInput, hint: Hint | None) -> tuple[str, Hint | None]:
    """The text, and what the answer says of its hint; read in one piece and streamed alike."""
    options = {"hint": hint, "audited": False, "max_new_tokens": TOKENS, "order": "label-first"}
    with closing(open_explainer(folder, dtype="float32", **options)) as explainer:  # type: ignore[arg-type]
        (said,) = explainer.explain([face])
        pieces = explainer.stream(face)
        text = "".join(pieces)
    assert said.explanation is not None
    assert said.explanation.text == text
    return text, said.hint


def directly(folder: Path, face: FaceInput, aus: AUVector | None) -> str:
    assert face.crop is not None
    found = FaceVLM.load(folder).generate([face.crop], "label-first", TOKENS, aus=[aus])
    return found.explanations[0].text


def test_each_hint_asks_the_model_what_it_says(folder: Path, face: FaceInput) -> None:
    assert face.crop is not None
    (seen,) = CropReader()([face.crop])
    assert seen is not None
    told: dict[Hint, AUVector | None] = {"none": None, "self": seen, "measured": face.aus}
    texts = {hint: written(folder, face, hint) for hint in HINTS}
    assert texts == {hint: (directly(folder, face, aus), hint) for hint, aus in told.items()}
    assert len({text for text, _ in texts.values()}) == len(HINTS), "each hint makes another text"


def test_a_model_is_told_what_it_was_trained_with(folder: Path, face: FaceInput, tmp_path: Path) -> None:
    assert written(folder, face, None) == written(folder, face, "measured")
    unhinted = run_with_model(tmp_path / "plain") / "model"
    assert written(unhinted, face, None) == (directly(unhinted, face, None), "none")
    with pytest.raises(UsageError, match="--hint self: the model was trained without hints"):
        open_explainer(unhinted, hint="self")
    with closing(open_explainer(unhinted, hint="none")) as explainer:
        assert explainer.model.hint == "none"


def test_a_face_without_a_mesh_is_read_from_its_pixels(folder: Path, face: FaceInput) -> None:
    """MediaPipe measured nothing: what was measured is nothing to tell, the pixels still are."""
    meshless = FaceInput(face.crop, None)
    assert written(folder, meshless, "measured") == (directly(folder, meshless, None), "none")
    assert written(folder, meshless, "self") == written(folder, face, "self")


def test_where_the_network_doubts_nothing_is_told(folder: Path, face: FaceInput) -> None:
    assert face.crop is not None
    blurred = FaceInput(face.crop.filter(ImageFilter.GaussianBlur(0.06 * face.crop.width)), face.aus)
    assert written(folder, blurred, "self") == (directly(folder, blurred, None), "none")


@pytest.mark.parametrize("hint", [*HINTS, None])
def test_an_analysis_says_which_hint_was_given(folder: Path, hint: Hint | None) -> None:
    with closing(open_explainer(folder, hint=hint, max_new_tokens=4)) as explainer:
        predictor = Predictor(explainer=explainer)
        (face,) = predictor.analyze(ASTRONAUT)
        (label,) = predictor.explain(predictor.measure(open_image(ASTRONAUT)), write=False)
        predictor.close()
    for one in (face, FaceAnalysis.from_json(face.to_json())):
        assert one.provenance is not None
        assert one.provenance.hint == (hint or "measured")
        assert ("seeing" in one.provenance.licences) is (hint == "self")
    assert face.aus is not None, "the units are measured whatever the model is told"
    assert label.provenance is not None
    assert label.provenance.hint is None, "labels are asked for without a hint"


def test_the_one_door_takes_a_hint(folder: Path) -> None:
    with Predictor.load(folder, hint="self") as predictor:
        assert predictor._explainer is not None
        assert predictor._explainer.model.hint == "self"


def test_what_cannot_be_told_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="--hint self reads with seeing, which is research-only"):
        Hints(Questions(hint=HINT), "self", "permissive")
    assert Hints(Questions(hint=HINT), "measured", "permissive").kind == "measured"
    with pytest.raises(UsageError, match="use none, self, measured"):
        open_explainer(folder, hint="all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--hint is for trained models, not for offline"):
        open_explainer("rules", hint="none")


def test_a_mirrored_picture_is_read_as_its_subject_is(folder: Path) -> None:
    picture = open_image(ASTRONAUT)
    with Predictor.load(folder, mirrored=True, dtype="float32") as predictor:
        (shown, *_) = predictor.measure(picture)
    assert shown.input.crop is not None
    assert shown.analysis.box is not None
    box = shown.analysis.box
    (plain,) = crops_of(picture, [(box.x, box.y, box.width, box.height)], whole=True)
    one, other = CropReader()([shown.input.crop, plain])
    assert one is not None
    assert other is not None
    assert all(one[name] == pytest.approx(other.mirrored()[name], abs=0.01) for name in one.measured)
