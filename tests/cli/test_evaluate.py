"""`expllm eval`: what it prints and writes, and how it fails. A small random model; nothing is trained."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from calling import call, faceless
from conftest import ASTRONAUT
from explanations import answered
from PIL import Image

from expllm.core.errors import ImageError
from expllm.core.vocabulary import label_set
from expllm.data import Sample, image_bytes
from expllm.evals.runner import EvaluatedModel
from expllm.evals.saved_answers import Answer, EvalRun, refused
from expllm.files.images import open_image
from expllm.model import checkpoint
from expllm.model.bundle import new_bundle
from expllm.model.inference.generate import FaceVLM
from expllm.model.manifest import read_manifest
from expllm.model.presets import preset
from expllm.predict.base import ModelIdentity

torch.set_num_threads(1)
SEVEN = label_set(7)
COUNT = 70


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, and `faces/CLASS/N.png` of which one in ten pictures is of class contempt in `eight`."""
    path = tmp_path_factory.mktemp("place")
    checkpoint.save(path / "model", new_bundle(preset("tiny"), SEVEN, seed=3), {})
    for n in range(COUNT):
        target = path / "faces" / SEVEN[n % 7].value / f"{n}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (3 * n, 255 - 3 * n, 40 * (n % 7))).save(target)
    shutil.copytree(path / "faces", path / "eight")
    (path / "eight" / "anger").rename(path / "eight" / "contempt")
    return path


@pytest.fixture(scope="module")
def scored(place: Path) -> tuple[Path, str]:
    """A run, and what was printed."""
    done = call(
        "eval",
        "accuracy",
        place / "model",
        place / "faces",
        "-o",
        place / "run",
        "--plot",
        "--batch-size",
        "32",
    )
    assert done.code == 0, done.err
    return place / "run", done.out


def as_json(*arguments: str | Path, code: int = 0) -> Any:
    done = call("eval", *arguments, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def test_accuracy(place: Path, scored: tuple[Path, str]) -> None:
    run, out = scored
    for word in ("70 faces", "accuracy", "95 % interval", "balanced accuracy", "macro-F1", "always neutral",
                 "calibration error", "recall %", "surprise"):  # fmt: skip
        assert word in out, word
    assert {path.name for path in run.iterdir()} >= {
        "run.json", "answers.jsonl", "scores.json", "confusion.png", "reliability.png", "risk.png",
    }  # fmt: skip
    vlm = FaceVLM.load(place / "model")
    saved = {answer.id: answer.label for answer in EvalRun(run).answers()}
    assert len(saved) == COUNT
    for name in ("fear/4.png", "anger/6.png"):
        image = Image.open(place / "faces" / name).convert("RGB")
        found = [label for key, label in saved.items() if key.endswith(name) or name.endswith(key)]
        assert found == [*vlm.score_labels([image]).best]


def test_rescore_needs_no_model_and_prints_the_same(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "model", tmp_path / "model")
    shutil.copytree(place / "faces", tmp_path / "faces")
    first = call("eval", "accuracy", tmp_path / "model", tmp_path / "faces", "-o", tmp_path / "run")
    scores = (tmp_path / "run" / "scores.json").read_bytes()
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(tmp_path / "faces")
    again = call("eval", "rescore", tmp_path / "run")
    assert (again.code, again.out) == (first.code, first.out)
    assert (tmp_path / "run" / "scores.json").read_bytes() == scores
    assert as_json("rescore", tmp_path / "run") == {"run": str(tmp_path / "run"), **json.loads(scores)}


def test_alarms_are_printed(scored: tuple[Path, str], tmp_path: Path) -> None:
    """The same run, as if the model had said happiness each time."""
    shutil.copytree(scored[0], tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "answers.jsonl").read_text().splitlines()]
    logs = [-2.0 if label != "happiness" else -0.5 for label in SEVEN]
    text = "".join(
        json.dumps({**line, "label": "happiness", "log_probabilities": logs}) + "\n" for line in lines
    )
    (tmp_path / "run" / "answers.jsonl").write_text(text)
    out = " ".join(call("eval", "rescore", tmp_path / "run").out.split())
    assert "ALARM: the model answers one class only: 'happiness', 70 times" in out
    assert "ALARM: the accuracy of 14.3% does not beat the share of the largest class" in out


