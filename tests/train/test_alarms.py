"""Each alarm trips on a policy that is made to trip it, and on no other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from expllm.core.vocabulary import AUVector, Expression
from expllm.data.sample import ImageRef
from expllm.train.alarms import Alarm, second_source, tripped
from expllm.train.face_prompts import Prompt
from expllm.train.grpo import step_figures
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.rewarded_texts import RewardedText
from expllm.train.step_history import RolloutStep
from expllm.train.training_sets import TrainingFace

SMILE = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.7})
LABELS = (Expression.HAPPINESS, Expression.ANGER, Expression.SADNESS, Expression.NEUTRAL)
MANY = 4
BOUNDS = GrpoSettings(alarms={"window": 3}).bounds
SENTENCES = (
    "Both lip corners are strongly raised.", "The left lip corner goes up.", "The brows are lowered.",
    "The upper lip is raised.",
)  # fmt: skip
Policy = Callable[[int, int, int], tuple[str, Expression, float]]
"""Step, face and number of a text to its words, its label and its reward."""


def sound(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Different texts, the true labels, rewards that differ."""
    text = f"{SENTENCES[number]} {SENTENCES[(number + 1) % 4]} Of face {face}, at {step}."
    return text, LABELS[face], 0.2 + 0.1 * number


def step_of(number: int, policy: Policy, entropy: float = 0.5) -> RolloutStep:
    """What the history says of the texts of a policy."""
    texts = []
    for face, label in enumerate(LABELS):
        known = TrainingFace(str(face), label, ImageRef(path="face.png"), aus=SMILE)
        for copy in range(MANY):
            text, answered, reward = policy(number, face, copy)
            shares = {one.value: float(one is answered) for one in LABELS}
            texts.append(
                RewardedText(
                    known, SMILE, face, Prompt([], []), [1], text, False, shares, {"form": None}, reward
                )
            )
    return _row(number, texts, entropy)


def _row(number: int, texts: Sequence[RewardedText], entropy: float) -> RolloutStep:
    found: dict[str, Any] = step_figures(texts, MANY)
    return RolloutStep(number, 0.0, {}, 1e-3, 1.0, 1, 1.0, kl=0.1, entropy=entropy, clipped=0.0, **found)


def history(policy: Policy, **later: float) -> list[RolloutStep]:
    """Three steps of a sound policy, and three of another."""
    return [step_of(n, sound) for n in range(1, 4)] + [step_of(n, policy, **later) for n in range(4, 7)]


def answers_anger(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Says anger of every face."""
    text, _, reward = sound(step, face, number)
    return text, Expression.ANGER, reward


def answers_wrongly(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Every label as often as it is true, of other faces."""
    text, _, reward = sound(step, face, number)
    return text, LABELS[(face + number) % 4], reward


def repeats_one_text(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """One text for all faces."""
    _, label, reward = sound(step, face, number)
    return " ".join(SENTENCES[:2]), label, reward


def claims_nothing(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Speaks of no movement."""
    _, label, reward = sound(step, face, number)
    return f"A face like others, number {face} of {step}, {number}.", label, reward


def claims_all(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Lists movements."""
    text, label, reward = sound(step, face, number)
    more = "The jaw drops. The lips are pursed. The eyes are closed. The cheeks are puffed. The lids rise."
    return f"{' '.join(SENTENCES)} {more} {text}", label, reward


def pads(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """Denies what does not move."""
    text, label, reward = sound(step, face, number)
    return f"{text} The jaw does not drop. The lips are not pursed.", label, reward


def earns_the_same(step: int, face: int, number: int) -> tuple[str, Expression, float]:
    """All texts about a face are as good."""
    text, label, _ = sound(step, face, number)
    return text, label, 0.4


def test_a_sound_policy_trips_none() -> None:
    for many in range(1, 7):
        assert tripped([step_of(n, sound) for n in range(1, many)], BOUNDS) is None


@pytest.mark.parametrize(
    ("name", "policy", "later"),
    [
        ("largest_label", answers_anger, {}),
        ("macro_f1", answers_wrongly, {}),
        ("distinct_texts", repeats_one_text, {}),
        ("fewest_claims", claims_nothing, {}),
        ("most_claims", claims_all, {}),
        ("padding", pads, {}),
        ("lowest_entropy", sound, {"entropy": 0.05}),
        ("highest_entropy", sound, {"entropy": 2.0}),
        ("spread", earns_the_same, {}),
    ],
)
def test_each_alarm_trips_on_its_policy_and_can_be_turned_off(
    name: str, policy: Policy, later: dict[str, float]
) -> None:
    steps = history(policy, **later)
    alarm = tripped(steps, BOUNDS)
    assert alarm is not None
    assert alarm.name == name
    assert alarm.bound == BOUNDS[name]
    assert f"(bound {alarm.bound:g})" in alarm.text
    again = tripped(steps, {**BOUNDS, name: None})
    assert again is None or again.name != name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("most_claims", {"claims": (0.0, 0.0, 0.0, 9.0, 9.0, 9.0)}),
        ("highest_entropy", {"entropy": (0.0, 0.0, 0.0, 2.0, 2.0, 2.0)}),
        ("fewest_claims", {"claims": (0.0, 0.0, 0.0, 4.0, 4.0, 4.0, 0.0, 0.0, 0.0)}),
        ("lowest_entropy", {"entropy": (0.0, 0.0, 0.0, 0.6, 0.6, 0.6, 0.0, 0.0, 0.0)}),
    ],
)
def test_a_ratio_to_first_steps_of_zero_trips_as_well(
    name: str, values: dict[str, tuple[float, ...]]
) -> None:
    ((key, course),) = values.items()
    changes: list[dict[str, Any]] = [{key: value} for value in course]
    steps = [replace(step_of(n, sound), **changed) for n, changed in enumerate(changes, 1)]
    alone = {**dict.fromkeys(BOUNDS), "window": 3, name: BOUNDS[name]}
    alarm = tripped(steps, alone)
    assert alarm is not None
    assert alarm.name == name
    assert tripped(steps[:3], alone) is None


def test_alarms_wait_for_a_whole_window() -> None:
    steps = [step_of(n, repeats_one_text) for n in range(1, 4)]
    assert tripped(steps[:2], BOUNDS) is None
    assert tripped(steps, BOUNDS) is not None


def test_a_bound_is_what_the_recipe_says() -> None:
    steps = history(repeats_one_text)
    assert tripped(steps, {**BOUNDS, "distinct_texts": 0.001}) is None


def test_the_second_source_may_not_fall() -> None:
    assert second_source(0.6, 0.58, 0.05) is None
    assert (
        second_source(None, 0.1, 0.05)
        is second_source(0.6, None, 0.05)
        is second_source(0.6, 0.1, None)
        is None
    )
    alarm = second_source(0.6, 0.5, 0.05)
    assert isinstance(alarm, Alarm)
    assert alarm.value == pytest.approx(0.1)
    assert "0.500" in alarm.text


def test_labels_are_compared_with_the_truth_not_with_a_number() -> None:
    """A set of which nine in ten are happy may be answered so."""
    happy = [
        replace(step_of(n, sound), labels=[["happiness", "happiness"]] * 15 + [["anger", "anger"]])
        for n in range(3)
    ]
    assert tripped(happy, BOUNDS) is None
