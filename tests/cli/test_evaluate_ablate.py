"""`expllm eval ablate`: variants are trained, evaluated and gone on with; the tables say what came out."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calling import call

sys.path.append(str(Path(__file__).parent.parent / "train"))
from small import ALIGN, INSTRUCT, as_yaml, draw_faces, recipe

STAGES = (replace(ALIGN, max_steps=1), replace(INSTRUCT, max_steps=2, save_steps=1))
ONLY = "ratio-1-0,without-vision,without-explanations"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two stages on eight drawn faces."""
    folder = tmp_path_factory.mktemp("plan")
    return as_yaml(recipe(draw_faces(folder), *STAGES), folder / "recipe.yaml")


@pytest.fixture(scope="module")
def done(plan: Path) -> Path:
    """The folder of three variants, two of which train the same, under two seeds."""
    output = plan.parent / "ablation"
    found = call("eval", "ablate", plan, "-o", output, "--only", ONLY, "--data", plan.parent / "faces",
                 "--seeds", "2", "-q")  # fmt: skip
    assert found.code == 0, found.err
    assert found.out == (output / "ablation.md").read_text()
    return output


def saved(output: Path) -> Any:
    return json.loads((output / "ablation.json").read_text())


def test_a_dry_run_lists_ten(plan: Path) -> None:
    found = call("eval", "ablate", plan, "train.max_steps=20", "--dry-run", "-o", plan.parent / "none")
    assert found.code == 0, found.err
    lines = [line for line in found.out.splitlines() if line.startswith("Table ")]
    assert len(lines) == 10
    assert all(" open " in line for line in lines)
    assert "stages.instruct.trains=projector,language_lora" in found.out
    assert not (plan.parent / "none").exists()


@pytest.mark.slow
def test_variants_are_trained_and_evaluated(done: Path) -> None:
    table = saved(done)
    assert [row["variant"] for row in table["variants"]] == ONLY.split(",")
    assert sorted(path.name for path in done.iterdir() if path.is_dir()) == [
        "ratio-1-0-0", "ratio-1-0-1", "without-vision-0", "without-vision-1",
    ]  # fmt: skip
    first, vision, twin = table["variants"]
    assert first["accuracy"] == twin["accuracy"]
    assert (first["table"], twin["table"], vision["paper"]) == ("IV", "V", 82.09)
    for row in table["variants"]:
        each = [one["accuracy"]["estimate"] for one in row["seeds"]]
        assert len(each) == 2
        assert row["accuracy"]["estimate"] == pytest.approx(sum(each) / 2)
        assert row["accuracy"]["spread"] == pytest.approx(abs(each[0] - each[1]) / 2**0.5)
        assert 0 <= row["accuracy"]["low"] <= row["accuracy"]["estimate"] <= row["accuracy"]["high"] <= 1
        assert 0 <= row["macro_f1"]["estimate"] <= 1
    weights = json.loads((done / "without-vision-0" / "2-instruct" / "model" / "expllm.json").read_text())
    assert "tower_lora" not in weights["card"]["trained_weights"]


def test_a_stage_that_two_begin_with_is_trained_once(plan: Path, done: Path, tmp_path: Path) -> None:
    """And the model is the same as if it had been trained twice."""
    assert (done / "ratio-1-0-0" / "1-align" / "checkpoints").is_dir()
    assert not (done / "without-vision-0" / "1-align" / "checkpoints").exists()
    found = call("eval", "ablate", plan, "-o", tmp_path, "--only", "without-vision", "-q",
                 "--data", plan.parent / "faces")  # fmt: skip
    assert found.code == 0, found.err
    assert (tmp_path / "without-vision-0" / "1-align" / "checkpoints").is_dir()
    for stage in ("1-align", "2-instruct"):
        files = [folder / "without-vision-0" / stage / "model" for folder in (done, tmp_path)]
        weights = [(folder / "projector.safetensors").read_bytes() for folder in files]
        assert weights[0] == weights[1]


def test_the_tables_have_the_papers_column(done: Path) -> None:
    text = (done / "ablation.md").read_text()
    assert "**Table IV**" in text
    assert "**Table V**" in text
    assert "| without LoRA in the vision tower |" in text
    assert "| 82.09 |" in text


