"""The training loop of one stage, on `accelerate`: exact resumption, whole checkpoints, losses by task."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from expllm.core.errors import ExpllmError, UsageError
from expllm.model.tokenize import IGNORE
from expllm.model.vlm import module_names, parameter_part
from expllm.model.weight_keys import TensorShape, check_fit
from expllm.train.checkpoints import (
    OPTIMIZER,
    TRAINED_WEIGHTS,
    load_tensors,
    save_tensors,
    step_of,
    write_checkpoint,
)
from expllm.train.dataloader import Batches, Examples, PreparedBatch, loader
from expllm.train.face_prompts import FacePrompts
from expllm.train.learner import copy_to_dtensor, full_tensor, trainable
from expllm.train.recipe import StageConfig
from expllm.train.schedule import schedule_of
from expllm.train.step_history import Step
from expllm.train.training_sets import TASKS

TensorBatch = dict[str, Tensor]
_MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")
_OTHERS: Final = "these are not the weights that this recipe trains: choose another -o"


class TrainingError(ExpllmError):
    """Training cannot continue; the last checkpoint is kept."""


class Validates(Protocol):
    """What is taken after every checkpoint on faces that are not learned from."""

    def take(self, learner: nn.Module, step: int, device: torch.device, *, writes: bool) -> dict[str, float]:
        """Figures by name; every process computes them, the first one writes."""
        ...


class StageTrainer:
    """Trains one stage.

    Every random draw of a step (dropout) follows from the stage's seed and the step, those of its data from
    the seed and the sample; so no state of generators is saved, and a resumed training is the same one.

    Args:
        learner: The model with its loss.
        stage: What trains and how.
        examples: What it learns from.
        folder: Of the stage: trackers write below it.
        checkpoints: Folder of the checkpoints.

    Attributes:
        on_step: Called after every step; on the first process only.
        on_batch: Called when the micro-batches of a step are there, before it is computed.
        validation: Taken after every checkpoint, if there is one.
        stopping: Set from outside (Ctrl-C): the step under way ends, and a checkpoint is made.
        from_step: Steps that were done before.
        trouble: Why the stage may not go on, once the checkpoint of the step under way is made.

    Raises:
        UsageError: the batch cannot be shared out, the warm-up is too long, or there is no such tracker.
    """

    def __init__(
        self, learner: nn.Module, stage: StageConfig, examples: Examples | FacePrompts, folder: Path,
        checkpoints: Path,
    ) -> None:  # fmt: skip
        self.stage, self.examples, self.checkpoints = stage, examples, checkpoints
        # Autocast is ours (`_autocast`): one process may train a stage in 16 bits and the next in 32.
        self.accelerator = Accelerator(
            mixed_precision="no", cpu=not torch.cuda.is_available(), log_with=_trackers(stage),
            project_dir=str(folder),
        )  # fmt: skip
        _check_trackers(stage, self.accelerator)
        self.batches = Batches(
            examples.reading, stage, rank=self.accelerator.process_index, world=self.accelerator.num_processes
        )
        self.schedule = schedule_of(stage, self.batches.steps)
        self.learner, self.optimizer = self.accelerator.prepare(learner, optimizer_of(learner, stage))
        self.on_step: Callable[[Step], None] = lambda _: None
        self.on_batch: Callable[[], None] = lambda: None
        self.validation: Validates | None = None
        self.stopping, self.from_step = False, 0
        self.trouble: TrainingError | None = None

    def train(self) -> None:
        """Runs the remaining steps and saves a checkpoint at the end; returns early when `stopping`.

        Raises:
            TrainingError: the loss is not finite any more; the line names the step and its faces.
            OutputError: a checkpoint cannot be written.
        """
        self.learner.train()
        self.accelerator.init_trackers("losses")
        began = time.perf_counter()
        for step, parts in enumerate(self._steps(), self.from_step):
            self.on_batch()
            done = self._step(step, parts, began)
            if self.accelerator.is_main_process:
                self.on_step(done)
            self._log(done)
            # Never set back to False: a Ctrl-C may come while processes ask each other.
            self.stopping = self._any_process(self.stopping) or self.stopping
            if self.stopping or done.step % self.stage.save_steps == 0 or done.step == self.batches.steps:
                self._save(done.step)
            if self.stopping:
                break
            began = time.perf_counter()
        for tracker in self.accelerator.trackers:  # `end_training` would end the group of processes as well
            tracker.finish()

    def dataloader(self) -> Iterable[TensorBatch]:
        """Micro-batches of this process from the step on that comes next."""
        self.batches.from_step = self.from_step
        assert isinstance(self.examples, Examples)
        return loader(PreparedBatch(self.examples), self.batches, self.stage.dataloader_num_workers)

    def resume(self, checkpoint: Path) -> None:
        """Makes `train` continue after a checkpoint.

        Raises:
            ModelError: it holds other weights than are trained here; they are named.
        """
        self.from_step = step_of(checkpoint)
        tensors, learns = load_tensors(checkpoint / TRAINED_WEIGHTS), trainable(self.learner)
        check_fit(tensors, learns, checkpoint / TRAINED_WEIGHTS, _OTHERS)
        for name, parameter in learns.items():
            copy_to_dtensor(parameter, tensors[name])
        moments = load_tensors(checkpoint / OPTIMIZER)
        check_fit(moments, _expected(moments, learns), checkpoint / OPTIMIZER, _OTHERS)
        self._load_moments(moments)

    def _steps(self) -> Iterator[list[TensorBatch]]:
        """The micro-batches of each step."""
        batches = iter(self.dataloader())
        while parts := list(islice(batches, self.batches.accumulation)):
            yield parts

    def _step(self, step: int, parts: list[TensorBatch], began: float) -> Step:
        """One optimizer step: forward and backward of each micro-batch, then AdamW."""
        share = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        tokens = self._sum(torch.stack([(part["labels"] != IGNORE).sum() for part in parts]).sum())
        sums = torch.zeros(len(TASKS), 2, device=self.accelerator.device)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            torch.manual_seed(_mixed(self.stage.seed, step, number, self.accelerator.process_index))
            inputs = self._on_device(part)
            # Gradients of several processes are added up once a step, behind its last micro-batch.
            with nullcontext() if last else self.accelerator.no_sync(self.learner):
                with self._autocast():
                    total, by_task = self.learner(**inputs)
                # They are averaged, so the number of processes comes back in.
                self.accelerator.backward(total.float() / tokens * self.accelerator.num_processes)
            sums += by_task.detach()
        gradient = self.accelerator.clip_grad_norm_(trainable(self.learner).values(), clip_at(self.stage))
        done = self._done(step + 1, self._sum(sums), float(full_tensor(gradient)), began, share)
        if not math.isfinite(done.loss) or not math.isfinite(done.gradient):
            raise self._not_finite(done.step, parts)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return done

    def _done(self, step: int, sums: Tensor, gradient: float, began: float, share: float) -> Step:
        losses, tokens = sums[:, 0].tolist(), sums[:, 1].tolist()
        by_task: dict[str, float] = {
            task: loss / n for task, loss, n in zip(TASKS, losses, tokens, strict=True) if n
        }
        count = int(sum(tokens))
        loss = sum(losses) / max(count, 1)
        return Step(step, loss, by_task, self.stage.lr * share, gradient, count, time.perf_counter() - began)

    def _autocast(self) -> torch.autocast:
        half = self.stage.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=half)

    def _on_device(self, batch: TensorBatch) -> TensorBatch:
        device = self.accelerator.device
        return {n: t.to(device, non_blocking=True) for n, t in batch.items() if n != "indices"}

    def _sum(self, tensor: Tensor) -> Tensor:
        """Added up over all processes."""
        summed: Tensor = self.accelerator.reduce(tensor.to(self.accelerator.device), reduction="sum")
        return summed

    def _any_process(self, told: bool) -> bool:
        """Whether it holds in any process: all must stop after the same step, or some wait for ever."""
        return bool(self._sum(torch.tensor(float(told))).item())

    def _not_finite(self, step: int, parts: list[TensorBatch]) -> TrainingError:
        indices = [index for part in parts for index in part["indices"].tolist()]
        names = ", ".join(self.examples.reading.name(index) for index in indices[:3])
        return TrainingError(
            f"step {step}: the loss is NaN or infinite (faces {names} ...): lower train.lr or warm up "
            "longer; everything up to the last checkpoint is saved"
        )

    def _log(self, done: Step) -> None:
        losses = {f"loss_{task}": loss for task, loss in done.by_task.items()}
        values = {"loss": done.loss, **losses, "learning_rate": done.lr, "grad_norm": done.gradient}
        self.accelerator.log(values, step=done.step)

    def _save(self, step: int) -> None:
        """Every process gives its part, the first one writes; what was learned is safe, then validated."""
        weights = {name: full_tensor(parameter) for name, parameter in trainable(self.learner).items()}
        moments = self._moments()
        first = self.accelerator.is_main_process

        def fill(folder: Path) -> None:
            save_tensors(folder / TRAINED_WEIGHTS, weights)
            save_tensors(folder / OPTIMIZER, moments)

        if first:
            write_checkpoint(self.checkpoints, step, fill, self.stage.save_total_limit)
        self.validate(step)

    def validate(self, step: int) -> None:
        """Takes the validation, if there is one."""
        if self.validation is None:
            return
        writes = self.accelerator.is_main_process
        with self._autocast():
            losses = self.validation.take(self.learner, step, self.accelerator.device, writes=writes)
        self.accelerator.log({f"valid_{task}": loss for task, loss in losses.items()}, step=step)

    def _moments(self) -> dict[str, Tensor]:
        state = self._adamw.state
        return {
            f"{key}|{name}": full_tensor(value)
            for name, parameter in trainable(self.learner).items()
            for key, value in state.get(parameter, {}).items()
        }

    def _load_moments(self, moments: dict[str, Tensor]) -> None:
        for name, parameter in trainable(self.learner).items():
            if f"step|{name}" not in moments:  # no step had a gradient for it
                continue
            state = self._adamw.state[parameter]
            for key in _MOMENTS:
                value = moments[f"{key}|{name}"]
                state[key] = value if key == "step" else torch.zeros_like(parameter)
                if key != "step":
                    copy_to_dtensor(state[key], value)

    @property
    def _adamw(self) -> torch.optim.Optimizer:
        """The optimizer inside of accelerate's."""
        inside: torch.optim.Optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        return inside


