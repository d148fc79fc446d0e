"""The model that ships: it explains where nobody is named, and a wrong byte in it is never an answer."""

import os
import shutil
from pathlib import Path

import pytest
from calling import call, process
from conftest import ASTRONAUT

from expllm.core.vocabulary import Expression
from expllm.grounding import Verdict, audit
from expllm.model import shipped
from expllm.model.hub.push import published_files
from expllm.model.manifest import check_files, read_manifest

FOLDER = shipped.model_folder("compact")
MOST_BYTES = 25_000_000


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that `compact` stands for, to be damaged."""
    folder = shutil.copytree(FOLDER, tmp_path / "assets" / "compact")
    monkeypatch.setattr(shipped, "files", lambda _: tmp_path)
    return Path(folder)


def test_the_weights_are_whole_and_small() -> None:
    check_files(FOLDER, read_manifest(FOLDER))
    assert sum(path.stat().st_size for path in published_files(FOLDER)) <= MOST_BYTES


def test_the_card_names_no_path() -> None:
    text = (FOLDER / "expllm.json").read_text(encoding="utf-8")
    assert "/" not in text.replace("expllm/compact", "").replace("conv/", "")


def test_a_smile_is_explained_by_default() -> None:
    own = {name: value for name, value in os.environ.items() if name != shipped.MODEL_VARIABLE}
    shown = process("analyze", ASTRONAUT, "--format", "jsonl", env=own)
    assert (shown.code, shown.err) == (0, "")
    (face,) = shown.analyses
    assert face.expression is Expression.HAPPINESS
    assert sum((face.probabilities or {}).values()) == pytest.approx(1, abs=1e-5)
    assert face.provenance is not None
    assert face.provenance.writer.startswith("compact (sha256 ")
    assert face.explanation is not None
    assert face.explanation.problem is None
    assert face.explanation.concluded is Expression.HAPPINESS
    assert face.aus is not None
    found = audit(face.explanation.text or "", face.aus)
    assert found.counts[Verdict.SUPPORTED] >= 4
    assert Verdict.CONTRADICTED not in found.counts


@pytest.mark.parametrize("name", ["tower.safetensors", "adapter_model.safetensors", "projector.safetensors"])
@pytest.mark.parametrize("fault", ["gone", "cut", "one byte"])
def test_a_wrong_byte_is_never_an_answer(copy: Path, name: str, fault: str) -> None:
    path = copy / name
    content = path.read_bytes()
    if fault == "gone":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(content[:-100])
    else:
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    shown = call("analyze", ASTRONAUT, "--model", "compact")
    assert (shown.code, shown.out) == (5, "")
    (line,) = shown.complaints
    assert name in line


def test_without_weights_the_line_says_what_to_do(copy: Path) -> None:
    shutil.rmtree(copy)
    shown = call("analyze", ASTRONAUT, "--model", "compact")
    assert shown.code == 5
    assert "the model 'compact' does not ship with this version: use rules" in shown.err


def test_rules_stand_in_where_its_packages_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shipped.MODEL_VARIABLE)
    monkeypatch.setattr(shipped, "NEEDED", ("torch", "no_such_package"))
    shown = call("analyze", ASTRONAUT, "--format", "jsonl")
    assert shown.code == 0
    assert shown.err.startswith(
        "expllm: the rules explain instead of compact: no_such_package is not installed"
    )
    (face,) = shown.analyses
    assert face.provenance is not None
    assert face.provenance.writer == "offline"
