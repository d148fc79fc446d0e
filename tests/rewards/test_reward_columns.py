"""Columns as users of TRL have them: arrays, JSON, gaps; what cannot be read is refused in one line."""

import json
import math
from typing import Any

import numpy as np
import pytest

from expllm.core.errors import ExpllmError, RecordError, VocabularyError
from expllm.core.vocabulary import FEAFA_NAMES, AUVector
from expllm.rewards import (
    REWARDS,
    action_units_reward,
    agreement_reward,
    completion_text,
    form_reward,
    label_reward,
    part_rewards,
)

SMILE = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.65})
TRUE = "Both lip corners are strongly raised."
FEAFA = [SMILE[name] for name in FEAFA_NAMES]
ALL: list[float] = SMILE.to_array().tolist()


@pytest.mark.parametrize(
    "row",
    [
        FEAFA,
        tuple(FEAFA),
        np.array(FEAFA, np.float32),
        ALL,
        [None if math.isnan(value) else value for value in ALL],
        json.dumps(FEAFA),
        json.dumps([None if math.isnan(value) else value for value in ALL]),
        json.dumps(dict(SMILE)),
        {name: math.nan if value is None else value for name, value in SMILE.items()},
        {name: np.float32(value) for name, value in zip(FEAFA_NAMES, FEAFA, strict=True)},
        dict(SMILE),
    ],
)
def test_action_units_in_any_form(row: Any) -> None:
    assert action_units_reward(None, [TRUE], aus=[row]) == [pytest.approx(1.0)]


@pytest.mark.parametrize("gap", [None, math.nan, np.float64("nan"), "", "null", AUVector(), dict(AUVector())])
def test_a_gap_is_nothing_measured(gap: Any) -> None:
    assert action_units_reward(None, [TRUE], aus=[gap]) == [None]


@pytest.mark.parametrize("gap", [None, math.nan, np.float64("nan")])
def test_a_gap_is_no_label(gap: Any) -> None:
    assert label_reward(None, [TRUE], label=[gap]) == [None]
    text = (
        "**Key Observations:** x.\n\n**Overall Emotional Interpretation:** x.\n\n**Conclusion:** Happiness."
    )
    assert agreement_reward(None, [text], answer=[gap], label_probabilities=[gap]) == [1.0]


def test_columns_of_any_kind_that_has_a_length() -> None:
    texts = [TRUE, ""]
    rows = np.array([FEAFA, FEAFA])
    whole = action_units_reward(None, texts, aus=[SMILE, SMILE])
    assert action_units_reward(None, texts, aus=rows) == pytest.approx(whole)  # type: ignore[arg-type]
    labels = np.array(["happiness", "anger"])
    plain = label_reward(None, ["Happiness.", "Happiness."], label=["happiness", "anger"])
    assert label_reward(None, ["Happiness.", "Happiness."], label=labels) == plain  # type: ignore[arg-type]
    objects = np.array([dict(SMILE), None], dtype=object)
    assert action_units_reward(None, texts, aus=objects) == [pytest.approx(1.0), None]  # type: ignore[arg-type]
    columns: Any = {"aus": None, "label": None}
    assert part_rewards(texts, **columns)["action_units"] == [None, None]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"aus": SMILE}, "give a list"),
        ({"aus": dict(SMILE)}, "give a list"),
        ({"aus": 3}, "give a list"),
        ({"aus": "smile"}, "give a list"),
        ({"aus": (row for row in [SMILE])}, "give a list"),
        ({"aus": [3]}, "aus is a int"),
        ({"aus": ["a smile"]}, "give JSON"),
        ({"aus": np.array([FEAFA, FEAFA])}, "1 completions and 2 values"),
    ],
)
def test_what_is_no_column_is_refused(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError, match=said):
        action_units_reward(None, [TRUE], **columns)


@pytest.mark.parametrize("row", [[0.1] * 17, {"left smile": 0.1}, {"jaw drop": 3}])
def test_wrong_units_are_refused(row: Any) -> None:
    with pytest.raises(VocabularyError):
        action_units_reward(None, [TRUE], aus=[row])


@pytest.mark.parametrize("number", [3, np.int64(3), 3.0, True])
def test_a_label_is_never_guessed_from_its_number(number: Any) -> None:
    """`ClassLabel` gives numbers, and 3 is sadness in one data set and happiness in the next."""
    text = (
        "**Key Observations:** x.\n\n**Overall Emotional Interpretation:** x.\n\n**Conclusion:** Happiness."
    )
    for columns in ({"label": [number]}, {"answer": [number], "label": [None]}):
        with pytest.raises(ExpllmError, match="int2str"):
            part_rewards([text], **columns)


def test_shares_as_json_or_with_gaps() -> None:
    shares = {"happiness": 0.25, "anger": math.nan}
    assert label_reward(None, [TRUE], label=["happiness"], label_probabilities=[shares]) == [0.25]
    written: Any = [json.dumps({"happiness": 0.25})]
    assert label_reward(None, [TRUE], label=["happiness"], label_probabilities=written) == [0.25]
    assert label_reward(None, [TRUE], label=["anger"], label_probabilities=[shares]) == [0.0]
    wrong: Any = [[0.1, 0.9]]
    with pytest.raises(RecordError, match="label_probabilities is a list"):
        label_reward(None, [TRUE], label=["anger"], label_probabilities=wrong)


@pytest.mark.parametrize(
    "completion",
    [
        f"<think>\nIs the nose wrinkled? No.\n</think>\n\n{TRUE}",
        [{"role": "assistant", "content": f"<think>The nose is wrinkled.</think>{TRUE}"}],
        [{"role": "assistant", "content": [{"type": "text", "text": f"<think>Hm.</think>\n{TRUE}"}]}],
        [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": TRUE}],
    ],
)
def test_only_the_answer_counts(completion: Any) -> None:
    assert completion_text(completion) == TRUE
    assert action_units_reward(None, [completion], aus=[SMILE]) == [pytest.approx(1.0)]


@pytest.mark.parametrize(
    "completion",
    [
        [{"role": "assistant", "content": None}],
        [{"role": "assistant", "tool_calls": []}],
        [{"role": "assistant", "content": []}],
        [],
        "<think>It never ends",
    ],
)
def test_a_message_without_words_earns_nothing(completion: Any) -> None:
    found = part_rewards([completion], aus=[SMILE], label=["happiness"])
    assert {name: values[0] for name, values in found.items()} == dict.fromkeys(REWARDS, 0.0)


@pytest.mark.parametrize("completion", [None, 3, {"content": TRUE}, b"text", ["text"]])
def test_what_is_no_completion_is_refused(completion: Any) -> None:
    with pytest.raises(RecordError):
        form_reward(None, [completion])
