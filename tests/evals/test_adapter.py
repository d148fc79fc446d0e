"""Explainers in an evaluation: a small random model, and the rules."""

import inspect
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ASTRONAUT
from PIL import Image

from expllm.core.errors import MissingWeights, OutputError, UsageError
from expllm.core.vocabulary import Expression, label_set
from expllm.data import ImageRef, Sample
from expllm.evals.adapter import SMALLEST, ExplainerAdapter, GenerationOptions, open_adapter
from expllm.evals.references import EngineReferences
from expllm.evals.sample_faces import SampleFaces
from expllm.evals.saved_answers import Answer
from expllm.faces.au_classifier import AUClassifier
from expllm.model import checkpoint
from expllm.model.bundle import new_bundle
from expllm.model.inference.backend import LlamaBackend
from expllm.model.inference.generate import FaceVLM
from expllm.model.manifest import ModelError, add_extra
from expllm.model.presets import preset
from expllm.predict.img2au import FaceReader
from expllm.predict.predictor import analyze
from expllm.train.data_sources import read_faces
from expllm.train.recipe import DataConfig, StageConfig

torch.set_num_threads(1)
SEVEN = label_set(7)


def answers_of(model: str | Path, samples: Sequence[Sample], **options: Any) -> list[Answer]:
    with open_adapter(str(model), SEVEN, **options) as opened:
        return opened.answer(samples)


