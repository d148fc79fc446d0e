"""`endpoint:URL` from the command line, at a real server that runs a merged model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT
from modelserver import ModelServer, model_server
from smallconv import SMALL

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import save
from expllm.model.hub.merge import merge_model


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    place = tmp_path_factory.mktemp("served")
    save(place / "model", new_bundle(SMALL, label_set(7), seed=3), {})
    merge_model(place / "model", place / "merged")
    with model_server(str(place / "merged")) as server:
        yield server


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    (tmp_path / "faces.csv").write_text(f"id,image,label\na,{ASTRONAUT},happiness\n")
    return tmp_path / "faces.csv"


def test_a_picture(server: ModelServer) -> None:
    model = ("--model", f"endpoint:{server.url}")
    done = call("analyze", ASTRONAUT, *model, "--no-explain", "--abstain", "0.01", "--json")
    assert done.code == 0, done.err
    (face,) = json.loads(done.out)
    assert set(face["probabilities"]) == {label.value for label in label_set(7)}
    assert face["provenance"]["classifier"].startswith(f"endpoint:{server.url} (sha256 ")


def test_an_evaluation_of_labels_and_one_of_texts(server: ModelServer, faces: Path, tmp_path: Path) -> None:
    model = f"endpoint:{server.url}"
    labels = call("eval", "accuracy", model, faces, "-o", tmp_path / "labels", "--quiet")
    assert labels.code == 0, labels.err
    named = ("--questions", server.engine.folder, "--served-model-name", server.engine.folder)
    texts = call(
        "eval", "cot", model, faces, "-o", tmp_path / "texts", "--quiet", "--max-new-tokens", "8", *named
    )
    rows = [
        json.loads(line)
        for run in ("labels", "texts")
        for line in (tmp_path / run / "answers.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 2, texts.err
    assert rows[0]["label"] == rows[1]["label"] is not None
    assert rows[0]["log_probabilities"] == pytest.approx(rows[1]["log_probabilities"], abs=1e-4)
    settings = json.loads((tmp_path / "texts" / "run.json").read_text())
    assert settings["explained"]["order"] == "explanation-first"  # of the folder: its card says nothing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eval", "accuracy", "compact", "FACES", "--questions", "m"), "compact is not a chat model"),
        (
            ("eval", "cot", "compact", "FACES", "--served-model-name", "m"),
            "are for chat:NAME and endpoint:URL",
        ),
        (("eval", "accuracy", "endpoint:URL", "FACES", "--cache", "c"), "--cache is for chat:NAME"),
        (("eval", "accuracy", "endpoint:URL", "FACES", "--dtype", "bfloat16"), "leave out --dtype"),
        (("model", "calibrate", "endpoint:URL", "FACES"), "has no folder to save a temperature in"),
        (
            ("analyze", str(ASTRONAUT), "--model", "endpoint:URL", "--base-url", "http://x"),
            "--base-url is for",
        ),
        (("doctor", "--model", "endpoint:URL"), "runs on a server"),
    ],
)
def test_what_is_not_for_it(server: ModelServer, faces: Path, arguments: tuple[str, ...], words: str) -> None:
    stand = {"FACES": str(faces), "endpoint:URL": f"endpoint:{server.url}"}
    done = call(*(stand.get(one, one) for one in arguments))
    assert done.code == 2, done.err
    (line,) = done.complaints
    assert words in line
