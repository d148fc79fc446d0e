"""Your own faces: the commands of recipes/own.sh, on the bundled face in class folders, with a tiny model."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from calling import call
from conftest import ASTRONAUT

torch.set_num_threads(1)
RECIPES = Path(__file__).parent.parent.parent / "recipes"
QUICK = (
    "model.preset=tiny", "model.init_from=null", "train.max_steps=2", "train.batch=2", "train.micro_batch=2",
    "train.dataloader_num_workers=0",
)  # fmt: skip


def commands(faces: Path, out: Path) -> list[list[str]]:
    """The calls of the script, in order, with its variables filled in."""
    script = (RECIPES / "own.sh").read_text().replace("\\\n", " ")
    values = {
        "$faces": str(faces),
        "$out": str(out),
        "$model": str(out / "training" / "1-instruct" / "model"),
        '"$(dirname "$0")/own.yaml"': str(RECIPES / "own.yaml"),
        '"$@"': " ".join(QUICK),
    }
    for name, value in values.items():
        script = script.replace(name, value)
    found = re.findall(r"expllm ((?:cot|train|model|eval) [^|\n]+)", script)
    return [one.replace('"', "").split() for one in found]


@pytest.mark.slow
def test_from_folders_to_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faces = tmp_path / "faces"
    for number in range(8):
        place = faces / ("happiness", "surprise")[number % 2] / f"person {number}" / "1.jpg"
        place.parent.mkdir(parents=True)
        shutil.copy(ASTRONAUT, place)
    make, train, calibrate, accuracy, report = commands(faces, tmp_path / "own")
    assert call(*make, "--quiet").code == 0
    done = call(*train, "--quiet")
    assert (done.code, Path(done.out.strip()).name) == (0, "model"), done.err
    few = call(*calibrate, "--quiet")
    assert few.code == 1
    assert "cannot fit a temperature" in few.err
    assert call(*accuracy, "--quiet").code == 0
    assert call(*report).code == 0
    assert "happiness" in (tmp_path / "own" / "report.html").read_text()
