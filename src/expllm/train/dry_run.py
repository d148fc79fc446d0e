"""Plans a recipe without training: examples, steps, memory, time (`expllm train --dry-run`)."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from expllm.core.conversations import QUESTIONS
from expllm.core.errors import MissingData, UsageError
from expllm.core.threads import cores
from expllm.model.costs import MemoryEstimate, Sizes, TextLength, training_flops, training_memory
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.presets import Preset
from expllm.model.summary import sizes_of
from expllm.train.data_sources import read_stage
from expllm.train.face_prompts import measured_faces
from expllm.train.grpo_plan import (
    check_trl,
    faces_a_step,
    rollout_lines,
    rollout_values,
    text_flops,
    with_rollouts,
)
from expllm.train.recipe import Recipe, StageConfig, chosen_preset
from expllm.train.schedule import Schedule, curve, schedule_of
from expllm.train.training_sets import FaceTrainingSet, TrainingSet

_PUBLISHED: Final = {"rafdb": 12_271, "affectnet7": 283_901, "affectnet8": 287_651, "ferplus": 28_561}
"""Training faces, for a plan where they are not at hand; FER+ with the rows that its rule drops."""
_CAPTIONS: Final = 595_375
"""Captioned pictures of LLaVA's part of CC3M."""
_LABEL: Final = TextLength(asked=80, answered=3)
_EXPLANATION: Final = TextLength(asked=120, answered=170)
CAPTION: Final = TextLength(asked=4, answered=25)
GPUS: Final = (24, 80)
"""GiB of the GPUs for which every plan says what fits."""
HEADROOM: Final = 0.9
"""Share of a GPU that a plan fills: the allocator and the driver are in no formula."""
UTILISATION: Final = 0.4
"""Share of a device's fastest product that a training step reaches, about: 0.45 is what a good loop gets."""
TIMED_SECONDS: Final = 0.02
"""A product that takes this long is not lost in the cost of its launch."""


@dataclass(frozen=True)
class StagePlan:
    """The plan of one stage.

    Attributes:
        examples: What is seen in an epoch.
        missing: Why they could not be counted, and are as published instead; empty if they were.
        schedule: The learning rate of each step; it knows how many there are.
        supervised: Tokens that are learned in an epoch.
        tokens: All tokens of an epoch, the picture's included.
        learns: Weights that learn, by part.
        memory: Of one device.
        gpus: GiB of a GPU: the most samples that it takes at once, and their bytes; None: not even one.
        flops: Of the whole stage.
        validated: Whether the recipe names validation faces.
        by_hf: Whether the model is one of `hf:`.
    """

    stage: StageConfig
    examples: int
    missing: str
    schedule: Schedule
    supervised: float
    tokens: float
    learns: dict[str, int]
    memory: MemoryEstimate
    gpus: dict[int, tuple[int, float] | None]
    flops: float
    validated: bool = False
    by_hf: bool = False


@dataclass(frozen=True)
class Device:
    """The device that a plan is made for.

    Attributes:
        memory: Bytes.
        rate: Floating-point operations a second of a large product in the stage's precision, measured now.
    """

    name: str
    count: int
    memory: int
    rate: float


