"""Recipes: every key is read or refused, overrides go where they say, shipped ones are what they claim."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import ExpllmError, MissingData, UsageError
from expllm.core.value_checks import validated
from expllm.data.augment import Augmentation
from expllm.train.recipe import Recipe, StageConfig, load_recipe
from expllm.train.recipe_keys import RENAMED_KEYS, current_settings
from expllm.train.training_sets import augmentation

RECIPES = Path(__file__).parent.parent.parent / "recipes"
SHIPPED = sorted(RECIPES.glob("*.yaml"))
TWO_STAGES = """
model: {preset: tiny}
data: {train: faces}
train: {lr: 1e-3, batch: 32}
stages:
  align: {task: captions, trains: [projector], lr: 5e-3}
  instruct: {}
variants:
  released: {train.lr: 2e-4, train.epochs: 20, model.preset: compact}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(TWO_STAGES)
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "other.yaml"
    path.write_text(text)
    return path


def problem(path: Path, *overrides: str) -> str:
    """The one line that a bad recipe gets."""
    with pytest.raises(UsageError) as caught:
        load_recipe(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_stages_have_what_train_says_and_what_is_their_own(recipe: Path) -> None:
    align, instruct = load_recipe(recipe).stages
    assert (align.name, align.task, align.trains, align.lr, align.batch) == (
        "align", "captions", ("projector",), 5e-3, 32,
    )  # fmt: skip
    assert (instruct.name, instruct.task, instruct.lr, instruct.batch) == ("instruct", "instruct", 1e-3, 32)


def test_without_stages_train_is_the_one_stage(tmp_path: Path) -> None:
    made = load_recipe(written(tmp_path, "train: {epochs: 3}"))
    assert made.stages == (made.train,)
    assert made.train.epochs == 3


def test_an_override_of_train_reaches_every_stage_and_of_a_stage_that_one(recipe: Path) -> None:
    assert [stage.lr for stage in load_recipe(recipe, ["train.lr=0.1"]).stages] == [0.1, 0.1]
    assert [stage.lr for stage in load_recipe(recipe, ["stages.instruct.lr=0.1"]).stages] == [5e-3, 0.1]
    both = load_recipe(recipe, ["train.lr=0.1", "stages.align.lr=0.2"])
    assert [stage.lr for stage in both.stages] == [0.2, 0.1]


def test_a_variant_is_taken_by_name_and_overrides_stand_above_it(recipe: Path) -> None:
    plain, released = load_recipe(recipe), load_recipe(recipe, ["variant=released"])
    assert (plain.model.preset, released.model.preset) == ("tiny", "compact")
    assert [stage.lr for stage in released.stages] == [2e-4, 2e-4]
    assert load_recipe(recipe, ["train.epochs=7", "variant=released"]).stages[1].epochs == 7
    assert "did you mean 'released'" in problem(recipe, "variant=relesed")


@given(st.floats(1e-9, 10), st.booleans())
def test_numbers_are_read_in_every_spelling(value: float, capital: bool) -> None:
    """YAML 1.1 takes 5e-4 for a text, because it has no point."""
    text = f"{value:.17e}"
    read = yaml.safe_load(text.upper() if capital else text)
    assert validated(StageConfig, {"lr": read}, "train").lr == float(text)


@pytest.mark.parametrize("text", ["5e-4", "5.0e-4", "0.0005", "5E-4"])
def test_a_rate_without_a_point_is_a_number(recipe: Path, text: str) -> None:
    assert load_recipe(recipe, [f"train.lr={text}"]).train.lr == 5e-4


def test_a_stage_can_be_left_out(recipe: Path) -> None:
    both = [stage.name for stage in load_recipe(recipe).stages]
    assert [stage.name for stage in load_recipe(recipe, ["stages.align=null"]).stages] == both[1:]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.epoch=3", "unknown key train.epoch: did you mean 'epochs'?"),
        ("train.learning_rate=3", "unknown key train.learning_rate: "),
        ("data.trian=faces", "unknown key data.trian: did you mean 'train'?"),
        ("modle.preset=tiny", "unknown key 'modle': did you mean 'model'?"),
        ("stages.instrct.lr=1", "no stage 'instrct': did you mean 'instruct'?"),
        ("stages.align.warmup=1", "unknown key stages.align.warmup: did you mean 'warmup_steps'?"),
        ("train.epochs=many", "train.epochs is 'many': a whole number"),
        ("train.epochs=2.5", "train.epochs is 2.5: a whole number"),
        ("train.epochs=true", "train.epochs is True: a whole number"),
        ("train.lr=fast", "train.lr is 'fast': a number"),
        ("train.balanced=7", "train.balanced is 7: true or false"),
        ("train.balanced={ferplus: often}", "train.balanced.ferplus is 'often': a number"),
        ("train.precision=fp16", "train.precision is 'fp16': use 'bf16' or 'fp32'"),
        ("train.trains=7", "train.trains is 7: a list"),
        ("train.batch=33", "train.batch is 33, which is not a multiple of train.micro_batch (16)"),
        ("train.save_steps=0", "train.save_steps is 0: at least 1"),
        ("train.lr=-1", "train.lr is -1: at least 0"),
        ("train.trains=[]", "train.trains is empty"),
        ("train.lr=.nan", "train.lr is nan: at least 0"),
        ("train.label_first=1.5", "train.label_first is 1.5: at most 1"),
        ("train.max_steps=0", "train.max_steps is 0: at least 1"),
        ("train.warmup_steps=-5", "train.warmup_steps is -5: at least 0"),
        ("train.betas=[0.9]", "train.betas is [0.9]: two values"),
        ("train.name=../elsewhere", "a stage is called '../elsewhere'"),
        ("train.lr", "'train.lr': an override is written key=value"),
        ("stages.algn=null", "no stage 'algn': did you mean 'align'?"),
        ("stages=null", "stages: an override is written stages.NAME.KEY=value, or stages.NAME=null"),
        ("stages.align=3", "stages: an override is written stages.NAME.KEY=value, or stages.NAME=null"),
    ],
)
def test_what_no_recipe_can_mean_is_told_with_its_key(recipe: Path, override: str, told: str) -> None:
    assert told in problem(recipe, override)


