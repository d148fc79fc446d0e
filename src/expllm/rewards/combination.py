"""Several rewards as one: a weighted mean, 0-1, of those that a face can be judged by."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from expllm.core.errors import UsageError
from expllm.rewards.functions import (
    Rewards,
    action_units_reward,
    agreement_reward,
    degree_reward,
    form_reward,
    label_reward,
    read_reward,
    refuted_reward,
)
from expllm.rewards.reward_columns import CompletionText

RewardFunction = Callable[..., Rewards]

REWARDS: Final[Mapping[str, RewardFunction]] = MappingProxyType(
    {
        "label": label_reward,
        "action_units": action_units_reward,
        "refuted": refuted_reward,
        "degree": degree_reward,
        "form": form_reward,
        "agreement": agreement_reward,
        "read": read_reward,
    }
)
"""Every reward by the name that recipes and histories give it."""

DEFAULT_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "label": 1.0,
        "action_units": 1.0,
        "refuted": 1.0,
        "degree": 0.5,
        "form": 0.5,
        "agreement": 0.5,
        "read": 0.5,
    }
)


def full_reward_weights(given: Mapping[str, float]) -> dict[str, float]:
    """The weight of every reward: those given, and the defaults of the others.

    Raises:
        UsageError: there is no such reward, a weight is negative, or all are 0.
    """
    for name, weight in given.items():
        if name not in REWARDS:
            raise UsageError(f"reward_weights.{name}: there are {', '.join(REWARDS)}")
        if not weight >= 0:  # NaN is not either
            raise UsageError(f"reward_weights.{name} is {weight}: 0 or more")
    weights = {**DEFAULT_WEIGHTS, **given}
    if not any(weights.values()):
        raise UsageError("reward_weights are all 0: nothing would be learned")
    return weights


def part_rewards(completions: Sequence[CompletionText], **columns: Any) -> dict[str, Rewards]:
    """Every reward of every completion, by its name."""
    return {name: reward(None, completions, **columns) for name, reward in REWARDS.items()}


def weighted(parts: Mapping[str, Rewards], weights: Mapping[str, float]) -> list[float]:
    """The weighted mean of each completion's rewards; what is None is left out."""
    found = []
    for row in zip(*parts.values(), strict=True):
        known = [(weights[name], value) for name, value in zip(parts, row, strict=True) if value is not None]
        whole = sum(weight for weight, _ in known)
        found.append(sum(weight * value for weight, value in known) / whole if whole else 0.0)
    return found


def combined_reward(weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> RewardFunction:
    """One reward function out of all, for trainers that take one.

    Raises:
        UsageError: as `full_reward_weights`.
    """
    chosen = full_reward_weights(weights)

    def expllm_reward(prompts: Any, completions: Sequence[CompletionText], **columns: Any) -> Rewards:
        """The weighted mean of `expllm.rewards.REWARDS`."""
        return [*weighted(part_rewards(completions, **columns), chosen)]

    return expllm_reward