def test_a_cut_run_says_so_and_goes_on(place: Path, scored: tuple[Path, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scored[0], run)
    whole = (run / "answers.jsonl").read_bytes()
    (run / "answers.jsonl").write_bytes(whole[: len(whole) // 2])
    assert "the run was cut: " in call("eval", "rescore", run).out
    assert call("eval", "accuracy", place / "model", place / "faces", "-o", run).code == 0
    assert len((run / "answers.jsonl").read_text().splitlines()) == COUNT


def test_unreadable_pictures_end_with_three(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "faces", tmp_path / "faces")
    for name in ("fear/4.png", "anger/6.png"):
        (tmp_path / "faces" / name).write_bytes(b"\x89PNG\r\n\x1a\n cut")
    done = call("eval", "accuracy", place / "model", tmp_path / "faces", "-o", tmp_path / "run")
    assert done.code == 3
    assert "unreadable: 2 of 70 faces (2.9 %)" in done.out
    assert "4.png" in done.out
    assert "6.png" in done.out
    assert call("eval", "rescore", tmp_path / "run").code == 3


@pytest.mark.slow
def test_three_thousand_pictures_of_which_ten_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but the model is real: files, decoding, saved answers, figures, exit code."""
    picture = tmp_path / "one.png"
    Image.new("RGB", (8, 8), "grey").save(picture)
    broken = {f"{n:04d}.png" for n in range(150, 3_000, 300)}
    for n in range(3_000):
        target = tmp_path / "faces" / SEVEN[n % 7].value / f"{n:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.read_bytes()[: 30 if target.name in broken else None])
    monkeypatch.setattr("expllm.evals.adapter.open_adapter", cheap)
    done = call(
        "eval", "accuracy", "cheap", tmp_path / "faces", "-o", tmp_path / "run", "--batch-size", "500"
    )
    assert done.code == 3
    assert "cheap on" in done.out
    assert "3,000 faces" in done.out
    assert "unreadable: 10 of 3,000 faces (0.33 %): they count as wrong" in done.out
    assert {word.rstrip(":").rsplit("/")[-1] for word in done.out.split() if ".png:" in word} == broken
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert (scores["rows"], len(scores["unreadable"]), scores["accuracy"]) == (3_000, 10, 2_990 / 3_000)
    assert call("eval", "rescore", tmp_path / "run").code == 3


class Cheap:
    """A model that opens each picture and knows the truth."""

    identity = ModelIdentity("cheap", "digest", "float32", False, SEVEN)

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Answer:
        try:
            assert sample.image is not None
            open_image(image_bytes(sample.image))
        except ImageError as error:
            return refused(sample, "unreadable", error.line)
        shares = [0.94 if label is sample.expression else 0.01 for label in SEVEN]
        return answered(sample, SEVEN, [math.log(share) for share in shares])


@contextmanager
def cheap(*_: object, **__: object) -> Iterator[EvaluatedModel]:
    yield Cheap()


def test_abstaining(scored: tuple[Path, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scored[0], run)
    (run / "risk.png").unlink()
    sure = sorted(math.exp(max(answer.log_probabilities or ())) for answer in EvalRun(run).answers())
    out = call("eval", "rescore", run, "--abstain", f"{sure[35] - 1e-9:.12f}").out
    assert f"answers from {sure[35]:g}"[:18] in out
    assert (run / "risk.png").exists(), "the curve is drawn without being asked for"
    found = as_json("rescore", run, "--abstain", f"{sure[35] - 1e-9:.12f}")
    assert found["abstain"]["answered"] == 35
    assert found["abstain"]["coverage"] == 0.5
    assert found["abstain"]["accuracy"]["estimate"] <= 1
    assert 0 <= found["risk_coverage_area"] <= 1
    assert call("eval", "rescore", run, "--abstain", "1.5").code == 2
    none = as_json("rescore", run, "--abstain", "1")
    assert none["abstain"]["accuracy"] is None


def test_report(scored: tuple[Path, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = call("eval", "report", scored[0], "-o", page)
    assert done.code == 0, done.err
    assert done.complaints == []
    assert f"{tmp_path / 'page.md'}: the tables as Markdown" in done.out
    assert "left out: Table II, accuracy across data sets: give runs of 'expllm eval transfer'" in done.out
    assert "<h2>Table I. " in page.read_text()
    assert f"| **{scored[0].parent.name}** | these runs |" in (tmp_path / "page.md").read_text()
    for code, arguments in (
        (2, (scored[0], "--faces", "all")),
        (2, (scored[0], "-o", tmp_path / "page.pdf")),
        (2, (tmp_path,)),
        (1, (scored[0], "-o", tmp_path / "nowhere" / "page.html")),
    ):
        refused = call("eval", "report", *arguments)
        assert (refused.code, len(refused.complaints)) == (code, 1), (arguments, refused.err)


def test_transfer(place: Path, tmp_path: Path) -> None:
    refused = call("eval", "accuracy", place / "model", place / "eight", "-o", tmp_path / "run")
    assert refused.code == 2
    assert "contempt, which the model was not trained on" in refused.complaints[0]
    found = as_json("transfer", place / "model", place / "eight", "-o", tmp_path / "run")
    assert found["rows"] == 60
    assert found["dropped"] == {"contempt": 10}
    assert "anger" not in found["labels"]
    again = call("eval", "rescore", tmp_path / "run").out
    assert "left out, as the model was not trained on contempt: 10 of 70 faces" in again


def test_no_common_labels(place: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "model", new_bundle(preset("tiny"), SEVEN[:2], seed=3), {})
    for label in SEVEN[2:4]:
        shutil.copytree(place / "faces" / label.value, tmp_path / "faces" / label.value)
    for task, problem in (("accuracy", "give another data set"), ("transfer", "0 labels in common")):
        done = call("eval", task, tmp_path / "model", tmp_path / "faces", "-o", tmp_path / "run")
        assert (done.code, len(done.complaints)) == (2, 1)
        assert problem in done.err


def test_compare(place: Path, scored: tuple[Path, str], tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other", new_bundle(preset("tiny"), SEVEN, seed=9), {})
    other = tmp_path / "run"
    as_json("accuracy", tmp_path / "other", place / "faces", "--limit", "50", "-o", other)
    found = as_json("compare", scored[0], other)
    assert (found["rows"], found["only_first_run"], found["only_second_run"]) == (50, 20, 0)
    assert 0 <= found["test"]["p"] <= 1
    done = call("eval", "compare", scored[0], other)
    assert done.code == 0
    assert "McNemar" in done.out
    assert "not compared: 20 faces" in done.out


def test_calibrate(place: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(place / "model", model)
    done = call("model", "calibrate", model, place / "faces", "-o", tmp_path / "run")
    assert done.code == 0, done.err
    extra = read_manifest(model).extra
    assert 0.05 <= extra["temperature"] <= 20
    assert extra["calibration"]["rows"] == COUNT
    assert extra["calibration"]["nll_after"] <= extra["calibration"]["nll_before"]
    assert f"temperature {extra['temperature']:.4g}, fitted on 70 faces" in done.out
    assert "calibration error at temperature" in done.out
    assert (tmp_path / "run" / "reliability.png").exists()
    assert EvalRun(tmp_path / "run").settings().temperature == extra["temperature"]
    again = as_json("calibrate", model, place / "faces", "-o", tmp_path / "run")
    assert again["fitted"]["rows"] == COUNT
    assert again["fitted"]["value"] == again["settings"]["temperature"] == extra["temperature"]
    found = as_json("accuracy", model, place / "faces", "-o", tmp_path / "run")  # goes on: nothing to ask
    assert found["settings"]["temperature"] == extra["temperature"]
    image = Image.open(place / "faces" / "fear" / "4.png").convert("RGB")
    scores = FaceVLM.load(model).score_labels([image])
    expected = torch.from_numpy(scores.sums / extra["temperature"]).log_softmax(-1).numpy()
    assert abs(scores.log_probabilities - expected).max() < 1e-9


def test_calibrated_with_mirror_images(place: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(place / "model", model)
    plain = as_json("accuracy", model, place / "faces", "-o", tmp_path / "plain")
    assert (
        call("model", "calibrate", model, place / "faces", "--flip-averaging", "-o", tmp_path / "run").code
        == 0
    )
    assert read_manifest(model).extra["mirrored"] is True
    both = as_json("accuracy", model, place / "faces", "-o", tmp_path / "both")
    assert both["risk_coverage_area"] != plain["risk_coverage_area"]
    again = call("eval", "accuracy", model, place / "faces", "-o", tmp_path / "plain")
    assert again.code == 1  # its answers are of a model that looked once
    assert "go on with the same, or choose another folder" in again.err


def test_nothing_to_calibrate_on(place: Path, tmp_path: Path) -> None:
    few = call("model", "calibrate", place / "model", place / "faces", "--limit", "9", "-o", tmp_path / "a")
    assert few.code == 1
    assert few.complaints[-1].startswith("expllm: cannot fit a temperature on 9 validation rows")
    split = call("model", "calibrate", place / "model", f"{place / 'faces'}:dev2")
    assert (split.code, len(split.complaints)) == (2, 1)
    assert "has no split 'dev2'" in split.err
    assert "temperature" not in read_manifest(place / "model").extra
    assert call("model", "calibrate", "offline", place / "faces").code == 2


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_temperature_is_fitted_on_validation_data_only(place: Path, tmp_path: Path, split: str) -> None:
    for part in ("train", "test"):
        shutil.copytree(place / "faces", tmp_path / "faces" / part)
    done = call("model", "calibrate", place / "model", f"{tmp_path / 'faces'}:{split}")
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "no validation data" in done.err


def test_offline(tmp_path: Path) -> None:
    """Real faces through the real classifier; one picture shows none."""
    for label in ("happiness", "neutral"):
        (tmp_path / "faces" / label).mkdir(parents=True)
    shutil.copy(ASTRONAUT, tmp_path / "faces" / "happiness" / "a.jpg")
    (tmp_path / "faces" / "neutral" / "b.png").write_bytes(faceless())
    found = as_json("accuracy", "offline", tmp_path / "faces", "-o", tmp_path / "run")
    assert (found["rows"], found["no_face"], found["accuracy"]) == (2, 1, 0.5)
    assert found["settings"]["labels"] == list(SEVEN)


def test_the_default_folder(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPLLM_DATA", str(place))
    found = [as_json("accuracy", place / "model", "faces", "--limit", str(n))["run"] for n in (3, 3, 4)]
    assert found[0] == found[1] != found[2]
    assert found[0].startswith("runs/eval/model-faces-accuracy-")


def test_faults_are_one_line(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_text("image,label\n")
    for code, arguments in (
        (2, ("accuracy", tmp_path, place / "faces")),
        (1, ("accuracy", place / "model", tmp_path / "nothing")),
        (1, ("accuracy", place / "model", tmp_path / "empty.csv")),
        (2, ("rescore", tmp_path / "empty")),
        (2, ("compare", tmp_path / "empty", tmp_path / "empty")),
        (2, ("accuracy", place / "model", place / "faces", "--dtype", "int3")),
    ):
        done = call("eval", *arguments)
        assert (done.code, len(done.complaints)) == (code, 1), (arguments, done.err)


def test_answers_of_another_format(scored: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(scored[0], tmp_path / "run")
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**settings, "answers_format": 9}))
    done = call("eval", "rescore", tmp_path / "run")
    assert done.code == 1
    assert "its answers are of format 9, and this is format 2" in done.complaints[0]
