"""Two processes that train as one: the losses of one with double accumulation; none waits for the dead."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small import (
    INSTRUCT,
    code,
    complaint,
    draw_faces,
    learned,
    recipe,
    same,
    told,
    train_apart,
    train_together,
    wait_for,
)  # fmt: skip

from expllm.errors import ExitCode
from expllm.train.checkpoints import latest
from expllm.train.config import Recipe

STAGE = replace(INSTRUCT, max_steps=6, batch=4, micro_batch=2, save_steps=2, augment=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return recipe(draw_faces(tmp_path_factory.mktemp("data")), STAGE)


@pytest.fixture(scope="module")
def pair(made: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage's folder of an undisturbed training by two processes."""
    output = tmp_path_factory.mktemp("pair") / "run"
    assert codes(train_together(made, output)) == [0, 0], complaint(output) + complaint(output, 1)
    return output / "1-instruct"


def codes(processes: list[Any]) -> list[int | None]:
    return [code(process) for process in processes]


def test_two_processes_have_the_losses_of_one_with_double_accumulation(
    made: Recipe, pair: Path, tmp_path: Path
) -> None:
    one = train_apart(made, tmp_path / "run")
    assert codes([one]) == [0], complaint(tmp_path / "run")
    alone, together = told(tmp_path / "run" / "1-instruct"), told(pair)
    assert len(together) == STAGE.max_steps
    for first, second in zip(alone, together, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], abs=1e-4)
        assert first["by_task"] == pytest.approx(second["by_task"], abs=1e-4)
        assert first["gradient"] == pytest.approx(second["gradient"], rel=1e-3)
        assert (first["lr"], first["tokens"]) == (second["lr"], second["tokens"])
    before, after = learned(tmp_path / "run" / "1-instruct"), learned(pair)
    assert all(before[name].allclose(after[name], atol=1e-4) for name in before)


@pytest.mark.parametrize("victim", [0, 1])
def test_one_is_killed_the_other_ends_by_itself_and_both_go_on(
    made: Recipe, pair: Path, tmp_path: Path, victim: int
) -> None:
    output = tmp_path / "run"
    processes = train_together(made, output, slow_write=0.05)
    wait_for(lambda: latest(output / "1-instruct" / "checkpoints") is not None)
    processes[victim].kill()
    found = codes(processes)
    assert found[victim] == -signal.SIGKILL
    assert found[1 - victim] == ExitCode.FAILURE
    said = complaint(output, 1 - victim)
    assert "another process of this training is gone" in said
    assert "internal error" not in said
    assert codes(train_together(made, output)) == [0, 0], complaint(output)
    stage = output / "1-instruct"
    assert told(stage) == told(pair)
    one, other = learned(stage), learned(pair)
    assert same(one, other) == list(one)


def test_ctrl_c_at_one_stops_both_after_the_same_step(made: Recipe, pair: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    processes = train_together(made, output, slow_write=0.05)
    wait_for(lambda: latest(output / "1-instruct" / "checkpoints") is not None)
    os.kill(processes[1].pid, signal.SIGINT)
    assert codes(processes) == [ExitCode.INTERRUPTED] * 2
    assert codes(train_together(made, output)) == [0, 0], complaint(output)
    assert told(output / "1-instruct") == told(pair)
