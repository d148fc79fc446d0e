"""Claims about time: read, and held against what moved when."""

import pytest

from expllm.grounding.times import Movement, TimeVerdict, audit_times, seconds_of

# Both brows rise from 2.0 to 4.0, the jaw drops from 3.0 to 3.5, the lip corners are pulled at 6 and at 8.
COURSE = (
    Movement("left brow raise", 2.0, 2.3, 3.5, 4.0),
    Movement("right brow raise", 2.02, 2.3, 3.5, 4.0),
    Movement("jaw drop", 3.0, 3.1, 3.3, 3.5),
    Movement("left lip corner pull", 6.0, 6.9, 7.0, 7.4),
    Movement("right lip corner pull", 6.0, 6.9, 7.0, 7.4),
    Movement("left lip corner pull", 8.0, 8.5, 8.9, 9.5),
)

RIGHT = [
    "First, at 0:02.0, both brows are strongly raised.",
    "At 2.0 s both brows are raised, for about 2 s.",
    "Both brows are raised from 2.0 to 4.0 s.",
    "Between 0:03.0 and 0:03.5 the jaw drops.",
    "While the brows are still raised, the jaw drops briefly.",
    "The brows are raised before the jaw drops.",
    "The jaw drops after the brows are raised.",
    "The brows are raised, followed by a drop of the jaw.",
    "After the brows are raised, the jaw drops.",
    "The jaw drops. Then, at 0:06.0, the lip corners are pulled up.",
    "Both brows are raised. At the same time, the jaw drops.",
    "The left lip corner is pulled up twice.",
    "The lip corners are gradually pulled up.",
    "The jaw drops suddenly, and then the lip corners are pulled up.",
    "Both brows are raised and the jaw drops. Finally, the lip corners are pulled up.",
]
WRONG = [
    ("First, at 0:05.0, both brows are strongly raised.", TimeVerdict.WRONG_TIME),
    ("Both brows are raised, for about 4 s.", TimeVerdict.WRONG_TIME),
    ("Both brows are raised from 2.0 to 6.0 s.", TimeVerdict.WRONG_TIME),
    ("Both brows are raised briefly.", TimeVerdict.WRONG_TIME),
    ("The jaw drops for several seconds.", TimeVerdict.WRONG_TIME),
    ("While the jaw drops, the lip corners are pulled up.", TimeVerdict.WRONG_ORDER),
    ("The jaw drops before the brows are raised.", TimeVerdict.WRONG_ORDER),
    ("The brows are raised after the jaw drops.", TimeVerdict.WRONG_ORDER),
    ("After the jaw drops, the brows are raised.", TimeVerdict.WRONG_ORDER),
    ("The lip corners are pulled up. Then the jaw drops.", TimeVerdict.WRONG_ORDER),
    ("The jaw drops. At the same time, the lip corners are pulled up.", TimeVerdict.WRONG_ORDER),
    ("First, the jaw drops. Then the brows are raised.", TimeVerdict.WRONG_ORDER),
    ("The left lip corner is pulled up three times.", TimeVerdict.WRONG_TIME),
    ("The lip corners are suddenly pulled up.", TimeVerdict.WRONG_TIME),
    ("The lip corners are pulled up, followed by a drop of the jaw.", TimeVerdict.WRONG_ORDER),
    (
        "The lip corners are pulled up and the jaw drops. Finally, both brows are raised.",
        TimeVerdict.WRONG_ORDER,
    ),
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_supported(text: str) -> None:
    found = audit_times(text, COURSE)
    assert found
    assert {one.verdict for one in found} == {TimeVerdict.SUPPORTED}, found


@pytest.mark.parametrize(("text", "verdict"), WRONG)
def test_what_is_wrong_is_found(text: str, verdict: TimeVerdict) -> None:
    assert verdict in {one.verdict for one in audit_times(text, COURSE)}


def test_a_claim_stands_at_its_place_and_says_why() -> None:
    text = "The brows are raised. At 0:05.0, the jaw drops."
    (claim,) = audit_times(text, COURSE)
    assert text[claim.start : claim.end] == claim.text == "At 0:05.0"
    assert claim.kind == "moment"
    assert "begins at 3.0 s" in claim.reason
    assert claim.to_dict()["verdict"] == "wrong time"


def test_what_was_not_seen_has_no_time_to_check() -> None:
    (claim,) = audit_times("At 0:05.0, the nose wrinkles.", COURSE)
    assert claim.verdict is TimeVerdict.NOT_MEASURABLE


def test_frames_far_apart_allow_more() -> None:
    text = "At 0:02.4, both brows are raised; before that nothing moves."
    shifted = [Movement(one.unit, one.onset, one.onset + 0.6, one.apex_end, one.offset) for one in COURSE[:2]]
    assert audit_times(text, shifted, 0.04)[0].verdict is TimeVerdict.WRONG_TIME
    assert audit_times(text, shifted, 0.3)[0].verdict is TimeVerdict.SUPPORTED


def test_only_the_observations_tell_a_course() -> None:
    text = (
        "**Key Observations:** The jaw drops.\n\n**Overall Emotional Interpretation:** Together with the "
        "pulled lip corners, the dropped jaw fits joy.\n\n**Conclusion:** Joy."
    )
    assert audit_times(text, COURSE) == ()


@pytest.mark.parametrize(("clock", "seconds"), [("0:02.5", 2.5), ("1:00:01", 3601.0), ("3 s", 3.0)])
def test_clocks(clock: str, seconds: float) -> None:
    assert seconds_of(clock) == seconds
