"""What a text earns: true units by intensity and side, and nothing for repeating, padding or silence."""

from collections.abc import Mapping

import pytest

from expllm.core.errors import RecordError, UsageError
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.rule_writer import write_cot
from expllm.rewards import (
    DEFAULT_WEIGHTS,
    REWARDS,
    action_units_reward,
    agreement_reward,
    combined_reward,
    degree_reward,
    evidence,
    form_reward,
    full_reward_weights,
    label_reward,
    part_rewards,
    read_reward,
    refuted_reward,
    weighted,
)

SMILE = AUVector.from_positive(
    {"left lip corner pull": 0.7, "right lip corner pull": 0.65, "upper lip raise": 0.3}
)
AT_REST = AUVector.from_positive({})
TRUE = "Both lip corners are strongly drawn upwards."
PADDING = (
    "The brows are not lowered. The jaw does not drop. The lips are not pursed. The eyes are not closed."
)
VAGUE = "There is some movement around the mouth and activity in the cheeks."


def one(
    name: str, text: str, aus: Mapping[str, float | None] | None = SMILE, **columns: object
) -> float | None:
    """The reward of a single text."""
    (found,) = REWARDS[name](None, [text], aus=[aus], **{key: [value] for key, value in columns.items()})
    return found


def total(text: str, aus: Mapping[str, float | None] = SMILE, label: str = "happiness") -> float:
    """All rewards as one."""
    return weighted(part_rewards([text], aus=[aus], label=[label]), DEFAULT_WEIGHTS)[0]


def test_a_text_of_the_rules_earns_all() -> None:
    assert total(write_cot(SMILE, Expression.HAPPINESS).text) == pytest.approx(1.0)
    assert total(write_cot(AT_REST, Expression.NEUTRAL).text, AT_REST, "neutral") == pytest.approx(1.0)


@pytest.mark.parametrize("name", REWARDS)
def test_an_empty_text_earns_nothing(name: str) -> None:
    for text in ("", " \n"):
        assert one(name, text, label="happiness", label_probabilities={"happiness": 1.0}) == 0.0


@pytest.mark.parametrize("name", ["action_units", "refuted", "degree"])
def test_repeating_a_claim_earns_nothing_more(name: str) -> None:
    reworded = f"{TRUE} The left lip corner is strongly raised. The right lip corner is strongly raised."
    assert one(name, TRUE) == one(name, TRUE * 6) == one(name, reworded)


def test_repeating_what_is_true_does_not_outweigh_what_is_false() -> None:
    wrong = f"{TRUE} The left brow is strongly lowered."
    assert one("refuted", wrong) == one("refuted", f"{wrong} The lip corners are raised. {TRUE}")
    assert one("action_units", wrong) == one("action_units", wrong + TRUE * 4)


@pytest.mark.parametrize("text", [PADDING, VAGUE])
@pytest.mark.parametrize("name", ["action_units", "refuted", "degree", "read"])
def test_denials_and_vague_words_earn_nothing(name: str, text: str) -> None:
    assert one(name, text) == 0.0
    before, after = (
        one(name, f"{TRUE} The left brow is lowered."),
        one(name, f"{TRUE} The left brow is lowered. {text}"),
    )
    assert after is not None
    assert before is not None
    assert after <= before


def test_stronger_units_count_for_more() -> None:
    weak, strong = (
        one("action_units", "The upper lip is raised."),
        one("action_units", "The left lip corner is raised."),
    )
    assert weak is not None
    assert strong is not None
    assert 0 < weak < strong < 1


def test_the_side_counts() -> None:
    left = AUVector.from_positive({"left lip corner pull": 0.7})
    assert one("action_units", "The left lip corner is raised.", left) == 1.0
    assert one("action_units", "The right lip corner is raised.", left) == 0.0
    assert one("refuted", "The right lip corner is raised.", left) == 0.0


def test_naming_every_unit_does_not_pay() -> None:
    everything = (
        f"{TRUE} The brows are raised. The brows are lowered. The eyes are closed. The jaw drops. The lips "
        "are pursed. The cheeks are puffed. The lips are stretched. The jaw slides left. The upper lip rises."
    )
    few = one("action_units", f"{TRUE} The upper lip is raised.")
    many = one("action_units", everything)
    assert few == 1.0
    assert many is not None
    assert many < 0.6


def test_what_was_not_measured_is_neither_right_nor_wrong() -> None:
    partly = AUVector({"left lip corner pull": 0.7, "right lip corner pull": 0.65})
    unknown = f"{TRUE} The nose is wrinkled."
    for name in ("action_units", "refuted", "degree"):
        assert one(name, unknown, partly) == one(name, TRUE, partly)
    assert one("action_units", "The nose is wrinkled.", partly) == 0.0  # no way to hide
    for name in ("action_units", "refuted", "degree"):
        assert one(name, TRUE, AUVector()) is one(name, TRUE, None) is None


