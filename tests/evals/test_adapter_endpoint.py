"""A served model in an evaluation: the labels of the folder that is served, with their probabilities."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ASTRONAUT, ROOT, SHARED
from modelserver import model_server
from smallconv import SMALL

from expllm.core.vocabulary import label_set
from expllm.data import ImageRef, Sample
from expllm.evals.adapter import GenerationOptions, open_adapter
from expllm.evals.references import EngineReferences
from expllm.evals.runner import Question
from expllm.evals.saved_answers import Answer
from expllm.evals.splits import open_named
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import save
from expllm.model.hub.merge import merge_model
from expllm.model.manifest import LABEL_HEAD, read_manifest, write_manifest
from expllm.model.shipped import model_folder
from expllm.predict import ChatOptions

SEVEN = label_set(7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    save(place / "model", new_bundle(SMALL, SEVEN, seed=3), {})
    merge_model(place / "model", place / "merged")
    return place / "merged"


def test_it_answers_as_the_folder_does(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no")
    names = [ASTRONAUT, tmp_path / "text.jpg"]
    faces = [Sample(id=one.stem, expression=SEVEN[1], image=ImageRef(path=str(one))) for one in names]
    with open_adapter(str(folder), SEVEN, boxes=False) as own:
        expected = own.answer(faces)
    with model_server(str(folder)) as server:
        options = ChatOptions(max_tokens=8)
        with open_adapter(f"endpoint:{server.url}", SEVEN, boxes=False, chat=options) as served:
            found = served.answer(faces)
            identity = served.identity
        with open_adapter(
            f"endpoint:{server.url}", SEVEN, boxes=False, generation=GenerationOptions(max_new_tokens=8),
            references=EngineReferences(SEVEN),
        ) as served:  # fmt: skip
            (explained,) = served.answer(faces[:1])
    assert [one.status for one in found] == [one.status for one in expected] == ["ok", "unreadable"]
    assert found[0].label is expected[0].label
    np.testing.assert_allclose(shares(found[:1]), shares(expected[:1]), atol=1e-4)
    assert explained.label is expected[0].label
    assert explained.text is None
    assert (explained.problem or "").startswith("no answer: ")  # this model writes white space
    assert (identity.name, identity.labels) == (f"endpoint:{server.url}", SEVEN)


@contextmanager
def served_apart(folder: Path, *options: str) -> Iterator[str]:
    """The server in a process of its own, which knows nothing of ExpLLM; its address."""
    command = [sys.executable, str(ROOT / "tests" / "modelserver.py"), str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="no data beside the project")
def test_fifty_faces_of_the_model_that_ships(tmp_path: Path) -> None:
    merge_model(model_folder("compact"), tmp_path / "m")
    words = by_words(model_folder("compact"), tmp_path / "words")
    data = open_named("portraits:valid", str(SHARED / "data"), None)
    faces = [*Question(data, "portraits:valid", limit=50).samples()]
    assert len(faces) == 50
    with open_adapter(str(words), data.labels, boxes=False) as own:
        expected = own.answer(faces)
    with served_apart(tmp_path / "m", "--offers", "prompt_logprobs") as url:
        options = ChatOptions(timeout=600)
        with open_adapter(f"endpoint:{url}", data.labels, boxes=False, chat=options) as served:
            found = served.answer(faces)
    lines = [(one.label, other.label) for one, other in zip(expected, found, strict=True)]
    (tmp_path / "labels.json").write_text(json.dumps(lines))
    assert [one for one, _ in lines] == [other for _, other in lines]
    np.testing.assert_allclose(shares(found), shares(expected), atol=1e-3)


def by_words(folder: Path, to: Path) -> Path:
    """The model without its readout of labels: a server of others knows its words alone."""
    shutil.copytree(folder, to)
    (to / LABEL_HEAD).unlink()
    manifest = read_manifest(to)
    files = {name: written for name, written in manifest.files.items() if name != LABEL_HEAD}
    extra = {**manifest.extra, "temperature": manifest.extra["language_temperature"]}
    write_manifest(to, replace(manifest, files=files, extra=extra))
    return to


def shares(answers: list[Answer]) -> list[tuple[float, ...]]:
    assert all(one.log_probabilities is not None for one in answers)
    return [tuple(np.exp(one.log_probabilities or ())) for one in answers]