def test_it_goes_on_where_it_was_cut(plan: Path, done: Path, tmp_path: Path) -> None:
    """What is finished is not trained again: its files stay untouched; a begun one is finished."""
    output = tmp_path / "ablation"
    shutil.copytree(done, output)
    shutil.rmtree(output / "without-vision-0" / "eval")
    shutil.rmtree(output / "without-vision-0" / "2-instruct" / "model")
    (output / "ablation.json").unlink()
    kept = output / "ratio-1-0-0" / "2-instruct" / "model" / "expllm.json"
    before = kept.stat().st_mtime_ns
    shown = call("eval", "ablate", plan, "-o", output, "--only", ONLY, "--dry-run").out
    assert [line.split()[4] for line in shown.splitlines() if line.startswith("Table")] == [
        "finished", "begun", "finished",
    ]  # fmt: skip
    found = call("eval", "ablate", plan, "-o", output, "--only", ONLY, "--data", plan.parent / "faces",
                 "--seeds", "2", "-q", "--json")  # fmt: skip
    assert found.code == 0, found.err
    assert json.loads(found.out) == saved(output) == saved(done)
    assert kept.stat().st_mtime_ns == before


def test_a_variant_that_fails_is_told_and_the_others_go_on(plan: Path, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "ratio-1-0-0", tmp_path / "ratio-1-0-0")
    found = call("eval", "ablate", plan, "-o", tmp_path, "--only", "ratio-1-0,without-vision",
                 "stages.instruct.max_steps=1", "--data", plan.parent / "faces", "-q")  # fmt: skip
    assert found.code == 3
    assert "begun with stages.instruct.max_steps 2, not 1" in found.complaints[0]
    assert found.complaints[1:] == ["expllm: 1 of 2 trainings failed: the table gives the reasons"]
    failed, other, twin = saved(tmp_path)["variants"]
    assert failed["accuracy"] is None
    assert "begun with" in failed["seeds"][0]["problem"]
    assert other["accuracy"]["spread"] is None
    assert (twin["variant"], twin["seeds"]) == ("without-explanations", failed["seeds"])
    assert "begun with" in found.out


def test_more_seeds_of_some_rows_leave_the_others_in_the_table(
    plan: Path, done: Path, tmp_path: Path
) -> None:
    """All rows once, then the telling ones again: one table says both, and how often each was trained."""
    output = tmp_path / "ablation"
    shutil.copytree(done, output)
    shutil.rmtree(output / "without-vision-1")
    found = call("eval", "ablate", plan, "-o", output, "--only", "ratio-1-0", "-q",
                 "--data", plan.parent / "faces")  # fmt: skip
    assert found.code == 0, found.err
    before, after = saved(done)["variants"], saved(output)["variants"]
    assert [row["variant"] for row in after] == ONLY.split(",")
    assert after[0] == before[0]
    assert [one["run"] for one in after[1]["seeds"]] == ["without-vision-0"]
    lines = [[cell.strip() for cell in line.split("|")] for line in found.out.splitlines()]
    assert [line[2] for line in lines if len(line) > 2 and line[2].isdecimal()] == ["2", "1", "2"]


def test_trainings_of_another_recipe_stay_out_of_the_table(plan: Path, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "without-vision-0", tmp_path / "without-vision-0")
    found = call("eval", "ablate", plan, "-o", tmp_path, "--only", "ratio-1-0", "stages.instruct.max_steps=1",
                 "--data", plan.parent / "faces", "-q")  # fmt: skip
    assert found.code == 0, found.err
    assert len(found.complaints) == 1
    assert "without-vision-0 is left out of the tables: " in found.complaints[0]
    assert [row["variant"] for row in saved(tmp_path)["variants"]] == ["ratio-1-0", "without-explanations"]


def test_a_training_of_before_whose_model_is_gone_is_not_trained_again(
    plan: Path, done: Path, tmp_path: Path
) -> None:
    shutil.copytree(done / "without-vision-0", tmp_path / "without-vision-0")
    shutil.rmtree(tmp_path / "without-vision-0" / "2-instruct" / "model")
    found = call("eval", "ablate", plan, "-o", tmp_path, "--only", "ratio-1-0", "-q",
                 "--data", plan.parent / "faces")  # fmt: skip
    assert found.code == 0, found.err
    assert "without-vision-0 is left out of the tables: its model is gone" in found.err
    assert not (tmp_path / "without-vision-0" / "2-instruct" / "model").exists()


def test_faults_are_one_line(plan: Path, tmp_path: Path) -> None:
    for problem, arguments in (
        ("the recipe has no validation data", [plan]),
        ("no variant 'x'", [plan, "--only", "x"]),
        ("no such recipe", [tmp_path / "none.yaml"]),
    ):
        found = call("eval", "ablate", *arguments, "-o", tmp_path / "run")
        assert (found.code != 0, len(found.complaints)) == (True, 1), found.err
        assert problem in found.err
    assert not (tmp_path / "run").exists()
