"""What stays away: a movement that was expected, another side, a place that is never left."""

import pytest
from told_faces import alarms


@pytest.mark.parametrize(("text", "moves"), [
    ("The smile that one expects never materializes.", "lip corner pull"),
    ("The frown one would look for is nowhere.", "brow lower"),
    ("An anticipated raise of the brows fails to appear.", "brow raise"),
    ("The expected drop of the jaw does not happen.", "jaw drop"),
    ("The smile that everyone was waiting for did not come.", "lip corner pull"),
    ("The raised brows that surprise would bring are nowhere to be found.", "brow raise"),
    ("The wrinkling of the nose one anticipates never comes about.", "nose wrinkle"),
    ("The lift of the brows that would be expected is not forthcoming.", "brow raise"),
    ("A smile was to be expected, yet none appears.", "lip corner pull"),
    ("A raise of the brows might have been expected, but there is none.", "brow raise"),
    ("The frown that should be there is not.", "brow lower"),
    ("The smile expected in happiness never develops.", "lip corner pull"),
    ("The lowered brows that anger calls for do not show.", "brow lower"),
    ("The raise of the brows, though expected, does not take place.", "brow raise"),
    ("A smile is expected; it does not come.", "lip corner pull"),
    ("A wrinkled nose would be expected and is absent.", "nose wrinkle"),
    ("The smile has left her face.", "lip corner pull"),
])  # fmt: skip
def test_what_was_expected_and_does_not_come(text: str, moves: str) -> None:
    assert alarms(text, "") == []
    assert alarms(text, moves)


@pytest.mark.parametrize(("text", "moves"), [
    ("The smile that one expects is there.", "lip corner pull"),
    ("The expected smile appears.", "lip corner pull"),
    ("The frown that was expected has appeared.", "brow lower"),
    ("The smile that one expects is not strong.", "lip corner pull 0.3"),
    ("As expected, the brows are raised.", "brow raise"),
])  # fmt: skip
def test_what_was_expected_and_comes(text: str, moves: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, "")


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The lift of the brow does not extend to the left side.", "right brow raise", "brow raise"),
    ("The pull at the mouth corner stops short of the left corner.",
     "right lip corner pull", "lip corner pull"),
    ("The right brow is raised, but the lift never reaches the other side.",
     "right brow raise", "brow raise"),
    ("The smile does not reach the left corner of the mouth.",
     "right lip corner pull", "left lip corner pull"),
    ("The brow raise is not carried over to the right.", "left brow raise", "right brow raise"),
    ("The lowering of the brows does not spread to the right side.", "left brow lower", "brow lower"),
    ("The left eye closes; the closure does not extend to the right.", "left eye close", "eye close"),
    ("The left brow rises, and the movement does not cross over to the right.",
     "left brow raise", "brow raise"),
    ("The left brow rises, but none of this reaches the right.", "left brow raise", "brow raise"),
    ("The smile is not carried across to the left corner.", "right lip corner pull", "lip corner pull"),
    ("The smile is cut off at the left corner.", "right lip corner pull", "lip corner pull"),
    ("The closure spares the right eye.", "left eye close", "eye close"),
    ("The brow lift leaves the left side untouched.", "right brow raise", "brow raise"),
    ("A smile that never gets as far as the left side.", "right lip corner pull", "lip corner pull"),
    ("The pull of the lip corner has no counterpart on the right.",
     "left lip corner pull", "lip corner pull"),
])  # fmt: skip
def test_a_side_that_is_not_reached(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The smile does not reach the eyes.", "lip corner pull", "lip corner pull, cheek raiser"),
    ("The smile does not extend to the eyes.", "lip corner pull", "lip corner pull, cheek raiser"),
    ("The tension never reaches the lower lids.", "", "lid tightener"),
    ("The smile extends to the left side.", "lip corner pull", ""),
    ("The left corner of the mouth is lifted and stops short of the right's height.",
     "left lip corner pull 0.4, right lip corner pull 0.7", ""),
])  # fmt: skip
def test_what_else_is_reached_or_not(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize(("text", "moves"), [
    ("The brows never leave their baseline.", "brow raise"),
    ("The brows never leave their resting position.", "brow lower"),
    ("The lips do not depart from neutral.", "lip pucker"),
    ("The lids hold their usual height.", "lid raise"),
    ("The brows do not deviate from their normal position.", "brow raise"),
    ("The mouth corners do not stray from their resting line.", "lip corner pull"),
    ("The cheeks do not move away from their baseline.", "cheek raiser"),
    ("The chin has not left its resting state.", "chin raise"),
    ("The lips show no departure from their neutral position.", "lip pucker"),
    ("No part of the mouth moves from its usual position.", "lip corner pull"),
    ("The brows sit where they always sit.", "brow raise"),
    ("The mouth does not change its shape.", "lip pucker"),
])  # fmt: skip
def test_a_place_that_is_not_left(text: str, moves: str) -> None:
    assert alarms(text, "") == []
    assert alarms(text, moves)


@pytest.mark.parametrize(("text", "moves"), [
    ("The brows leave their baseline and rise.", "brow raise"),
    ("The brows are raised above their usual height.", "brow raise"),
    ("The lips depart from neutral: they are puckered.", "lip pucker"),
    ("The smile never leaves the lips.", "lip corner pull"),
])  # fmt: skip
def test_a_place_that_is_left(text: str, moves: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, "")
