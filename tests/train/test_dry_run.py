"""What a recipe would take, said without training; and what is refused before anything is loaded."""

from dataclasses import replace
from pathlib import Path

import pytest
import small

from expllm.core.conversations import QUESTIONS
from expllm.core.errors import MissingData, UsageError
from expllm.model.costs import MemoryEstimate
from expllm.model.summary import sizes_of
from expllm.train.data_sources import read_faces
from expllm.train.dataloader import Batches
from expllm.train.dry_run import Device, misfit, plan_stage, planned, refuse_unfit
from expllm.train.recipe import DataConfig, chosen_preset, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
STAGE = replace(small.INSTRUCT, batch=4, micro_batch=2, epochs=3, max_steps=None)


def test_steps_are_those_that_training_takes(tmp_path: Path) -> None:
    data = small.draw_faces(tmp_path, 10, explained=5)
    recipe = small.recipe(data, STAGE)
    plan = plan_stage(recipe, STAGE, sizes_of(chosen_preset(recipe)))
    reading = read_faces(data, STAGE, QUESTIONS, "train")
    assert plan.schedule.steps == Batches(reading, STAGE).steps == 9
    assert (plan.examples, plan.missing) == (10, "")
    assert set(plan.learns) == set(STAGE.trains)


def test_faces_without_a_text_count_as_labels(tmp_path: Path) -> None:
    few, all_told = (small.draw_faces(tmp_path / str(n), 8, explained=n) for n in (2, 8))
    sizes = sizes_of(chosen_preset(small.recipe(few, STAGE)))
    plans = [plan_stage(small.recipe(data, STAGE), STAGE, sizes) for data in (few, all_told)]
    assert plans[0].supervised < plans[1].supervised


def test_data_that_are_not_here_count_as_published() -> None:
    text = planned(load_recipe(RECIPES / "rafdb.yaml"))
    assert "12,271 (as published; runs/rafdb_texts: no such file or folder" in text
    assert "steps      5,760 of 128" in text
    assert "peak 0.0005 at step 174 of 5,760 (3.0%), 4e-11 at the last step" in text
    assert "rate         " + "█" * 5 in text
    assert "learns     25,960,448 weights" in text


def test_nothing_is_known_of_a_data_set_of_ones_own(tmp_path: Path) -> None:
    recipe = small.recipe(DataConfig(train=str(tmp_path / "mine")), STAGE)
    with pytest.raises(
        MissingData, match=r"mine.*; no count is published for data.train=.*mine: set it to your"
    ):
        planned(recipe)


def test_a_part_that_is_named_counts_as_published(tmp_path: Path) -> None:
    """As `recipes/grpo.yaml` names it; a split of which nothing was published is no training part."""
    data = DataConfig(train="ferplus:train", root=str(tmp_path))
    assert "28,561 (as published; " in planned(small.recipe(data, STAGE))
    with pytest.raises(MissingData, match=r"data.train=ferplus:valid"):
        planned(small.recipe(replace(data, train="ferplus:valid"), STAGE))


def test_the_papers_size_needs_a_card() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("here is a card")
    with pytest.raises(UsageError, match="needs an accelerator"):
        refuse_unfit(load_recipe(RECIPES / "rafdb.yaml"))
    refuse_unfit(load_recipe(RECIPES / "compact.yaml"))


def test_too_large_a_stage_is_told_what_would_fit() -> None:
    memory = MemoryEstimate(weights=30 * 2**30, learned=0, kept=0, logits=0)
    device = Device("card", 1, 24 * 2**30, 1e12)
    problem = misfit(memory, device)
    assert problem.startswith("it needs 30.0 GiB and card has 24.0 GiB: lower train.micro_batch")
    assert not misfit(replace(memory, weights=2**30), device)


def test_a_batch_that_no_memory_holds_is_refused(tmp_path: Path) -> None:
    huge = replace(STAGE, batch=10**7, micro_batch=10**7)
    with pytest.raises(UsageError, match="stage instruct does not fit"):
        refuse_unfit(small.recipe(small.draw_faces(tmp_path), huge))
