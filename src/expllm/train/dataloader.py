"""Data loading: workers decode, augment and encode examples while the model computes.

A batch is a function of the seed and its number alone, whatever the number of workers or devices, and where a
training was interrupted: nothing here remembers anything.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from expllm.core.errors import ExpllmError, ImageError, UsageError
from expllm.core.vocabulary import Expression
from expllm.data.augment import Augmentation
from expllm.model.model_inputs import Pixels, Preparer
from expllm.model.tokenize import Encoded, TooLong, label_tokens
from expllm.train.recipe import StageConfig
from expllm.train.sampling import (
    Counts,
    EpochPlan,
    Mixture,
    SampleDraw,
    balanced_within,
    batches,
    class_balanced,
    plan,
)
from expllm.train.training_sets import TASKS, UNAUGMENTED, FaceTrainingSet, TrainingSet, sample_draws

Key = tuple[int, SampleDraw]
"""An example: the epoch, and what is drawn in it."""
_CHARACTERS_A_TOKEN: Final = 4.0
"""About so many in English; only the order of lengths matters, to group like with like."""


@dataclass(frozen=True)
class Example:
    """One example, ready for a batch."""

    text: Encoded
    pixels: Pixels
    index: int
    shares: tuple[float, ...] | None = None
    """How likely each label is, where the annotators' doubt is learned."""


@dataclass(frozen=True)
class Examples(Dataset[Example]):
    """Examples by key, each made from (seed, epoch, index) alone."""

    reading: TrainingSet
    preparer: Preparer
    augmentation: Augmentation | None
    seed: int
    still: bool = False
    """Nothing is drawn: a validation asks the same every time."""

    def __len__(self) -> int:
        return len(self.reading)

    def __getitem__(self, key: Key) -> Example:
        """Opens, changes and encodes one example.

        Raises:
            ExpllmError: its picture cannot be read, or its text is too long; the message names it.
        """
        epoch, draw = key
        # Copies of a face in one epoch are changed each in its own way.
        place = draw.index + draw.repeat * len(self.reading)
        change = self.augmentation.draw(self.seed, epoch, place) if self.augmentation else UNAUGMENTED
        chance = None if self.still else sample_draws(self.seed, epoch, place)
        name = self.reading.name(draw.index)
        talk = self.reading.conversation(draw.index, draw.task, mirrored=change.flip, chance=chance)
        text = self.preparer.encoder.encode(talk, name)
        try:
            pixels = self.preparer.pixels(self.reading.image(draw.index), change)
        except ImageError as error:
            raise ImageError(f"{name}: {error}: repair it, or remove it from the data set") from None
        shares = None if self.still else self.reading.shares(draw.index, draw.task)
        return Example(text, pixels, draw.index, shares)


class Batches(Sampler[list[Key]]):
    """The micro-batches of one process, over all epochs, from a given step on.

    A step has `batch` draws. They are cut into `world * accumulation` micro-batches, in the same places
    however these are shared between processes and accumulation.

    Args:
        reading: What is learned from.
        stage: Batch sizes, mixture, seed.
        rank: This process, of `world`.
        from_step: Steps that were done before.
    """

    def __init__(
        self, reading: TrainingSet, stage: StageConfig, *, rank: int = 0, world: int = 1, from_step: int = 0
    ) -> None:
        if stage.batch % (stage.micro_batch * world):
            raise UsageError(
                f"train.batch is {stage.batch}, which {world} devices with micro-batches of "
                f"{stage.micro_batch} cannot share: make it a multiple of {stage.micro_batch * world}"
            )
        self.reading, self.stage, self.rank, self.world = reading, stage, rank, world
        self.from_step = from_step
        self.accumulation = stage.batch // (stage.micro_batch * world)
        self.steps_an_epoch = len(self._epoch(0))
        self.steps = self.steps_an_epoch * stage.epochs
        if stage.max_steps is not None:
            self.steps = min(self.steps, stage.max_steps)

    def __len__(self) -> int:
        return self.steps * self.accumulation

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.from_step, self.steps):
            epoch, place = divmod(step, self.steps_an_epoch)
            steps = self._epoch(epoch)
            # Explanations of balanced classes: faces without one are left out, and an epoch may be shorter.
            for micro_batch in steps[place % len(steps)]:
                yield [(epoch, draw) for draw in micro_batch]

    def counts(self, epoch: int = 0) -> Counts:
        """How many samples train which task in an epoch."""
        return epoch_plan(self.reading, self.stage, epoch).counts

    @lru_cache(maxsize=2)  # noqa: B019 - lives as long as a training
    def _epoch(self, epoch: int) -> list[list[list[SampleDraw]]]:
        """[step][accumulation][draw] of this process."""
        draws = epoch_plan(self.reading, self.stage, epoch).draws
        lengths = [_length(self.reading, draw) for draw in draws]
        shares = self.world * self.accumulation
        if len(draws) < shares:
            raise UsageError(
                f"an epoch has {len(draws):,} examples, and train.batch {self.stage.batch} needs at least "
                f"{shares}, one for each train.micro_batch: take a smaller batch or a larger micro_batch"
            )
        mine = range(self.rank * self.accumulation, (self.rank + 1) * self.accumulation)
        parts = [
            batches(
                draws,
                lengths,
                self.stage.micro_batch,
                self.stage.seed,
                epoch,
                share,
                shares,
                mixed=self.stage.mixed_batches,
            )
            for share in mine
        ]
        return [list(step) for step in zip(*parts, strict=True)]