def test_earlier_keys_work_and_are_warned_of_once(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = ["train.clip=2", "stages.align.reads=talks", "data.unhinted=0.5", "model.begin=compact"]
    now = load_recipe(recipe, [*old, "stages.instruct.clip=3"])
    warned = capsys.readouterr().err.splitlines()
    assert [stage.max_grad_norm for stage in now.stages] == [2, 3]
    assert (now.stages[0].task, now.data.au_hint_dropout) == ("instruct", 0.5)
    assert now.model.init_from == "compact"
    assert len(warned) == len(old)
    assert "train.clip is now called train.max_grad_norm" in warned[0]


def test_earlier_keys_work_in_a_file_and_in_its_variants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "data: {longest: 9}\ntrain: {keep: 3}\nstages: {a: {workers: 0}}\nvariants: {v: {train.mixed: true}}"
    )
    made = load_recipe(written(tmp_path, text), ["variant=v"])
    (stage,) = made.stages
    assert made.data.max_words == 9
    assert (stage.save_total_limit, stage.dataloader_num_workers, stage.mixed_batches) == (3, 0, True)
    assert len(capsys.readouterr().err.splitlines()) == 4
    load_recipe(RECIPES / "compact.yaml")
    assert capsys.readouterr().err == ""


def test_settings_of_runs_from_before_are_read_under_the_present_names() -> None:
    before = {"kind": "training", "stages.a.reads": "talks", "stages.a.clip": 1.0, "data.hint": True}
    assert current_settings(before) == {
        "kind": "training", "stages.a.task": "instruct", "stages.a.max_grad_norm": 1.0, "data.au_hint": True,
    }  # fmt: skip
    every = {name for names in RENAMED_KEYS.values() for name in names}
    assert len(every) == 12


def test_a_list_may_be_given_with_commas(recipe: Path) -> None:
    made = load_recipe(recipe, ["train.trains=projector,language_lora"])
    assert made.stages[0].trains == ("projector", "language_lora")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train: [1", "not YAML"),
        ("a text", "a recipe holds model, data, train and stages"),
        ("", "a recipe holds model, data, train and stages"),
        ("train: 7", "train"),
        ("stages: [align]", "stages"),
        ("stages: {align: 7}", "stages.align"),
        ("variants: 7", "variants"),
    ],
)
def test_a_broken_recipe_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in problem(written(tmp_path, text))


def test_an_override_into_a_broken_part_is_told_too(tmp_path: Path) -> None:
    path = written(tmp_path, "stages: {align: 7}")
    assert "stages.align" in problem(path, "stages.align.lr=1")
    assert "stages.align" in problem(path, "train.lr=1")


def test_a_recipe_that_is_not_there_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such recipe"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(MissingData, match="cannot be read"):
        load_recipe(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"model: \xff")
    with pytest.raises(MissingData, match="cannot be read"):
        load_recipe(tmp_path / "latin.yaml")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inside: st.lists(inside, max_size=3)
                    | st.dictionaries(st.sampled_from(
                        ["model", "data", "train", "stages", "variants", "lr", "align", "x", "betas"]
                    ), inside, max_size=3), max_leaves=8))  # fmt: skip
