"""`task: grpo` on an `hf:` base goes through TRL's trainer: planned, trained, stopped, resumed, saved."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import policies
import pytest
import small
import tinybases
import torch
from policies import GRPO, NO_ALARMS

from expllm.core.errors import UsageError
from expllm.model.checkpoint import load_model
from expllm.model.manifest import read_manifest
from expllm.train.dry_run import planned
from expllm.train.grpo import RewardHacking
from expllm.train.recipe import Recipe, StageConfig, load_recipe
from expllm.train.stages import train_stages
from expllm.train.trl_stage import last_checkpoint

RECIPE = Path(__file__).parents[2] / "recipes" / "grpo.yaml"
STAGE = replace(
    GRPO, trains=("language_lora",), max_steps=4, batch=8, micro_batch=4, num_generations=4, save_steps=2,
    max_completion_length=8, lr=1e-2, precision="fp32", augment=False, order="explanation-first",
    save_total_limit=9,
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tinybases.make_base("qwen3_vl", tmp_path_factory.mktemp("bases") / "base")


def recipe_on(base: Path, folder: Path, stage: StageConfig = STAGE) -> Recipe:
    folder.mkdir(exist_ok=True)
    recipe = small.recipe(policies.undecided_faces(folder), stage)
    return replace(recipe, model=replace(recipe.model, preset=f"hf:{base}", lora={}))


def adapters(model: Path) -> dict[str, torch.Tensor]:
    bundle = load_model(model)
    return {name: one.detach().clone() for name, one in bundle.model.named_parameters() if "lora_" in name}


def steps(output: Path) -> list[dict[str, object]]:
    return small.told(output / "1-grpo")


def test_the_dry_run_plans_it_and_names_what_cannot_be(base: Path, tmp_path: Path) -> None:
    told = planned(recipe_on(base, tmp_path))
    assert "loop       TRL's GRPOTrainer" in told
    assert "texts      4 a face, 2 faces a step" in told
    assert "held out   nothing: TRL's loop audits no held-out texts" in told
    assert "TRL" not in planned(small.recipe(policies.undecided_faces(tmp_path), STAGE))
    for key, stage in (
        ("trains", replace(STAGE, trains=("projector", "language_lora"))),
        ("order", replace(STAGE, order="both")),
        ("augment", replace(STAGE, augment=True)),
        ("second_source", replace(STAGE, second_source="pixels")),
    ):
        with pytest.raises(UsageError, match=rf"by TRL's GRPOTrainer: set train\.{key}="):
            planned(recipe_on(base, tmp_path, stage))


def test_the_variant_of_the_recipe_is_for_other_bases(base: Path, tmp_path: Path) -> None:
    data = policies.undecided_faces(tmp_path)
    overrides = [
        "variant=trl", f"model.preset=hf:{base}", f"data.train={data.train}", f"data.texts={data.texts}",
        "data.valid=null", "data.root=null", "train.precision=fp32",
    ]  # fmt: skip
    told = planned(load_recipe(RECIPE, overrides))
    assert "loop       TRL's GRPOTrainer" in told
    assert "texts      8 a face, 4 faces a step" in told


@pytest.mark.slow
def test_it_trains_what_it_shall_and_goes_on_from_a_checkpoint(base: Path, tmp_path: Path) -> None:
    recipe, output = recipe_on(base, tmp_path), tmp_path / "run"
    model = train_stages(recipe, output, quiet=True)
    done = steps(output)
    assert [step["step"] for step in done] == [1, 2, 3, 4]
    for step in done:
        assert 0 <= step["reward"] <= 1  # type: ignore[operator]
        assert len(step["texts"]) == len(step["labels"]) == STAGE.batch  # type: ignore[arg-type]
        assert step["kl"] is not None
        assert step["rewards"]["label"] is not None  # type: ignore[index]
    whole = adapters(model)
    assert not any(".ref." in name for name in whole)
    moved = {name for name, one in whole.items() if "lora_B" in name and one.any()}
    assert moved
    assert all("language_model" in name for name in moved)  # not those of the tower
    assert read_manifest(model).card["steps"] == 4

    shutil.rmtree(output / "1-grpo" / "model")
    shutil.rmtree(output / "1-grpo" / "checkpoints" / "checkpoint-4")
    again = train_stages(recipe, output, quiet=True)
    assert [step["step"] for step in steps(output)] == [1, 2, 3, 4]
    assert steps(output)[:2] == done[:2]
    resumed = adapters(again)
    assert resumed.keys() == whole.keys()
    assert all(torch.isfinite(one).all() for one in resumed.values())
    moved_again = {name for name, one in resumed.items() if "lora_B" in name and one.any()}
    assert moved_again == moved


@pytest.mark.slow
def test_an_alarm_ends_it_behind_a_checkpoint_and_it_does_not_go_on(base: Path, tmp_path: Path) -> None:
    alarms = {**NO_ALARMS, "window": 2, "distinct_texts": 1.1}  # no texts are as different
    recipe, output = (
        recipe_on(base, tmp_path, replace(STAGE, alarms=alarms, save_steps=100)),
        tmp_path / "run",
    )
    with pytest.raises(RewardHacking, match="alarm distinct_texts") as caught:
        train_stages(recipe, output, quiet=True)
    assert caught.value.step == 2
    folder = output / "1-grpo"
    assert last_checkpoint(folder / "checkpoints") == folder / "checkpoints" / "checkpoint-2"
    assert read_manifest(folder / "stopped_model").card["alarm"]["name"] == "distinct_texts"
    with pytest.raises(RewardHacking, match="step 2: alarm distinct_texts"):
        train_stages(recipe, output, quiet=True)
    wider = replace(recipe, stages=(replace(recipe.stages[0], alarms=NO_ALARMS),))
    train_stages(wider, output, quiet=True)
    assert len(steps(output)) == 4


def test_a_checkpoint_that_was_not_finished_is_passed_over(tmp_path: Path) -> None:
    for number in (2, 10, 12):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if number < 12:
            (tmp_path / f"checkpoint-{number}" / "trainer_state.json").write_text(json.dumps({}))
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert last_checkpoint(tmp_path / "nowhere") is None
