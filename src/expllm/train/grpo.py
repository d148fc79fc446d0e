"""The loop of a stage that learns from rewards: group-relative policy optimisation (Shao et al. 2024).

A step samples texts about some faces, rewards them, and learns from how much each is better than the others
about its face. All that is drawn follows from seed, step and face, so a step needs nothing but the weights
that it begins with, and a training that goes on is the same one.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn

from expllm.core.errors import ExitCode, UsageError
from expllm.model.tokenize import IGNORE, Encoded, collate
from expllm.rewards import evidence
from expllm.train.alarms import Alarm, tripped
from expllm.train.dataloader import loader
from expllm.train.face_prompts import Asking, FacePrompts, by_faces
from expllm.train.learner import full_tensor, trainable
from expllm.train.policy import PolicyLearner, advantages
from expllm.train.recipe import StageConfig
from expllm.train.rewarded_texts import RewardedText, RewardedTextWriter, on_device
from expllm.train.rollouts import Sampler
from expllm.train.step_history import RolloutStep, Step
from expllm.train.trainer import StageTrainer, TensorBatch, TrainingError, clip_at

_LOGGED: Final = ("reward", "spread", "kl", "entropy", "clipped", "length", "cut", "claims", "padding")


class RewardHacking(TrainingError):  # noqa: N818 - named for what it is
    """An alarm has tripped: the reward rises, or stands, and the texts or labels are worse for it."""

    exit_code = ExitCode.ALARM

    def __init__(self, step: int, alarm: Alarm) -> None:
        super().__init__(
            f"step {step}: alarm {alarm.name}: {alarm.text}; the checkpoint is kept: change the rewards, "
            f"train.beta or train.lr in a new folder, or this bound with train.alarms"
        )
        self.step, self.alarm = step, alarm


@dataclass(eq=False)
class TextChunk:
    """Texts that are learned from in one pass.

    Attributes:
        inputs: Of the model, `labels` among them.
        advantages: [texts].
        tokens: [texts] that are learned.
        old, reference: [tokens] log-probabilities before the first update, and of the start.
    """

    inputs: TensorBatch
    advantages: Tensor
    tokens: Tensor
    old: Tensor | None = None
    reference: Tensor | None = None


class GrpoTrainer(StageTrainer):
    """Trains one stage by rewards.

    Args:
        learner: The policy with its loss.
        stage: What trains and how.
        prompts: The faces that texts are sampled about.
        folder, checkpoints: As `StageTrainer`.
        tokenizer: Of the model.
        pad_id: Fills rows up.

    Raises:
        UsageError: as `StageTrainer`; or the weights are spread over devices.
    """

    def __init__(
        self, learner: PolicyLearner, stage: StageConfig, prompts: FacePrompts, folder: Path,
        checkpoints: Path, tokenizer: Any, pad_id: int,
    ) -> None:  # fmt: skip
        super().__init__(learner, by_faces(stage), prompts, folder, checkpoints)
        if getattr(self.accelerator.state, "fsdp_plugin", None) is not None:
            raise UsageError("a grpo stage cannot spread weights over devices: launch it with ddp.yaml")
        self.prompts, self._grpo, self._pad, self._tokenizer = prompts, stage, pad_id, tokenizer
        self._start = {name: value.detach().clone() for name, value in trainable(self.learner).items()}
        self.done: list[RolloutStep] = []

    @property
    def policy(self) -> PolicyLearner:
        """The policy inside of what spreads it over devices."""
        found: PolicyLearner = self.accelerator.unwrap_model(self.learner)
        return found

    def writer(self, prompts: FacePrompts) -> RewardedTextWriter:
        """Writes with the weights of now about some faces."""
        asking = Asking(prompts.preparer, prompts.reading)
        sampler = Sampler(self.policy.model, self._pad)
        rows = self._grpo.micro_batch
        return RewardedTextWriter(sampler, asking, prompts.reading, self._tokenizer, self._grpo, rows)

    def train(self) -> None:
        """As `StageTrainer`; it ends when an alarm trips, with `trouble` set.

        Raises:
            RewardHacking: what was done before trips one already.
        """
        self._look(self.from_step)
        if self.trouble is not None:
            raise self.trouble
        if self.validation is not None and self.from_step == 0:
            self.validate(0)
        super().train()

    def dataloader(self) -> Iterable[TensorBatch]:
        """See `StageTrainer`: faces, not texts."""
        self.batches.from_step = self.from_step
        return loader(self.prompts, self.batches, self.stage.dataloader_num_workers)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nothing is drawn inside of the model, and it computes as in training.

        Blocks that were compiled for learning are not: what was read grows with every token.
        """
        self.learner.eval()
        with self._autocast(), torch.compiler.set_stance("force_eager"):
            self.policy.compute_in(self.accelerator.device.type)
            yield
        self.learner.train()

    def validate(self, step: int) -> None:
        """See `StageTrainer`; held-out texts may trip an alarm, too."""
        super().validate(step)
        self.accelerator.wait_for_everyone()  # the first process has written what the others read
        alarm = getattr(self.validation, "alarm", lambda: None)()
        if alarm is not None:
            self._stop(step, alarm)

    def _step(self, step: int, parts: list[TensorBatch], began: float) -> Step:
        share = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        placed = [on_device(part, self.accelerator.device) for part in parts]
        texts = self._sampled(step, placed)
        pairs = zip(texts, placed, strict=True)
        chunks = [chunk for some, part in pairs for chunk in self._chunks(some, part["pixel_values"])]
        self._still()
        self._remember(chunks)
        learned = [self._update(chunks) for _ in range(self._grpo.num_iterations)]
        every: list[RewardedText] = gather_object([text for some in texts for text in some])
        done = self._row(step + 1, every, learned, share, began)
        if not all(map(_finite, (done.loss, done.gradient))):
            raise self._not_finite(done.step, parts)
        self.done.append(done)
        self._look(done.step)
        return done

    def _sampled(self, step: int, parts: Sequence[TensorBatch]) -> list[list[RewardedText]]:
        """The texts about the faces of each part."""
        settings = self._grpo
        with self.writing():
            writer = self.writer(self.prompts)
            return [
                writer.texts(part, settings.num_generations, settings.temperature, self.stage.seed, step)
                for part in parts
            ]

    def _still(self) -> None:
        """No dropout: a text is learned from with the probabilities that it was sampled with."""
        for module in self.learner.modules():
            if isinstance(module, nn.Dropout):
                module.eval()

    def _chunks(self, texts: Sequence[RewardedText], pixels: Tensor) -> Iterator[TextChunk]:
        """The texts of a micro-batch of faces, in rows that are computed at once."""
        device, many = self.accelerator.device, self._grpo.num_generations
        rewards = torch.tensor([one.reward for one in texts]).view(-1, many)
        better = advantages(rewards, self._grpo.scale_rewards).flatten()
        for start in range(0, len(texts), self._grpo.micro_batch):
            some = texts[start : start + self._grpo.micro_batch]
            arrays = collate([encoded(one) for one in some], self._pad)
            inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            inputs["pixel_values"] = pixels[[one.picture for one in some]]
            tokens = (inputs["labels"] != IGNORE).sum(1)
            yield TextChunk(inputs, better[start : start + len(some)].to(device), tokens)

    @torch.no_grad()
    def _remember(self, chunks: Sequence[TextChunk]) -> None:
        """Log-probabilities before the first update, where there are several, and those of the start."""
        with self._autocast():
            for chunk in chunks if self._grpo.num_iterations > 1 else ():
                chunk.old = self.policy(**chunk.inputs)
            if self._grpo.beta:
                with self._at_start():
                    for chunk in chunks:
                        chunk.reference = self.policy(**chunk.inputs)

    @contextmanager
    def _at_start(self) -> Iterator[None]:
        """The model as the stage began: only what learns is exchanged, so there is no second model."""
        learns = trainable(self.learner)
        now = {name: parameter.data for name, parameter in learns.items()}
        for name, parameter in learns.items():
            parameter.data = self._start[name]
        try:
            yield
        finally:
            for name, parameter in learns.items():
                parameter.data = now[name]

    def _update(self, chunks: Sequence[TextChunk]) -> tuple[float, float, Tensor]:
        """One optimizer step over all chunks: the loss, the gradient's length, and sums over tokens [4]."""
        counts = self._sum(torch.tensor([sum(len(one.tokens) for one in chunks),
                                         sum(int(one.tokens.sum()) for one in chunks)]))  # fmt: skip
        sums, loss = torch.zeros(4, dtype=torch.float64), torch.zeros(())
        for number, chunk in enumerate(chunks):
            last = number == len(chunks) - 1
            weights = self._weights(chunk, int(counts[0]), int(counts[1]))
            with nullcontext() if last else self.accelerator.no_sync(self.learner):
                with self._autocast():
                    total, found = self.learner(
                        advantages=chunk.advantages, weights=weights, old=chunk.old,
                        reference=chunk.reference, **chunk.inputs,
                    )  # fmt: skip
                self.accelerator.backward(total.float() * self.accelerator.num_processes)
            sums += found.to_tensor()
            loss = loss + total.detach().float().cpu()
        learns = trainable(self.learner).values()
        gradient = self.accelerator.clip_grad_norm_(learns, clip_at(self.stage))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(self._sum(loss)), float(full_tensor(gradient)), self._sum(sums).cpu()

    def _weights(self, chunk: TextChunk, texts: int, tokens: int) -> Tensor:
        """[texts] what a token counts."""
        kind = self._grpo.loss_type
        if kind == "grpo":
            return 1 / (texts * chunk.tokens.float())
        whole_ = tokens if kind == "dapo" else texts * self._grpo.max_completion_length
        return torch.full_like(chunk.advantages, 1 / whole_)

    def _row(
        self, step: int, texts: Sequence[RewardedText], learned: Sequence[tuple[float, float, Tensor]],
        share: float, began: float,
    ) -> RolloutStep:  # fmt: skip
        loss, gradient, _ = learned[-1]
        kl, entropy, clipped, tokens = torch.stack([one[2] for one in learned]).sum(0).tolist()
        return RolloutStep(
            step, loss, {"policy": loss}, self.stage.lr * share, gradient, int(learned[-1][2][3]),
            time.perf_counter() - began, kl=kl / tokens if self._grpo.beta else None,
            entropy=entropy / tokens, clipped=clipped / tokens,
            **step_figures(texts, self._grpo.num_generations),
        )  # fmt: skip

    def _look(self, step: int) -> None:
        """Stops where an alarm trips, behind a checkpoint."""
        alarm = tripped(self.done, self._grpo.bounds)
        if alarm is not None:
            self._stop(step, alarm)

    def _stop(self, step: int, alarm: Alarm) -> None:
        self.trouble, self.stopping = self.trouble or RewardHacking(step, alarm), True

    def _log(self, done: Step) -> None:
        super()._log(done)
        if isinstance(done, RolloutStep):
            values: dict[str, float | None] = {
                f"rewards/{name}": value for name, value in done.rewards.items()
            }
            for name in (
                "reward",
                "spread",
                "kl",
                "entropy",
                "clipped",
                "length",
                "cut",
                "claims",
                "padding",
            ):
                values[name] = getattr(done, name)
            known = {name: value for name, value in values.items() if value is not None}
            self.accelerator.log(known, step=done.step)


