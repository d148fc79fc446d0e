"""Rewards that a text earns by what was measured of its face: for GRPO here, and for TRL's `GRPOTrainer`.

Every reward is a plain function `(prompts, completions, **columns) -> list`, from 0 to 1 each, and None where
the face has nothing to judge by, which never depends on the text. No model and no network take part.

>>> from expllm.rewards import action_units_reward
>>> action_units_reward(None, ["Both brows are raised."], aus=[{"left inner brow raise": 0.0}])
[0.0]
"""

from expllm.rewards.combination import (
    DEFAULT_WEIGHTS,
    REWARDS,
    combined_reward,
    full_reward_weights,
    part_rewards,
    weighted,
)
from expllm.rewards.evidence import Evidence, evidence
from expllm.rewards.functions import (
    action_units_reward,
    agreement_reward,
    degree_reward,
    form_reward,
    label_reward,
    read_reward,
    refuted_reward,
)
from expllm.rewards.reward_columns import CompletionText, completion_text

__all__ = [
    "DEFAULT_WEIGHTS",
    "REWARDS",
    "CompletionText",
    "Evidence",
    "action_units_reward",
    "agreement_reward",
    "combined_reward",
    "completion_text",
    "degree_reward",
    "evidence",
    "form_reward",
    "full_reward_weights",
    "label_reward",
    "part_rewards",
    "read_reward",
    "refuted_reward",
    "weighted",
]
