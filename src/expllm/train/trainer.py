"""`transformers`' Trainer with what it lacks: exact resumption, whole checkpoints, losses by task."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainingArguments

from expllm.errors import ExpllmError
from expllm.train.batches import Batches, Examples, loader
from expllm.train.checkpoints import (
    OPTIMIZER,
    SCHEDULE,
    WEIGHTS,
    load_tensors,
    read_json,
    save_tensors,
    step_of,
    write,
)
from expllm.train.config import StageConfig
from expllm.train.faces import TASKS
from expllm.train.history import Step
from expllm.train.learner import Learner, put, trainable, whole
from expllm.train.validating import Validation

STATE = "trainer_state.json"
"""The name that `transformers` gives to the trainer's state."""


class TrainingError(ExpllmError):
    """A training cannot go on; what was learned up to its last checkpoint is safe."""


@dataclass
class Tally:
    """Losses of a step, on the device until they are asked for."""

    sums: list[Tensor] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def restart(self) -> None:
        """Begins a step."""
        self.sums, self.indices, self.began = [], [], time.perf_counter()


class StageTrainer(Trainer):
    """Trains one stage.

    Every random draw of a step (dropout) follows from the stage's seed and the step, those of its data from
    the seed and the sample; so no state of generators is saved, and a resumed training is the same one.

    Args:
        learner: The model with its loss.
        stage: What trains and how.
        examples: What it learns from.
        checkpoints: Folder of the checkpoints.
        on_step: Told of every step; on the first process only.
    """

    def __init__(
        self, learner: Learner, stage: StageConfig, examples: Examples, arguments: TrainingArguments,
        checkpoints: Path, on_step: Callable[[Step], None], callbacks: list[TrainerCallback],
    ) -> None:  # fmt: skip
        super().__init__(learner, arguments, train_dataset=examples, callbacks=callbacks)
        self.model_accepts_loss_kwargs = True  # the loss is a sum: the trainer gives what to divide it by
        self.stage, self.examples, self.checkpoints, self.on_step = stage, examples, checkpoints, on_step
        self.tally, self.gradient, self.from_step = Tally(), 0.0, 0
        self.by_task: dict[str, float] = {}
        self.validation: Validation | None = None
        self.batches = Batches(
            examples.reading, stage, rank=arguments.process_index, world=arguments.world_size
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches from the step on that comes next."""
        self.batches.from_step = self.from_step
        return loader(self.examples, self.batches, self.stage.workers)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW; biases and norms do not decay."""
        made: torch.optim.Optimizer | None = self.optimizer  # type: ignore[has-type]
        if made is None:
            learns = list(trainable(model or self.model).values())
            groups = [
                {"params": [p for p in learns if p.ndim > 1], "weight_decay": self.stage.weight_decay},
                {"params": [p for p in learns if p.ndim <= 1], "weight_decay": 0.0},
            ]
            made = self.optimizer = torch.optim.AdamW(
                [group for group in groups if group["params"]], lr=self.stage.lr, betas=self.stage.betas
            )
        return made

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | None = None
    ) -> Tensor:
        """One micro-batch, with dropout drawn for it alone."""
        part = len(self.tally.sums)
        torch.manual_seed(_mixed(self.stage.seed, self.state.global_step, part, self.args.process_index))
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Any:  # fmt: skip
        """Nats a supervised token of the whole step, over all processes and micro-batches."""
        self.tally.indices += inputs.pop("indices").tolist()
        total, by_task = model(**inputs)
        self.tally.sums.append(by_task.detach())
        assert num_items_in_batch is not None
        # Gradients of several processes are averaged, so their number comes back in.
        loss = total / num_items_in_batch * self.args.world_size
        return (loss, by_task) if return_outputs else loss

    def step_done(self, gradient: float, lr: float) -> None:
        """Adds a step's losses up over all processes, and tells of them.

        Raises:
            TrainingError: a loss is no number; the line names the step and its faces.
        """
        sums = torch.stack(self.tally.sums).sum(0)
        if self.args.world_size > 1:
            torch.distributed.all_reduce(sums)
        losses, tokens = sums[:, 0].tolist(), sums[:, 1].tolist()
        if not math.isfinite(sum(losses)) or not math.isfinite(gradient):
            raise self._not_finite()
        by_task: dict[str, float] = {
            task: loss / n for task, loss, n in zip(TASKS, losses, tokens, strict=True) if n
        }
        seconds = time.perf_counter() - self.tally.began
        count = int(sum(tokens))
        step = Step(
            self.state.global_step, sum(losses) / max(count, 1), by_task, lr, gradient, count, seconds
        )
        self.by_task = by_task
        if self.args.process_index == 0:
            self.on_step(step)
        self.tally.restart()

    def any_process(self, told: bool) -> bool:
        """Whether any process was told so: all must stop after the same step, or the others wait for ever."""
        if self.args.world_size == 1:
            return told
        flag = torch.tensor(float(told), device=self.args.device)
        torch.distributed.all_reduce(flag)
        return bool(flag.item())

    def _not_finite(self) -> TrainingError:
        names = ", ".join(self.examples.reading.name(index) for index in self.tally.indices[:3])
        return TrainingError(
            f"step {self.state.global_step}: the loss is no number any more (faces {names} ...): lower "
            "train.lr or take longer to warm up; what was learned up to the last checkpoint is safe"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the losses by task to what is reported."""
        super().log({**logs, **{f"loss_{task}": loss for task, loss in self.by_task.items()}}, start_time)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """Keeps the length of the gradient before it was clipped."""
        found = super()._get_grad_norm(model, grad_norm)
        self.gradient = float(whole(found) if isinstance(found, Tensor) else found)
        return found

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        """First what was learned is safe, then it is looked at."""
        self._checkpoint()
        if self.validation is not None:
            step, first = self.state.global_step, self.args.should_save
            losses = self.validation.take(self.model, step, self.args.device, writes=first)
            super().log({f"valid_{task}": loss for task, loss in losses.items()})

    def _checkpoint(self) -> None:
        """Every process gives its part, the first one writes."""
        weights = {name: whole(parameter) for name, parameter in trainable(self.model).items()}
        moments = self._moments()
        if not self.args.should_save:
            return

        def fill(folder: Path) -> None:
            save_tensors(folder / WEIGHTS, weights)
            save_tensors(folder / OPTIMIZER, moments)
            schedule = self.lr_scheduler.state_dict()
            (folder / SCHEDULE).write_text(
                json.dumps({k: schedule[k] for k in ("last_epoch", "_step_count")})
            )
            self.state.save_to_json(str(folder / STATE))

        write(self.checkpoints, self.state.global_step, fill, self.stage.keep)

    def _moments(self) -> dict[str, Tensor]:
        state = _plain_optimizer(self.optimizer).state
        found = {}
        for name, parameter in trainable(self.model).items():
            for key, value in state.get(parameter, {}).items():
                found[f"{key}|{name}"] = whole(value)
        return found

    def begin_from(self, checkpoint: Path) -> None:
        """Goes on after a checkpoint when `train` is called."""
        self.from_step = step_of(checkpoint)
        tensors = load_tensors(checkpoint / WEIGHTS)
        learns = trainable(self.model)
        if set(tensors) != set(learns):
            raise TrainingError(
                f"{checkpoint}: holds other weights than this recipe trains: choose another -o"
            )
        for name, parameter in learns.items():
            put(parameter, tensors[name])

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """The weights are there already: see `begin_from`."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        moments = load_tensors(Path(checkpoint) / OPTIMIZER)
        optimizer = _plain_optimizer(self.optimizer)
        for name, parameter in trainable(self.model).items():
            if f"step|{name}" not in moments:  # no step had a gradient for it
                continue
            state = optimizer.state[parameter]
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = moments[f"{key}|{name}"]
                state[key] = value if key == "step" else torch.zeros_like(parameter)
                if key != "step":
                    put(state[key], value)
        schedule = read_json(Path(checkpoint) / SCHEDULE)
        self.lr_scheduler.load_state_dict({**self.lr_scheduler.state_dict(), **schedule})
        for group, lr in zip(optimizer.param_groups, self.lr_scheduler.get_lr(), strict=True):
            group["lr"] = lr

    def _save_rng_state(self, output_dir: str) -> None:
        """There is none: see the class."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """There is none: see the class."""


class Steps(TrainerCallback):
    """Tells the trainer of each step, and stops it when it is asked to.

    Attributes:
        stopping: Set from outside (Ctrl-C): the step under way ends, and a checkpoint is made.
    """

    trainer: StageTrainer
    stopping = False
    lr = 0.0

    def on_train_begin(self, *given: Any, **more: Any) -> None:
        """Starts the clock; what a step waits for its pictures counts."""
        self.trainer.tally.restart()

    def on_pre_optimizer_step(self, *given: Any, **more: Any) -> None:
        """Keeps the rate before the schedule moves on."""
        self.lr = _plain_optimizer(self.trainer.optimizer).param_groups[0]["lr"]

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **more: Any) -> TrainerControl:
        """Hands the step on."""
        self.trainer.step_done(self.trainer.gradient, self.lr)
        self.stopping = self.trainer.any_process(self.stopping)
        if self.stopping:
            control.should_save = control.should_training_stop = True
        return control


def _plain_optimizer(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer inside of accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


def _mixed(*numbers: int) -> int:
    """A seed from several numbers, the same everywhere."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:7], "big")