@pytest.mark.parametrize(("word", "earned"), [("strongly", 1.0), ("markedly", 0.5), ("moderately", 0.0)])
def test_degrees_by_steps_of_the_scale(word: str, earned: float) -> None:
    """ "Moderately" fits most intensities in the audit's bands, and would earn as much for every face."""
    smile = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.7})
    assert one("degree", f"Both lip corners are {word} raised.", smile) == earned
    assert one("degree", "Both lip corners are raised.", smile) == 0.0


def test_saying_both_supports_neither() -> None:
    text = "The upper lip is raised. The upper lip is raised in the upper half of the face."
    assert one("action_units", "The upper lip is raised.") != 0.0
    assert one("action_units", text) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "The lip corners are slightly raised. The lip corners are moderately raised. "
        "The lip corners are strongly raised.",
        "The lip corners are slightly, moderately, markedly, strongly raised.",
        "The lip corners are slightly to strongly raised.",
        "The lip corners are either slightly or strongly raised.",
        "The lip corners are slightly raised, even strongly raised.",
    ],
)
def test_of_several_degrees_the_worst_counts(text: str) -> None:
    assert one("degree", "The lip corners are strongly raised.") == 1.0
    assert one("degree", text) == 0.0
    assert one("degree", f"{TRUE} The lip corners are raised.") == 1.0  # no degree contradicts none


@pytest.mark.parametrize("name", ["action_units", "refuted"])
@pytest.mark.parametrize(
    "denial",
    [
        "The lip corners are not raised.",
        "The corners of the mouth do not move.",
        "There is no lip corner pull.",
    ],
)
def test_what_is_affirmed_and_denied_supports_nothing(name: str, denial: str) -> None:
    assert one(name, TRUE) != 0.0
    assert one(name, f"{TRUE} {denial}") == 0.0
    assert one(name, f"{denial} {TRUE}") == 0.0


def test_a_wrong_denial_takes_no_other_side_away() -> None:
    lifted = AUVector.from_positive({"left brow raise": 0.7, "right brow raise": 0.6})
    text = "The left brow is raised. The right brow is not raised."
    assert evidence(text, lifted).supported == {"left brow raise"}


@pytest.mark.parametrize(
    "text",
    [
        "Are the lip corners strongly raised?",
        'Is it a smile that is seen? Are "the lip corners raised?"',
        "**Key Observations:** Are both lip corners strongly raised?",
    ],
)
def test_questions_support_nothing(text: str) -> None:
    for name in ("action_units", "refuted", "degree", "read"):
        assert one(name, text) == 0.0
    found = evidence(text, SMILE)
    assert found.padding == found.claims > 0
    assert not evidence(f"{text} {TRUE}", SMILE).hedged


@pytest.mark.parametrize(
    "text",
    [
        "Both lip corners may be strongly raised.",
        "Perhaps both lip corners are strongly raised.",
        "Both lip corners seem to be strongly raised.",
        "Both lip corners are strongly raised, perhaps.",
        "Some might say that both lip corners are strongly raised.",
        "It is possible that both lip corners are strongly raised.",
    ],
)
def test_what_a_text_does_not_stand_by_earns_half(text: str) -> None:
    sure = "Both lip corners are strongly raised."
    for name in ("action_units", "refuted", "degree"):
        whole, half = one(name, sure), one(name, text)
        assert whole
        assert half == pytest.approx(whole / 2)
        assert one(name, f"{text} {sure}") == (whole if name != "degree" else half)


@pytest.mark.parametrize(
    "text",
    [
        "Both lip corners are strongly raised, which may suggest joy.",
        "The strongly raised lip corners might indicate joy.",
        "This could be joy, as both lip corners are strongly raised.",
        "It is possibly joy, and both lip corners are strongly raised.",
    ],
)
def test_what_is_made_of_a_movement_may_be_hedged(text: str) -> None:
    assert not evidence(text, SMILE).hedged
    assert one("action_units", text) == one("action_units", TRUE)


@pytest.mark.parametrize(
    "said",
    [
        "Some might say that the nose is wrinkled.",
        "One could argue that the nose is strongly wrinkled.",
        "It is said the nose is wrinkled.",
        "A stranger would swear the nose is wrinkled.",
        "It looks as if the nose is wrinkled.",
        "It may be said that the nose is wrinkled.",
        "The nose may be wrinkled.",
        "Perhaps the nose is wrinkled.",
        "Is the nose wrinkled?",
        "The nose could be wrinkled.",
    ],
)
def test_a_false_movement_costs_however_it_is_put(said: str) -> None:
    text = f"{TRUE} {said}"
    assert total(text) < total(TRUE)
    assert sum(one(name, text) < one(name, TRUE) for name in ("action_units", "refuted", "read"))  # type: ignore[operator]