def epoch_plan(reading: TrainingSet, stage: StageConfig, epoch: int) -> EpochPlan:
    """What is drawn in an epoch, in order."""
    if stage.task == "captions":
        return plan(len(reading), None, stage.seed, epoch)
    whole = stage.label + stage.explanation
    mixture = Mixture(stage.label / whole, stage.explanation / whole)
    order = None
    explained: Sequence[bool] | None = None
    if isinstance(reading, FaceTrainingSet):
        explained = reading.explained
        if stage.balanced:
            order = _balanced(reading, stage, epoch)
    return plan(len(reading), mixture, stage.seed, epoch, explained=explained, order=order)


def _balanced(reading: FaceTrainingSet, stage: StageConfig, epoch: int) -> list[int]:
    labels = [face.label.value for face in reading.faces]
    if isinstance(stage.balanced, dict):
        sets = [face.kind for face in reading.faces]
        return balanced_within(sets, labels, stage.balanced, stage.seed, epoch)
    return class_balanced(labels, stage.seed, epoch)


def _length(reading: TrainingSet, draw: SampleDraw) -> int:
    """About how many tokens; captions of a stage all count as equally long, which they nearly are."""
    if not isinstance(reading, FaceTrainingSet) or draw.task == "label":
        return 0
    cot = reading.faces[draw.index].cot
    return 0 if cot is None else int(len(cot.text) / _CHARACTERS_A_TOKEN)


@dataclass(frozen=True)
class Collate:
    """Examples to the tensors of one forward pass: the model's inputs, `labels`, `tasks` and `indices`.

    Where a label is doubted, `shares` [batch, labels] and `answers` [labels], their first tokens, as well.

    Attributes:
        labels: Of the data set, in the order of the shares.
    """

    preparer: Preparer
    labels: tuple[Expression, ...] = ()

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        tensors = self.preparer.batch([one.text for one in examples], [one.pixels for one in examples])
        tensors["tasks"] = torch.tensor([TASKS.index(one.text.task) for one in examples])
        tensors["indices"] = torch.tensor([one.index for one in examples])
        if any(one.shares for one in examples):
            certain = (0.0,) * len(self.labels)
            tensors["shares"] = torch.tensor([one.shares or certain for one in examples])
            words = [label_tokens(self.preparer.encoder, label) for label in self.labels]
            tensors["answers"] = torch.tensor([word[0] for word in words])
        return tensors


@dataclass(frozen=True)
class PreparedBatch(Dataset[Any]):
    """Batches by their keys; an error takes the place of a batch that cannot be made."""

    examples: Examples

    def __getitems__(self, keys: list[Key]) -> dict[str, Tensor] | ExpllmError:
        try:
            labels = getattr(self.examples.reading, "labels", ())
            return Collate(self.examples.preparer, labels)([self.examples[key] for key in keys])
        except ExpllmError as error:
            return error


class Loader(DataLoader[Any]):
    """Raises a worker's error as it was: PyTorch would put the worker's traceback into its message."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:  # type: ignore[override]
        try:
            for batch in super().__iter__():
                if isinstance(batch, ExpllmError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise ExpllmError(
                f"{error}: a data loader process was killed, often for lack of memory; "
                "everything up to the last checkpoint is saved: resume with train.dataloader_num_workers=0"
            ) from None


def loader(prepared: Dataset[Any], order: Batches, workers: int) -> DataLoader[Any]:
    """Batches in their order; `workers` processes make them ahead of time, 0 makes them when asked."""
    # Not fork: the tokenizer and Arrow have threads of their own, and a fork of them may hang.
    context = multiprocessing.get_context("forkserver") if workers else None
    if context is not None:
        context.set_forkserver_preload(["expllm.train.dataloader"])
    return Loader(
        prepared, batch_sampler=order, num_workers=workers, collate_fn=_as_it_is,
        pin_memory=torch.cuda.is_available(), persistent_workers=False,
        prefetch_factor=4 if workers else None, worker_init_fn=begin_worker,
        multiprocessing_context=context,
    )  # fmt: skip


def _as_it_is(batch: Any) -> Any:
    return batch


def begin_worker(_: int) -> None:
    """Set up a worker process: it ignores Ctrl-C and ends with the training.

    Ctrl-C reaches all processes of a terminal, and the step under way still needs its pictures. A training
    that was killed would leave its workers behind.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    training = multiprocessing.parent_process()
    assert training is not None

    def follow() -> None:
        training.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def check_lengths(reading: TrainingSet, preparer: Preparer, tasks: Sequence[Any]) -> None:
    """Checks before training that no text exceeds the context.

    Raises:
        ExpllmError: the line names the first one, and how many there are.
    """
    most = preparer.encoder.max_length
    longest: list[TooLong] = []
    for index in range(len(reading)) if isinstance(reading, FaceTrainingSet) else ():
        for task in tasks:
            talk = reading.conversation(index, task)
            # A token is a byte at least: shorter texts fit without being looked at.
            size = sum(len(turn.text.encode()) for turn in talk.turns) + preparer.encoder.image_tokens + 64
            if size <= most:
                continue
            try:
                preparer.encoder.encode(talk, reading.name(index))
            except TooLong as error:
                longest.append(error)
    if longest:
        raise ExpllmError(f"{longest[0]} ({len(longest)} such texts in all)")
