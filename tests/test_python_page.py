"""The examples of docs/python.md run, in their order; `import expllm` has the same doors, lazily."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import expllm

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEEDS_TRAINING = ("expllm.train(", "evaluate(model,")


def blocks() -> list[str]:
    return BLOCK.findall((ROOT / "docs" / "python.md").read_text(encoding="utf-8"))


def run(codes: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for code in codes:
        exec(compile(code, "docs/python.md", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def test_the_examples_run_without_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    names = run([code for code in blocks() if not any(call in code for call in NEEDS_TRAINING)])
    assert names["face"].expression == "happiness"
    assert names["face"].provenance.licences["mediapipe"] == "Apache-2.0"
    assert [str(one.verdict) for one in names["found"].checked].count("supported") >= 1
    assert names["found"].precision < 1
    assert names["made"].ledger.status == {"resolved": 2}
    assert "happiness" in capsys.readouterr().out


@pytest.mark.slow
def test_all_examples_run() -> None:
    pytest.importorskip("torch")
    names = run(blocks())
    assert (Path(names["model"]) / "expllm.json").is_file()
    assert names["scores"].figures.rows == 2


def test_rules_are_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    Path("faces/happiness").mkdir(parents=True)
    shutil.copy("examples/faces/astronaut.jpg", "faces/happiness")
    scores = expllm.evaluate("rules", "faces", output="run", licence="permissive")
    assert (scores.figures.rows, scores.figures.accuracy) == (1, 1.0)
    assert Path("run/scores.json").is_file()
    with pytest.raises(expllm.ExpllmError, match="compact is research-only"):
        expllm.evaluate("compact", "faces", licence="permissive")


def test_the_doors_are_there_and_stay_shut_until_they_are_used() -> None:
    code = (
        "import sys, expllm\n"
        "assert callable(expllm.train) and callable(expllm.cot.run.__call__)\n"
        "import expllm.train.schedule\n"
        "assert callable(expllm.train)\n"
        "assert 'torch' not in sys.modules and set(expllm.__all__) <= set(dir(expllm))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(expllm.__all__) >= {"analyze", "audit", "cot", "evaluate", "train", "FaceReader", "Predictor"}
