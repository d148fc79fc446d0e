"""Two processes that train as one: the losses of one with double accumulation; none waits for the dead."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import (
    INSTRUCT,
    code,
    complaint,
    draw_faces,
    launched,
    learned,
    processes,
    recipe,
    same,
    told,
    train_apart,
    train_together,
)  # fmt: skip
from torch import Tensor
from torch.distributed.fsdp import fully_shard
from waiting import wait_until

from expllm.core.errors import ExitCode
from expllm.model.tokenize import IGNORE
from expllm.model.vlm import train_only
from expllm.train.checkpoints import latest, load_tensors, save_tensors
from expllm.train.learner import Learner, copy_to_dtensor, full_tensor, trainable
from expllm.train.recipe import DataConfig, Recipe
from expllm.train.stages import open_model

pytestmark = pytest.mark.slow

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
    wait_until(lambda: latest(output / "1-instruct" / "checkpoints") is not None)
    processes[victim].kill()
    found = codes(processes)
    assert found[victim] == -signal.SIGKILL
    assert found[1 - victim] == ExitCode.FAILURE
    said = complaint(output, 1 - victim)
    assert "another process of this training ended" in said
    assert "internal error" not in said
    assert codes(train_together(made, output)) == [0, 0], complaint(output)
    stage = output / "1-instruct"
    assert told(stage) == told(pair)
    one, other = learned(stage), learned(pair)
    assert same(one, other) == list(one)


def test_ctrl_c_at_one_stops_both_after_the_same_step(made: Recipe, pair: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    processes = train_together(made, output, slow_write=0.05)
    wait_until(lambda: latest(output / "1-instruct" / "checkpoints") is not None)
    os.kill(processes[1].pid, signal.SIGINT)
    assert codes(processes) == [ExitCode.INTERRUPTED] * 2
    assert codes(train_together(made, output)) == [0, 0], complaint(output)
    assert told(output / "1-instruct") == told(pair)


def spread(place: dict[str, str], file: Path) -> None:
    """One of two processes that share a learner's weights; the first writes the gradients of both batches."""
    os.environ.update(place)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    made, before = learner()
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    for module in made.modules():
        if type(module).__name__ in ("LlamaDecoderLayer", "Dinov2Layer"):
            fully_shard(module, mesh=mesh)
    fully_shard(made, mesh=mesh)
    for name, parameter in trainable(made).items():
        assert torch.equal(full_tensor(parameter), before[name])
        copy_to_dtensor(parameter, before[name] * 2)
        assert torch.equal(full_tensor(parameter), before[name] * 2)
        copy_to_dtensor(parameter, before[name])
    loss(made, int(place["RANK"])).backward()  # type: ignore[no-untyped-call]
    found = {name: full_tensor(parameter.grad) for name, parameter in trainable(made).items()}  # type: ignore[arg-type]
    if place["RANK"] == "0":
        save_tensors(file, found)


def learner() -> tuple[Learner, dict[str, Tensor]]:
    """A new one whose frozen weights have 16 bits, and what of it learns."""
    plan = recipe(DataConfig(), replace(INSTRUCT, precision="bf16"))
    model = open_model(plan, plan.stages[0], None).model.eval()
    train_only(model, INSTRUCT.trains)
    made = Learner(model)
    return made, {name: full_tensor(parameter).clone() for name, parameter in trainable(made).items()}


def loss(made: Learner, number: int) -> Tensor:
    """Of a drawn batch, computed in 16 bits."""
    drawn = torch.Generator().manual_seed(number)
    ids = torch.cat([torch.full((2, 4), 3), torch.randint(10, 300, (2, 12), generator=drawn)], dim=1)
    labels = torch.where(torch.arange(16) < 8, IGNORE, ids)
    pixels = torch.randn(2, 3, 28, 28, generator=drawn)
    with torch.autocast("cpu", torch.bfloat16):
        total: Tensor = made(
            labels=labels, tasks=torch.zeros(2, dtype=torch.long), input_ids=ids,
            attention_mask=torch.ones_like(ids), pixel_values=pixels,
        )[0]  # fmt: skip
    return total


def test_weights_that_devices_share_come_together_whole_and_have_the_mean_gradient(tmp_path: Path) -> None:
    """FSDP2 without `accelerate`, which leaves it off where there is no card."""
    file = tmp_path / "gradients.safetensors"
    group = [processes().Process(target=spread, args=(place, file)) for place in launched()]
    for process in group:
        process.start()
    assert codes(group) == [0, 0]
    made, _ = learner()
    for number in range(2):
        (loss(made, number) / 2).backward()  # type: ignore[no-untyped-call]
    found = load_tensors(file)
    for name, parameter in trainable(made).items():
        assert parameter.grad is not None
        assert torch.allclose(found[name], parameter.grad, rtol=1e-2, atol=1e-4), name
