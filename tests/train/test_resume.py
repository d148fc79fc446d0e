"""`kill -9` and Ctrl-C at any moment: what comes out is bit for bit what an undisturbed training gives."""

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import torch
from small import INSTRUCT, code, complaint, draw_faces, learned, recipe, same, told, train_apart
from torch import Tensor
from waiting import HANG_S, wait_until

from expllm.core.errors import ExitCode
from expllm.model.manifest import ModelError
from expllm.train.checkpoints import (
    CHECKPOINT_MANIFEST,
    OPTIMIZER,
    TRAINED_WEIGHTS,
    latest,
    load_tensors,
    save_tensors,
    step_of,
)
from expllm.train.recipe import Recipe, TrainedPart
from expllm.train.stages import train_stages

STEPS, RUNS, KILLS = 25, 4, 5
STAGE = replace(
    INSTRUCT, max_steps=STEPS, save_steps=1, dataloader_num_workers=2, augment=True, save_total_limit=2
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Augmentation, dropout and two data workers: all that draws at random."""
    return recipe(draw_faces(tmp_path_factory.mktemp("data")), STAGE, dropout=0.3)


@pytest.fixture(scope="module")
def whole(made: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage's folder of a training that nothing disturbed."""
    output = tmp_path_factory.mktemp("whole")
    assert code(train_apart(made, output)) == 0
    return output / "1-instruct"


def ended(process: Any) -> None:
    assert code(process) == 0


def killed(process: Any, stage: Path, chance: random.Random, inside_a_write: bool) -> None:
    """Kills a training after up to three more steps and a little while, or while it writes a checkpoint."""
    done, more = lines(stage), chance.randrange(4)
    wait_until(lambda: lines(stage) >= done + more)
    if inside_a_write:
        wait_until(lambda: torn(stage))
    else:
        until = time.monotonic() + chance.uniform(0, 0.1 if more else 1.5)
        wait_until(lambda: time.monotonic() > until or lines(stage) >= done + 4)
    assert process.is_alive()
    process.kill()
    process.join()


def lines(stage: Path) -> int:
    history = stage / "history.jsonl"
    return len(history.read_bytes().splitlines()) if history.exists() else 0


def torn(stage: Path) -> bool:
    """Whether a half-written checkpoint lies there."""
    return any(stage.glob("checkpoints/.step-*/*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_at_random_it_learns_the_same_bit_for_bit(
    made: Recipe, whole: Path, tmp_path: Path, seed: int
) -> None:
    chance, stage = random.Random(seed), tmp_path / "1-instruct"
    inside, steps = 0, [0]
    for number in range(KILLS):
        process = train_apart(made, tmp_path, slow_write=0.02)
        killed(process, stage, chance, inside_a_write=number % 2 == 1)
        inside += torn(stage)
        last = latest(stage / "checkpoints")
        steps.append(step_of(last) if last else 0)
    assert inside >= 1
    assert steps == sorted(steps)  # nothing that was saved is lost
    assert code(train_apart(made, tmp_path)) == 0
    assert [line["step"] for line in told(stage)] == list(range(1, STEPS + 1))
    assert told(stage) == told(whole)
    one, other = learned(stage), learned(whole)
    assert same(one, other) == list(one)
    assert not torn(stage)


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(made: Recipe, whole: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal, the data workers too."""
    rare = replace(made, stages=(replace(STAGE, save_steps=1000),))
    output, stage = tmp_path / "run", tmp_path / "run" / "1-instruct"
    process = train_apart(rare, output)
    wait_until(lambda: lines(stage) >= 3)
    for pid in family():
        os.kill(pid, signal.SIGINT)
    assert code(process) == ExitCode.INTERRUPTED
    assert complaint(output) == "expllm: interrupted\n"
    saved = latest(stage / "checkpoints")
    assert saved is not None
    assert step_of(saved) == lines(stage) < STEPS
    assert not (stage / "model").exists()
    assert code(train_apart(rare, output)) == 0
    assert told(stage) == told(whole)
    assert same(learned(stage), learned(whole)) == list(learned(whole))


@pytest.mark.slow
def test_two_of_ctrl_c_do_not_wait(made: Recipe, whole: Path, tmp_path: Path) -> None:
    rare = replace(made, stages=(replace(STAGE, save_steps=1000),))  # only the first Ctrl-C saves
    output, stage = tmp_path / "run", tmp_path / "run" / "1-instruct"
    process = train_apart(rare, output, slow_write=2 * HANG_S)
    wait_until(lambda: lines(stage) >= 2)
    os.kill(process.pid, signal.SIGINT)
    wait_until(lambda: torn(stage))
    os.kill(process.pid, signal.SIGINT)
    assert code(process) == ExitCode.INTERRUPTED
    assert code(train_apart(rare, output)) == 0
    assert told(stage) == told(whole)


@pytest.mark.slow
def test_data_workers_end_with_a_training_that_was_killed(made: Recipe, tmp_path: Path) -> None:
    others = family()
    process = train_apart(made, tmp_path / "run")
    wait_until(lambda: lines(tmp_path / "run" / "1-instruct") >= 2)
    workers = family() - others - {process.pid}
    assert len(workers) == STAGE.dataloader_num_workers
    process.kill()
    process.join()
    wait_until(lambda: not workers & family())


@pytest.mark.slow
def test_a_data_worker_that_is_gone_is_told_in_one_line(made: Recipe, tmp_path: Path) -> None:
    """As where the system kills one for want of memory."""
    others = family()
    process = train_apart(made, tmp_path / "run", slow_write=0.05)
    wait_until(lambda: lines(tmp_path / "run" / "1-instruct") >= 2)
    for pid in family() - others - {process.pid}:
        os.kill(pid, signal.SIGKILL)
    assert code(process) == ExitCode.FAILURE
    said = complaint(tmp_path / "run")
    assert "a data loader process was killed" in said
    assert said.count("\n") == 1


def family() -> set[int]:
    """Trainings and data workers that are alive: all are children of the one fork server."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return {int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()}


@pytest.mark.parametrize("trains", [("projector", "tower", "language_lora"), ("projector", "language")])
def test_parts_that_are_trained_whole_go_on_too(tmp_path: Path, trains: tuple[TrainedPart, ...]) -> None:
    stage = replace(INSTRUCT, trains=trains, max_steps=4, save_steps=1, save_total_limit=9)
    made, output = recipe(draw_faces(tmp_path), stage, dropout=0.1), tmp_path / "run"
    train_stages(made, output, quiet=True)
    folder = output / "1-instruct"
    before, history = learned(folder), told(folder)
    shutil.rmtree(folder / "model")
    for step in (3, 4):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:07d}")
    train_stages(made, output, quiet=True)
    assert len(same(before, learned(folder))) == len(before)
    assert told(folder) == history


CHECKPOINT: dict[str, Callable[[dict[str, Tensor]], str]] = {
    "a weight is missing": lambda state: _gone(state, min(state)),
    "one is too many": lambda state: _set(state, "another.weight", torch.zeros(2)),
    "of another shape": lambda state: _set(state, min(state), state[min(state)].repeat(2, 1)),
    "no number": lambda state: _set(state, min(state), state[min(state)] * torch.nan),
}


def _gone(state: dict[str, Tensor], name: str) -> str:
    del state[name]
    return name


def _set(state: dict[str, Tensor], name: str, value: Tensor) -> str:
    state[name] = value
    return name


@pytest.mark.parametrize("file", [TRAINED_WEIGHTS, OPTIMIZER])
def test_a_tensor_of_a_checkpoint_is_refused_by_its_name(file: str, tmp_path: Path) -> None:
    """Its own manifest vouches for it: as where files of two runs were mixed by hand."""
    made = recipe(draw_faces(tmp_path), replace(INSTRUCT, max_steps=2, save_steps=1))
    output = tmp_path / "run"
    train_stages(made, output, quiet=True)
    shutil.rmtree(output / "1-instruct" / "model")
    checkpoint = latest(output / "1-instruct" / "checkpoints")
    assert checkpoint is not None
    whole = load_tensors(checkpoint / file)
    for change in CHECKPOINT.values():
        state = dict(whole)
        named = change(state)
        save_tensors(checkpoint / file, state)
        manifest = json.loads((checkpoint / CHECKPOINT_MANIFEST).read_text())
        manifest["files"][file] = hashlib.sha256((checkpoint / file).read_bytes()).hexdigest()
        (checkpoint / CHECKPOINT_MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ModelError) as caught:
            train_stages(made, output, quiet=True)
        assert f"{checkpoint / file}: " in caught.value.line
        assert named in caught.value.line
        assert "choose another -o" in caught.value.line or "NaN or infinity" in caught.value.line
