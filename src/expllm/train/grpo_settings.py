"""Settings of a stage that learns from rewards (GRPO); names are those of TRL's `GRPOConfig`."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from expllm.core.errors import UsageError
from expllm.core.value_checks import STRICT, nearest_name
from expllm.rewards import full_reward_weights
from expllm.train.recipe_values import AtLeast0, Count, Number

ALARMS: Final[Mapping[str, float]] = {
    "window": 10,
    "largest_label": 0.4,
    "macro_f1": 0.15,
    "distinct_texts": 0.3,
    "fewest_claims": 0.5,
    "most_claims": 2.0,
    "padding": 0.25,
    "lowest_entropy": 0.2,
    "highest_entropy": 3.0,
    "spread": 0.005,
    "second_source": 0.05,
}
"""Bounds of the alarms (`train.alarms` says what each is); `window` is the number of steps they look at."""


@dataclass(frozen=True, config=STRICT)
class GrpoSettings:
    """How texts are sampled, rewarded, and learned from. `batch` and `micro_batch` count texts here.

    Attributes:
        num_generations: Texts that are sampled about each face, at least 2.
        temperature: Of the samples; probabilities are learned at the same.
        max_completion_length: Most tokens of a text.
        beta: Weight of the divergence (KL) from the model that the stage begins with; 0 does not compute it.
        epsilon, epsilon_high: How far a token's probability may move, down and up, before it is clipped;
            `epsilon_high` None: as `epsilon`.
        num_iterations: Updates from the texts of a step.
        scale_rewards: `group` divides advantages by the standard deviation of the face's rewards.
        loss_type: How tokens are averaged: `dapo` over those of the step, `grpo` by text and then over
            texts, `dr_grpo` by `max_completion_length`.
        reward_weights: Weights of `expllm.rewards.REWARDS` that differ from their defaults.
        alarms: Bounds that differ from `ALARMS`; None turns one off.
        second_source: Action units of another source that the held-out texts are audited by as well:
            `blendshapes`, `pixels` or `both`; None: there is no such audit.
        audited_faces: Most faces of `data.valid` whose texts are audited after every checkpoint.
    """

    num_generations: Annotated[int, Field(ge=2)] = 8
    temperature: Number = 1.0
    max_completion_length: Count = 256
    beta: AtLeast0 = 0.04
    epsilon: AtLeast0 = 0.2
    epsilon_high: AtLeast0 | None = None
    num_iterations: Count = 1
    scale_rewards: Literal["group", "none"] = "group"
    loss_type: Literal["dapo", "grpo", "dr_grpo"] = "dapo"
    reward_weights: dict[str, Number] = field(default_factory=dict)
    alarms: dict[str, Number | None] = field(default_factory=dict)
    second_source: Literal["blendshapes", "pixels", "both"] | None = None
    audited_faces: Count = 64

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every reward."""
        return full_reward_weights(self.reward_weights)

    @property
    def bounds(self) -> dict[str, float | None]:
        """The bound of every alarm; None for one that is off."""
        return {**ALARMS, **self.alarms}

    def check_grpo(self, batch: int, micro_batch: int) -> None:
        """Refuses settings that make no sense together.

        Raises:
            UsageError: the line names the key.
        """
        if not self.temperature > 0:
            raise UsageError(f"train.temperature is {self.temperature}: above 0, or all texts are the same")
        if batch % self.num_generations:
            raise UsageError(
                f"train.batch is {batch} texts, no multiple of train.num_generations, {self.num_generations}"
            )
        if micro_batch % self.num_generations and self.num_generations % micro_batch:
            raise UsageError(
                f"train.micro_batch is {micro_batch} texts: make it a multiple or a divisor of "
                f"train.num_generations, {self.num_generations}"
            )
        self._check_alarms()
        _ = self.weights  # raises for a reward that there is not

    def _check_alarms(self) -> None:
        for name, bound in self.alarms.items():
            if name not in ALARMS:
                raise UsageError(f"unknown key train.alarms.{name}: {nearest_name(name, ALARMS)}")
            if bound is not None and not bound >= 0:
                raise UsageError(f"train.alarms.{name} is {bound}: 0 or more, or null for none")
        window = self.bounds["window"]
        if window is None or window < 1 or window != int(window):
            raise UsageError(f"train.alarms.window is {window}: a whole number of steps, at least 1")
