"""`kill -9` and Ctrl-C at any moment: what comes out is bit for bit what an undisturbed training gives."""

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small import INSTRUCT, draw_faces, learned, recipe, same, told, train_apart

from expllm.train.checkpoints import latest, step_of
from expllm.train.config import Recipe

STEPS, RUNS, KILLS = 25, 4, 5
STAGE = replace(INSTRUCT, max_steps=STEPS, save_steps=1, workers=2, augment=True, keep=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Augmentation, dropout and two data workers: all that draws at random."""
    return recipe(draw_faces(tmp_path_factory.mktemp("data")), STAGE, dropout=0.3)


@pytest.fixture(scope="module")
def whole(made: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage's folder of a training that nothing disturbed."""
    output = tmp_path_factory.mktemp("whole")
    ended(train_apart(made, output))
    return output / "1-instruct"


def ended(process: Any) -> None:
    process.join(120)
    assert process.exitcode == 0


def killed(process: Any, stage: Path, chance: random.Random, inside_a_write: bool) -> None:
    """Kills a training after up to three more steps and a little while, or while it writes a checkpoint."""
    done, more, until = lines(stage), chance.randrange(4), time.monotonic() + 120
    while lines(stage) < done + more and time.monotonic() < until:
        time.sleep(0.005)
    if inside_a_write:
        while not torn(stage) and time.monotonic() < until:
            time.sleep(0.001)
    else:
        time.sleep(chance.uniform(0, 0.1 if more else 1.5))
    assert process.is_alive()
    process.kill()
    process.join()


def lines(stage: Path) -> int:
    history = stage / "history.jsonl"
    return len(history.read_bytes().splitlines()) if history.exists() else 0


def torn(stage: Path) -> bool:
    """Whether a half-written checkpoint lies there."""
    return any(stage.glob("checkpoints/.step-*/*.safetensors"))


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
    ended(train_apart(made, tmp_path))
    assert [line["step"] for line in told(stage)] == list(range(1, STEPS + 1))
    assert told(stage) == told(whole)
    one, other = learned(stage), learned(whole)
    assert same(one, other) == list(one)
    assert not torn(stage)
