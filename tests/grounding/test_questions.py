"""Questions claim nothing; a question that is answered at once claims what the answer says."""

import pytest
from told_faces import alarms

from expllm.grounding import DegreeWord, read_claims, read_text


@pytest.mark.parametrize("text", [
    "Are the brows raised?",
    "Is that a smile?",
    "Is there any tightening of the lids?",
    "Could that be a frown?",
    "Why are the brows so strongly raised?",
    "What moves in the upper face: the brows, the lids, or both of them, or perhaps none?",
    "Are the lips pressed together, or are they merely closed, in the ordinary way of a resting mouth?",
    "Does the left corner rise more than the right?!",
    "Is it a smile? A frown?",
])  # fmt: skip
def test_a_question_claims_nothing_and_leaves_nothing_unread(text: str) -> None:
    reading = read_text(text)
    assert (reading.claims, reading.unread, reading.sentences) == ((), (), 0)


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("A smile? No.", "", "lip corner pull"),
    ("Is the jaw dropped? Not at all.", "", "jaw drop"),
    ("Do the lips part? They do not.", "", "lips part"),
    ("Do we find a frown here? We don't.", "", "brow lower"),
    ("Is that a smile at the corners of the mouth? It is not.", "", "lip corner pull"),
    ("Does the nose wrinkle in any way that an observer could make out? No.", "", "nose wrinkle"),
    ("Is there tension in the lids? None.", "", "lid tightener"),
    ("Does anything move in the lower face? No.", "", "jaw drop"),
    ("Are the brows lowered? No, they are raised.", "brow raise", "brow raise, brow lower"),
    ("Are the brows raised? Far from it: they are lowered.", "brow lower", ""),
    ("Are the brows lowered? No. The jaw drops.", "jaw drop", "jaw drop, brow lower"),
    ("Are the brows raised? Yes.", "brow raise", ""),
    ("Has the chin been raised? It has.", "chin raise", ""),
    ("Do the lips press together? Yes, firmly.", "lip pressor 0.8", "lip pressor 0.1"),
    ("Is the jaw dropped? Slightly.", "jaw drop 0.2", "jaw drop 0.9"),
    ("How far does the jaw drop? A little.", "jaw drop 0.2", "jaw drop 0.9"),
    ("Which brow is raised? The left one, slightly.", "left brow raise 0.2", "right brow raise 0.2"),
    ("Are the brows lowered? The jaw drops.", "jaw drop", "brow lower"),
    ("Any smile? None at all.", "", "lip corner pull"),
    ("And the cheeks? At rest.", "", "cheek raiser"),
    ("And the jaw? It hangs open.", "jaw drop", ""),
    ("Smile? Yes. Frown? None.", "lip corner pull", "lip corner pull, brow lower"),
])  # fmt: skip
def test_an_answer_claims_what_it_says(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


def test_what_only_looks_like_a_question() -> None:
    (claim,) = read_claims("The brows are raised, aren't they?")
    assert not claim.negated
    (claim,) = read_claims("The jaw drops (why?) and stays open.")
    assert claim.units == ("jaw drop",)


def test_no_to_how_strong_leaves_room_for_less_and_no_to_a_comparison_for_either() -> None:
    (claim,) = read_claims("Are the brows strongly raised? No.")
    assert (claim.negated, claim.degree) == (True, DegreeWord.MARKED)
    assert claim.text == "brows strongly raised? No"
    assert read_claims("Does the left brow rise more than the right? No.") == ()
