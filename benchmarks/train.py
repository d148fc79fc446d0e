"""Training beside a plain Trainer loop on the same mixture; the input pipeline beside batches made before.

    python benchmarks/train.py [--preset compact] [--steps 8] [--rounds 3] [--batch 4]

Both sides train the projector and both adapters of one model, with the same seeds, for one epoch of the same
faces and tasks: pictures drawn at random, explained by the offline writer. The plain side is what one writes
with `transformers` and `peft`: examples in random order, padded to the longest of the batch, the model's own
loss over all logits, adapters in 32 bits. Sides take turns; a side's figure is its best round, after one that
does not count. With a card, the same command measures it there: add `--preset paper` for the full size with
random weights, tokens a second, utilisation and memory.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from expllm.core.conversations import QUESTIONS
from expllm.core.vocabulary import AU_NAMES, AUVector, label_set
from expllm.cot.rule_writer import write_cot
from expllm.data import ImageRef
from expllm.data.augment import NO_AUGMENTATION
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.costs import TextLength, training_flops
from expllm.model.model_inputs import preparer
from expllm.model.presets import preset
from expllm.model.quiet import quiet_transformers
from expllm.model.summary import sizes_of
from expllm.model.vlm import train_only
from expllm.train.dataloader import Batches, Collate, Examples
from expllm.train.dry_run import this_device
from expllm.train.recipe import StageConfig
from expllm.train.stages import StageDir, make_trainer
from expllm.train.trainer import StageTrainer
from expllm.train.training_sets import FaceTrainingSet, TrainingFace

LABELS: Final = label_set(8)
TRAINS: Final = ("projector", "tower_lora", "language_lora")
BOUND_RATE: Final = 1.5
BOUND_PIPELINE: Final = 1.05


@dataclass
class Run:
    """One side's round.

    Attributes:
        tokens: Supervised tokens.
        seconds: Wall time from the first step's begin.
        losses: Of every step, nats a supervised token.
    """

    tokens: int
    seconds: float
    losses: list[float]

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


class Clock:
    """Adds up what steps cost, and when they end."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.ends: list[float] = []
        self.tokens: list[int] = []
        self.losses: list[float] = []

    def begin(self) -> None:
        """The first step begins; later calls change nothing."""
        if self.began is None:
            self.began = time.perf_counter()

    def __call__(self, tokens: int, loss: float) -> None:
        self.ends.append(time.perf_counter())
        self.tokens.append(tokens)
        self.losses.append(loss)

    def run(self) -> Run:
        assert self.began is not None
        return Run(sum(self.tokens), self.ends[-1] - self.began, self.losses)


def faces(folder: Path, count: int, side: int = 224) -> FaceTrainingSet:
    """Pictures of noise, each with units, a label and the offline writer's text."""
    chance = random.Random(0)
    found = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        if not path.exists():
            Image.frombytes("RGB", (side, side), chance.randbytes(3 * side * side)).save(path, quality=90)
        units = chance.sample(AU_NAMES, 5)
        aus = AUVector.from_positive({name: round(chance.uniform(0.1, 1), 2) for name in units})
        label = chance.choice(LABELS)
        ref = ImageRef(path=str(path))
        found.append(TrainingFace(str(number), label, ref, cot=write_cot(aus, label)))
    return FaceTrainingSet(tuple(found), LABELS, QUESTIONS, 0.0, "benchmark")


def ours(bundle: Bundle, reading: FaceTrainingSet, stage: StageConfig, folder: Path) -> Run:
    """The project's own loop."""
    clock = Clock()

    trainer = make_trainer(bundle, reading, stage, StageDir(folder))
    timed(trainer, clock)
    with quiet_transformers():
        trainer.train()
    return clock.run()


def timed(trainer: StageTrainer, clock: Clock) -> None:
    """Lets the clock see every step, from when its batch is there: the start of workers is not measured."""
    trainer.on_step = lambda step: clock(step.tokens, step.loss)
    trainer.on_batch = clock.begin


@dataclass
class Encoded(Dataset[dict[str, Any]]):
    """The draws of our first epoch as examples, in the data set's order."""

    examples: Examples
    order: Batches

    def __post_init__(self) -> None:
        self.keys = sorted((key for batch in self.order for key in batch), key=lambda key: key[1].index)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int) -> Any:
        return self.examples[self.keys[number]]


class Ends(TrainerCallback):  # type: ignore[misc]
    """The clock of the plain loop."""

    def __init__(self, clock: Clock, counted: list[int], losses: list[float]) -> None:
        self.clock, self.counted, self.losses = clock, counted, losses

    def on_step_begin(self, *given: Any, **more: Any) -> None:
        self.clock.begin()

    def on_step_end(self, *given: Any, **more: Any) -> None:
        self.clock(sum(self.counted), sum(self.losses) / len(self.losses))
        self.counted.clear()
        self.losses.clear()


class PlainTrainer(Trainer):  # type: ignore[misc]
    """The stock loop; only the loss is written down."""

    losses: list[float]

    def compute_loss(self, *given: Any, **more: Any) -> Any:
        loss = super().compute_loss(*given, **more)
        self.losses.append(float(loss))
        return loss


