"""`--licence permissive` refuses weights for research only by one line; results name their licences."""

import json
import os
from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT

from expllm.core.licences import ASSETS, LICENCE_VARIABLE, known_weights

COMPACT = ASSETS / "compact"
NOT_COMPACT = "compact is research-only: use rules, or a chat model"
PERMISSIVE = ("--licence", "permissive")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            ("analyze", ASTRONAUT, "--model", "compact"),
            NOT_COMPACT,
        ),
        (("aus", ASTRONAUT, "--au-source", "both"), "seeing is research-only: use --au-source blendshapes"),
        (("aus", ASTRONAUT, "--detector", "x.onnx"), "scrfd is research-only: use --detector mediapipe"),
        (
            ("cot", "make", "DATA", "-o", "RUN", "--au-source", "pixels"),
            "seeing is research-only: use --au-source blendshapes",
        ),
        (("eval", "accuracy", "compact", "DATA"), NOT_COMPACT),
        (("eval", "cot", "compact", "DATA"), NOT_COMPACT),
        (("model", "calibrate", "compact", "DATA"), NOT_COMPACT),
        (
            ("train", "recipes/compact.yaml", "--dry-run"),
            NOT_COMPACT,
        ),
        (
            ("train", "recipes/own.yaml", f"model.init_from={COMPACT}"),
            NOT_COMPACT,
        ),
        (
            ("train", "recipes/compact.yaml", f"model.tower={ASSETS / 'seeing' / 'tower.safetensors'}"),
            "seeing is research-only: use --au-source blendshapes",
        ),
        (
            ("train", "recipes/stage1_cc3m.yaml", "--dry-run"),
            "the licence of paper (lmsys/vicuna-7b-v1.5) is Llama 2 Community License: use rules, or a model "
            "whose parts are all under Apache-2.0, BSD-3-Clause, CC0-1.0, MIT",
        ),
        (("model", "merge", "compact", "-o", "RUN"), NOT_COMPACT),
        (("model", "merge", COMPACT, "-o", "RUN"), NOT_COMPACT),
        (
            ("model", "push", "compact", "me/it", "--dry-run"),
            NOT_COMPACT,
        ),
        (("model", "show", "compact"), NOT_COMPACT),
        (("analyze", ASTRONAUT, "--model", COMPACT), NOT_COMPACT),
        (("serve", "--model", "compact"), NOT_COMPACT),
        (
            ("serve", "--model", "rules", "--au-source", "both"),
            "seeing is research-only: use --au-source blendshapes",
        ),
    ],
    ids=lambda one: " ".join(map(str, one[:2])) if isinstance(one, tuple) else "",
)
def test_research_only_weights_are_refused(
    tmp_path: Path, command: tuple[str | Path, ...], line: str
) -> None:
    (tmp_path / "data" / "happiness").mkdir(parents=True)
    (tmp_path / "data" / "happiness" / "a.jpg").write_bytes(ASTRONAUT.read_bytes())
    places = {"DATA": tmp_path / "data", "RUN": tmp_path / "run"}
    words = [places.get(str(one), one) for one in command]
    done = call(*words, *PERMISSIVE)
    assert (done.code, done.complaints[-1]) == (2, f"expllm: --licence permissive: {line}")
    assert LICENCE_VARIABLE not in os.environ


def test_results_name_the_licence_of_each_part() -> None:
    strict = json.loads(call("analyze", ASTRONAUT, "--format", "jsonl", "-q", *PERMISSIVE).out)
    assert strict["provenance"]["licences"] == {
        "mediapipe": "Apache-2.0", "blendshapes": "Apache-2.0", "rules": "Apache-2.0",
    }  # fmt: skip
    usual = json.loads(call("analyze", ASTRONAUT, "--format", "jsonl", "-q", "--model", "rules").out)
    assert usual["provenance"]["licences"]["face_parts"] == "research-only"
    assert (usual["expression"], usual["aus"]) == (strict["expression"], strict["aus"])


def test_the_environment_has_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LICENCE_VARIABLE, "permissive")
    assert call("analyze", ASTRONAUT, "--model", "compact").code == 2
    assert os.environ[LICENCE_VARIABLE] == "permissive"
    assert call("aus", ASTRONAUT, "-q", "--licence", "any", "--format", "json").code == 0


def test_every_asset_with_weights_has_a_row() -> None:
    rows = {name for one in known_weights() for name in one.files}
    weights = {path.relative_to(ASSETS).parts[0] for path in ASSETS.rglob("*.safetensors")}
    weights |= {path.name for path in ASSETS.glob("*.npz")}
    assert weights <= rows
    assert all((ASSETS / name).exists() for name in rows)


def test_the_table_is_listed() -> None:
    rows = {row["name"]: row for row in json.loads(call("models", "list", "--json").out)}
    assert rows["compact"]["permissive"] is False
    assert rows["mediapipe"]["bytes"] > 10**6
    assert all(row["instead"] for row in rows.values() if not row["permissive"])
    out = call("models", "list").out
    size = f"{rows['seeing']['bytes'] / 1e6:.1f} MB"
    assert f"seeing (action units, {size}): research-only, not permissive" in out


def test_data_sets_are_listed_with_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "rafdb").mkdir()
    (tmp_path / "mine").mkdir()
    rows = {
        row["name"]: row
        for row in json.loads(call("datasets", "list", "--data-root", tmp_path, "--json").out)
    }
    assert (rows["rafdb"]["path"], rows["rafdb"]["published"]) == (str(tmp_path / "rafdb"), 15_339)
    assert rows["expw"]["path"] is None
    assert rows["mine"]["path"] == str(tmp_path / "mine")
