"""A tiny policy learns from rewards: they rise, a kill changes nothing, and what hacks them is stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import policies
import pytest
import small
import torch
from policies import GRPO, NO_ALARMS, rewarded
from waiting import wait_until

from expllm.core.errors import ExitCode, MissingData, UsageError
from expllm.core.vocabulary import AU_NAMES
from expllm.model.manifest import read_manifest
from expllm.train.checkpoints import latest, step_of
from expllm.train.dry_run import planned
from expllm.train.grpo import RewardHacking
from expllm.train.recipe import DataConfig, Recipe
from expllm.train.stages import train_stages
from expllm.train.validation import read_losses

Begun = tuple[DataConfig, Path]
SHORT = replace(
    GRPO, max_steps=4, save_steps=1, batch=8, micro_batch=8, num_generations=4, order="both",
    save_total_limit=9,
)  # fmt: skip


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """Faces that smile, and a policy that tells every second time of a smile, else of a frown."""
    return policies.begun(tmp_path_factory.mktemp("begun"))


def history(output: Path) -> list[dict[str, float]]:
    """The steps of the stage."""
    return small.told(output / "1-grpo")


@pytest.mark.slow
def test_the_reward_rises_in_twenty_steps(begun: Begun, tmp_path: Path) -> None:
    train_stages(rewarded(*begun), tmp_path / "run", quiet=True)
    steps = history(tmp_path / "run")
    assert len(steps) == 20
    first, last = ([step["reward"] for step in part] for part in (steps[:5], steps[-5:]))
    assert sum(last) / 5 > sum(first) / 5 + 0.1
    told = [step["rewards"]["action_units"] for step in steps]  # type: ignore[index]
    assert sum(told[-5:]) / 5 > 0.8
    assert all(step["kl"] >= 0 and step["entropy"] > 0 for step in steps)
    assert steps[0]["kl"] == 0.0
    assert (tmp_path / "run" / "1-grpo" / "model" / "expllm.json").is_file()


@pytest.mark.slow
def test_a_training_that_goes_on_is_the_same_bit_for_bit(begun: Begun, tmp_path: Path) -> None:
    """Both orders, augmentation with mirrored faces, several updates a step, dropout in the recipe."""
    stage = replace(SHORT, augment={"flip": 0.5}, num_iterations=2, loss_type="grpo")
    recipe = replace(rewarded(*begun, stage), model=replace(rewarded(*begun).model, lora={"dropout": 0.0}))
    train_stages(recipe, tmp_path / "run", quiet=True)
    folder = tmp_path / "run" / "1-grpo"
    whole, steps = small.learned(folder), small.told(folder)
    shutil.rmtree(folder / "model")
    for step in (3, 4):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:07d}")
    train_stages(recipe, tmp_path / "run", quiet=True)
    assert small.told(folder) == steps
    assert len(small.same(whole, small.learned(folder))) == len(whole)
    assert any(
        not torch.equal(whole[name], before) for name, before in _before(begun).items() if name in whole
    )


def _before(begun: Begun) -> dict[str, torch.Tensor]:
    return small.learned(begun[1].parent)


@pytest.mark.slow
def test_killed_at_any_moment_it_learns_the_same(begun: Begun, tmp_path: Path) -> None:
    recipe = rewarded(*begun, SHORT)
    assert small.code(small.train_apart(recipe, tmp_path / "whole")) == 0
    output = tmp_path / "killed"
    for done in (1, 3):
        process = small.train_apart(recipe, output, slow_write=0.05)
        wait_until(lambda done=done: len(_lines(output)) >= done)  # type: ignore[misc]
        process.kill()
        process.join()
    assert small.code(small.train_apart(recipe, output)) == 0
    assert history(output) == history(tmp_path / "whole")
    one, other = (small.learned(tmp_path / name / "1-grpo") for name in ("whole", "killed"))
    assert len(small.same(one, other)) == len(one)


def _lines(output: Path) -> list[bytes]:
    path = output / "1-grpo" / "history.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.mark.slow
def test_an_alarm_stops_with_its_own_exit_code_and_the_same_command_does_not_go_on(
    begun: Begun, tmp_path: Path
) -> None:
    alarms = {**NO_ALARMS, "window": 2, "distinct_texts": 1.0}  # no sampling keeps all texts different
    recipe = rewarded(*begun, replace(SHORT, alarms=alarms, save_steps=100, max_steps=6))
    output = tmp_path / "run"
    for _ in range(2):
        assert small.code(small.train_apart(recipe, output)) == ExitCode.ALARM
    said = small.complaint(output).splitlines()
    assert len(said) == 2
    assert all("alarm distinct_texts" in line and "(bound 1)" in line for line in said)
    saved = latest(output / "1-grpo" / "checkpoints")
    assert saved is not None
    assert step_of(saved) == len(history(output)) < 6
    stopped = read_manifest(output / "1-grpo" / "stopped_model")
    assert stopped.card["alarm"]["name"] == "distinct_texts"
    assert stopped.card["alarm"]["step"] == step_of(saved)
    wider = replace(recipe, stages=(replace(recipe.stages[0], alarms=NO_ALARMS),))
    assert small.code(small.train_apart(wider, output)) == 0  # bounds may change: nothing else does
    assert len(history(output)) == 6


@pytest.mark.slow
def test_held_out_texts_that_another_source_refutes_trip_an_alarm(begun: Begun, tmp_path: Path) -> None:
    """The second source saw the smile, too, as training began; from its last step on it sees brows."""
    data, model = begun
    alarms = {**NO_ALARMS, "second_source": 0.1}
    stage = replace(GRPO, alarms=alarms, second_source="pixels", audited_faces=4, save_steps=10)
    recipe = rewarded(replace(data, valid=data.train), model, stage)
    folder = tmp_path / "run" / "1-grpo"
    kept = folder / "held_out" / "second_source.json"
    kept.parent.mkdir(parents=True)
    names = [f"{label.value}/{copy}.png" for label in sorted(small.LABELS) for copy in range(4)][::4]

    def second_source_sees(unit: str) -> None:
        aus = dict.fromkeys(AU_NAMES, 0.0) | {f"{side} {unit}": 0.7 for side in ("left", "right")}
        kept.write_text(json.dumps({"source": "pixels", "ids": names, "aus": dict.fromkeys(names, aus)}))

    second_source_sees("lip corner pull")
    train_stages(recipe, tmp_path / "run", quiet=True)
    assert read_losses(folder / "valid.jsonl")[20]["second_source"] > 0.6
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "checkpoints" / "step-0000020")
    second_source_sees("brow lower")
    with pytest.raises(RewardHacking, match="second_source: held-out reward by the second source") as caught:
        train_stages(recipe, tmp_path / "run", quiet=True)
    taken = read_losses(folder / "valid.jsonl")
    assert taken[20]["second_source"] < taken[0]["second_source"] - 0.1
    assert taken[20]["reward"] > 0.6
    assert caught.value.alarm.bound == 0.1


def recipe_of(data: DataConfig) -> Recipe:
    """A recipe that begins with a drawn model."""
    return small.recipe(data, SHORT)


def test_faces_without_measurements_are_refused(tmp_path: Path) -> None:
    data = small.draw_faces(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    unmeasured = [{**line, "aus": dict.fromkeys(AU_NAMES)} for line in lines]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in unmeasured))
    with pytest.raises(MissingData, match="none of 8 faces has measured action units"):
        planned(recipe_of(data))


def test_the_dry_run_says_what_is_sampled_rewarded_and_watched(tmp_path: Path) -> None:
    data = policies.undecided_faces(tmp_path)
    told = planned(recipe_of(data))
    assert "texts      4 a face, 2 faces a step, at temperature 1, at most 56 tokens each" in told
    assert "rewards    label 1, action_units 1, refuted 1, degree 0.5" in told
    assert "off: " in told
    assert "held out   nothing: set data.valid" in told
    assert "examples   16 (counted)" in told
    assert "steps      4 of 8" in told


def test_a_second_source_needs_faces_that_are_held_out(tmp_path: Path) -> None:
    data = policies.undecided_faces(tmp_path)
    recipe = small.recipe(data, replace(SHORT, second_source="pixels"))
    with pytest.raises(UsageError, match=r"set data\.valid"):
        train_stages(recipe, tmp_path / "run", quiet=True)


def test_texts_that_the_model_has_no_room_for_are_refused(tmp_path: Path) -> None:
    data = policies.undecided_faces(tmp_path)
    recipe = small.recipe(data, replace(SHORT, max_completion_length=1000))
    with pytest.raises(UsageError, match=r"train\.max_completion_length is 1000: the model has room for"):
        train_stages(recipe, tmp_path / "run", quiet=True)
