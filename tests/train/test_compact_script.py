"""recipes/compact.sh: its steps in order, each done once, going on where it was cut."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = (
    "crop_portraits.py", "train_tower.py", "fit-units", "ferplus:train", "portraits:train", "train",
    "calibrate", "fit_label_head.py", "report",
)  # fmt: skip
STUB = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in *"$FAILS"*) exit 1 ;; *"$PARTLY"*) exit 3 ;; esac
"""


def run(
    folder: Path, fails: str = "nothing", partly: str = "nothing", **variables: str
) -> tuple[int, list[str]]:
    """The exit code and what was called, with commands that only write down how."""
    for name in ("python", "expllm", "make"):
        stub = folder / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(STUB)
        stub.chmod(0o755)
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    place = {"PYTHON": str(folder / "bin" / "python"), "EXPLLM": str(folder / "bin" / "expllm")}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    settings = {
        "OUT": str(folder / "out"),
        "PATH": path,
        "CALLS": str(calls),
        "FAILS": fails,
        "PARTLY": partly,
    }
    done = subprocess.run(
        ["sh", ROOT / "recipes" / "compact.sh", "DATA", "train.max_steps=2"],
        cwd=ROOT, env={**os.environ, **settings, **place, **variables}, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, calls.read_text().splitlines()


def named(calls: list[str]) -> list[str]:
    return [
        next(step for step in STEPS if re.search(rf"(^|[ /]){re.escape(step)}( |$)", one)) for one in calls
    ]


pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")


def test_every_step_is_taken_in_order(tmp_path: Path) -> None:
    code, calls = run(tmp_path, partly="calibrate", STEPS="7", LIMIT="5")
    assert (code, named(calls)) == (0, list(STEPS))
    assert "--steps 7 " in calls[1]
    assert "--limit 5 " in calls[3]
    assert f"model.tower={tmp_path}/out/tower/tower.safetensors train.max_steps=2 " in calls[5]
    assert f"{tmp_path}/out/training/2-instruct/model" in calls[6]


def test_it_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    code, calls = run(tmp_path, fails="fit-units")
    assert (code, named(calls)) == (1, list(STEPS[:3]))
    code, calls = run(tmp_path)
    assert (code, named(calls)) == (0, list(STEPS[2:]))


def test_readers_can_be_left_as_they_are(tmp_path: Path) -> None:
    code, calls = run(tmp_path, UNITS="no")
    assert (code, named(calls)) == (0, [step for step in STEPS if step != "fit-units"])


def test_the_scripts_take_these_options() -> None:
    script = (ROOT / "recipes" / "compact.sh").read_text()
    for name in ("crop_portraits", "train_tower", "fit_label_head"):
        options = re.findall(rf"{name}\.py((?:.|\\\n)*?)\n(?!  )", script)[0]
        source = (ROOT / "scripts" / f"{name}.py").read_text()
        for option in re.findall(r"(?<!\S)--?[a-z][\w-]*", options):
            assert f'"{option}"' in source, option
