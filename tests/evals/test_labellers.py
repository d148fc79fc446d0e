"""Real labellers: a small random model, and the offline classifier."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ASTRONAUT
from PIL import Image

from expllm.core.errors import MissingWeights, UsageError
from expllm.core.vocabulary import Expression, label_set
from expllm.data import ImageRef, Sample
from expllm.evals.labellers import SMALLEST, ModelLabeller, OfflineLabeller, labeller
from expllm.model import checkpoint
from expllm.model.bundle import new_bundle
from expllm.model.inference.generate import Answerer
from expllm.model.manifest import ModelError, add_extra
from expllm.model.presets import preset
from expllm.predict.predictor import analyze
from expllm.train.data_sources import read_faces
from expllm.train.recipe import DataConfig, StageConfig

torch.set_num_threads(1)
SEVEN = label_set(7)


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
    answers = ModelLabeller(folder).answer(faces)
    assert [answer.status for answer in answers] == ["ok", "ok", "unreadable", "ok", "ok"]
    assert "text" in (answers[2].reason or "")
    rows = "\n".join(f"{face.image.path},fear" for face in faces[:2] if face.image)
    (tmp_path / "faces.csv").write_text(f"image,label\n{rows}\n")
    learned = read_faces(
        DataConfig(train=str(tmp_path / "faces.csv")), StageConfig(name="s", trains=("projector",)),
        new_bundle(preset("tiny"), SEVEN).questions, "train",
    )  # fmt: skip
    direct = Answerer.load(folder).labels([learned.image(0), learned.image(1)])
    told = np.array([answer.log_probabilities for answer in answers[:2]])
    assert np.allclose(told, direct.log_probabilities, atol=1e-5)
    assert tuple(answer.label for answer in answers[:2]) == direct.best


def test_a_temperature_changes_who_it_is_not_and_no_answer(
    folder: Path, faces: list[Sample], tmp_path: Path
) -> None:
    warm = tmp_path / "warm"
    shutil.copytree(folder, warm)
    add_extra(warm, {"temperature": 2.0})
    one, other = ModelLabeller(folder), ModelLabeller(warm)
    assert one.identity.digest == other.identity.digest
    assert (one.identity.temperature, other.identity.temperature) == (1.0, 2.0)
    assert one.answer(faces[:1]) == other.answer(faces[:1])


def test_boxes_as_in_training_or_as_asked(folder: Path, faces: list[Sample]) -> None:
    with labeller(str(folder), SEVEN, boxes=True) as boxed:
        found = boxed.answer([faces[0], faces[4]])
    assert [answer.status for answer in found] == ["no_face", "ok"]
    assert not ModelLabeller(folder).identity.boxes


def test_a_second_run_detects_nothing_again(
    folder: Path, faces: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = [ModelLabeller(folder, boxes=True) for _ in range(3)]
    found = []
    for number, run in enumerate(runs):
        if number == 2:  # a cache that cannot be made: the faces are found, and nothing is kept
            (tmp_path / "file").touch()
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        with run.opened():
            found.append(run.answer([faces[0], faces[4]]))
    assert found[0] == found[1] == found[2]
    assert [answer.status for answer in found[0]] == ["no_face", "ok"]
    started = [run._cutter._finder is not None for run in runs]
    assert started == [True, False, True], "the detector was started"
    assert [path.name for path in (tmp_path / "cache" / "expllm").iterdir()] == ["boxes.sqlite"]


def test_a_temperature_that_is_none(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(folder, odd)
    for value in (0, -1.0, "warm"):
        add_extra(odd, {"temperature": value})
        with pytest.raises(ModelError, match="not a number above 0"):
            ModelLabeller(odd)


@pytest.mark.parametrize("options", [{"boxes": False}, {"dtype": "bfloat16"}, {"device": "cpu"}])
def test_the_rules_take_no_options_of_a_model(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="leave out"), labeller("rules", SEVEN, **options):
        pass


def test_auto_is_the_precision_that_the_model_computes_in(folder: Path) -> None:
    with labeller(str(folder), SEVEN, device="cpu") as found:
        assert found.identity.dtype == "float32"
    with labeller(str(folder), SEVEN, dtype="bfloat16") as found:
        assert found.identity.dtype == "bfloat16"


def test_no_model(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="not a model directory"), labeller(str(tmp_path), SEVEN):
        pass
    with pytest.raises(UsageError, match="use auto, float32, bfloat16"):
        ModelLabeller(folder, dtype="int3")
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    (cut / "projector.safetensors").unlink()
    with pytest.raises(MissingWeights, match="is missing"):
        ModelLabeller(cut).answer([Sample(id="a", expression=SEVEN[0], image=ImageRef(path=str(ASTRONAUT)))])


def test_the_offline_classifier_is_that_of_analyze(faces: list[Sample]) -> None:
    with labeller("offline", SEVEN) as offline:
        answers = offline.answer([faces[0], faces[2], faces[4]])
        assert offline.identity.labels == SEVEN
    assert [answer.status for answer in answers] == ["no_face", "unreadable", "ok"]
    shown = analyze(ASTRONAUT, labels=7)[0].probabilities
    assert shown
    expected = [max(shown[label], SMALLEST) for label in SEVEN]
    assert np.allclose(np.exp(answers[2].log_probabilities or ()), expected, atol=1e-5)
    assert answers[2].label is Expression("happiness")


def test_offline_knows_contempt_where_the_data_set_does() -> None:
    with labeller("offline", label_set(8)) as offline:
        assert isinstance(offline, OfflineLabeller)
        assert offline.identity.labels == label_set(8)


def test_a_sample_without_a_picture(folder: Path) -> None:
    answer = ModelLabeller(folder).answer([Sample(id="x", expression=SEVEN[0])])[0]
    assert (answer.status, answer.reason) == (
        "unreadable",
        "x: the data set is handed out without pictures",
    )
