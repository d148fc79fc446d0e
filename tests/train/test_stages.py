"""Both stages on a few drawn faces: what learns, what stays, and what a run says when it is given again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from small import ALIGN, INSTRUCT, LABELS, draw_faces, learned, recipe, same, told
from torch import Tensor

from expllm.core.errors import ExpllmError, UsageError
from expllm.files.runs import RunError
from expllm.model.checkpoint import load_model, read_card, save
from expllm.model.presets import preset
from expllm.model.vlm import parameter_part
from expllm.train.dry_run import refuse_without_gpu
from expllm.train.recipe import Recipe
from expllm.train.stages import open_model, train_stages

FIRST = replace(ALIGN, max_steps=12, save_steps=5)
SECOND = replace(INSTRUCT, max_steps=12, save_steps=5, lr=1e-2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return recipe(draw_faces(tmp_path_factory.mktemp("data")), FIRST, SECOND)


@pytest.fixture(scope="module")
def run(made: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run")
    assert train_stages(made, output, quiet=True) == output / "2-instruct" / "model"
    return output


@pytest.fixture(scope="module")
def new(made: Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights before any training."""
    folder = tmp_path_factory.mktemp("new")
    save(folder / "model", open_model(made, FIRST, None), {})
    return learned(folder)


def part(name: str) -> str:
    """Of a weight in a model's folder."""
    return parameter_part(f"vision_tower.{name}" if name.startswith("tower.") else name)


def test_stage_one_changes_the_projector_bit_by_bit_and_nothing_else(
    run: Path, new: dict[str, Tensor]
) -> None:
    after = learned(run / "1-align")
    assert {part(name) for name in new} == {"projector", "tower", "language", "tower_lora", "language_lora"}
    changed = set(new) - set(same(new, after))
    assert changed == {name for name in new if part(name) == "projector"}


def test_stage_two_changes_projector_and_adapters_and_nothing_else(run: Path) -> None:
    before, after = learned(run / "1-align"), learned(run / "2-instruct")
    changed = set(before) - set(same(before, after))
    wanted = {name for name in before if part(name) in ("projector", "tower_lora", "language_lora")}
    assert changed == wanted


def test_losses_fall_and_are_told_by_task(run: Path) -> None:
    for stage, tasks in (("1-align", {"caption"}), ("2-instruct", {"label", "explanation"})):
        history = told(run / stage)
        assert [line["step"] for line in history] == list(range(1, 13))
        assert {task for line in history for task in line["by_task"]} == tasks
        losses = [line["loss"] for line in history]
        assert sum(losses[-3:]) < sum(losses[:3])
        assert all(line["tokens"] > 0 and line["gradient"] > 0 for line in history)


def test_the_rate_warms_up_to_lr_and_falls_along_a_cosine(tmp_path: Path, made: Recipe) -> None:
    train_stages(recipe(made.data, replace(FIRST, max_steps=6, warmup_steps=2)), tmp_path, quiet=True)
    rates = [line["lr"] / FIRST.lr for line in told(tmp_path / "1-align")]
    assert rates == pytest.approx([0, 0.5, 1.0, 0.853553, 0.5, 0.146447], abs=1e-5)


def test_a_warm_up_after_which_the_rate_cannot_fall_is_refused(tmp_path: Path, made: Recipe) -> None:
    with pytest.raises(UsageError, match=r"stage align: train\.warmup_steps is 20,000 .* at most 2, or"):
        train_stages(
            recipe(made.data, replace(FIRST, max_steps=4, warmup_steps=20_000)), tmp_path, quiet=True
        )


def test_parts_learn_at_rates_of_their_own(tmp_path: Path, made: Recipe, new: dict[str, Tensor]) -> None:
    """AdamW's first step is as long as its rate."""
    common = replace(SECOND, max_steps=2, warmup_steps=1, weight_decay=0.0)
    own = replace(common, projector_lr=2 * SECOND.lr, lora_lr=0.0)
    for name, stage in (("common", common), ("own", own)):
        train_stages(recipe(made.data, stage), tmp_path / name, quiet=True)
    once, twice = (learned(tmp_path / name / "1-instruct") for name in ("common", "own"))
    for name, start in new.items():
        factor = {"projector": 2.0, "tower_lora": 0.0, "language_lora": 0.0}.get(part(name), 1.0)
        assert torch.allclose(twice[name] - start, factor * (once[name] - start), rtol=1e-2, atol=1e-6), name


def test_there_is_a_plot_of_each_stage(run: Path) -> None:
    for stage in ("1-align", "2-instruct"):
        with Image.open(run / stage / "losses.png") as plot:
            assert plot.format == "PNG"
            assert min(plot.size) > 300


def test_the_model_says_how_it_was_trained_and_loads(run: Path, made: Recipe) -> None:
    card = read_card(run / "2-instruct" / "model")
    assert (card["stage"], card["steps"], card["examples"]) == ("instruct", 12, 8)
    assert card["trained_weights"].keys() == {"projector", "tower_lora", "language_lora"}
    bundle = load_model(run / "2-instruct" / "model")
    assert set(bundle.labels) == set(LABELS)
    assert bundle.preset == replace(preset("tiny"), lora=replace(preset("tiny").lora, dropout=0.0))