def encoded(text: RewardedText) -> Encoded:
    """A text behind its prompt: learned is what was sampled, a label that was answered first included."""
    ids = [*text.prompt.ids, *text.ids]
    learned = {*text.prompt.answered, *range(len(text.prompt.ids), len(ids))}
    labels = [token if place in learned else IGNORE for place, token in enumerate(ids)]
    return Encoded(ids, labels, "explanation")


def step_figures(texts: Sequence[RewardedText], many: int) -> dict[str, Any]:
    """What the history says of the texts of a step, `many` a face."""
    count = len(texts)
    rewards = torch.tensor([one.reward for one in texts], dtype=torch.float64)
    found = [evidence(one.text, one.aus) for one in texts]
    claims, padding = sum(one.claims for one in found), sum(one.padding for one in found)
    return {
        "reward": float(rewards.mean()),
        "rewards": {name: mean_known([one.rewards[name] for one in texts]) for name in texts[0].rewards},
        "spread": float(rewards.view(-1, many).std(1).mean()),
        "length": sum(len(one.ids) for one in texts) / count,
        "cut": sum(one.cut for one in texts) / count,
        "claims": claims / count,
        "padding": padding / claims if claims else 0.0,
        "labels": [[one.face.label.value, one.label] for one in texts],
        "texts": [hashlib.sha256(one.text.encode()).hexdigest()[:8] for one in texts],
    }


def mean_known(values: Iterable[float | None]) -> float | None:
    """The mean of those that are known; None for none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _finite(value: float) -> bool:
    return abs(value) < float("inf")
