"""What trainings have in common is brought over, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import pytest

from expllm.evals.ablation import with_seed
from expllm.evals.shared_work import take_over
from expllm.train.recipe import Recipe, StageConfig

ALIGN = StageConfig(name="align", task="captions", trains=("projector",))
INSTRUCT = StageConfig(name="instruct")
RECIPE = Recipe(stages=(ALIGN, INSTRUCT))


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """The folder of a finished training, as far as it matters here."""
    folder = tmp_path / "done"
    for stage in ("1-align", "2-instruct"):
        (folder / stage / "model").mkdir(parents=True)
        (folder / stage / "model" / "expllm.json").write_text(stage)
        (folder / stage / "checkpoints").mkdir()
    for name in ("boxes.sqlite", "pictures.bin", "pictures.json"):
        (folder / name).write_text(name)
    return folder


def later(recipe: Recipe) -> Recipe:
    """Another training that begins with the same stage."""
    return replace(recipe, stages=(ALIGN, replace(INSTRUCT, label=1, explanation=0)))


def test_a_first_stage_that_is_the_same(done: Path, tmp_path: Path) -> None:
    assert take_over(tmp_path / "new", later(RECIPE), [(done, RECIPE)]) == 1
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "1-align", "boxes.sqlite", "pictures.bin", "pictures.json",
    ]  # fmt: skip
    assert (tmp_path / "new" / "1-align" / "model" / "expllm.json").read_text() == "1-align"
    assert not (tmp_path / "new" / "1-align" / "checkpoints").exists()
    # The cache of boxes is written to by whoever uses it: each training has its own.
    assert (tmp_path / "new" / "boxes.sqlite").stat().st_ino != (done / "boxes.sqlite").stat().st_ino


def test_the_training_that_has_most_in_common(done: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    others = [(other, with_seed(RECIPE, 1)), (done, RECIPE), (other, with_seed(RECIPE, 2))]
    assert take_over(tmp_path / "new", later(RECIPE), others) == 1


@pytest.mark.parametrize(
    "recipe",
    [
        with_seed(RECIPE, 1),
        replace(RECIPE, stages=(INSTRUCT,)),
        replace(RECIPE, stages=(replace(ALIGN, lr=1e-4), INSTRUCT)),
        replace(RECIPE, model=replace(RECIPE.model, tower="compact")),
    ],
)
def test_another_beginning_takes_over_pictures_alone(done: Path, tmp_path: Path, recipe: Recipe) -> None:
    assert take_over(tmp_path / "new", recipe, [(done, RECIPE)]) == 0
    assert (tmp_path / "new" / "pictures.bin").read_text() == "pictures.bin"
    assert not (tmp_path / "new" / "1-align").exists()


def test_other_data_take_over_nothing(done: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, data=replace(RECIPE.data, limit=9))
    assert take_over(tmp_path / "new", recipe, [(done, RECIPE)]) == 0
    assert not (tmp_path / "new").exists()


def test_workers_and_checkpoints_change_nothing(done: Path, tmp_path: Path) -> None:
    stages = (replace(ALIGN, dataloader_num_workers=9, save_steps=3), replace(INSTRUCT, lr=1e-3))
    assert take_over(tmp_path / "new", replace(RECIPE, stages=stages), [(done, RECIPE)]) == 1


def test_what_was_begun_stays_as_it_is(done: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "run.json").write_text("{}")
    assert take_over(tmp_path / "new", later(RECIPE), [(done, RECIPE)]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.json"]