def stamps(folder: Path) -> dict[Path, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_finished_run_does_nothing_again(run: Path, made: Recipe) -> None:
    before = stamps(run)
    assert train_stages(made, run, quiet=True) == run / "2-instruct" / "model"
    assert stamps(run) == before


def test_workers_and_the_like_may_change_when_it_goes_on(run: Path, made: Recipe) -> None:
    stages = tuple(
        replace(stage, dataloader_num_workers=1, save_total_limit=5, save_steps=7) for stage in made.stages
    )
    train_stages(replace(made, stages=stages), run, quiet=True)


def test_another_recipe_for_the_same_folder_is_refused_by_its_key(run: Path, made: Recipe) -> None:
    first, second = made.stages
    with pytest.raises(RunError, match=r"begun with stages.instruct.lr 0.01, not 0.1: .* another folder"):
        train_stages(replace(made, stages=(first, replace(second, lr=0.1))), run, quiet=True)
    with pytest.raises(
        RunError, match=r'begun with stages \["1. align", "2. instruct"\], not \["1. align"\]'
    ):
        train_stages(replace(made, stages=(first,)), run, quiet=True)
    with pytest.raises(RunError, match=r"begun with model.seed 0, not 5"):
        train_stages(recipe(made.data, *made.stages, seed=5), run, quiet=True)


def test_other_faces_under_the_same_recipe_are_refused(tmp_path: Path) -> None:
    """A resumed training would be neither the old nor the new one."""
    data = draw_faces(tmp_path)
    plan = recipe(data, replace(INSTRUCT, max_steps=2))
    train_stages(plan, tmp_path / "run", quiet=True)
    model = tmp_path / "run" / "1-instruct" / "model"
    model.rename(model.with_name("gone"))
    texts = tmp_path / "texts.jsonl"
    texts.write_text(texts.read_text().replace("lifted 3", "lifted 4"))
    with pytest.raises(RunError, match="data fingerprint"):
        train_stages(plan, tmp_path / "run", quiet=True)


def test_a_run_that_was_cut_before_its_model_was_written_writes_it(tmp_path: Path, made: Recipe) -> None:
    plan = recipe(made.data, replace(SECOND, max_steps=3), dropout=0.3)
    model = train_stages(plan, tmp_path, quiet=True)
    before = learned(model.parent)
    model.rename(model.with_name("gone"))
    assert train_stages(plan, tmp_path, quiet=True) == model
    assert same(before, learned(model.parent)) == list(before)
    assert len(told(model.parent)) == 3


def test_without_a_text_labels_alone_are_learned(tmp_path: Path) -> None:
    train_stages(
        recipe(draw_faces(tmp_path, explained=0), replace(INSTRUCT, max_steps=2)),
        tmp_path / "run",
        quiet=True,
    )
    assert all(line["by_task"].keys() == {"label"} for line in told(tmp_path / "run" / "1-instruct"))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_checkpointing_and_accumulation_change_nothing_but_rounding(
    tmp_path: Path, made: Recipe, checkpointing: bool
) -> None:
    base = replace(SECOND, max_steps=3, augment=False)
    train_stages(recipe(made.data, replace(base, micro_batch=4)), tmp_path / "one", quiet=True)
    parts = replace(base, micro_batch=1, gradient_checkpointing=checkpointing)
    train_stages(recipe(made.data, parts), tmp_path / "parts", quiet=True)
    one, other = (told(tmp_path / name / "1-instruct") for name in ("one", "parts"))
    assert [line["loss"] for line in one] == pytest.approx([line["loss"] for line in other], abs=1e-4)
    assert [line["gradient"] for line in one] == pytest.approx([li["gradient"] for li in other], rel=1e-3)


def test_a_model_of_another_base_is_no_beginning(run: Path, made: Recipe) -> None:
    begin = str(run / "1-align" / "model")
    other = recipe(made.data, SECOND, init_from=begin)
    fine = open_model(other, SECOND, None)
    assert fine.preset.name == "tiny"
    wrong = replace(other, model=replace(other.model, preset="compact"))
    with pytest.raises(UsageError, match=r"has model\.preset tiny, and the recipe compact"):
        open_model(wrong, SECOND, None)
    wrong = replace(other, model=replace(other.model, lora={"rank": 4}))
    with pytest.raises(UsageError, match=r"model\.lora"):
        open_model(wrong, SECOND, None)


def test_an_adapter_of_another_model_is_refused_with_its_file(
    run: Path, made: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    mixed = replace(load_model(run / "1-align" / "model"), preset=replace(preset("tiny"), name="other"))
    save(folder, mixed, {})
    adapter = "adapter_config.json"
    (folder / adapter).write_bytes((run / "1-align" / "model" / adapter).read_bytes())
    with pytest.raises(ExpllmError) as caught:
        open_model(recipe(made.data, SECOND, init_from=str(folder)), SECOND, None)
    assert str(folder) in caught.value.line


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_the_papers_model_is_refused_without_a_card_before_anything_is_read(
    made: Recipe, tmp_path: Path
) -> None:
    paper = replace(made, model=replace(made.model, preset="paper"), data=replace(made.data, train="nowhere"))
    with pytest.raises(UsageError, match=r"paper needs an accelerator .*model\.preset=compact"):
        train_stages(paper, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    refuse_without_gpu(FIRST, preset("compact"))