def adapter_of(model: str | Path, **options: Any) -> ExplainerAdapter:
    with open_adapter(str(model), SEVEN, **options) as opened:
        return opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    checkpoint.save(path, new_bundle(preset("tiny"), SEVEN, seed=3), {"recipe": {"data": {"boxes": False}}})
    return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Three coloured squares, a file that is no picture, and a photograph with the place of its face."""
    path = tmp_path_factory.mktemp("faces")
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (40, 30), colour).save(path / f"{colour}.png")
    (path / "text.png").write_text("not a picture")
    names = [*(path / f"{name}.png" for name in ("red", "green", "text", "blue")), ASTRONAUT]
    boxes = [None, None, None, None, (180.0, 60.0, 90.0, 110.0)]
    return [
        Sample(id=name.stem, expression=SEVEN[0], image=ImageRef(path=str(name.absolute())), box=box)
        for name, box in zip(names, boxes, strict=True)
    ]


def test_a_model_is_asked_as_in_training(folder: Path, faces: list[Sample], tmp_path: Path) -> None:
    answers = answers_of(folder, faces)
    assert [answer.status for answer in answers] == ["ok", "ok", "unreadable", "ok", "ok"]
    assert "text" in (answers[2].reason or "")
    rows = "\n".join(f"{face.image.path},fear" for face in faces[:2] if face.image)
    (tmp_path / "faces.csv").write_text(f"image,label\n{rows}\n")
    learned = read_faces(
        DataConfig(train=str(tmp_path / "faces.csv")), StageConfig(name="s", trains=("projector",)),
        new_bundle(preset("tiny"), SEVEN).questions, "train",
    )  # fmt: skip
    direct = FaceVLM.load(folder).score_labels([learned.image(0), learned.image(1)])
    told = np.array([answer.log_probabilities for answer in answers[:2]])
    assert np.allclose(told, direct.log_probabilities, atol=1e-5)
    assert tuple(answer.label for answer in answers[:2]) == direct.best


def test_a_temperature_changes_who_it_is_not_and_no_answer(
    folder: Path, faces: list[Sample], tmp_path: Path
) -> None:
    warm = tmp_path / "warm"
    shutil.copytree(folder, warm)
    add_extra(warm, {"temperature": 2.0})
    one, other = adapter_of(folder).identity, adapter_of(warm).identity
    assert one.digest == other.digest
    assert (one.temperature, other.temperature) == (1.0, 2.0)
    assert answers_of(folder, faces[:1]) == answers_of(warm, faces[:1])


def test_boxes_as_in_training_or_as_asked(folder: Path, faces: list[Sample]) -> None:
    found = answers_of(folder, [faces[0], faces[4]], boxes=True)
    assert [answer.status for answer in found] == ["no_face", "ok"]
    assert adapter_of(folder).identity.boxes is False
    assert adapter_of(folder, boxes=True).identity.boxes is True


def test_a_second_run_detects_nothing_again(
    folder: Path, faces: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found, started = [], []
    for number in range(3):
        if number == 2:  # a cache that cannot be made: the faces are found, and nothing is kept
            (tmp_path / "file").touch()
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        with open_adapter(str(folder), SEVEN, boxes=True) as run:
            found.append(run.answer([faces[0], faces[4]]))
            started.append(run._faces._finder is not None)
    assert found[0] == found[1] == found[2]
    assert [answer.status for answer in found[0]] == ["no_face", "ok"]
    assert started == [True, False, True], "the detector was started"
    assert [path.name for path in (tmp_path / "cache" / "expllm").iterdir()] == ["boxes.sqlite"]


def test_a_temperature_that_is_none(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(folder, odd)
    for value in (0, -1.0, "warm"):
        add_extra(odd, {"temperature": value})
        with pytest.raises(ModelError, match="not a number above 0"):
            adapter_of(odd)


@pytest.mark.parametrize("options", [{"boxes": False}, {"dtype": "bfloat16"}, {"device": "cpu"}])
def test_the_rules_take_no_options_of_a_model(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="leave out"), open_adapter("rules", SEVEN, **options):
        pass


def test_auto_is_the_precision_that_the_model_computes_in(folder: Path) -> None:
    with open_adapter(str(folder), SEVEN, device="cpu") as found:
        assert found.identity.dtype == "float32"
    with open_adapter(str(folder), SEVEN, dtype="bfloat16") as found:
        assert found.identity.dtype == "bfloat16"


def test_no_model(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="not a model directory"):
        adapter_of(tmp_path)
    with pytest.raises(UsageError, match="use auto, float32, bfloat16"):
        adapter_of(folder, dtype="int3")
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    (cut / "projector.safetensors").unlink()
    with pytest.raises(MissingWeights, match="is missing"):
        answers_of(cut, [Sample(id="a", expression=SEVEN[0], image=ImageRef(path=str(ASTRONAUT)))])


def test_the_offline_classifier_is_that_of_analyze(faces: list[Sample]) -> None:
    with open_adapter("rules", SEVEN) as rules:
        answers = rules.answer([faces[0], faces[2], faces[4]])
        assert (rules.identity.name, rules.identity.labels) == ("offline", SEVEN)
    assert [answer.status for answer in answers] == ["no_face", "unreadable", "ok"]
    shown = analyze(ASTRONAUT, labels=7)[0].probabilities
    assert shown
    expected = [max(shown[label], SMALLEST) for label in SEVEN]
    assert np.allclose(np.exp(answers[2].log_probabilities or ()), expected, atol=1e-5)
    assert answers[2].label is Expression("happiness")


def test_offline_knows_contempt_where_the_data_set_does() -> None:
    with open_adapter("offline", label_set(8)) as rules:
        assert rules.identity.labels == label_set(8)


def test_a_sample_without_a_picture(folder: Path) -> None:
    (answer,) = answers_of(folder, [Sample(id="x", expression=SEVEN[0])])
    assert (answer.status, answer.reason) == (
        "unreadable",
        "x: the data set is handed out without pictures",
    )


def test_explanations_are_those_of_analyze(folder: Path, faces: list[Sample]) -> None:
    """The same explainer, asked for a batch: labels before and behind the text."""
    generation = GenerationOptions(order="label-first", max_new_tokens=12, audited=False)
    references = EngineReferences(SEVEN)
    with open_adapter(str(folder), SEVEN, generation=generation, references=references) as opened:
        explained = opened.explained
        answers = opened.answer([faces[0], faces[2], faces[4]])
    assert explained is not None
    assert (explained.order, explained.max_new_tokens, explained.audited) == ("label-first", 12, False)
    assert [answer.status for answer in answers] == ["ok", "unreadable", "ok"]
    assert faces[0].image is not None
    picture = Image.open(str(faces[0].image.path)).convert("RGB")
    direct = FaceVLM.load(folder).generate([picture], "label-first", 12, aus=[None])
    assert (answers[0].text, answers[0].label_after) == (
        direct.explanations[0].text, direct.labels_after.best[0],
    )  # fmt: skip
    alone = answers_of(folder, faces[:1])[0].log_probabilities
    assert np.allclose(answers[0].log_probabilities or (), alone or (), atol=1e-4)
    assert answers[0].aus is None  # a red square shows no face
    assert answers[2].aus is not None
    assert answers[2].reference is not None


def test_the_rules_explain_what_was_measured(faces: list[Sample]) -> None:
    with open_adapter(
        "rules", SEVEN, generation=GenerationOptions(), references=EngineReferences(SEVEN)
    ) as rules:
        nothing, face = rules.answer([faces[0], faces[4]])
    assert (nothing.status, nothing.text) == ("no_face", None)
    assert "no face could be measured" in (nothing.reason or "")
    assert face.label is Expression.HAPPINESS
    assert face.cot is not None


def test_a_hidden_face_is_answered_only_as_analyze_does(
    faces: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be seen must make the label likely."""
    astronaut = analyze(ASTRONAUT, labels=7)[0]
    for share, status in ((0.9, "ok"), (0.4, "no_face")):
        rest = (1 - share) / 7
        shares = {label: share if label is Expression.HAPPINESS else rest for label in label_set(8)}
        monkeypatch.setattr(AUClassifier, "open_probabilities", lambda *_, shares=shares: shares)
        hidden = astronaut.model_copy(update={"hidden": ("left eye",)})
        monkeypatch.setattr(FaceReader, "faces", lambda *_, hidden=hidden: [hidden])
        (answer,) = answers_of("rules", faces[4:])
        assert answer.status == status


def test_three_layers_lie_above_the_decoder(
    folder: Path, faces: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter asks the explainer of `predict`, which asks the model: there is no second stack."""
    layers: list[str] = []
    write = LlamaBackend.write

    def spied(self: LlamaBackend, *given: Any, **options: Any) -> Any:
        names = [str(frame.frame.f_globals["__name__"]) for frame in inspect.stack()]
        layers.extend(dict.fromkeys(one.split(".")[-1] for one in names if one.startswith("expllm.")))
        return write(self, *given, **options)

    monkeypatch.setattr(LlamaBackend, "write", spied)
    generation = GenerationOptions(max_new_tokens=4)
    answers_of(folder, faces[:1], generation=generation, references=EngineReferences(SEVEN))
    assert layers == ["generate", "trained", "adapter"]


def test_an_error_of_the_machine_ends_the_run(
    folder: Path, faces: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no answer about a face."""
    monkeypatch.setattr(SampleFaces, "crop", lambda *_: (_ for _ in ()).throw(OutputError("disk full")))
    with pytest.raises(OutputError, match="disk full"):
        answers_of(folder, faces[:1])