def test_a_frame_around_a_label_costs_nothing() -> None:
    said = "Some might say that this is a happy face."
    assert evidence(f"{TRUE} {said}", SMILE).false == frozenset()
    assert one("read", f"{TRUE} {said}") == 1.0


def test_the_label() -> None:
    text = write_cot(SMILE, Expression.HAPPINESS).text
    assert label_reward(None, [text, text], label=["happiness", "anger"]) == [1.0, 0.0]
    shares = {"happiness": 0.6, "anger": 0.3}
    assert label_reward(
        None, [text] * 3, label=["happiness", "anger", "fear"], label_probabilities=[shares] * 3
    ) == [
        0.6,
        0.3,
        0.0,
    ]
    assert label_reward(None, [text], label=[None]) == label_reward(None, [text]) == [None]


def test_agreement_of_text_and_label() -> None:
    text = write_cot(SMILE, Expression.HAPPINESS).text
    assert agreement_reward(None, [text]) == [1.0]
    assert agreement_reward(None, [text, text], answer=["joy", "anger"]) == [1.0, 0.0]
    assert agreement_reward(None, [text], label_probabilities=[{"happiness": 0.25}]) == [0.25]
    torn = (
        f"**Key Observations:** {TRUE}\n\n**Overall Emotional Interpretation:** This is clearly anger.\n\n"
        "**Conclusion:** Happiness."
    )
    assert agreement_reward(None, [torn, TRUE]) == [0.0, 0.0]


def test_form_and_length() -> None:
    whole = write_cot(SMILE, Expression.HAPPINESS).text
    short = (
        "**Key Observations:** A smile.\n\n**Overall Emotional Interpretation:** Joy.\n\n**Conclusion:** Joy."
    )
    longer = whole.replace("**Conclusion:**", f"{TRUE} {'The cheeks are lifted by it. ' * 20}**Conclusion:**")
    (perfect, less, none) = form_reward(None, [whole, short, TRUE])
    assert perfect == 1.0
    assert none == 0.0
    assert less is not None
    assert 0 < less < 0.5
    assert form_reward(None, [longer])[0] == 0.0
    (he,) = form_reward(None, [whole.replace("The face", "His face")])
    assert he == 0.75


def test_unread_sentences_are_counted_and_not_diluted() -> None:
    unread = "The cheekbones do something odd there with the lids."
    assert one("read", TRUE) == 1.0
    found = one("read", f"{TRUE} {unread}")
    assert found is not None
    assert found in (0.5, 1.0)
    assert one("read", f"{TRUE} {unread} The upper lip is raised. The jaw drops.") == found


def test_messages_and_parts_are_read_as_texts() -> None:
    said = [{"role": "assistant", "content": TRUE}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": TRUE}]}]
    assert (
        action_units_reward(None, [TRUE, said, parts], aus=[dict(SMILE)] * 3)
        == [action_units_reward(None, [TRUE], aus=[SMILE])[0]] * 3
    )


def test_other_columns_are_passed_over() -> None:
    for reward in (
        label_reward,
        action_units_reward,
        refuted_reward,
        degree_reward,
        read_reward,
        form_reward,
    ):
        assert (
            len(reward(["?"], [TRUE], aus=[SMILE], label=["anger"], images=[None], trainer_state=object()))
            == 1
        )


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(RecordError, match="2 completions and 1 values"):
        action_units_reward(None, [TRUE, TRUE], aus=[SMILE])


def test_weights_by_name() -> None:
    assert full_reward_weights({"label": 0})["label"] == 0
    assert full_reward_weights({})["action_units"] == DEFAULT_WEIGHTS["action_units"]
    for wrong, said in ({"labels": 1.0}, "there are label"), ({"form": -1.0}, "0 or more"):
        with pytest.raises(UsageError, match=said):
            full_reward_weights(wrong)
    with pytest.raises(UsageError, match="all 0"):
        full_reward_weights(dict.fromkeys(REWARDS, 0.0))


def test_one_function_out_of_all_leaves_out_what_cannot_be_judged() -> None:
    reward = combined_reward(
        {"label": 2.0, **dict.fromkeys(set(REWARDS) - {"label", "form"}, 0.0), "form": 1.0}
    )
    text = write_cot(SMILE, Expression.HAPPINESS).text
    assert reward(None, [text, TRUE], aus=[SMILE] * 2, label=["anger", None]) == [pytest.approx(1 / 3), 0.0]
    found = combined_reward()(None, [text, "", PADDING], aus=[None] * 3)
    assert all(value is not None and 0 <= value <= 1 for value in found)
