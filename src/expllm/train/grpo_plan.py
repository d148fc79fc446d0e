"""What a stage that learns from rewards would do and take, for `expllm train --dry-run`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from expllm.core.errors import UsageError
from expllm.model.costs import MemoryEstimate, Sizes, TextLength, answer_flops, answer_memory, training_flops
from expllm.model.presets import Preset
from expllm.train.recipe import StageConfig


def check_trl(stage: StageConfig, chosen: Preset) -> None:
    """Refuses what TRL's loop, which trains other bases than our own, cannot do.

    Raises:
        UsageError: the line names the key.
    """
    if chosen.hf is None:
        return
    adapters = all(part.endswith("_lora") for part in stage.trains)
    for wrong, key, remedy in (
        (not adapters, "trains", "[tower_lora, language_lora] or one of them: KL is taken to their start"),
        (stage.order != "explanation-first", "order", "explanation-first"),
        (bool(stage.augment), "augment", "false"),
        (stage.second_source is not None, "second_source", "null"),
        (stage.balanced is not False, "balanced", "false"),
    ):
        if wrong:
            raise UsageError(
                f"stage {stage.name}: {chosen.name} learns from rewards by TRL's GRPOTrainer: set "
                f"train.{key}={remedy}"
            )


def faces_a_step(stage: StageConfig) -> int:
    """How many faces a step asks about, or learns from."""
    return stage.batch // stage.num_generations if stage.task == "grpo" else stage.batch


def text_flops(sizes: Sizes, stage: StageConfig, text: TextLength) -> float:
    """Floating point operations of one sampled text in one step.

    It is sampled, its label is read behind it, its probabilities are taken at the start and before several
    updates, and it is learned from.
    """
    learned = training_flops(sizes, stage.trains, text, checkpointing=stage.gradient_checkpointing)
    asked = replace(text, asked=text.asked + text.answered, answered=0)
    reading = answer_flops(sizes, asked)
    passes = 1 + bool(stage.beta) + (stage.num_iterations > 1)
    return answer_flops(sizes, text) + passes * reading + stage.num_iterations * learned


def with_rollouts(
    memory: MemoryEstimate, sizes: Sizes, stage: StageConfig, texts: int, text: TextLength
) -> MemoryEstimate:
    """Memory of a step with the start of what learns and, while texts are sampled, what was read of them."""
    start = 4 * sum(sizes.parameters[part] for part in stage.trains) if stage.beta else 0
    sampling = answer_memory(sizes, texts, text, element=2 if stage.precision == "bf16" else 4).kept
    return replace(memory, weights=memory.weights + start, kept=max(memory.kept, sampling))


def rollout_lines(stage: StageConfig, validated: bool, *, by_trl: bool) -> Iterator[str]:
    """What is sampled, rewarded and watched, for people."""
    if by_trl:
        yield "loop       TRL's GRPOTrainer"
    yield (
        f"texts      {stage.num_generations} a face, {faces_a_step(stage)} faces a step, at temperature "
        f"{stage.temperature:g}, at most {stage.max_completion_length} tokens each"
    )
    yield f"order      {stage.order}; KL to the start {stage.beta:g}, ratio clipped {_clip(stage)}"
    yield f"rewards    {_listed(stage.weights)}"
    bounds = {name: bound for name, bound in stage.bounds.items() if name != "window"}
    off = [name for name, bound in bounds.items() if bound is None]
    if stage.second_source is None or not validated:
        off = [*dict.fromkeys([*off, "second_source"])]
    kept = {name: bound for name, bound in bounds.items() if name not in off and bound is not None}
    yield f"alarms     over {stage.bounds['window']:g} steps: {_listed(kept)}"
    if off:
        yield f"           off: {', '.join(off)}"
    held = f"{stage.audited_faces} faces of data.valid at most, after every checkpoint"
    second = f", by {stage.second_source} as well" if stage.second_source else ""
    none = "nothing: TRL's loop audits no held-out texts" if by_trl else "nothing: set data.valid"
    yield f"held out   {held + second if validated and not by_trl else none}"


def rollout_values(stage: StageConfig) -> dict[str, Any]:
    """What `rollout_lines` says, as JSON values."""
    return {
        "num_generations": stage.num_generations, "faces_a_step": faces_a_step(stage),
        "temperature": stage.temperature, "max_completion_length": stage.max_completion_length,
        "beta": stage.beta, "reward_weights": stage.weights, "alarms": stage.bounds,
        "second_source": stage.second_source,
    }  # fmt: skip


def _clip(stage: StageConfig) -> str:
    high = stage.epsilon if stage.epsilon_high is None else stage.epsilon_high
    return f"at {1 - stage.epsilon:g} and {1 + high:g}"


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
