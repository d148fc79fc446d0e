"""`scripts/measure_grpo.py` compares like with like, and loses no answer to a kill or an alarm."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small
from PIL import Image

import expllm
from expllm.core.vocabulary import AUVector
from expllm.model.inference.generate import FaceVLM
from expllm.model.manifest import add_extra
from expllm.train.stages import train_stages

sys.path.insert(0, str(Path(expllm.__file__).parents[2] / "scripts"))

import measure_grpo

SMILE = dict(AUVector.from_positive({"left lip corner pull": 0.7}))


def row(number: int, said: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(number), "truth": "happiness", "aus": SMILE, **said}


@pytest.mark.slow
def test_a_copy_that_learned_nothing_differs_by_nothing(tmp_path: Path) -> None:
    """The shipped model has a temperature and mirror images, and a stage saves neither."""
    data = small.draw_faces(tmp_path, 4)
    start = train_stages(
        small.recipe(data, replace(small.INSTRUCT, max_steps=1)), tmp_path / "one", quiet=True
    )
    add_extra(start, {"temperature": 0.5, "mirrored": True})
    still = replace(small.INSTRUCT, name="still", max_steps=1, lr=1e-30)
    copy = train_stages(small.recipe(data, still, init_from=str(start)), tmp_path / "two", quiet=True)
    faces = [Image.open(path).convert("RGB") for path in sorted((tmp_path / "faces").rglob("*.png"))]
    rows = []
    for model in (FaceVLM.load(start), FaceVLM.load(copy, like=start), FaceVLM.load(copy)):
        answers = model.generate(faces, max_new_tokens=8)
        rows.append([row(n, measure_grpo.row_of(answers, n)) for n in range(len(faces))])
    before, after, unlike = rows
    assert before == after
    assert before != unlike
    assert [one["raw"] for one in before] != [one["labels"] for one in before]
    found = measure_grpo.table(before, [after])
    assert all(figure["difference"] == [0.0, 0.0, 0.0] for figure in found.values())
    assert {"expected calibration error", "the same at temperature 1"} <= set(found)


def test_a_torn_line_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    assert measure_grpo.kept_rows(path) == []
    path.write_text('{"id": "1"}\n{"id": "2"}\n{"id": "3", "te')
    assert measure_grpo.kept_rows(path) == [{"id": "1"}, {"id": "2"}]
    with path.open("a") as file:
        file.write('{"id": "3"}\n')
    assert [one["id"] for one in measure_grpo.kept_rows(path)] == ["1", "2", "3"]
    path.write_text('{"id": "1')
    assert measure_grpo.kept_rows(path) == []
    assert path.read_bytes() == b""


def test_an_alarm_is_a_column_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = tmp_path / "seed-3" / "1-grpo"
    settings = measure_grpo.Settings("compact", tmp_path, tmp_path, 2, (3,), 1, 1, float("inf"), ())

    def stopped(*command: Any, **_: Any) -> Any:
        (stage / "stopped_model").mkdir(parents=True)
        (stage / "stopped_model" / "expllm.json").write_text("{}")
        return SimpleNamespace(wait=lambda _: 6)

    monkeypatch.setattr("measure_grpo.subprocess.Popen", stopped)
    assert measure_grpo.trained(settings, 3) == stage / "stopped_model"
    said = SimpleNamespace(card={"alarm": {"name": "padding", "step": 40, "value": 0.4}})
    monkeypatch.setattr("expllm.model.manifest.read_manifest", lambda _: said)
    alarm = measure_grpo.alarm_of(tmp_path / "seed-3")
    assert alarm == "padding at step 40"
    figure = {
        "before": [0.1, 0.0, 0.2],
        "after": [0.2, 0.1, 0.3],
        "difference": [0.1, 0.0, 0.2],
        "by seed": [0.1],
    }
    asked = {"order": "explanation-first", "hint": False, "mirrored": True, "temperature": 0.833}
    table = [*measure_grpo.lines({"held-out reward": figure}, {3: alarm}, asked)]
    assert "explanation-first" in table[0]
    assert "0.833" in table[0]
    assert table[2].endswith("| alarm |")
    assert table[4].endswith("| seed 3: padding at step 40 |")
    assert json.loads(json.dumps({3: alarm})) == {"3": alarm}