@dataclass(frozen=True)
class RecipePlan:
    """The plan of a recipe on this machine.

    Attributes:
        preset: Name of the model.
        parameters: All of its weights, adapters included.
    """

    preset: str
    parameters: int
    device: Device
    stages: tuple[StagePlan, ...]

    def lines(self) -> Iterator[str]:
        """For people."""
        device = self.device
        yield f"model      {self.preset}, {self.parameters:,} weights with adapters"
        yield (
            f"device     {device.count} x {device.name}, {_gib(device.memory)} each, "
            f"{device.rate / 1e9:,.2g} GFLOP/s in a large product, measured now"
        )
        for number, plan in enumerate(self.stages, 1):
            yield from ("", f"stage {number}    {plan.stage.name}", *_stage_lines(plan, device))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: bytes, seconds, counts."""
        return {
            "model": self.preset, "parameters": self.parameters, "device": asdict(self.device),
            "stages": [_stage_values(plan, self.device) for plan in self.stages],
        }  # fmt: skip


def planned(recipe: Recipe) -> str:
    """The plan of a recipe, in lines.

    Raises:
        UsageError: the preset or a setting makes no sense.
        ExpllmError: its data are there and damaged.
    """
    return "\n".join(plan_recipe(recipe).lines())


def plan_recipe(recipe: Recipe) -> "RecipePlan":
    """Counts every stage, and measures how fast this machine is.

    Raises:
        UsageError, ExpllmError: as `planned`.
    """
    _check_trl(recipe)
    chosen = resolve_revisions(chosen_preset(recipe), online=False)
    sizes = sizes_of(chosen)
    stages = tuple(plan_stage(recipe, stage, sizes) for stage in recipe.stages)
    return RecipePlan(chosen.name, sum(sizes.parameters.values()), this_device(recipe.stages[0]), stages)


def plan_stage(recipe: Recipe, stage: StageConfig, sizes: Sizes) -> StagePlan:
    """Counts one stage."""
    reading, missing = _reading(recipe, stage)
    count = len(reading) if reading is not None else _published(recipe, stage, missing)
    steps = -(-count // faces_a_step(stage)) * stage.epochs
    steps = steps if stage.max_steps is None else min(steps, stage.max_steps)
    shares = _shares(stage, reading)
    texts = stage.num_generations if stage.task == "grpo" else 1
    supervised = sum(share * text.answered for text, share in shares)
    around = sum(share * (text.asked + text.answered) for text, share in shares)
    flops = sum(share * _flops(sizes, stage, text) for text, share in shares)
    longest = max((text for text, share in shares if share), key=lambda text: text.answered)

    def memory(samples: int) -> MemoryEstimate:
        return _memory(sizes, stage, samples, longest)

    learns: dict[str, int] = {part: sizes.parameters[part] for part in stage.trains}
    return StagePlan(
        stage, count, missing, schedule_of(stage, steps), count * texts * supervised,
        count * texts * (around + sizes.visual_tokens), learns,
        memory(stage.micro_batch), {gpu: _largest(stage, memory, gpu) for gpu in GPUS},
        flops * steps * stage.batch, recipe.data.valid is not None, chosen_preset(recipe).hf is not None,
    )  # fmt: skip


def _flops(sizes: Sizes, stage: StageConfig, text: TextLength) -> float:
    """Floating point operations of one sample in one step."""
    if stage.task == "grpo":
        return text_flops(sizes, stage, text)
    return training_flops(sizes, stage.trains, text, checkpointing=stage.gradient_checkpointing)


def _memory(sizes: Sizes, stage: StageConfig, samples: int, text: TextLength) -> MemoryEstimate:
    """Memory of a device that computes so many samples at once."""
    memory = training_memory(
        sizes, stage.trains, samples, text, checkpointing=stage.gradient_checkpointing,
        element=2 if stage.precision == "bf16" else 4,
    )  # fmt: skip
    return with_rollouts(memory, sizes, stage, samples, text) if stage.task == "grpo" else memory


def _largest(
    stage: StageConfig, memory: Callable[[int], MemoryEstimate], gpu: int
) -> tuple[int, float] | None:
    """The most samples of a step that a GPU of so many GiB takes at once, and their bytes."""
    room = HEADROOM * gpu * 2**30
    samples = (n for n in range(stage.batch, 0, -1) if stage.batch % n == 0)
    return next(((n, size) for n in samples if (size := memory(n).total) <= room), None)


def _reading(recipe: Recipe, stage: StageConfig) -> tuple[TrainingSet | None, str]:
    try:
        reading = read_stage(recipe.data, stage, QUESTIONS)
    except MissingData as error:
        return None, error.line
    if stage.task == "grpo" and isinstance(reading, FaceTrainingSet):
        reading = measured_faces(reading)
    return reading, ""


def _published(recipe: Recipe, stage: StageConfig, missing: str) -> int:
    """Faces as published, where they cannot be counted: by `data.kind`, or by the names of the parts."""
    if stage.task == "captions" and recipe.data.captions not in (None, "texts"):
        return _CAPTIONS
    train = recipe.data.train
    parts = [train] if isinstance(train, str) else list(train)
    kinds = [recipe.data.kind or part.removesuffix(":train") for part in parts]
    if unknown := [part for part, kind in zip(parts, kinds, strict=True) if kind not in _PUBLISHED]:
        raise MissingData(
            f"{missing}; no count is published for data.train={', '.join(unknown)}: set it to your faces"
        )
    return sum(_PUBLISHED[kind] for kind in kinds)


def _shares(stage: StageConfig, reading: TrainingSet | None) -> list[tuple[TextLength, float]]:
    """How often an example is which task; faces without an explanation are trained on their label."""
    if stage.task == "captions":
        return [(CAPTION, 1.0)]
    if stage.task == "grpo":
        return [(_EXPLANATION, 1.0)]
    explained = 1.0
    if isinstance(reading, FaceTrainingSet):
        explained = sum(reading.explained) / len(reading)
    share = explained * stage.explanation / (stage.label + stage.explanation)
    return [(_LABEL, 1 - share), (_EXPLANATION, share)]


def _hours(plan: StagePlan, device: Device) -> float:
    return plan.flops / (device.rate * UTILISATION * device.count) / 3600


def _stage_values(plan: StagePlan, device: Device) -> dict[str, Any]:
    """What `_stage_lines` says, as JSON values."""
    memory = asdict(plan.memory) | {"total": plan.memory.total}
    return {
        "name": plan.stage.name, "examples": plan.examples, "counted": not plan.missing,
        "missing": plan.missing, "steps": plan.schedule.steps, "batch": plan.stage.batch,
        "micro_batch": plan.stage.micro_batch, "learning_rate": _rates(plan.stage, plan.schedule),
        "learned_tokens": plan.supervised, "tokens": plan.tokens,
        "learns": plan.learns, "memory": memory, "flops": plan.flops,
        "gpus": {
            gpu: most and {"micro_batch": most[0], "memory": most[1]} for gpu, most in plan.gpus.items()
        },
        "seconds": 3600 * _hours(plan, device), "misfit": misfit(plan.memory, device),
        **({"rollouts": rollout_values(plan.stage)} if plan.stage.task == "grpo" else {}),
    }  # fmt: skip


def _stage_lines(plan: StagePlan, device: Device) -> Iterator[str]:
    stage = plan.stage
    where = f"as published; {plan.missing}" if plan.missing else "counted"
    hours = _hours(plan, device)
    learns = ", ".join(f"{part} {count:,}" for part, count in plan.learns.items())
    yield f"examples   {plan.examples:,} ({where})"
    yield f"steps      {plan.schedule.steps:,} of {stage.batch}, {_accumulation(stage, device)}"
    if stage.task == "grpo":
        yield from rollout_lines(stage, plan.validated, by_trl=plan.by_hf)
    yield from _rate_lines(stage, plan.schedule)
    yield f"tokens     {plan.supervised:,.0f} learned and {plan.tokens:,.0f} in all, an epoch, about"
    yield f"learns     {sum(plan.learns.values()):,} weights: {learns}"
    yield (
        f"memory     {_gib(plan.memory.total)} a device, about: frozen weights {_gib(plan.memory.weights)}, "
        f"what learns {_gib(plan.memory.learned)}, activations {_gib(plan.memory.kept + plan.memory.logits)}"
    )
    yield (
        f"time       {_duration(hours)} here, about ({plan.flops:.2g} FLOP at {UTILISATION:.0%} of the "
        "product's rate)"
    )
    if not torch.cuda.is_available():
        yield "           without a GPU attention is computed eagerly: the estimate omits its memory"
    for gpu, most in plan.gpus.items():
        yield f"on {gpu} GB   {_fit_text(plan, most)}"
    problem = misfit(plan.memory, device)
    yield f"fits here  {'no: ' + problem if problem else 'yes'}"


def _fit_text(plan: StagePlan, most: tuple[int, float] | None) -> str:
    if most is not None:
        return f"up to {most[0]} at once ({_gib(most[1])}, about)"
    more = "" if plan.stage.gradient_checkpointing else "; try train.gradient_checkpointing=true"
    return f"does not fit: {_gib(plan.memory.weights + plan.memory.learned)} before the first sample{more}"


def _rates(stage: StageConfig, schedule: Schedule) -> dict[str, Any]:
    """The peak of the learning rate, the step at which it is reached, and the rate of the last step."""
    last = schedule.steps - 1
    parts = {part: stage.rate_of(part) for part in stage.trains}
    peak_step = min(schedule.warmup, last) + 1
    return {"peak": stage.lr, "peak_step": peak_step, "last": stage.lr * schedule(last), "by_part": parts}


def _rate_lines(stage: StageConfig, schedule: Schedule) -> Iterator[str]:
    """The learning rate as a small curve; below it its peak, where that is, and the last step's rate."""
    for number, row in enumerate(curve(schedule)):
        yield f"{'rate' if number == 0 else '':<11}{row}".rstrip()
    rates = _rates(stage, schedule)
    where = f"step {rates['peak_step']:,} of {schedule.steps:,}"
    share = schedule.warmup / schedule.steps
    yield f"           peak {stage.lr:.2g} at {where} ({share:.1%}), {rates['last']:.2g} at the last step"
    others = [f"{part} {rate:.2g}" for part, rate in rates["by_part"].items() if rate != stage.lr]
    if others:
        yield f"           peak of {', '.join(others)}"