def _expected(moments: Mapping[str, Tensor], learns: Mapping[str, Tensor]) -> dict[str, TensorShape]:
    """All that AdamW keeps of the weights that it keeps something of: some have had no gradient yet."""
    kept = {name.partition("|")[2] for name in moments} & learns.keys()
    return {
        f"{key}|{name}": () if key == "step" else tuple(learns[name].shape)
        for name in kept
        for key in _MOMENTS
    }


def clip_at(stage: StageConfig) -> float:
    """The longest gradient; infinite where none is clipped."""
    return stage.max_grad_norm or math.inf


def optimizer_of(learner: nn.Module, stage: StageConfig) -> torch.optim.AdamW:
    """AdamW over what learns, each part at its own rate (`peak`); biases and norms do not decay."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    where = module_names(cast(nn.Module, learner.model))
    for name, parameter in trainable(learner).items():
        decay = stage.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((stage.rate_of(parameter_part(name, where)), decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": some, "weight_decay": decay, "lr": rate, "peak": rate}
            for (rate, decay), some in groups.items()
        ],
        betas=stage.betas,
    )


def _trackers(stage: StageConfig) -> list[str] | None:
    return None if stage.report_to == "none" else [stage.report_to]


def _check_trackers(stage: StageConfig, accelerator: Accelerator) -> None:
    """`accelerate` leaves out in silence what is not installed."""
    if stage.report_to not in ("none", "all") and not accelerator.log_with:
        raise UsageError(
            f"train.report_to is {stage.report_to!r}, which is not installed: run 'pip install "
            f"{stage.report_to}', or set train.report_to=none"
        )


def _mixed(*numbers: int) -> int:
    """A seed from several numbers, the same everywhere."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:7], "big")
