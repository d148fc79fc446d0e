"""Variants of a recipe: each changes one thing, and what trains the same is trained once."""

from dataclasses import replace
from pathlib import Path

import pytest

from expllm.core.errors import UsageError
from expllm.evals.ablation import ABLATED_PARTS, Variant, chosen, table_rows, variants, with_seed
from expllm.evals.ablation_run import Ablation
from expllm.train.recipe import Recipe, StageConfig, load_recipe

RECIPES = Path(__file__).parent.parent.parent / "recipes"
ALIGN = StageConfig(name="align", task="captions", trains=("projector",))
INSTRUCT = StageConfig(label=0.75, explanation=0.25)


def recipe(*stages: StageConfig, begin: str | None = None) -> Recipe:
    made = Recipe(train=INSTRUCT, stages=stages)
    return replace(made, model=replace(made.model, init_from=begin))


def named(made: Recipe) -> dict[str, Variant]:
    return {one.name: one for one in variants(made)}


def trained(variant: Variant) -> Recipe:
    assert variant.recipe is not None
    return variant.recipe


def test_ten_variants_and_the_papers_figures() -> None:
    found = variants(recipe(ALIGN, INSTRUCT))
    assert [(one.table, one.row, one.paper) for one in found] == [
        ("IV", "1:0", 89.71), ("IV", "0.8:0.2", 90.79), ("IV", "0.75:0.25", 91.03),
        ("IV", "0.67:0.33", 90.54), ("IV", "0:1", 80.08), ("V", "without stage 1", 90.54),
        ("V", "without LoRA in the vision tower", 82.09),
        ("V", "without LoRA in the language model", 48.65), ("V", "without explanations", 89.71),
        ("V", "all", 91.03),
    ]  # fmt: skip


def test_each_changes_one_thing() -> None:
    whole = recipe(ALIGN, INSTRUCT)
    found = named(whole)
    assert trained(found["all"]) == whole
    assert trained(found["without-stage-1"]).stages == (INSTRUCT,)
    assert trained(found["without-vision"]).stages[1].trains == ("projector", "language_lora")
    assert trained(found["without-language"]).stages[1].trains == ("projector", "tower_lora")
    for name in ("without-vision", "without-language", "without-explanations", "ratio-0-1"):
        stage = trained(found[name]).stages
        assert stage[0] == ALIGN
        assert replace(stage[1], trains=INSTRUCT.trains, label=0.75, explanation=0.25) == INSTRUCT
    shares = [(one.label, one.explanation) for one in (trained(v).stages[1] for v in variants(whole)[:5])]
    assert shares == [(1, 0), (0.8, 0.2), (0.75, 0.25), (0.67, 0.33), (0, 1)]


def test_overrides_are_those_of_expllm_train(tmp_path: Path) -> None:
    """What the listing says makes the same recipe by hand."""
    path = RECIPES / "rafdb.yaml"
    for one in variants(load_recipe(path)):
        by_hand = load_recipe(path, one.override.split())
        assert by_hand.stages == trained(one).stages
        assert by_hand.model == trained(one).model


def test_what_trains_the_same_is_trained_once(tmp_path: Path) -> None:
    found = variants(recipe(ALIGN, INSTRUCT))
    homes = {one.name: one.home for one in found}
    assert homes["all"] == "ratio-0.75-0.25"
    assert homes["without-explanations"] == "ratio-1-0"
    ablation = Ablation(found, 2, tmp_path)
    folders = [folder.name for folder, _, _ in ablation.trainings()]
    assert len(folders) == len(set(folders)) == 16
    assert [name[-1] for name in folders] == ["0"] * 8 + ["1"] * 8
    alone = Ablation(chosen(found, "all"), 1, tmp_path)
    assert [folder.name for folder, _, _ in alone.trainings()] == ["ratio-0.75-0.25-0"]


def test_towers_that_are_trained_whole_are_left_out_whole() -> None:
    stage = replace(INSTRUCT, trains=("projector", "tower", "language"))
    found = named(recipe(stage))
    assert trained(found["without-vision"]).stages[0].trains == ("projector", "language")
    assert (
        "the vision encoder, which it trains whole; it stays as the preset has it"
        in found["without-vision"].note
    )
    assert trained(found["without-language"]).stages[0].trains == ("projector", "tower")


def test_what_is_not_there_cannot_be_left_out() -> None:
    found = named(recipe(replace(INSTRUCT, trains=("tower_lora",))))
    for name, why in (
        ("without-stage-1", "the recipe has no stage 1"),
        ("without-vision", "the stage instruct would learn nothing"),
        ("without-language", "the recipe trains nothing in the language model"),
    ):
        assert found[name].recipe is None
        assert found[name].note == why
    begun = named(recipe(INSTRUCT, begin="runs/stage1/model"))["without-stage-1"]
    assert (begun.override, trained(begun).model.init_from) == ("model.init_from=null", None)


def test_seeds_change_every_draw() -> None:
    made = recipe(ALIGN, INSTRUCT)
    assert with_seed(made, 0) == made
    other = with_seed(made, 2)
    assert (other.model.seed, [stage.seed for stage in other.stages]) == (2, [2, 2])


def test_choosing() -> None:
    found = variants(recipe(ALIGN, INSTRUCT))
    assert [one.name for one in chosen(found, "V")] == [one.name for one in found[5:]]
    assert [one.name for one in chosen(found, "all, ratio-1-0")] == ["ratio-1-0", "all"]
    with pytest.raises(UsageError, match="no variant 'vision': choose of ratio-1-0"):
        chosen(found, "vision")
    with pytest.raises(UsageError):
        chosen(found, ",")


def test_rows_of_the_file_change_one_thing_each() -> None:
    changes = [bool(row.set) + bool(row.drop) + bool(row.freeze) for row in table_rows()]
    assert changes == [1] * 9 + [0]
    assert {part for row in table_rows() for part in row.freeze} == set(ABLATED_PARTS)