def _accumulation(stage: StageConfig, device: Device) -> str:
    micro = max(1, stage.batch // (stage.micro_batch * device.count))
    return f"{device.count} x {stage.micro_batch} at once, accumulated {micro} times"


def misfit(memory: MemoryEstimate, device: Device) -> str:
    """Why a stage does not fit on this device; empty if it does."""
    if memory.total <= device.memory:
        return ""
    return (
        f"it needs {_gib(memory.total)} and {device.name} has {_gib(device.memory)}: lower "
        "train.micro_batch, set train.gradient_checkpointing=true, choose model.preset=paper-qlora, or use "
        "another machine"
    )


def refuse_unfit(recipe: Recipe) -> None:
    """Refuses a recipe that this machine cannot train, before anything is loaded.

    Raises:
        UsageError: a stage needs a GPU and there is none, or more memory than there is.
    """
    _check_trl(recipe)
    chosen = resolve_revisions(chosen_preset(recipe), online=False)
    sizes = sizes_of(chosen)
    for stage in recipe.stages:
        refuse_without_gpu(stage, chosen)
        if os.environ.get("ACCELERATE_USE_FSDP") == "true":
            continue  # weights are shared out: how much one device holds is not in the formula
        text = CAPTION if stage.task == "captions" else _EXPLANATION if stage.explanation else _LABEL
        memory = _memory(sizes, stage, stage.micro_batch, text)
        if problem := misfit(memory, this_device(stage, measure=False)):
            raise UsageError(f"stage {stage.name} does not fit: {problem}")


def _check_trl(recipe: Recipe) -> None:
    for stage in recipe.stages:
        if stage.task == "grpo":
            check_trl(stage, chosen_preset(recipe))


def refuse_without_gpu(stage: StageConfig, chosen: Preset) -> None:
    """Refuses models that need a GPU.

    Raises:
        UsageError: the model has billions of weights and there is no accelerator.
    """
    if chosen.hf is None and chosen.language.hidden >= 4096 and not torch.cuda.is_available():
        raise UsageError(
            f"stage {stage.name}: {chosen.name} needs an accelerator (see expllm model show {chosen.name}): "
            "use model.preset=compact, or a machine with a GPU"
        )


def this_device(stage: StageConfig, *, measure: bool = True) -> Device:
    """The GPU, or this machine's processor and memory."""
    half = stage.precision == "bf16"
    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        rate = _rate("cuda", 8192, half) if measure else 0.0
        return Device(found.name, torch.cuda.device_count(), found.total_memory, rate)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rate = _rate("cpu", 2048, half) if measure else 0.0
    return Device(f"processor with {cores()} cores", 1, memory, rate)


def _rate(device: str, largest: int, half: bool) -> float:
    """Operations a second of a square product: doubled in size until one takes long enough to be timed.

    A processor without 16-bit products needs a minute for what another does in 10 ms.
    """
    side, dtype = 256, torch.bfloat16 if half else torch.float32
    while True:
        seconds = min(_product_seconds(torch.ones(side, side, device=device, dtype=dtype)) for _ in range(3))
        if seconds > TIMED_SECONDS or side >= largest:
            return 2 * side**3 / seconds
        side *= 2


def _product_seconds(one: torch.Tensor) -> float:
    began = time.perf_counter()
    float((one @ one)[0, 0])  # waits for a GPU
    return time.perf_counter() - began


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"
