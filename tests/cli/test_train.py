"""`expllm train`: both stages by one command, and one clear line for all that stands in its way."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from calling import Result, call
from safetensors.torch import load_file, save_file

sys.path.append(str(Path(__file__).parent.parent / "train"))
from small import ALIGN, INSTRUCT, as_yaml, draw_faces, recipe

from expllm.train.checkpoints import latest, step_of

STAGES = (replace(ALIGN, max_steps=2), replace(INSTRUCT, max_steps=3, save_steps=1))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A recipe of two stages on eight drawn faces."""
    return as_yaml(recipe(draw_faces(tmp_path), *STAGES), tmp_path / "recipe.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a finished stage 1."""
    folder = tmp_path_factory.mktemp("finished")
    path = as_yaml(recipe(draw_faces(folder), STAGES[0]), folder / "recipe.yaml")
    assert call("train", path, "-o", folder / "run", "-q").code == 0
    return folder / "run" / "1-align" / "model"


def complaint(code: int, *arguments: str | Path) -> str:
    """The one line that a call gets which must end with `code`."""
    result = call("train", *arguments, "-q")
    assert result.code == code, result
    assert result.out == ""
    assert len(result.complaints) == 1, result.err
    return result.complaints[0]


def test_one_command_trains_both_stages_and_prints_the_model(plan: Path, tmp_path: Path) -> None:
    first: Result = call("train", plan, "-o", tmp_path / "run")
    assert (first.code, first.out) == (0, f"{tmp_path / 'run' / '2-instruct' / 'model'}\n")
    assert [line.split(":")[1].strip() for line in first.complaints] == ["stage align", "stage instruct"]
    assert "trains projector " in first.complaints[0]
    assert "8 captions" in first.complaints[0]
    assert "tower_lora " in first.complaints[1]
    again = call("train", plan, "-o", tmp_path / "run")
    assert (again.code, again.out, again.err) == (0, first.out, "")


def test_the_folder_is_named_after_the_recipe(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", plan, "train.max_steps=1", "-q").out == "runs/recipe/2-instruct/model\n"


def test_a_dry_run_writes_nothing(plan: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = call("train", plan, "-o", tmp_path / "run", "--dry-run")
    assert result.code == 0, result.err
    assert "align" in result.out
    assert "instruct" in result.out
    assert sorted(tmp_path.rglob("*")) == before


def test_recipes_and_settings_that_are_none(plan: Path, tmp_path: Path) -> None:
    assert "no such recipe" in complaint(1, tmp_path / "none.yaml")
    assert "unknown key train.epoch: did you mean 'epochs'?" in complaint(2, plan, "train.epoch=3")
    assert "an override is written key=value" in complaint(2, plan, "3")
    assert "no model preset 'tinny'" in complaint(2, plan, "model.preset=tinny")
    assert "train.trains is 'projektor': use 'projector', 'tower_lora'" in complaint(
        2, plan, "train.trains=[projektor]", "-o", tmp_path / "a"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_the_papers_recipe_without_a_card(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent.parent / "recipes" / "rafdb.yaml"
    assert "paper needs an accelerator" in complaint(2, shipped, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_truncated_picture_is_named(plan: Path, tmp_path: Path) -> None:
    broken = tmp_path / "faces" / "neutral" / "00.png"
    broken.write_bytes(broken.read_bytes()[:50])
    line = complaint(1, plan, "stages.instruct.max_steps=1", "-o", tmp_path / "run", "train.batch=8")
    assert line.startswith("expllm: neutral/00.png: ")
    assert "repair it, or remove it from the data set" in line


def test_rows_without_picture_or_known_label_are_left_out_and_counted(plan: Path, tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    rows = [
        f"faces/{path.parent.name}/{path.name},{path.parent.name}"
        for path in (tmp_path / "faces").rglob("*.png")
    ]
    table.write_text(
        "path,label\n" + "\n".join([*rows, "gone.png,neutral", f"{rows[0].split(',')[0]},sleepy"]) + "\n"
    )
    settings = (f"data.train={table}", "data.texts=null", "stages.align.task=talks")
    result = call("train", plan, *settings, "-o", tmp_path / "run")
    assert result.code == 0, result.err
    assert "on 8 examples" in result.complaints[0]
    assert "2 rows left out" in result.complaints[0]


def test_a_text_longer_than_the_context(plan: Path, tmp_path: Path) -> None:
    line = complaint(1, plan, "-o", tmp_path / "run", "train.max_length=40")
    assert ".png: " in line
    assert "the limit is 40: shorten its text or leave it out (8 such texts in all)" in line


def test_one_class_only(plan: Path, tmp_path: Path) -> None:
    for label in ("happiness", "sadness", "surprise"):
        shutil.rmtree(tmp_path / "faces" / label)
    line = complaint(1, plan, "-o", tmp_path / "run")
    assert "all faces show 'neutral': a data set needs two classes at least" in line


def test_a_model_to_begin_with_that_is_none(plan: Path, tmp_path: Path, finished: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in complaint(
        2, plan, f"model.init_from={tmp_path / 'empty'}", "-o", tmp_path / "a"
    )
    line = complaint(2, plan, f"model.init_from={finished}", "model.preset=compact", "-o", tmp_path / "b")
    assert f"the model in {finished} has model.preset tiny, and the recipe compact" in line


def test_a_model_of_a_newer_version(plan: Path, tmp_path: Path, finished: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    values = json.loads((finished / "expllm.json").read_text())
    (newer / "expllm.json").write_text(json.dumps({**values, "format": 99}))
    line = complaint(1, plan, f"model.init_from={newer}", "-o", tmp_path / "run")
    assert f"{newer}/expllm.json: of format 99" in line
    assert "install a newer expllm" in line


def test_a_run_of_another_version(plan: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"format": 99, "expllm": "9.0"}))
    assert "of format 99, made by expllm 9.0" in complaint(1, plan, "-o", run)


def test_a_loss_that_is_no_number_stops_and_names_its_faces(plan: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = complaint(1, plan, "stages.instruct.lr=1e30", "train.warmup_steps=0", "-o", run)
    assert "the loss is NaN or infinite (faces " in line
    assert ".png" in line
    assert "lower train.lr" in line
    assert "everything up to the last checkpoint is saved" in line
    assert (run / "1-align" / "model" / "expllm.json").is_file()
    saved = latest(run / "2-instruct" / "checkpoints")
    assert saved is not None
    assert all(tensor.isfinite().all() for tensor in load_file(saved / "trained.safetensors").values())
    assert f"step {step_of(saved) + 1}:" in line


def test_a_checkpoint_of_other_weights(plan: Path, tmp_path: Path) -> None:
    """As where files of two runs were mixed by hand."""
    from expllm.train.checkpoints import write_checkpoint

    run = tmp_path / "run"
    write_checkpoint(
        run / "1-align" / "checkpoints", 1,
        lambda folder: save_file({"other": torch.zeros(1)}, folder / "trained.safetensors"), keep=1,
    )  # fmt: skip
    line = complaint(1, plan, "-o", run)
    assert "trained.safetensors: " in line
    assert "other is not expected" in line
    assert "these are not the weights that this recipe trains: choose another -o" in line


def test_a_folder_that_cannot_be_written(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in complaint(1, plan, "-o", tmp_path / "file" / "run")
