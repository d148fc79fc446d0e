"""Degrees at their limits, and words of time, place and manner that are no degree, side or movement."""

import pytest
from told_faces import alarms

from expllm.grounding import DegreeWord, read_claims


@pytest.mark.parametrize(("text", "degree"), [
    ("The brows are raised as far as they go.", DegreeWord.STRONG),
    ("The lips are pressed together to the utmost.", DegreeWord.STRONG),
    ("The jaw is dropped to the full.", DegreeWord.STRONG),
    ("The brows are raised at their highest.", DegreeWord.STRONG),
    ("The mouth is open as far as the jaw will drop.", DegreeWord.STRONG),
    ("The left brow rises by a hair.", DegreeWord.MINIMAL),
    ("There is a barely perceptible lift of the brows.", DegreeWord.MINIMAL),
    ("The brows rise by the narrowest of margins.", DegreeWord.MINIMAL),
    ("The brows rise, if only by a millimetre.", DegreeWord.MINIMAL),
    ("The lift of the brows is so small as to be easily missed.", DegreeWord.MINIMAL),
    ("The brows rise, but not by much.", DegreeWord.SLIGHT),
    ("The lift of the brows is by no means strong.", DegreeWord.SLIGHT),
    ("The smile fades a little towards the end.", DegreeWord.SLIGHT),
    ("The brows are raised half of their range.", DegreeWord.MODERATE),
    ("The brows are raised very strongly for a second.", DegreeWord.STRONG),
    ("The brows are raised strongly before the smile begins.", DegreeWord.STRONG),
])  # fmt: skip
def test_how_much(text: str, degree: DegreeWord) -> None:
    claim = read_claims(text)[0]
    assert (claim.degree, claim.negated) == (degree, False)


@pytest.mark.parametrize("text", [
    "The eyes are opened to the maximum.",
    "The eyes are open as wide as they can get.",
    "The eyes, open to the limit, are fixed on the door.",
])  # fmt: skip
def test_eyes_that_are_opened_to_the_limit_are_widened(text: str) -> None:
    assert alarms(text, "lid raise 0.9") == []
    assert alarms(text, "lid raise 0.1")


def test_eyes_that_are_fully_open_are_only_not_closed() -> None:
    assert alarms("The eyes are fully open.", "") == []
    assert alarms("The eyes are fully open.", "eye close 0.9")


@pytest.mark.parametrize("text", [
    "The brows rise very quickly.",
    "The brows rise extremely slowly.",
    "The brows rise very briefly.",
    "The brows rise well before the smile fades.",
    "The brows rise half a second after the onset.",
    "The brows are raised much of the time.",
    "The brows are raised for quite some time.",
    "At the very start the brows are raised.",
    "The brows rise with full attention.",
    "The brows rise, very likely in surprise.",
])  # fmt: skip
def test_how_long_or_how_sure_is_no_degree(text: str) -> None:
    assert {claim.degree for claim in read_claims(text) if not claim.negated} == {None}


@pytest.mark.parametrize(("text", "moves"), [
    ("The lips are left parted.", "lips part"),
    ("The eyes have been left open.", ""),
    ("What is left of the smile is slight.", "right lip corner pull 0.2"),
    ("The brows, left to themselves, are raised.", "right brow raise"),
    ("The brows are raised right after the smile.", "left brow raise, left lip corner pull"),
    ("The brows are raised, right at the start.", "left brow raise"),
    ("The right moment shows the brows raised.", "left brow raise"),
    ("In the picture on the left, the brows are raised.", "right brow raise"),
    ("On the right-hand page the brows are raised.", "left brow raise"),
])  # fmt: skip
def test_left_and_right_that_are_no_sides(text: str, moves: str) -> None:
    assert alarms(text, moves) == []


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The eye on the right is closed.", "right eye close", "left eye close"),
    ("Right brow up.", "right brow raise", "left brow raise"),
    ("The left brow is raised right after the smile.",
     "left brow raise, lip corner pull", "right brow raise"),
])  # fmt: skip
def test_left_and_right_that_are_sides(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize("text", [
    "The brows rise sharply and quickly, then fall back.",
    "The brows rise and then sink back.",
    "The brows rise and return to rest.",
])  # fmt: skip
def test_the_way_back_is_no_movement_of_its_own(text: str) -> None:
    assert alarms(text, "brow raise 0.8") == []
    assert alarms(text, "")


def test_two_parts_that_are_compared_both_move() -> None:
    text = "The brows are raised as strongly as the jaw is dropped."
    assert alarms(text, "brow raise 0.3, jaw drop 0.3") == []
    assert alarms(text, "brow raise 0.3")
    assert alarms(text, "jaw drop 0.3")