def plain(bundle: Bundle, reading: FaceTrainingSet, stage: StageConfig, folder: Path) -> Run:
    """What one writes with `transformers` and `peft`."""
    way = preparer(bundle)
    examples = Examples(reading, way, NO_AUGMENTATION, stage.seed)
    data = Encoded(examples, Batches(reading, replace(stage, epochs=1, max_steps=None)))
    clock, counted, losses = Clock(), list[int](), list[float]()
    collate = Collate(way)

    def padded(batch: list[Any]) -> dict[str, Tensor]:
        tensors = collate(batch)
        counted.append(int((tensors["labels"][:, 1:] != -100).sum()))
        del tensors["tasks"], tensors["indices"]
        return tensors

    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=stage.max_steps or 1, per_device_train_batch_size=stage.micro_batch,
        learning_rate=stage.lr, lr_scheduler_type="cosine", warmup_steps=1, bf16=stage.precision == "bf16",
        use_cpu=not torch.cuda.is_available(), save_strategy="no", disable_tqdm=True, report_to="none",
        remove_unused_columns=False, logging_strategy="no", dataloader_num_workers=0,
    )  # fmt: skip
    with quiet_transformers():
        trainer = PlainTrainer(
            bundle.model, arguments, train_dataset=data, data_collator=padded,
            callbacks=[Ends(clock, counted, losses)],
        )  # fmt: skip
        trainer.losses = losses
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.run()


def pipeline(
    bundle: Bundle, reading: FaceTrainingSet, stage: StageConfig, folder: Path
) -> tuple[float, float]:
    """Seconds of the same steps: with pictures decoded, changed and encoded by a worker; all made before."""
    live = ours(bundle, reading, stage, folder / "live").seconds
    trainer = make_trainer(bundle, reading, stage, StageDir(folder / "ready"))
    clock = Clock()
    timed(trainer, clock)
    made = trainer.examples
    assert isinstance(made, Examples)
    collate = Collate(made.preparer)
    ready = [collate([made[key] for key in keys]) for keys in trainer.batches]
    trainer.dataloader = lambda: ready  # type: ignore[method-assign]
    with quiet_transformers():
        trainer.train()
    return live, clock.run().seconds


def fresh(name: str, dtype: torch.dtype) -> Bundle:
    """The same model every time."""
    bundle = new_bundle(preset(name), LABELS, dtype=dtype)
    train_only(bundle.model, TRAINS)
    return bundle


def again(bundle: Bundle, start: dict[str, Tensor]) -> Bundle:
    """The same model before it learned anything."""
    with torch.no_grad():
        for name, parameter in bundle.model.named_parameters():
            if name in start:
                parameter.copy_(start[name])
    return bundle


def learned(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def compare(rounds: int, bundle: Bundle, reading: FaceTrainingSet, stage: StageConfig, folder: Path) -> float:
    """Prints both sides' rates and losses; the ratio."""
    start = learned(bundle.model)
    sides: dict[str, Callable[..., Run]] = {"plain Trainer loop": plain, "expllm train": ours}
    best: dict[str, Run] = {}
    for number in range(rounds + 1):
        for name, side in sides.items():
            run = side(again(bundle, start), reading, stage, folder / f"{name}-{number}")
            print(f"  round {number}, {name}: {run.rate:.0f} supervised tokens/s", file=sys.stderr)
            if number == 0:
                continue
            if name not in best or run.rate > best[name].rate:
                best[name] = run
    reference = best["plain Trainer loop"].rate
    for name, run in best.items():
        print(f"{name:>20}: {run.rate:7.1f} supervised tokens/s  {run.rate / reference:5.2f}")
    print("\nloss by step  " + "  ".join(f"{name:>20}" for name in best))
    for step, values in enumerate(zip(*(run.losses for run in best.values()), strict=False), 1):
        print(f"{step:>12}  " + "  ".join(f"{value:20.3f}" for value in values))
    return best["expllm train"].rate / reference


def utilisation(run: Run, stage: StageConfig, name: str) -> None:
    """Model FLOPs utilisation of a run: frozen weights have no gradient, so 4 FLOPs a parameter and token."""
    device = this_device(stage)
    text = TextLength(asked=120, answered=170)
    sizes = sizes_of(preset(name))
    flops = training_flops(sizes, TRAINS, text, checkpointing=stage.gradient_checkpointing)
    rate = flops * len(run.losses) * stage.batch / run.seconds
    print(f"\n{rate / 1e12:.2f} TFLOP/s; a large product {device.rate / 1e12:.2f}: {rate / device.rate:.2f}")
    if torch.cuda.is_available():
        print(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    given = options()
    torch.manual_seed(0)
    stage = StageConfig(
        trains=TRAINS, batch=given.batch, micro_batch=given.batch, max_steps=given.steps, lr=5e-4,
        dataloader_num_workers=given.workers, report_to="none", save_steps=10**9, epochs=100, warmup_steps=1,
    )  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
          f"{given.preset}, batches of {given.batch}, 0.75 labels to 0.25 explanations")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        reading = faces(folder / "faces", given.batch * given.steps)
        bundle = fresh(given.preset, torch.bfloat16)
        ratio = compare(given.rounds, bundle, reading, replace(stage, augment=False), folder)
        pairs = [pipeline(bundle, reading, stage, folder / f"pipeline-{i}") for i in range(given.rounds)]
        live, ready = (min(side) for side in zip(*pairs, strict=True))
        print(f"\ninput pipeline: {live:.2f} s; batches made before {ready:.2f} s: {live / ready:.3f}")
        run = ours(bundle, reading, replace(stage, label=0.0, explanation=1.0), folder / "explanations")
        utilisation(run, stage, given.preset)
    missed = [f"{ratio:.2f} times the plain loop, not {BOUND_RATE}"] * (ratio < BOUND_RATE)
    missed += [f"the pipeline costs {live / ready - 1:.1%}, not 5%"] * (live / ready > BOUND_PIPELINE)
    for line in missed:
        print(f"MISSED: {line}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
