"""The loss on faces that are not learned from."""

from dataclasses import replace
from pathlib import Path

import pytest
import small

from expllm.core.errors import UsageError
from expllm.train.stages import stage_dirs, train_stages
from expllm.train.validation import read_losses

STAGE = replace(small.INSTRUCT, max_steps=4, save_steps=2, augment=True)


def test_a_loss_is_taken_after_every_checkpoint_and_changes_nothing(tmp_path: Path) -> None:
    data = small.draw_faces(tmp_path)
    plain, checked = small.recipe(data, STAGE, dropout=0.1), replace(data, valid=data.train)
    train_stages(plain, tmp_path / "plain", quiet=True)
    watched = small.recipe(checked, STAGE, dropout=0.1)
    train_stages(watched, tmp_path / "watched", quiet=True)
    stages = [stage_dirs(tmp_path / name, plain)[0] for name in ("plain", "watched")]
    one, other = (small.learned(stage.folder) for stage in stages)
    assert len(small.same(one, other)) == len(one)
    losses = read_losses(stages[1].valid)
    assert list(losses) == [2, 4]
    assert all(set(by_task) == {"label", "explanation"} for by_task in losses.values())
    assert losses[4]["explanation"] < losses[2]["explanation"]
    assert not stages[0].valid.exists()


def test_other_labels_are_refused(tmp_path: Path) -> None:
    data = small.draw_faces(tmp_path)
    (tmp_path / "other" / "fear").mkdir(parents=True)
    (tmp_path / "other" / "anger").mkdir()
    for number, name in enumerate(("fear", "anger")):
        source = next(Path(str(data.train)).rglob("*.png"))
        (tmp_path / "other" / name / f"{number}.png").write_bytes(source.read_bytes())
    recipe = small.recipe(replace(data, valid=str(tmp_path / "other")), STAGE)
    with pytest.raises(UsageError, match="validate on faces with the same"):
        train_stages(recipe, tmp_path / "run", quiet=True)


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "valid.jsonl"
    path.write_text('{"step": 2, "by_task": {"label": 1.0}}\n{"step": 4, "by_ta')
    assert read_losses(path) == {2: {"label": 1.0}}