def test_any_yaml_is_a_recipe_or_one_line(tmp_path_factory: pytest.TempPathFactory, values: object) -> None:
    path = tmp_path_factory.mktemp("any") / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    with suppress(ExpllmError):
        assert isinstance(load_recipe(path), Recipe)


def test_ranges_of_augmentation_are_checked_by_name(recipe: Path) -> None:
    assert augmentation(load_recipe(recipe, ["train.augment=false"]).train) is None
    assert augmentation(load_recipe(recipe).train) == Augmentation()
    some = load_recipe(recipe, ["train.augment={flip: 0, degrees: 5}"]).train
    assert augmentation(some) == Augmentation(flip=0, degrees=5)
    with pytest.raises(UsageError, match=r"unknown key train.augment.flips: did you mean 'flip'"):
        augmentation(load_recipe(recipe, ["train.augment={flips: 0}"]).train)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_load_with_all_their_variants_and_begin_with_their_command(path: Path) -> None:
    made = load_recipe(path)
    assert made.stages
    assert re.match(rf"# expllm (train|eval ablate) recipes/{re.escape(path.name)}", path.read_text())
    for variant in yaml.safe_load(path.read_text()).get("variants", {}):
        assert load_recipe(path, [f"variant={variant}"]) != made
    for stage in made.stages:
        augmentation(stage)


def test_the_papers_values() -> None:
    """Section IV-A of the paper; where the released code differs, the variant."""
    first = load_recipe(RECIPES / "stage1_cc3m.yaml").stages[0]
    assert (first.task, first.trains, first.epochs, first.batch) == ("captions", ("projector",), 1, 256)
    assert (first.lr, first.warmup_steps, first.weight_decay) == (5e-3, 500, 0.0)
    for name, epochs in (("rafdb", 60), ("affectnet7", 40), ("affectnet8", 40)):
        made = load_recipe(RECIPES / f"{name}.yaml")
        stage = made.stages[0]
        assert made.model.preset == "paper"
        assert stage.trains == ("projector", "tower_lora", "language_lora")
        assert (stage.epochs, stage.batch, stage.lr) == (epochs, 128, 5e-4)
        assert (stage.weight_decay, stage.warmup_steps, stage.warmup_ratio) == (0.05, None, 0.03)
        assert (stage.label, stage.explanation) == (0.75, 0.25)
        as_passes = load_recipe(RECIPES / f"{name}.yaml", ["variant=paper_warmup"]).stages[0]
        assert as_passes.warmup_steps == 20_000 * 16 // 128
    assert load_recipe(RECIPES / "rafdb.yaml", ["variant=released"]).stages[0].epochs == 20


def test_stage_two_begins_where_stage_one_ends() -> None:
    from expllm.train.stages import stage_dirs

    first = RECIPES / "stage1_cc3m.yaml"
    model = stage_dirs(Path("runs") / first.stem, load_recipe(first))[-1].model
    for name in ("rafdb", "affectnet7", "affectnet8"):
        assert load_recipe(RECIPES / f"{name}.yaml").model.init_from == str(model)


def test_the_accelerate_files_are_read_by_accelerate() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    ddp = load_config_from_file(str(RECIPES / "accelerate" / "ddp.yaml"))
    assert (ddp.distributed_type, ddp.num_processes) == ("MULTI_GPU", 8)
    fsdp = load_config_from_file(str(RECIPES / "accelerate" / "fsdp2.yaml"))
    assert (fsdp.distributed_type, fsdp.fsdp_config["fsdp_version"]) == ("FSDP", 2)


def test_the_two_node_script_calls_torchrun_with_the_recipe(tmp_path: Path) -> None:
    shown = tmp_path / "torchrun"
    shown.write_text('#!/bin/sh\necho "$@"\n')
    shown.chmod(0o755)
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HEAD": "first", "NODE": "1"}
    script = ["sh", str(RECIPES / "two_nodes.sh"), "recipes/own.yaml", "train.epochs=1"]
    out = subprocess.run(script, env=given, capture_output=True, text=True, check=True).stdout
    assert out.split()[-5:] == ["--module", "expllm", "train", "recipes/own.yaml", "train.epochs=1"]
    assert "--node-rank 1 " in out
    assert "--rdzv-endpoint first:29500" in out
    missing = subprocess.run(script, env={"PATH": given["PATH"]}, capture_output=True, text=True, check=False)
    assert missing.returncode != 0
    assert "name or address of the first machine" in missing.stderr
